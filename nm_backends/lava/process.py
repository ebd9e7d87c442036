"""The chip as Lava sees it: ports for spikes, variables to look at it, switches for its host."""

from __future__ import annotations

import multiprocessing
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var

from nm_backends.errors import UserError

if TYPE_CHECKING:
    from nm_backends.program import Program

__all__ = ["COUNTERS", "ChipProcess", "flat"]

COUNTERS = ("events_in", "events_out", "sops", "cycles", "dropped")
_PATIENCE = 30  # seconds that the chip's process may take to answer


class ChipProcess(AbstractProcess):
    """A chip that executes a compiled program, tick for tick what ``program.run`` gives.

    Input of a time step comes out as output in the same step, as in Lava's own neurons; a loop
    therefore needs a connection with a delay in it (`Dense` and its kin have one of one step).

    Parameters
    ----------
    program
        A compiled program, or the path of a ``.nmb`` file.
    learning
        None; or how the chip learns, as for ``program.session``.
    sample_steps
        Every so many steps a new sample begins: neurons at rest, synapses as they are.
    name, log_config
        As for every Lava process.

    Attributes
    ----------
    s_in : InPort
        Spike counts ``[*input shape]`` (all inputs in one row, where there are several).
    s_out : OutPort
        Spike counts of the (first) output ``[*output shape]``.
    t_in : InPort
        The teacher of a chip that learns, ``[*shape]`` of the population that it drives: 1, it
        should fire; 0, it should not; -1, nothing is said. Left unconnected, nothing ever is.
    membrane : Var
        Membranes of all neurons in chip units, populations one after the other.
    spikes : Var
        Spikes of all neurons in the last step.
    events_in, events_out, sops, cycles, dropped : Var
        Counted since the process was started; ``dropped`` are spikes lost.
    learning : Var
        1 while the chip learns. Set it between runs: the neurons are then programmed anew.
    new_sample : Var
        Set it to 1 between runs: a new sample begins with the next step.

    Raises
    ------
    UserError
        The chip cannot be run step by step, or cannot learn as asked.
    """

    def __init__(
        self,
        program: Program | str | os.PathLike[str],
        *,
        learning: Any = None,
        sample_steps: int | None = None,
        name: str | None = None,
        log_config: Any = None,
    ) -> None:
        super().__init__(name=name, log_config=log_config)  # Lava's __del__ counts on it
        if isinstance(program, str | os.PathLike):
            from nm_backends.artifact import load_single

            program = load_single(program, "a ChipProcess is one chip")
        if sample_steps is not None and (not isinstance(sample_steps, int) or sample_steps < 1):
            raise UserError(f"sample_steps is {sample_steps!r}, expected None or 1 or more")
        session = program.session(learning=learning)  # says here, not there, what is wrong
        network, taught = program.network, session.taught
        silent = [p.name for p in network.neurons if not p.spiking]
        if silent:
            raise UserError(
                f"ChipProcess: {silent[0]!r} does not spike",
                "run the program by itself: program.session",
            )
        self._program = program
        self._ours, theirs = multiprocessing.Pipe()
        self.proc_params["chip"] = {
            "program": program, "learning": learning, "sample_steps": sample_steps, "pipe": theirs,
        }  # fmt: skip
        inputs = network.inputs
        single = inputs[0].shape if len(inputs) == 1 else (network.input_size,)
        everyone = (sum(p.size for p in network.neurons),)
        self.s_in = InPort(shape=single)
        self.s_out = OutPort(shape=network.output.shape)
        self.t_in = InPort(shape=taught.shape if taught else network.output.shape)
        self.membrane = Var(shape=everyone, init=flat(session.membranes))
        self.spikes = Var(shape=everyone, init=0)
        self.events_in = Var(shape=(1,), init=0)
        self.events_out = Var(shape=(1,), init=0)
        self.sops = Var(shape=(1,), init=0)
        self.cycles = Var(shape=(1,), init=0)
        self.dropped = Var(shape=(1,), init=0)
        self.learning = Var(shape=(1,), init=int(session.learning))
        self.new_sample = Var(shape=(1,), init=0)
        self.send_image = Var(shape=(1,), init=0)

    def run(self, condition: Any, run_cfg: Any = None, compile_config: Any = None) -> None:
        """Run the network, as every Lava process does.

        Raises
        ------
        UserError
            The chip refused what came in; it then paused the network and sent no more spikes.
        """
        super().run(condition=condition, run_cfg=run_cfg, compile_config=compile_config)
        if self._ours.poll():
            message, hint = self._ours.recv()
            raise UserError(f"{self.name}: {message}", hint)

    def populations(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """Cut values of all neurons (``membrane``, ``spikes``) into populations of their shapes."""
        found, first = {}, 0
        for population in self._program.network.neurons:
            part = values[..., first : first + population.size]
            found[population.name] = part.reshape(*values.shape[:-1], *population.shape)
            first += population.size
        return found

    def learned(self) -> Program:
        """Return a copy of the program that holds what the chip has learned, between two runs.

        Raises
        ------
        UserError
            The network was not run yet, or was stopped, or does not answer.
        """
        if self.runtime is None or not self.runtime._is_started:
            raise UserError("learned: the network is not running", "ask between run() and stop()")
        self.send_image.set(np.array([1]))
        if not self._ours.poll(_PATIENCE):
            raise UserError(f"learned: no answer from the chip's process in {_PATIENCE} s")
        memories, registers = self._ours.recv()
        image = self._program.image.copy()
        image.memories.update(memories)
        image.registers.update(registers)
        return replace(self._program, image=image)


def flat(by_population: dict[str, np.ndarray]) -> np.ndarray:
    """Join values by population, all neurons in one row, int64."""
    return np.concatenate([np.ravel(v) for v in by_population.values()]).astype(np.int64)
