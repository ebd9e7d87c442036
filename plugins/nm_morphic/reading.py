"""The kernel that reads AER words, see `nm_morphic.events`."""

from __future__ import annotations

import numpy as np

from nm_backends.fixed import kernel
from nm_morphic.events import CORE_SHIFT, REFERENCE, TOGETHER
from nm_morphic.spec import ROWS

__all__ = ["read"]


@kernel()
def read(
    words: np.ndarray, cores: int, first: np.ndarray, stop: np.ndarray, rows: np.ndarray,
    begins: np.ndarray,
) -> tuple[int, int]:  # fmt: skip
    """Set the arrays of `Events`; return how many groups there are, and a bad word or -1."""
    groups = 0
    for event in range(words.size):
        word = np.int64(words[event])
        plain = word & ~TOGETHER
        if plain == REFERENCE:
            first[event], stop[event], rows[event] = 0, cores, -1
        else:
            core = plain >> CORE_SHIFT
            if core >= cores:
                return groups, event
            first[event], stop[event], rows[event] = core, core + 1, plain & ROWS - 1
        if not word & TOGETHER:
            begins[groups] = event
            groups += 1
    return groups, -1
