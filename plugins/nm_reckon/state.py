"""Between an image and the records of the kernels: parameters, state and generators, both ways."""

from __future__ import annotations

from functools import cache
from typing import cast

import numpy as np

from nm_backends.eventcore.words import extract, insert
from nm_backends.image import Image
from nm_reckon.layout import CHIP, STATE, TABLES
from nm_reckon.lfsr import CYCLES, DRAWS, KINDS, cycles, draw_table, load_seed, seed_of
from nm_reckon.spec import NEURON_FIELDS, NEURONS, OUTPUTS

__all__ = [
    "configure", "generator_states", "load_state", "neuron_words", "seeded", "set_generators",
    "store_memories", "tables",
]  # fmt: skip

_FIELDS = {field.name: field for field in NEURON_FIELDS}
_PER_NEURON = {"membrane": "v", "trace_inp": "t_inp", "trace_rec": "t_rec", "trace_out": "t_out"}
_WEIGHTS = {"w_inp": "input_weight", "w_rec": "recurrent_weight", "w_out": "output_weight"}
_UNIT, _OUTPUT_UNIT = 0x8000, 0x80  # leak factors that leave everything as is
_NEVER = 1 << 16  # threshold of neurons that are not stepped
_BLOCK = 0x8000


@cache
def tables() -> np.ndarray:
    """Return the random numbers of all generators, one record of `TABLES`."""
    found = np.zeros(1, TABLES)
    found["round15"], found["round7"] = cycles(KINDS[3]).draws, cycles(KINDS[5]).draws
    found["noise"] = cycles(KINDS[12]).draws
    for name, kind in (("update", KINDS[0]), ("output", KINDS[2])):
        found[f"draw_{name}"] = draw_table(kind).draws
        found[f"next_{name}"] = draw_table(kind).states
    return found


def seeded(image: Image) -> np.ndarray:
    """Return the generator states that the seed registers of an image load, uint32 ``[13]``."""
    states = np.zeros(len(KINDS), np.uint32)
    for name in seed_of(states):
        load_seed(states, name, int(cast(int, image.registers[name])))
    return states


def _pairs(words: np.ndarray, name: str) -> np.ndarray:
    """Return a field of even and odd neurons, in order, int64 ``[n, 256]``."""
    both = [extract(words, _FIELDS[f"{name}_{which}"]) for which in ("even", "odd")]
    return np.stack(both, axis=1).ravel()


def load_state(image: Image, dirty: np.ndarray, lfsr: np.ndarray) -> np.ndarray:
    """Return the state of a chip that was just programmed, one record of `STATE`."""
    state = np.zeros(1, STATE)
    for name, field in _PER_NEURON.items():
        state[name] = _pairs(image.memories["neuron"], field)
    for name, memory in _WEIGHTS.items():
        columns = OUTPUTS if name == "w_out" else NEURONS
        words = image.memories[memory].reshape(-1, columns)[:NEURONS]
        state[name] = words.view(np.int8)
    state["dirty"] = dirty
    set_generators(state, lfsr)
    return state


def store_memories(state: np.ndarray, start: Image) -> dict[str, np.ndarray]:
    """Return the memories of ``start`` with the present state in them."""
    memories = {name: memory.copy() for name, memory in start.memories.items()}
    present = np.stack([state[name][0] for name in _PER_NEURON])
    memories["neuron"] = neuron_words(present, start.memories["neuron"])
    for name, memory in _WEIGHTS.items():
        columns = OUTPUTS if name == "w_out" else NEURONS
        memories[memory].reshape(-1, columns)[:NEURONS] = state[name][0].view(np.uint8)
    return memories


def neuron_words(present: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Return neuron words (uint8 ``[128, 16]``) with membranes and traces ``[4, 256]`` in them."""
    stored = words.copy()
    for values, field in zip(present, _PER_NEURON.values(), strict=True):
        for odd, which in enumerate(("even", "odd")):
            insert(stored, _FIELDS[f"{field}_{which}"], values[odd::2])
    return np.asarray(stored)


def set_generators(state: np.ndarray, lfsr: np.ndarray) -> None:
    """Put generators into states uint32 ``[13]``; bits that they do not have are ignored."""
    for i in DRAWS:
        state["draws"][0, i] = int(lfsr[i]) & KINDS[i].period
    for i in CYCLES:
        table = cycles(KINDS[i])
        place = int(table.place[int(lfsr[i]) & KINDS[i].period])
        state["place"][0, i] = place
        state["end"][0, i], state["length"][0, i] = table.span(place)


def generator_states(draws: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Return generator states, uint32 ``[n, 13]``, from states and places as kernels keep them."""
    found = np.zeros(place.shape, np.uint32)
    found[:, DRAWS] = draws
    for i in CYCLES:
        found[:, i] = cycles(KINDS[i]).states[place[:, i]]
    return found


def configure(image: Image) -> np.ndarray:
    """Return what registers and neuron parameters ask of the kernels, one record of `CHIP`."""
    r = {name[4:]: value for name, value in image.registers.items()}
    n = {name: int(value) for name, value in r.items() if name != "ALPHA_CONF"}
    chip = np.zeros(1, CHIP)
    c = chip[0]
    _set_sizes(c, n)
    _set_neurons(c, n, image.memories["neuron"], np.asarray(r["ALPHA_CONF"]))
    _set_outputs(c, n)
    _set_learning(c, n)
    return chip


def _signed(value: int, bits: int) -> int:
    return value - (value >> bits - 1 << bits)


def _set_sizes(c: np.void, n: dict[str, int]) -> None:
    inp, rec, out = n["NUM_INP_NEUR"], n["NUM_REC_NEUR"], n["NUM_OUT_NEUR"]
    c["last_input"], c["last_neuron"], c["last_output"] = inp, rec, out
    c["last_source"], c["last_stepped"] = max(inp, rec), max(inp, rec, out)
    c["pairs"] = (c["last_stepped"] + 1) // 2
    c["padded"] = -(-2 * c["pairs"] // 16) * 16
    c["visited"] = 2 * (rec // 2 + 1)


def _set_neurons(c: np.void, n: dict[str, int], words: np.ndarray, msb: np.ndarray) -> None:
    stepped = np.arange(NEURONS) < 2 * c["pairs"]
    alpha = np.where(msb, 0x8000, 0x7000) + extract(words, _FIELDS["alpha"])
    leaks = alpha != _UNIT
    rounding = n["EN_STOCH_ROUND"]
    both = np.repeat(np.stack([alpha, leaks]), 2, axis=1)
    c["alpha"] = np.where(stepped, both[0], _UNIT)
    c["alpha_block"] = np.where(stepped & (both[1] != 0) & bool(rounding), 0, _BLOCK)
    thresholds = np.repeat(extract(words, _FIELDS["thr"]), 2)
    c["threshold"] = np.where(stepped, thresholds, _NEVER)
    c["reset_keep"] = 0 if n["RST_MODE"] else -1
    c["kappa"] = np.where(stepped, n["KAPPA"], _OUTPUT_UNIT)
    rounds = stepped & bool(rounding) & (n["KAPPA"] != _OUTPUT_UNIT)
    c["kappa_block"] = np.where(rounds, 0, _BLOCK)
    draws = leaks[: c["pairs"]] & bool(rounding)
    c["rounded_pairs"] = draws.sum()
    c["draw_of"][: c["pairs"]] = np.cumsum(draws) - draws
    c["rounding"], c["noise"], c["noise_shift"] = rounding, n["NOISE_EN"], n["NOISE_STR"]
    for name, register in (("inp", "INP"), ("rec", "REC"), ("out", "OUT")):
        c[f"shift_{name}"] = n[f"FP_LOC_W{register}"]
        c[f"point_{name}"] = n[f"FP_LOC_T{register}"]


def _set_outputs(c: np.void, n: dict[str, int]) -> None:
    c["output_kappa"] = n["KAPPA"]
    rounds = n["EN_STOCH_ROUND"] and n["KAPPA"] != _OUTPUT_UNIT
    c["output_draws"] = min(c["last_stepped"], 15) + 1 if rounds else 0
    c["regression"], c["activation"] = n["REGRESSION"], not n["NO_OUT_ACT"]
    c["send_every_tick"], c["send_label"] = n["SEND_PER_TIMESTEP"], n["SEND_LABEL_ONLY"]
    c["error_halt"] = n["ERROR_HALT"]


def _set_learning(c: np.void, n: dict[str, int]) -> None:
    learn, mode, which = n["DO_EPROP"], n["REGUL_MODE"], n["REGUL_W"]
    c["learn"], c["always"], c["single_label"] = learn, mode >= 6, n["SINGLE_LABEL"]
    for bit, name in enumerate(("inp", "rec", "out")):
        c[f"keep_{name}"] = bool(learn >> bit & 1 or n["FORCE_TRACES"])
    c["signal_scale"] = n["LEARN_SIG_SCALE"]
    c["segment"] = [_signed(n[f"THR_H_{k}"], 16) for k in range(4)]
    c["slope"] = [_signed(n[f"H_{k}"], 5) for k in range(5)]
    c["regul_mode"], c["regul_floor"] = mode, n["REGUL_F0"]
    c["damp"], c["damp_shift"] = mode & 1 and which, n["REGUL_K_MUL"]
    for bit, name in enumerate(("inp", "rec")):
        on = which >> bit & 1
        c[f"pull_{name}"] = on and mode & 2
        c[f"always_{name}"] = on and mode >= 6
        c["pull_shift"][bit] = [n[f"REGUL_K_{name.upper()}_{way}"] for way in "PR"]
    c["rate"] = [[n[f"LR_{way}_W{name}"] for way in "PR"] for name in ("INP", "REC", "OUT")]
