"""AER words of MorphIC as this package writes them (the chip's own format is not published).

Bits 9..0 are the row and bits 25..10 the core, counted over all chips of the mesh; with bit 26 the
word is the time reference of all cores and the rest is 0. With bit 27 it is sent together with the
word before it, so that several cores hear one input at the same time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nm_backends.errors import UserError

__all__ = ["CORE_SHIFT", "REFERENCE", "TOGETHER", "Events", "read_words"]

CORE_SHIFT = 10
REFERENCE = 1 << 26
TOGETHER = 1 << 27


@dataclass(frozen=True)
class Events:
    """Input events, ready for `nm_morphic.rounds.run`.

    Parameters
    ----------
    first, stop
        First core and core after the last that hears each event, int64 ``[events]``.
    rows
        Row, or -1 for a time reference, int64 ``[events]``.
    begins
        Events that are not sent together with the one before them, ascending.
    """

    first: np.ndarray
    stop: np.ndarray
    rows: np.ndarray
    begins: np.ndarray

    def groups(self, first: int, end: int) -> np.ndarray:
        """Return where groups begin among the events ``first .. end - 1``, and the end."""
        a, b = np.searchsorted(self.begins, (first, end))
        return np.append(self.begins[a:b], end) - first


def read_words(words: np.ndarray, cores: int) -> Events:
    """Return what AER words mean to a mesh of so many cores.

    Raises
    ------
    UserError
        A word that addresses nothing.
    """
    from nm_morphic.reading import read

    size = words.size
    first, stop, rows, begins = (np.empty(size, np.int64) for _ in range(4))
    groups, bad = read(np.ascontiguousarray(words, np.uint32), cores, first, stop, rows, begins)
    if bad >= 0:
        plain = int(words[bad]) & ~TOGETHER
        raise UserError(f"event {bad}: {plain:#x} is no event of {cores} cores")
    return Events(first, stop, rows, begins[:groups])
