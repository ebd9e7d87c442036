"""The state of cores, laid out for the kernels, and how images become that state and back.

One record per core holds all of it, queues and counters too: within a kernel a record is a bare
pointer, an array a counted reference, and counting costs more than a row of neurons.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from nm_backends.errors import UserError
from nm_backends.fixed import RING
from nm_backends.image import Image
from nm_morphic.assumptions import Assumptions
from nm_morphic.draws import Draws, allowed, draws
from nm_morphic.spec import CORES, NEURON_FIELDS, NEURONS, ROWS

__all__ = [
    "CORE", "PLANES", "WORD", "WORDS", "Limits", "bit_vector", "limits", "load_core", "membranes",
    "permissions", "store_neurons",
]  # fmt: skip

WORDS = NEURONS // 64
"""64-bit words of a row."""

PLANES = 16
"""Room for the bits of membranes and thresholds."""

CORE = np.dtype(
    [
        # planes: bit i of all neurons
        ("bits", np.int64),  # of membranes
        ("membrane", np.uint64, (PLANES, WORDS)),  # above the least value
        ("threshold", np.uint64, (PLANES, WORDS)),  # above the least value of a membrane
        ("leak", np.uint64, (PLANES, WORDS)),
        ("theta_membrane", np.uint64, (PLANES, WORDS)),  # above the least value of a membrane
        # one bit per neuron
        ("reaches", np.uint64, WORDS),  # its threshold is no more than membranes can be
        ("forgets", np.uint64, WORDS),  # its leak is as much as membranes can be
        ("emits", np.uint64, WORDS),  # as enabled
        ("may_up", np.uint64, WORDS),  # as calcium_up
        ("may_down", np.uint64, WORDS),
        ("hits", np.uint64, WORDS),  # scratch
        ("enabled", np.uint8, NEURONS),
        ("fired", np.int16, NEURONS),
        ("weights", np.uint64, (ROWS, WORDS)),
        # of the row's bits: 0 disabled, 1 {-1, +1}, 2 and 3 {0, 1} excitatory, inhibitory
        ("meaning", np.uint8, ROWS),
        # S-SDSP
        ("learning", np.int64),  # some neuron counts calcium
        ("calcium", np.int16, NEURONS),
        ("leak_count", np.int16, NEURONS),
        ("calcium_up", np.uint8, NEURONS),
        ("calcium_down", np.uint8, NEURONS),
        ("theta", np.int16, (3, NEURONS)),
        ("calcium_leak", np.int16, NEURONS),
        ("calcium_enabled", np.uint8, NEURONS),
        ("plastic", np.uint8, 3),
        ("allow_up", np.int64),  # which of the tables of permissions
        ("allow_down", np.int64),
        ("place", np.int64),  # in the cycle of draws
        # targets of each neuron
        ("l1_mask", np.uint8, NEURONS),  # bit c: core c of the chip
        ("l1_row", np.int16, NEURONS),
        ("l2_chip", np.int32, NEURONS),  # -1 without a route
        ("l2_row", np.int16, NEURONS),
        ("dx", np.int8, NEURONS),
        ("dy", np.int8, NEURONS),
        # events of this round and of the next, by turns
        ("rows", np.int16, (2, RING)),  # -1 is a time reference
        ("ranks", np.int32, (2, RING)),  # place of the event among all of the round
        ("roots", np.int32, (2, RING)),  # the input event that is behind it
        ("spikes", np.int32, (2, RING)),  # how many each event caused
        # counters
        ("served", np.int64),
        ("references", np.int64),
        ("dropped", np.int64),
        ("fifo_max", np.int64),
        ("lost", np.int32, NEURONS),  # spikes of each neuron that found a full FIFO
        ("counting", np.int64),  # whether saturations are counted
        ("saturated", np.int32, (2, NEURONS)),  # at the lower and the upper limit
    ],
    align=True,
)

WORD = np.dtype(
    {
        "names": [field.name for field in NEURON_FIELDS],
        "formats": [
            ("<i2" if field.signed else "<u2") if field.width > 8 else "u1"
            for field in NEURON_FIELDS
        ],
        "offsets": [field.lsb // 8 for field in NEURON_FIELDS],
        "itemsize": 16,
    }
)
"""A word of the neuron memory."""

_PLACES = {
    "calcium": "calcium", "caleak_cnt": "leak_count", "ca_leak": "calcium_leak",
    "ca_en": "calcium_enabled",
}  # fmt: skip


@dataclass(frozen=True)
class Limits:
    """Least and greatest value of each neuron field, by name."""

    ranges: dict[str, tuple[int, int]]

    def check(self, words: np.ndarray, where: str) -> None:
        """Refuse words (`WORD`, ``[n]``) with a value that does not fit."""
        for name, (low, high) in self.ranges.items():
            values = words[name].astype(np.int64)
            bad = np.flatnonzero((values < low) | (values > high))
            if bad.size:
                raise UserError(
                    f"{where}, neuron {bad[0] % NEURONS}: {name} {values[bad[0]]}, "
                    f"expected {low}..{high}"
                )


def limits(assumptions: Assumptions) -> Limits:
    """Return the ranges that the assumed widths give."""
    half = 1 << assumptions.membrane_bits - 1
    found = {field.name: (0, (1 << field.width) - 1) for field in NEURON_FIELDS}
    found["core"] = found["thetamem"] = (-half, half - 1)
    found["thr"] = (0, (1 << assumptions.threshold_bits) - 1)
    found["leak_str"] = (0, (1 << assumptions.leak_bits) - 1)
    return Limits(found)


def load_core(core: np.ndarray, image: Image, number: int, held: Assumptions) -> None:
    """Set a core record (`CORE`, ``[1]``) from core ``number`` of an image, permissions apart."""
    neurons = slice(number * NEURONS, (number + 1) * NEURONS)
    words = np.ascontiguousarray(image.memories["neuron"][neurons]).view(WORD)[:, 0]
    for name, place in _PLACES.items():
        core[place] = words[name]
    _load_planes(core, words, held.membrane_bits)
    core["theta"][0] = [words[f"ca_theta{i}"] for i in (1, 2, 3)]
    core["learning"] = words["ca_en"].any()
    rows = image.memories["synapse_row"][number * ROWS : (number + 1) * ROWS]
    core["weights"][0] = np.ascontiguousarray(rows).view(np.uint64)
    _refresh_windows(core)
    _load_registers(core, image, number)


def _load_planes(core: np.ndarray, words: np.ndarray, bits: int) -> None:
    half = 1 << bits - 1
    core["bits"] = bits
    for name, field in (("membrane", "core"), ("theta_membrane", "thetamem"), ("threshold", "thr")):
        core[name][0] = _planes(np.minimum(words[field].astype(np.int64) + half, 2 * half - 1))
    core["leak"][0] = _planes(words["leak_str"])
    core["reaches"][0] = _flags(words["thr"] < half)
    core["forgets"][0] = _flags(words["leak_str"] >= half)
    core["enabled"][0] = words["neur_disable"] == 0
    core["emits"][0] = _flags(core["enabled"][0])


def _planes(values: np.ndarray) -> np.ndarray:
    """Return bit after bit of all neurons, uint64 ``[PLANES, WORDS]``."""
    from nm_morphic.kernel import write_planes

    found = np.zeros((PLANES, WORDS), np.uint64)
    write_planes(np.asarray(values, np.int64), found)
    return found


def _flags(values: np.ndarray) -> np.ndarray:
    """Return one bit per neuron, uint64 ``[..., WORDS]`` of ``[..., 512]``."""
    packed = np.packbits(values.astype(np.uint8), axis=-1, bitorder="little")
    return np.asarray(np.ascontiguousarray(packed).view(np.uint64))


def _refresh_windows(core: np.ndarray) -> None:
    calcium, theta = core["calcium"][0], core["theta"][0]
    above = (core["calcium_enabled"][0] != 0) & (calcium >= theta[0])
    core["calcium_up"][0] = above & (calcium < theta[2])
    core["calcium_down"][0] = above & (calcium < theta[1])
    core["may_up"][0] = _flags(core["calcium_up"][0])
    core["may_down"][0] = _flags(core["calcium_down"][0])


def _load_registers(core: np.ndarray, image: Image, number: int) -> None:
    def register(name: str) -> int:
        return int(cast(int, image.registers[f"{name}_{number}"]))

    def bits(name: str) -> np.ndarray:
        return bit_vector(image.registers[f"{name}_{number}"])

    connected = bits("ROW_ENABLE")
    if register("WEIGHT_MODE"):
        core["meaning"][0] = connected * (2 + bits("ROW_SIGN"))
    else:
        core["meaning"][0] = connected
    core["plastic"][0] = register("PLASTIC") >> np.arange(3) & 1


def bit_vector(value: int | np.ndarray) -> np.ndarray:
    """Return a register of one bit per row as uint8 ``[1024]``."""
    if isinstance(value, np.ndarray) and value.ndim:
        return value
    raw = int(value).to_bytes(ROWS // 8, "little")
    return np.unpackbits(np.frombuffer(raw, np.uint8), bitorder="little")


def permissions(cores: np.ndarray, images: list[Image], held: Assumptions) -> np.ndarray:
    """Give each core its place in the cycle of draws; return the tables of allowed flips.

    Returns
    -------
    numpy.ndarray
        uint64 ``[tables, words]``, one per probability in use.
    """
    cycle = draws(held.lfsr_bits, held.lfsr_tap, held.probability_bits)
    tables: dict[int, int] = {}
    for index, core in enumerate(cores):
        chip, number = divmod(index, CORES)
        registers, where = images[chip].registers, f"chip {chip}, core {number}"
        core["place"] = _place(cycle, int(cast(int, registers[f"LFSR_SEED_{number}"])), where)
        for register, name in (("P_UP", "allow_up"), ("P_DOWN", "allow_down")):
            limit = int(cast(int, registers[f"{register}_{number}"]))
            if limit > 1 << held.probability_bits:
                raise UserError(f"{where}: {register} {limit}, at most 2^{held.probability_bits}")
            core[name] = tables.setdefault(limit, len(tables))
    return np.stack([allowed(cycle, limit) for limit in tables])


def _place(cycle: Draws, seed: int, where: str) -> int:
    if not 0 < seed < cycle.place.size:
        raise UserError(
            f"{where}: LFSR_SEED {seed}, expected 1..{cycle.place.size - 1}",
            "a register of all zeros stays so",
        )
    return int(cycle.place[seed])


def store_neurons(core: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Return the neuron words (uint8 ``[512, 16]``) with the present state of a core."""
    changed = words.copy()
    view = changed.view(WORD)[:, 0]
    view["core"] = membranes(core)[0]
    for name in ("calcium", "caleak_cnt"):
        view[name] = core[_PLACES[name]][0]
    return np.asarray(changed)


def membranes(cores: np.ndarray) -> np.ndarray:
    """Return the membranes of cores (`CORE`), int16 ``[cores, 512]``."""
    from nm_morphic.kernel import read_membranes

    found = np.empty((cores.size, NEURONS), np.int16)
    read_membranes(cores, found)
    return found
