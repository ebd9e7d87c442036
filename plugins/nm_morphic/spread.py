"""Which neuron goes to which core of which chip: as few cores as possible, then little traffic."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp

from nm_backends.crossbar.wiring import Wiring
from nm_backends.partition import cut
from nm_backends.quantize import binarised
from nm_morphic.alike import Alike
from nm_morphic.allot import Allotment, NoRoom, allot
from nm_morphic.arrange import arranged, mesh_columns
from nm_morphic.spec import CORES, L1_ROWS, L2_ROWS, NEURONS, ROWS
from nm_morphic.wanted import classes, listens, signs_of, wanted

__all__ = ["MESH_SIZES", "Spread", "placed"]


_EXTRA = 8  # cores more than the least that are tried, where rows or routes do not suffice
MESH_SIZES = (1, 2, 3, *(n for n in range(4, 65) if mesh_columns(n) ** 2 <= 2 * n))
"""Numbers of chips that make a mesh about as wide as high."""


class Spread:
    """A network on the cores of a mesh.

    Parameters
    ----------
    wiring
        The network. Rows are given by the signs of its real weights, so that whatever integers
        these become has a place.
    paired
        Which neurons hear rows of one sign, bool ``[neurons]``.
    first
        The sign that is to be heard first; 0: none.
    chips
        In the mesh.
    asked
        Binary weights by which sources share rows, see `nm_morphic.alike.Alike`; None: none do.
    nearest
        Whether sources that differ may share one, too.
    """

    def __init__(
        self, wiring: Wiring, paired: np.ndarray, first: int, chips: int,
        asked: np.ndarray | None = None, nearest: bool = False,
    ) -> None:  # fmt: skip
        self.paired, self.signs = paired, signs_of(paired, first)
        by_neuron = listens(wiring, paired, first)
        spare = _bias_rows(wiring, bool(paired.any()))
        failure: NoRoom | None = None
        sharing = asked is not None
        cuts = _cuts(wiring, paired, by_neuron, chips, spare, sharing)
        while True:
            try:
                core = next(cuts)
            except NoRoom as found:  # no more ways to cut: what kept the first one says more
                raise failure or found from None
            try:
                self.core = core
                alike = None if asked is None else Alike(asked, core, nearest)
                self.made = _allotted(
                    by_neuron, core, wiring, self.signs, chips, first == 0, spare, alike
                )
                return
            except NoRoom as found:
                failure = failure or found


def _allotted(
    by_neuron: np.ndarray, core: np.ndarray, wiring: Wiring, signs: tuple[int, ...], chips: int,
    ascending: bool, spare: int, alike: Alike | None,
) -> Allotment:  # fmt: skip
    needs = wanted(by_neuron, core, chips * CORES)
    made = allot(needs, core, wiring.inputs, signs, chips, mesh_columns(chips), ascending, alike)
    for rows in made.free.values():
        if len(rows) < spare:
            raise NoRoom("rows of a core", ROWS - len(rows) + spare, ROWS)
    return made


def _bias_rows(wiring: Wiring, split: bool) -> int:
    """Return how many rows of a core biases need at least."""
    signs = int((wiring.bias < 0).any()) + int((wiring.bias > 0).any())
    return signs if split else min(signs, 1)


def _cuts(
    wiring: Wiring, paired: np.ndarray, by_neuron: np.ndarray, chips: int, spare: int, sharing: bool
) -> Iterator[np.ndarray]:
    """Yield ways to cut the network into cores, that with the fewest cores first."""
    groups, total = classes(wiring, paired), chips * CORES
    for extra in range(min(total, _EXTRA) + 1):
        core, used = np.zeros(wiring.neurons, np.int64), 0
        for group in groups:
            label = _cut_group(wiring, by_neuron, group, total, spare, extra, sharing)
            core[group] = used + label
            used += int(label.max(initial=-1)) + 1
        if used > total:
            raise NoRoom("cores", used, total)
        if used > CORES:
            yield arranged(np.asarray(by_neuron[:, wiring.inputs :].any(axis=0)), core, chips)
        yield core
    raise NoRoom("cores", total + 1, total)


def _cut_group(
    wiring: Wiring, by_neuron: np.ndarray, group: np.ndarray, total: int, spare: int, extra: int,
    sharing: bool,
) -> np.ndarray:  # fmt: skip
    """Cut neurons that may share a core into as few cores as their rows allow, and ``extra``."""
    mine, inputs = by_neuron[:, :, group], wiring.inputs
    outside = np.ones(wiring.neurons, bool)
    refused: list[NoRoom] = []
    heard = np.asarray(by_neuron[:, inputs + group].any(axis=2))
    copies = np.maximum(np.maximum(heard[:2].sum(axis=0), heard[-1]), 1)  # rows of a core at most

    def fits(which: np.ndarray) -> bool:
        rows = mine[:, :, which].any(axis=2).sum(axis=0)
        outside[:] = True
        outside[group[which]] = False
        remote = int(rows[inputs:][outside].sum())
        most = L1_ROWS if total <= CORES else L1_ROWS + L2_ROWS
        places = int(copies[which].sum())
        needed = places + int(rows[:inputs].sum()) + remote + spare
        if sharing:  # what is short is shared
            remote, needed = min(remote, most), places + spare + 1
        for what, asked, limit in (
            ("neurons of a core, copies included", places, NEURONS),
            ("rows of a core for neurons of others", remote, most),
            ("rows of a core", needed, ROWS),
        ):
            if asked > limit:
                refused.append(NoRoom(what, asked, limit))
                return False
        return True

    sources = sp.csr_array(mine.any(axis=0).astype(np.float64))
    least = max(1, -(-group.size // NEURONS)) + extra
    label = cut(sources, np.ones(sources.shape[0]), fits, least, total)
    if label is None:
        raise refused[-1] if refused else NoRoom("cores", least, total)
    return label


def placed(
    wiring: Wiring, paired: np.ndarray, first: int, chips: int, sharing: str = "never"
) -> Spread | NoRoom:
    """Return a network on its cores, or why that cannot be.

    Parameters
    ----------
    sharing
        Which sources share rows where it has no place otherwise, see `Assumptions.row_sharing`.
    """
    try:
        return Spread(wiring, paired, first, chips)
    except NoRoom as found:
        refused = found
    if sharing == "never" or wiring.plastic.any():
        return refused
    try:
        asked = _binary(wiring, paired)
        return Spread(wiring, paired, first, chips, asked, sharing == "nearest")
    except NoRoom:
        return refused


def _binary(wiring: Wiring, paired: np.ndarray) -> np.ndarray:
    """Return -1, 0 and +1, nearest to the real weights, where thresholds are no limit."""
    limit = np.full(wiring.neurons, 1e9)
    there = listens(wiring, np.zeros(wiring.neurons, bool))[0]
    both = binarised(wiring.weights, wiring.threshold, wiring.strict, limit, there).weights
    one = binarised(wiring.weights, wiring.threshold, wiring.strict, limit).weights
    return np.where(paired, one, both)
