"""ODIN, register by register: memories and flags to simulator state and back."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from nm_backends.errors import UserError
from nm_backends.eventcore import batch
from nm_backends.eventcore.errors import UnsupportedByEngine
from nm_backends.eventcore.logs import BatchLog
from nm_backends.eventcore.machine import NEURONS, configure
from nm_backends.eventcore.operations import BISTABLE_ROW, KIND_SHIFT
from nm_backends.eventcore.simulator import EventSimulator
from nm_backends.image import Image
from nm_odin.kernel import LIF_MODEL, MODEL
from nm_odin.loading import load_neurons, load_synapses, store_neurons
from nm_odin.spec import SPEC

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

    Raises
    ------
    UnsupportedByEngine
        The image sends the monitored state instead of spikes.
    """

    spec = SPEC
    model = MODEL

    def __init__(
        self, image: Image, *, up: np.ndarray | None = None, down: np.ndarray | None = None
    ) -> None:
        super().__init__(image)
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

    def prepare(self, operations: np.ndarray, max_pops: int, ack_delay: int = 0) -> None:
        """As `EventSimulator.prepare`; refuse bursts, which no engine of this version serves."""
        bursting = self._bursting()
        if bursting.size:
            raise UnsupportedByEngine(
                f"not supported: bursts (SPI_OPEN_LOOP 0, SPI_BURST_TIMEREF not 0, spk_ref not 0 "
                f"in {bursting.size} enabled neurons, the first is neuron {bursting[0]})",
                "set SPI_BURST_TIMEREF to 0: each spike then is a single one",
            )
        super().prepare(operations, max_pops, ack_delay)

    def _bursting(self) -> np.ndarray:
        """Return the neurons whose spikes go through the burst queues (``scheduler.v``)."""
        registers, state = self._start.registers, self.neurons[0]
        if registers["SPI_OPEN_LOOP"] or not registers["SPI_BURST_TIMEREF"]:
            return np.zeros(0, np.int64)
        bursts = (state["izhikevich"] != 0) & (state["izh"]["spk_ref"] != 0)
        return np.flatnonzero(bursts & (state["enabled"] != 0))

    def may_learn(self, operations: np.ndarray) -> bool:
        """Whether an operation can change a synapse: flags can be set, or bistability is asked."""
        learning = bool(self.neurons["learning"][0])
        return learning or bool((operations >> KIND_SHIFT >= BISTABLE_ROW).any())

    def _load(self, image: Image) -> None:
        registers = image.registers
        _refuse_unsupported(image)
        self.neurons = load_neurons(image.memories["neuron"])
        self.model = MODEL if self.neurons["izhikevich_count"][0] else LIF_MODEL
        self.synapses = load_synapses(image)
        self.config = configure(
            MODEL,
            closed=not registers["SPI_OPEN_LOOP"],
            from_rows=bool(registers["SPI_AER_SRC_CTRL_nNEUR"]),
            row_position=int(cast(int, registers["SPI_MONITOR_NEUR_ADDR"])),
        )

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


def _refuse_unsupported(image: Image) -> None:
    if image.registers["SPI_OUT_AER_MONITOR_EN"]:
        raise UnsupportedByEngine(
            "not supported: the monitoring mode of the output", "set SPI_OUT_AER_MONITOR_EN to 0"
        )


def _check_flags(name: str, flags: np.ndarray) -> np.ndarray:
    array = np.asarray(flags)
    if array.shape != (NEURONS,) or array.dtype.kind not in "bui" or ((array | 1) != 1).any():
        raise UserError(f"flags {name}: expected 0 or 1, [{NEURONS}]")
    return array
