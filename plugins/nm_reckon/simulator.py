"""ReckOn, register by register: a programmed chip that runs samples, bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import cast

import numpy as np

from nm_backends.cores import usable_cores
from nm_backends.errors import UserError, did_you_mean
from nm_backends.image import Image
from nm_backends.image_check import check_image
from nm_reckon.errors import HaltedError, LocalTickError
from nm_reckon.lfsr import KINDS, load_seed, seed_of
from nm_reckon.logs import Recording
from nm_reckon.packing import Packed, pack
from nm_reckon.requests import check_targets
from nm_reckon.sample import Sample, SampleLog
from nm_reckon.spec import NEURONS, SPEC
from nm_reckon.state import (
    configure,
    generator_states,
    load_state,
    seeded,
    set_generators,
    store_memories,
    tables,
)

__all__ = ["ReckonSimulator", "run_batch", "train"]

_REGISTERS = {register.name: register for register in SPEC.registers}


class ReckonSimulator:
    """ReckOn in the state given by an image.

    Memories and generators run on from sample to sample; membranes and traces are cleared by the
    chip itself.

    Parameters
    ----------
    image
        What the chip has been programmed with: all memories and registers of its `SPEC`.
    dirty
        Whether the state in each neuron's word counts in the first sample, 0 or 1, ``[256]``. By
        default it does: a programming stream has just written every word.
    lfsr
        States of the 13 `sample.GENERATORS`, uint32; by default those that the seed registers load.

    Raises
    ------
    UserError
        The image is not one of this chip.
    """

    def __init__(
        self, image: Image, dirty: np.ndarray | None = None, lfsr: np.ndarray | None = None
    ) -> None:
        for problem in check_image(image, SPEC):
            raise UserError(f"reckon: {problem}")
        self._start = image.copy()
        flags = np.ones(NEURONS, np.uint8) if dirty is None else _check_dirty(dirty)
        states = seeded(image) if lfsr is None else _check_lfsr(lfsr)
        self._state = load_state(image, flags, states)
        self._chip: np.ndarray | None = None
        self._halted = -1

    @property
    def dirty(self) -> np.ndarray:
        """Whether each neuron's state counts in the next sample, uint8 ``[256]``."""
        return np.array(self._state["dirty"][0])

    @property
    def lfsr(self) -> np.ndarray:
        """States of the 13 `sample.GENERATORS`, uint32 ``[13]``."""
        return np.asarray(generator_states(self._state["draws"], self._state["place"])[0])

    def set_register(self, name: str, value: int | np.ndarray) -> None:
        """Write a register, as over SPI between two samples; a seed loads its generators.

        Raises
        ------
        UserError
            No such register, or a value that does not fit it.
        """
        if name not in _REGISTERS:
            raise UserError(f"register {name}: unknown to the chip", did_you_mean(name, _REGISTERS))
        changed = Image(self._start.memories, {**self._start.registers, name: value})
        for problem in check_image(changed, SPEC):
            raise UserError(f"reckon: {problem}")
        self._start.registers[name] = value.copy() if isinstance(value, np.ndarray) else value
        self._chip = None
        states = self.lfsr
        load_seed(states, name, int(value) if name.startswith("SPI_SEED") else 0)
        set_generators(self._state, states)

    def sample(
        self, sample: Sample, record: Sequence[str] = (), capture: Sequence[int] = ()
    ) -> SampleLog:
        """Run one sample.

        Parameters
        ----------
        sample
            What the host does.
        record
            What to record at each tick: ``spikes``, ``outputs``, ``lfsr``, ``cycles``; and
            ``losses``, counted over the sample.
        capture
            Ticks, ascending, for which the neuron memory is recorded.

        Raises
        ------
        UserError
            A sample that the host cannot drive, a chip that would wait for ever for a target or a
            tick (`errors`), or one that has halted.
        """
        return self.run(pack([sample]), record, capture)[0]

    def run(
        self, packed: Packed, record: Sequence[str] = (), capture: Sequence[int] = ()
    ) -> list[SampleLog]:
        """Run samples one after the other, each from the state that the one before left.

        Compiled code without the GIL; a list shorter than the samples ends with the one in which
        the chip halted.
        """
        from nm_reckon.sample_kernel import run_samples  # numba, only where something is simulated

        chip = _counting(self._ready(packed), record)
        recording = Recording(packed, chip, record, capture)
        done = run_samples(
            tables(), chip, self._state, packed.plan, packed.ticks, packed.addresses,
            packed.targets, 0, packed.plan.size, *recording.log,
        )  # fmt: skip
        logs = recording.logs(done, self._start)
        if logs and logs[-1].halted >= 0:
            self._halted = logs[-1].halted
        return logs

    def image(self) -> Image:
        """Return what the chip holds now.

        The seed registers are the present states of the generators: a simulator of this image goes
        on with the same bits, save for `dirty`, which is given apart.
        """
        if self._halted >= 0:
            raise HaltedError(self._halted)
        now = self._start.copy()
        now.memories = store_memories(self._state, self._start)
        now.registers.update(seed_of(self.lfsr))
        return now

    def _ready(self, packed: Packed) -> np.ndarray:
        """Return the configuration, after checking that the samples can run with it."""
        registers = self._start.registers
        if self._halted >= 0:
            raise HaltedError(self._halted)
        if registers["SPI_LOCAL_TICK"]:
            raise LocalTickError(int(cast(int, registers["SPI_CYCLES_PER_TICK"])))
        check_targets(packed, registers)
        if self._chip is None:
            self._chip = configure(self._start)
        return self._chip


def run_batch(
    image: Image,
    samples: Sequence[Sample] | Packed,
    record: Sequence[str] = (),
    threads: int | None = None,
) -> list[SampleLog]:
    """Run independent samples, each from the state of ``image``.

    Parameters
    ----------
    image
        What the host programs, seeds included, before each sample.
    samples
        What the host does; `packing.pack` them once if they are run many times.
    record
        As for `ReckonSimulator.sample`.
    threads
        Threads to use; by default one per usable core. The result does not depend on it.

    Returns
    -------
    list of SampleLog
        One per sample, in order.
    """
    from nm_reckon.sample_kernel import run_samples

    if threads is not None and threads < 1:
        raise UserError(f"threads {threads}: expected 1 or more")
    packed = samples if isinstance(samples, Packed) else pack(samples)
    simulator = ReckonSimulator(image)
    chip, fresh = _counting(simulator._ready(packed), record), simulator._state
    threads = threads or usable_cores()
    edges = np.unique(np.linspace(0, packed.plan.size, 4 * threads + 1).astype(int))

    def work(chunk: tuple[int, int]) -> list[SampleLog]:
        part, state = packed.part(*chunk), fresh.copy()
        recording = Recording(part, chip, record)
        for n in range(part.plan.size):
            state.view(np.uint8)[:] = fresh.view(np.uint8)  # field by field it takes longer
            run_samples(
                tables(), chip, state, part.plan, part.ticks, part.addresses, part.targets,
                n, n + 1, *recording.log,
            )  # fmt: skip
        return recording.logs(part.plan.size, image)

    chunks = [(int(a), int(b)) for a, b in pairwise(edges)]
    if threads == 1 or len(chunks) < 2:
        parts = [work(chunk) for chunk in chunks]
    else:
        with ThreadPoolExecutor(threads) as pool:
            parts = list(pool.map(work, chunks))
    return [log for part in parts for log in part]


def train(
    simulator: ReckonSimulator,
    samples: Sequence[Sample] | Packed,
    record: Sequence[str] = (),
) -> list[SampleLog]:
    """Run samples one after the other on one chip, as `ReckonSimulator.run` does.

    Several chips may be trained in threads at once: the GIL is free meanwhile.
    """
    return simulator.run(samples if isinstance(samples, Packed) else pack(samples), record)


def _counting(chip: np.ndarray, record: Sequence[str]) -> np.ndarray:
    """Return the configuration of a chip whose saturations are counted, if that is asked for."""
    chip = chip.copy()
    chip["counting"] = "losses" in record
    return chip


def _check_dirty(dirty: np.ndarray) -> np.ndarray:
    flags = np.asarray(dirty)
    if flags.shape != (NEURONS,) or flags.dtype.kind not in "bui" or ((flags | 1) != 1).any():
        raise UserError(f"dirty: expected 0 or 1, [{NEURONS}]")
    return flags


def _check_lfsr(lfsr: np.ndarray) -> np.ndarray:
    states = np.asarray(lfsr)
    if states.shape != (len(KINDS),) or states.dtype.kind not in "ui":
        raise UserError(f"lfsr: {states.dtype}{list(states.shape)}, expected uint32[{len(KINDS)}]")
    for i, kind in enumerate(KINDS):
        if not 0 <= int(states[i]) <= kind.period:
            raise UserError(f"lfsr[{i}]: {int(states[i])} does not fit {kind.b} bits")
    return states
