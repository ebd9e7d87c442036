"""Rows by which a teacher pushes neurons up or down, one neuron at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from nm_backends.image import Image
from nm_morphic.events import CORE_SHIFT
from nm_morphic.learning_options import MorphicLearning
from nm_morphic.spec import NEURONS, ROWS

__all__ = ["Teacher", "TeacherRow", "rows_needed", "teacher"]


@dataclass(frozen=True)
class TeacherRow:
    """A row of the whole mesh, its bits (bool ``[512]``) and its sign in the mode {0, 1}."""

    row: int
    bits: np.ndarray
    inhibitory: bool = False


@dataclass
class Teacher:
    """What a teacher takes and sends.

    Parameters
    ----------
    rows
        Its rows.
    up, down
        AER words of a push of each neuron that learns, in order.
    """

    rows: list[TeacherRow] = field(default_factory=list)
    up: list[list[int]] = field(default_factory=list)
    down: list[list[int]] = field(default_factory=list)

    def program(self, image: Image) -> None:
        """Write the rows into an image, and connect them."""
        for one in self.rows:
            image.memories["synapse_row"][one.row] = np.packbits(one.bits, bitorder="little")
            core, row = divmod(one.row, ROWS)
            for register, value in (("ROW_ENABLE", 1), ("ROW_SIGN", int(one.inhibitory))):
                name = f"{register}_{core}"
                flags = np.array(image.registers[name], np.uint8)
                flags[row] = value
                image.registers[name] = flags


def rows_needed(options: MorphicLearning, neurons: int, split: bool) -> int:
    """Return how many rows of a core its teacher takes, for so many neurons that learn there."""
    ways = (options.excite > 0) + (options.inhibit > 0)
    shared = 0 if split or options.teacher == "contrast" else 1
    return ways * (neurons + shared)


def teacher(
    options: MorphicLearning, places: np.ndarray, free: dict[int, np.ndarray], split: set[int]
) -> Teacher:
    """Return the teacher of neurons.

    Parameters
    ----------
    places
        Where they are, int64 ``[neurons]``.
    free
        Rows of each core that it may take, enough of them (`rows_needed`).
    split
        Cores whose weights are 0 and 1, with the sign of the row.
    """
    made = Teacher(up=[[] for _ in places], down=[[] for _ in places])
    for core in np.unique(places // NEURONS).tolist():
        unused = iter((core * ROWS + free[core]).tolist())
        here = np.flatnonzero(places // NEURONS == core)
        for words, wanted, up in (
            (made.up, options.excite, True),
            (made.down, options.inhibit, False),
        ):
            if not wanted:
                continue
            if core in split:
                pushes = _of_one_sign(places[here], up, unused)
            else:
                pushes = _of_both(places[here], up, unused, options.teacher == "neutral")
            for neuron, push in zip(here.tolist(), pushes, strict=True):
                made.rows += [row for row in push if row not in made.rows]
                words[neuron] = [_word(row.row) for row in push]
    return made


def _of_one_sign(places: np.ndarray, up: bool, unused: Iterator[int]) -> list[list[TeacherRow]]:
    return [[TeacherRow(next(unused), _only(place), not up)] for place in places.tolist()]


def _of_both(
    places: np.ndarray, up: bool, unused: Iterator[int], neutral: bool
) -> list[list[TeacherRow]]:
    """Return rows of -1 and +1: all go down first and up again, but one goes the same way twice."""
    one_way = [TeacherRow(next(unused), _only(p) == up) for p in places.tolist()]
    if not neutral:
        return [[row] for row in one_way]
    everyone = TeacherRow(next(unused), np.full(NEURONS, up))
    return [[row, everyone] if up else [everyone, row] for row in one_way]


def _only(place: int) -> np.ndarray:
    return np.asarray(np.arange(NEURONS) == place % NEURONS)


def _word(row: int) -> int:
    core, row = divmod(row, ROWS)
    return core << CORE_SHIFT | row
