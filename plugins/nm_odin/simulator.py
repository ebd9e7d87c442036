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
from nm_backends.eventcore.words import extract, insert
from nm_backends.image import Image
from nm_odin.kernel import MODEL
from nm_odin.spec import NEURON_FIELDS, SPEC

__all__ = ["OdinSimulator", "run_batch"]

_FIELD = {field.name: field for field in NEURON_FIELDS}
_STATE = {"core": "membrane", "calcium": "calcium", "caleak_cnt": "leak_count"}


class OdinSimulator(EventSimulator):
    """ODIN in the state given by an image (see `EventSimulator`); LIF neurons only.

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
        The image has Izhikevich neurons, or sends the monitored state instead of spikes.
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

    def may_learn(self, operations: np.ndarray) -> bool:
        """Whether an operation can change a synapse: flags can be set, or bistability is asked."""
        learning = bool(self.neurons["learning"][0])
        return learning or bool((operations >> KIND_SHIFT >= BISTABLE_ROW).any())

    def _load(self, image: Image) -> None:
        registers = image.registers
        _refuse_unsupported(image)
        self.neurons = _load_neurons(image.memories["neuron"])
        self.synapses = _load_synapses(image)
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
        words = self._start.memories["neuron"].copy()
        for field, name in _STATE.items():
            insert(words, _FIELD[field], self.neurons[name][0])
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
    izhikevich = np.flatnonzero(extract(image.memories["neuron"], _FIELD["lif_izh_sel"]) == 0)
    if izhikevich.size:
        raise UnsupportedByEngine(
            f"not supported yet: Izhikevich neurons ({izhikevich.size}, the first is neuron "
            f"{izhikevich[0]})",
            "set bit 0 of the word; an all-zero word is an Izhikevich neuron that always fires",
        )
    if image.registers["SPI_OUT_AER_MONITOR_EN"]:
        raise UnsupportedByEngine(
            "not supported: the monitoring mode of the output", "set SPI_OUT_AER_MONITOR_EN to 0"
        )


def _check_flags(name: str, flags: np.ndarray) -> np.ndarray:
    array = np.asarray(flags)
    if array.shape != (NEURONS,) or array.dtype.kind not in "bui" or ((array | 1) != 1).any():
        raise UserError(f"flags {name}: expected 0 or 1, [{NEURONS}]")
    return array


def _load_neurons(words: np.ndarray) -> np.ndarray:
    value = {name: extract(words, field) for name, field in _FIELD.items()}
    neurons = np.zeros(1, MODEL.neurons)
    state = neurons[0]
    state["membrane"], state["threshold"] = value["core"], value["thr"]
    state["leak"] = value["leak_str"] * value["leak_en"]
    state["enabled"] = 1 - value["neur_disable"]
    state["calcium"], state["leak_count"] = value["calcium"], value["caleak_cnt"]
    state["theta_membrane"] = value["thetamem"]
    state["theta"] = [value[f"ca_theta{i}"] for i in (1, 2, 3)]
    state["calcium_leak"], state["calcium_enabled"] = value["ca_leak"], value["ca_en"]
    _set_flags(state)
    return neurons


def _set_flags(state: Any) -> None:
    """Set the flags as a write of every neuron word does: from the word, spike reset included.

    The write counts neither calcium nor leak into the word, but its spike does count for the
    flags: they are those of the state that a touch without input would have led to.
    """
    spike = state["membrane"] >= state["threshold"]
    now = state["calcium"]
    after = np.where(spike & (state["calcium_enabled"] != 0), np.minimum(now + 1, 7), now)
    membrane = np.where(spike, 0, state["membrane"])
    high = membrane >= state["theta_membrane"]
    for calcium, write in ((now, ("calcium_up", "calcium_down")), (after, ("up", "down"))):
        above = (state["calcium_enabled"] != 0) & (calcium >= state["theta"][0])
        state[write[0]] = above & (calcium < state["theta"][2])
        state[write[1]] = above & (calcium < state["theta"][1])
    state["up"] &= high
    state["down"] &= ~high


def _load_synapses(image: Image) -> np.ndarray:
    registers = image.registers
    synapses = np.zeros(1, MODEL.synapses)
    state = synapses[0]
    nibbles = image.memories["synapse"]
    state["nibbles"], state["inhibitory"] = nibbles, registers["SPI_SYN_SIGN"]
    state["update_unmapped"] = registers["SPI_UPDATE_UNMAPPED_SYN"]
    state["propagate_unmapped"] = registers["SPI_PROPAGATE_UNMAPPED_SYN"]
    state["learn_single"] = registers["SPI_SDSP_ON_SYN_STIM"]
    weights = (nibbles & 7).astype(np.int8)
    weights[(nibbles < 8) & (not registers["SPI_PROPAGATE_UNMAPPED_SYN"])] = 0
    state["weights"] = np.where(state["inhibitory"][:, None] != 0, -weights, weights)
    return synapses
