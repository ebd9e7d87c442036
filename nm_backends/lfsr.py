"""Sequences of linear feedback shift registers, whole periods at once."""

from __future__ import annotations

import numpy as np

__all__ = ["shift_sequence", "windows"]


def shift_sequence(*taps: int) -> np.ndarray:
    """Return one period of ``y[n] = y[n - a] xor y[n - b] xor ...``, from ones on.

    Squaring its polynomial shows that a sequence also obeys ``y[n] = y[n - 2a] xor y[n - 2b] ...``,
    and so on: ever longer stretches follow at once.

    Parameters
    ----------
    taps
        Those of a primitive polynomial, ascending; the last is its degree ``d``.

    Returns
    -------
    numpy.ndarray
        uint8 ``[2 ** d - 1]``.
    """
    degree = taps[-1]
    total = (1 << degree) - 1
    y = np.ones(total, np.uint8)
    known = degree
    while known < total:
        if known >= 2 * taps[-1]:
            taps = tuple(2 * tap for tap in taps)
            continue
        end = min(known + taps[0], total)
        y[known:end] = np.bitwise_xor.reduce([y[known - tap : end - tap] for tap in taps])
        known = end
    return y


def windows(sequence: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return the bits at ``places`` from each point of a periodic sequence on, uint32."""
    found = np.zeros(sequence.size, np.uint32)
    for bit, place in enumerate(places):
        found |= np.roll(sequence, -int(place)).astype(np.uint32) << np.uint32(bit)
    return found
