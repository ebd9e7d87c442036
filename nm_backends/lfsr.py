"""Sequences of linear feedback shift registers, whole periods at once."""

from __future__ import annotations

import numpy as np

__all__ = ["shift_sequence", "windows"]


def shift_sequence(a: int, b: int) -> np.ndarray:
    """Return one period of ``y[n] = y[n - a] xor y[n - b]``, ``a < b``, from ones on.

    Squaring its polynomial shows that a sequence also obeys ``y[n] = y[n - 2a] xor y[n - 2b]``, and
    so on: ever longer stretches follow at once.

    Parameters
    ----------
    a, b
        Taps of a primitive polynomial of degree ``b``.

    Returns
    -------
    numpy.ndarray
        uint8 ``[2 ** b - 1]``.
    """
    total, degree = (1 << b) - 1, b
    y = np.ones(total, np.uint8)
    known = degree
    while known < total:
        if known >= 2 * b:
            a, b = 2 * a, 2 * b
            continue
        end = min(known + a, total)
        y[known:end] = y[known - a : end - a] ^ y[known - b : end - b]
        known = end
    return y


def windows(sequence: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return the bits at ``places`` from each point of a periodic sequence on, uint32."""
    found = np.zeros(sequence.size, np.uint32)
    for bit, place in enumerate(places):
        found |= np.roll(sequence, -int(place)).astype(np.uint32) << np.uint32(bit)
    return found
