"""Biases as rows that the host drives in every step: row ``k`` is sent ``2^k`` times.

Where rows have one sign, a negative and a positive set of rows hold any bias exactly. Where they
have both, each row adds or subtracts its part, so that sums are odd: biases may be off by 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from nm_morphic.allot import Allotment, Row
from nm_morphic.spec import NEURONS

__all__ = ["BIAS", "BiasRows", "bias_rows"]

BIAS = -2
"""As the source of a row."""


@dataclass
class BiasRows:
    """Rows of biases.

    Parameters
    ----------
    rows
        In the order of sending, the rows of a part in all cores one after the other.
    values
        What each adds to the neurons of its core per event, int8 ``[512]``.
    parts
        Which part each row is of, and how often it is sent.
    realised
        What the chip adds per step, int64 ``[neurons]``.
    """

    rows: list[Row] = field(default_factory=list)
    values: list[np.ndarray] = field(default_factory=list)
    parts: list[tuple[int, int]] = field(default_factory=list)
    realised: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))


def bias_rows(bias: np.ndarray, made: Allotment, paired: np.ndarray) -> BiasRows:
    """Return the rows that carry ``bias``, as exactly as free rows allow.

    Parameters
    ----------
    bias, paired
        What neurons get in a step, and whether they hear rows of one sign: int64, bool
        ``[neurons]``.
    """
    found = BiasRows(realised=np.zeros_like(bias))
    entries = []
    for core, free in made.free.items():
        who = made.neuron[core * NEURONS : (core + 1) * NEURONS]
        there = who >= 0
        here = np.where(there, bias[who], 0)
        if not here.any():
            continue
        total, split = np.zeros_like(here), bool(paired[who[there]].any())
        for place, (key, count, sign, values) in enumerate(_parts(here, there, split, len(free))):
            entries.append((key, count, Row(core, free[place], BIAS, sign), values))
            total += count * values
        found.realised[who[there]] = total[there]
    for key, count, row, values in sorted(entries, key=lambda e: (e[0], e[2].core)):
        found.rows.append(row)
        found.values.append(values)
        found.parts.append((key, count))
    return found


def _parts(
    bias: np.ndarray, there: np.ndarray, split: bool, free: int
) -> Iterator[tuple[int, int, int, np.ndarray]]:
    """Yield the parts of one core: key to sort by, events per step, sign of the row, values."""
    if not split:
        yield from _both_signs(bias, there, free)
        return
    sides = [s for s in (-1, 1) if (bias * s > 0).any()]
    for sign in sides:
        size = np.maximum(bias * sign, 0)
        bits = int(size.max()).bit_length()
        least = max(0, bits - free // len(sides))  # too few rows: the smallest parts are left out
        size = np.minimum((size + (1 << least >> 1)) >> least << least, (1 << bits) - 1)
        for k in range(least, bits):
            yield 64 * (sign > 0) + k, 1 << k, sign, (sign * (size >> k & 1)).astype(np.int8)


def _both_signs(
    bias: np.ndarray, there: np.ndarray, free: int
) -> Iterator[tuple[int, int, int, np.ndarray]]:
    bits = int(np.abs(bias).max()).bit_length()
    left = bias.copy()
    for k in range(bits - 1, max(0, bits - free) - 1, -1):
        values = np.where(there, np.where(left >= 0, 1, -1), 0)
        left -= values << k
        yield k, 1 << k, 0, values.astype(np.int8)
