"""The random numbers of a core, all of them at once.

A draw is the low ``n`` bits of the generator after ``n`` steps; bit 0 is the newest. As ``n`` and
the period have no common divisor, all draws stand in one cycle, and a core is a place in it. What
the learning of a row needs are 512 answers to "is the draw below k": a stretch of one bit vector.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np

from nm_backends.errors import UserError
from nm_backends.lfsr import shift_sequence, windows
from nm_morphic.spec import NEURONS

__all__ = ["Draws", "allowed", "draws"]


@dataclass(frozen=True, eq=False)
class Draws:
    """The cycle of draws.

    Parameters
    ----------
    states
        State of the generator before each draw, uint32 ``[period]``.
    values
        The draws, uint32 ``[period]``.
    place
        Where the draw of each state stands, int32 ``[2 ** bits]``; -1 for state 0.
    """

    states: np.ndarray
    values: np.ndarray
    place: np.ndarray

    @property
    def period(self) -> int:
        """Number of draws until they repeat."""
        return self.states.size


@cache
def draws(bits: int, tap: int, steps: int) -> Draws:
    """Return the draws of ``steps`` steps of the register x^bits + x^tap + 1.

    Raises
    ------
    UserError
        A polynomial that is not of maximal length.
    """
    sequence = shift_sequence(tap, bits)
    by_step = windows(sequence, -1 - np.arange(bits))
    period = sequence.size
    if np.unique(by_step).size != period or by_step[0] == 0:
        raise UserError(
            f"assumption lfsr_tap: x^{bits} + x^{tap} + 1 is not of maximal length",
            "for 17 bits take tap 14 or 3",
        )
    states = by_step[np.arange(period) * steps % period]
    values = np.roll(states, -1) & np.uint32((1 << steps) - 1)
    place = np.full(1 << bits, -1, np.int32)
    place[states] = np.arange(period)
    return Draws(states, values, place)


@lru_cache(maxsize=16)
def allowed(cycle: Draws, limit: int) -> np.ndarray:
    """Return bit ``m``: is draw ``m`` below ``limit``; uint64, a row's worth beyond the end."""
    beyond = NEURONS + 64
    below = np.resize(cycle.values < limit, cycle.period + beyond)
    packed = np.packbits(below, bitorder="little")
    return np.resize(packed, -(-packed.size // 8) * 8).view(np.uint64)
