"""ODIN, register by register: memories and flags to simulator state and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np

from nm_backends.errors import UserError
from nm_backends.eventcore import batch
from nm_backends.eventcore.errors import UnsupportedByEngine
from nm_backends.eventcore.logs import BatchLog, EventLog
from nm_backends.eventcore.machine import NEURONS, configure
from nm_backends.eventcore.operations import BISTABLE_ROW, KIND_SHIFT
from nm_backends.eventcore.simulator import EventSimulator
from nm_backends.image import Image
from nm_odin import setup
from nm_odin.burst_queues import OVERFLOW, SLOTS, UNDEFINED, new_queues
from nm_odin.errors import UndefinedError
from nm_odin.kernel import LIF_MODEL, MODEL
from nm_odin.loading import load_neurons, load_synapses, store_neurons
from nm_odin.spec import SPEC
from nm_odin.stepwise_engine import compile_stepwise

__all__ = ["OdinSimulator", "run_batch"]


class OdinSimulator(EventSimulator):
    """ODIN in the state given by an image (see `EventSimulator`).

    Parameters
    ----------
    image
        What the chip has been programmed with.
    up, down
        The SDSP flag of every neuron, 0 or 1. They are no memory and have no reset. By default
        they are what a write of every neuron word leaves behind, which is how a programming
        stream ends: computed from the word, as if it had been touched with no input.
    burst_slot, burst_count
        Where the scheduler's counter is now: the current burst queue, and the cycles already spent
        there. It runs whenever the burst engine is on (closed loop, SPI_BURST_TIMEREF not 0).
    """

    spec = SPEC
    model = MODEL

    def __init__(
        self,
        image: Image,
        *,
        up: np.ndarray | None = None,
        down: np.ndarray | None = None,
        burst_slot: int = 0,
        burst_count: int = 0,
    ) -> None:
        super().__init__(image)
        period = int(cast(int, image.registers["SPI_BURST_TIMEREF"]))
        if not (0 <= burst_slot < SLOTS and 0 <= burst_count <= period):
            raise UserError(
                f"burst_slot {burst_slot}, burst_count {burst_count}: "
                f"expected 0..{SLOTS - 1}, 0..{period} (SPI_BURST_TIMEREF)"
            )
        on = not image.registers["SPI_OPEN_LOOP"]
        self.queues = new_queues(period if on else 0, burst_slot, burst_count)
        for name, flags in (("up", up), ("down", down)):
            if flags is not None:
                self.neurons[name] = _check_flags(name, flags)
        self._set_learning()

    @property
    def up(self) -> np.ndarray:
        """The flag of every neuron that lets synapses grow, uint8 ``[256]``."""
        return np.array(self.neurons["up"][0])

    @property
    def down(self) -> np.ndarray:
        """The flag of every neuron that lets synapses shrink, uint8 ``[256]``."""
        return np.array(self.neurons["down"][0])

    def needs_clock(self) -> UnsupportedByEngine | None:
        """Return why bursts and monitoring need a clock.

        It decides when and in which row the spikes of a burst come, and what goes out in the
        monitoring mode is the state in the cycle of a write.
        """
        if self.config["monitoring"][0]:
            return UnsupportedByEngine(
                "the monitoring mode needs the cycle-accurate engine: SPI_OUT_AER_MONITOR_EN is 1, "
                "the outputs are states of one neuron and one synapse, not spikes",
                "use send_timed, and decode_monitor on its out_addr; or set "
                "SPI_OUT_AER_MONITOR_EN to 0",
            )
        bursting = self._bursting()
        if not bursting.size:
            return None
        return UnsupportedByEngine(
            f"bursts need the cycle-accurate engine: SPI_BURST_TIMEREF is not 0, the loop is "
            f"closed and spk_ref is not 0 in {bursting.size} enabled neurons, the first is "
            f"neuron {bursting[0]}",
            "use send_timed; or set SPI_BURST_TIMEREF to 0: each spike then is a single one",
        )

    def send_timed(self, events: np.ndarray, **options: Any) -> EventLog:
        """As `EventSimulator.send_timed`; bursts and monitoring have an engine of their own.

        With SPI_OUT_AER_MONITOR_EN the outputs are the words that `monitor.decode_monitor` reads.

        Raises
        ------
        UndefinedError
            The burst queues come into a state that the chip leaves undefined.
        """
        log = super().send_timed(events, **options)
        self._pass_time(cast(int, log.total_cycles))
        self._choose_model()
        return log

    def _timed_engine(self) -> Callable[..., Any]:
        if not (self._bursting().size or self.config["monitoring"][0]):
            return super()._timed_engine()
        run = compile_stepwise()
        return lambda _, *arguments: run(self.queues, *arguments)

    def _pass_time(self, cycles: int) -> None:
        """Let the counter of the burst queues go on; cycle 0 is now."""
        queues = self.queues[0]
        steps = max((cycles - queues["next_slot"]) // queues["period"] + 1, 0)
        queues["slot"] = (queues["slot"] + steps) % SLOTS
        queues["next_slot"] += steps * queues["period"] - cycles

    def _choose_model(self) -> None:
        self.model = MODEL if self.neurons["izhikevich_count"][0] else LIF_MODEL

    def save(self) -> tuple[np.ndarray, ...]:
        """Return copies of all that a run can change."""
        return (*super().save(), self.queues.copy())

    def restore(self, saved: tuple[np.ndarray, ...]) -> None:
        """Go back to the state that `save` returned."""
        super().restore(saved)
        self.queues[:] = saved[2]

    def why_endless(self) -> str:
        """Return which rules about set-ups the present state breaks, see `nm_odin.setup`."""
        return setup.why_endless(self.image())

    def stopped(self, status: np.ndarray, event: int, max_pops: int) -> Exception:
        """Return why an engine gave up: a livelock, or undefined queues."""
        if status[0] in (OVERFLOW, UNDEFINED):
            return UndefinedError(event, int(status[3]), overflow=status[0] == OVERFLOW)
        return super().stopped(status, event, max_pops)

    def _bursting(self) -> np.ndarray:
        """Return the neurons whose spikes go through the burst queues (``scheduler.v``)."""
        registers, state = self._start.registers, self.neurons[0]
        if registers["SPI_OPEN_LOOP"] or not registers["SPI_BURST_TIMEREF"]:
            return np.zeros(0, np.int64)
        bursts = (state["izhikevich"] != 0) & (state["izh"]["spk_ref"] != 0)
        return np.flatnonzero(bursts & (state["enabled"] != 0))

    def may_learn(self, operations: np.ndarray) -> bool:
        """Whether a synapse can change: by flags that can be set, by bistability or by bursts."""
        if self.neurons["learning"][0] or self._bursting().size:
            return True
        return bool((operations >> KIND_SHIFT >= BISTABLE_ROW).any())

    def _load(self, image: Image) -> None:
        registers = image.registers
        self.neurons = load_neurons(image.memories["neuron"])
        self._choose_model()
        self.synapses = load_synapses(image)
        self.config = configure(
            MODEL,
            closed=not registers["SPI_OPEN_LOOP"],
            from_rows=bool(registers["SPI_AER_SRC_CTRL_nNEUR"]),
            row_position=int(cast(int, registers["SPI_MONITOR_NEUR_ADDR"])),
        )
        self.config["monitoring"] = registers["SPI_OUT_AER_MONITOR_EN"]
        self.config["monitored_row"] = registers["SPI_MONITOR_SYN_ADDR"]

    def _set_learning(self) -> None:
        active = ("calcium_enabled", "up", "down")
        self.neurons["learning"] = any(self.neurons[name].any() for name in active)

    def _memories(self) -> dict[str, np.ndarray]:
        words = store_neurons(self.neurons, self._start.memories["neuron"])
        return {"neuron": words, "synapse": self.synapses["nibbles"][0].copy()}

    def _snapshot(self) -> dict[str, Any]:
        return {**super()._snapshot(), "up": self.up, "down": self.down}


def run_batch(
    image: Image,
    words: np.ndarray,
    offsets: np.ndarray,
    marks: np.ndarray | None = None,
    mark_offsets: np.ndarray | None = None,
    **options: Any,
) -> BatchLog:
    """Run independent samples, each from the state of ``image``; see `batch.run_batch`."""
    return batch.run_batch(OdinSimulator(image), words, offsets, marks, mark_offsets, **options)


def _check_flags(name: str, flags: np.ndarray) -> np.ndarray:
    array = np.asarray(flags)
    if array.shape != (NEURONS,) or array.dtype.kind not in "bui" or ((array | 1) != 1).any():
        raise UserError(f"flags {name}: expected 0 or 1, [{NEURONS}]")
    return array
