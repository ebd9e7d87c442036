"""Which neurons share a word: two that leak alike, and whose thresholds suit each other."""

from __future__ import annotations

import numpy as np

__all__ = ["pair_up", "partners"]


def pair_up(group: np.ndarray, alpha: np.ndarray, preference: np.ndarray) -> np.ndarray:
    """Return the place of every neuron on the chip, int64 ``[neurons]``.

    Sorting by leak and pairing neighbours makes the sum of all differences within pairs least; a
    preference (the threshold that would suit a neuron) decides among equals.

    Parameters
    ----------
    group
        Neurons of different groups never share a word; each group begins a new one.
    alpha
        Leak factors as the chip holds them.
    """
    order = np.lexsort((np.arange(alpha.size), preference, alpha, group))
    place = np.zeros(alpha.size, np.int64)
    at = 0
    for i, n in enumerate(order):
        if i and group[n] != group[order[i - 1]]:
            at += at % 2
        place[n] = at
        at += 1
    return place


def partners(place: np.ndarray) -> np.ndarray:
    """Return the neurons of each word in use, int64 ``[words, 2]``; -1 where there is none."""
    words = np.full((int(place.max(initial=-1)) // 2 + 1, 2), -1, np.int64)
    words[place // 2, place % 2] = np.arange(place.size)
    return words
