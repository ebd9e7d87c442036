"""The chip's random numbers: a 16-bit register, 16 shifts per number."""

from __future__ import annotations

from functools import cache

import numpy as np

from nm_backends.lfsr import shift_sequence, windows

__all__ = ["DRAWS", "draws", "place_of"]

DRAWS = (1 << 16) - 1
_TAPS = (11, 13, 14, 16)
_SHIFTS = 16


@cache
def draws() -> np.ndarray:
    """Return all numbers of the generator in the order in which they come, int32 ``[65535]``.

    Bit 15 of a state is the newest one. A number is the state after 16 more shifts; that is a
    permutation of all states, as 16 and the period have no common divisor.
    """
    states = windows(shift_sequence(*_TAPS), np.arange(_SHIFTS)).astype(np.int32)
    return states[np.arange(DRAWS) * _SHIFTS % DRAWS]


@cache
def _places() -> np.ndarray:
    places = np.zeros(DRAWS + 1, np.int64)
    places[draws()] = np.arange(DRAWS)
    return places


def place_of(state: int) -> int:
    """Return where in `draws` a state stands."""
    return int(_places()[state])
