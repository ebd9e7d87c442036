"""ODIN's memories as the state that kernels work on, and back."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from nm_backends.eventcore.machine import NEURONS
from nm_backends.eventcore.words import extract, insert
from nm_backends.image import Image
from nm_odin.izh_kernel import NO_INPUT, touch_izh
from nm_odin.spec import IZH_FIELDS, NEURON_FIELDS
from nm_odin.state import ELSEWHERE, IZH_NAMES, NEURON_STATE, NEVER, SYNAPSE_STATE

__all__ = ["load_neurons", "load_synapses", "store_neurons"]

_LIF = {field.name: field for field in NEURON_FIELDS}
_IZH = {field.name: field for field in IZH_FIELDS}
_SHARED_STATE = {"core": "membrane", "calcium": "calcium", "caleak_cnt": "leak_count"}
_IZH_STATE = {"inacc": "accumulated", "calcium": "calcium", "caleak_cnt": "leak_count"}
_FIRST_STATE_BIT = _IZH["inacc"].lsb
_FIRST_STEP_BIT = 3


def load_neurons(words: np.ndarray) -> np.ndarray:
    """Return the state record of neuron words, with flags as a write of every word sets them."""
    fresh: np.ndarray = _loaded(words.tobytes()).copy()
    return fresh


@lru_cache(maxsize=16)  # a program is often run many times
def _loaded(memory: bytes) -> np.ndarray:
    words = np.frombuffer(memory, np.uint8).reshape(NEURONS, -1)
    neurons = np.zeros(1, NEURON_STATE)
    state = neurons[0]
    izhikevich = extract(words, _LIF["lif_izh_sel"]) == 0
    lif, izh = (
        {name: extract(words, field) for name, field in fields.items()} for fields in (_LIF, _IZH)
    )

    def either(name: str) -> np.ndarray:
        return np.where(izhikevich, izh[name], lif[name])

    state["izhikevich"], state["izhikevich_count"] = izhikevich, izhikevich.sum()
    state["membrane"] = either("core")
    state["threshold"] = np.where(izhikevich, NEVER, lif["thr"])
    state["leak"] = either("leak_str") * either("leak_en")
    state["enabled"] = 1 - either("neur_disable")
    state["calcium"], state["leak_count"] = either("calcium"), either("caleak_cnt")
    state["theta_membrane"] = either("thetamem")
    state["theta"] = [either(f"ca_theta{i}") for i in (1, 2, 3)]
    state["calcium_leak"], state["calcium_enabled"] = either("ca_leak"), either("ca_en")
    state["accumulated"] = np.where(izhikevich, izh["inacc"], 0)
    state["step_bit"] = np.where(izhikevich, 1 << izh["fi_sel"] + _FIRST_STEP_BIT, 0)
    state["restless"], state["word"] = izhikevich, np.arange(NEURONS)
    state["cores"] = np.where(izhikevich, izh["core"], 0)
    for name in IZH_NAMES:
        state["izh"][name] = izh[name]
    _set_lif_flags(state)
    _set_izh_flags(neurons)
    return neurons


def _set_lif_flags(state: Any) -> None:
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


def _set_izh_flags(neurons: np.ndarray) -> None:
    """Set the flags of Izhikevich neurons likewise, by touching copies of them."""
    touched = neurons.copy()
    touched["learning"] = 1
    for k in np.flatnonzero(neurons["izhikevich"][0]):
        touch_izh(touched[0], int(k), NO_INPUT, False, False)
        for flag in ("up", "down"):
            neurons[flag][0, k] = touched[flag][0, k]


def store_neurons(neurons: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Return the neuron words of a state; parameters and unused bits are those of ``start``."""
    state = neurons[0]
    words: np.ndarray = start[state["word"]].copy()
    izhikevich = state["izhikevich"] != 0
    for chosen, fields, arrays in (
        (~izhikevich, _LIF, _SHARED_STATE),
        (izhikevich, _IZH, _IZH_STATE),
    ):
        part = words[chosen]
        for name, array in arrays.items():
            insert(part, fields[name], state[array][chosen])
        words[chosen] = part
    part = words[izhikevich]
    for name, field in _IZH.items():
        if field.lsb >= _FIRST_STATE_BIT and name not in ELSEWHERE:
            insert(part, field, state["izh"][name][izhikevich])
    words[izhikevich] = part
    return words


def load_synapses(image: Image) -> np.ndarray:
    """Return the state record of the synapses, as the registers let neurons see them."""
    registers = image.registers
    synapses = np.zeros(1, SYNAPSE_STATE)
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
