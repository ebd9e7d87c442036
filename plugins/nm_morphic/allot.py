"""Rows, places and routes: which neuron sits where, and which row of which core a source drives.

A neuron has its own row (L0) in its core, one L1 row for all other cores of its chip, and one L2
row for all cores of one other chip. What needs more (rows of both signs, several chips) takes
copies of the neuron at other places of its core: they hear the same and fire together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from nm_morphic.alike import Alike
from nm_morphic.routes import L1_BASE, L2_BASE, REACH, Route, encode
from nm_morphic.spec import CORES, L1_ROWS, L2_ROWS, NEURONS, ROWS

__all__ = ["Allotment", "NoRoom", "Row", "allot"]


class NoRoom(Exception):
    """A network that cannot be placed: which resource ends, what is needed and what there is."""

    def __init__(self, what: str, needed: int, limit: int) -> None:
        super().__init__(f"{what}: {needed} needed, {limit} there")
        self.what, self.needed, self.limit = what, needed, limit


@dataclass(frozen=True)
class Row:
    """A row of a core in use: its source, and the sign of the weights it holds (0: both)."""

    core: int
    row: int
    source: int
    sign: int


@dataclass
class Allotment:
    """Where everything is.

    Parameters
    ----------
    neuron
        Network neuron at each place, or -1: int64 ``[cores * 512]``.
    first, second
        Place of each neuron, and of its first copy or -1: int64 ``[neurons]``.
    routes
        Route words, int64 ``[cores * 512]``.
    rows
        Rows in use. Those of an input follow each other, core by core within a sign.
    free
        Rows that nothing uses, of each core in use.
    packets
        For each place with an L2 route: source chip, target chip.
    """

    neuron: np.ndarray
    first: np.ndarray
    second: np.ndarray
    routes: np.ndarray
    rows: list[Row] = field(default_factory=list)
    free: dict[int, list[int]] = field(default_factory=dict)
    packets: list[tuple[int, int]] = field(default_factory=list)


def allot(
    needs: np.ndarray, core: np.ndarray, inputs: int, signs: tuple[int, ...], chips: int,
    columns: int, ascending: bool, alike: Alike | None = None,
) -> Allotment:  # fmt: skip
    """Give every neuron its places and every source its rows.

    Parameters
    ----------
    needs
        See `nm_morphic.wanted.wanted`, over all cores of all chips.
    core
        Core of each neuron.
    inputs
        Sources that are inputs; neurons follow.
    signs
        Signs of rows, the one to be heard first in front.
    columns
        Chips along x.
    ascending
        Whether copies sit side by side; otherwise all that are heard first sit in front.
    alike
        Says which sources share rows, where these are short; by default none do.

    Raises
    ------
    NoRoom
        A core or a chip has not enough places or rows, or a chip is out of reach.
    """
    count = needs.sum(axis=2)
    late = np.argmax(needs[inputs:].any(axis=1), axis=1)
    made = _places(count[inputs:], core, chips, None if ascending else late)
    taken = np.zeros((chips * CORES, ROWS), bool)
    for c in np.unique(core):
        taken[c, : int((made.neuron[c * NEURONS : (c + 1) * NEURONS] >= 0).sum())] = True
    order = _Order(needs, signs)
    for place in np.flatnonzero(made.neuron >= 0).tolist():
        _own_rows(made, order, inputs, place)
    _routed(made, order, inputs, taken, columns, alike)
    _input_rows(made, order, inputs, taken, alike)
    made.free = {int(c): np.flatnonzero(~taken[c]).tolist() for c in np.unique(core)}
    return made


@dataclass
class _Order:
    """The signs that a core needs of a source, first heard first."""

    needs: np.ndarray
    signs: tuple[int, ...]

    def of(self, source: int, core: int) -> list[int]:
        there = self.needs[source, core]
        return [sign for sign, needed in zip(self.signs, there, strict=True) if needed]


def _places(count: np.ndarray, core: np.ndarray, chips: int, late: np.ndarray | None) -> Allotment:
    """Seat neurons and their copies.

    Parameters
    ----------
    count
        Rows that each core needs of each neuron, ``[neurons, cores]``.
    late
        Which sign the first copy has, by its place among the signs; None: copies sit side by side.
    """
    neurons, home = len(core), core // CORES
    by_chip = count.reshape(neurons, chips, CORES).max(axis=2, initial=0)
    own = by_chip[np.arange(neurons), home]
    copies = np.maximum(np.maximum(own, by_chip.sum(axis=1) - own), 1)
    made = Allotment(
        np.full(chips * CORES * NEURONS, -1, np.int64), np.full(neurons, -1), np.full(neurons, -1),
        np.zeros(chips * CORES * NEURONS, np.int64),
    )  # fmt: skip
    for c in np.unique(core):
        here = np.flatnonzero(core == c)
        who = np.repeat(here, copies[here])
        if who.size > NEURONS:
            raise NoRoom("neurons of a core, copies included", int(who.size), NEURONS)
        copy = np.concatenate([np.arange(n) for n in copies[here]])
        if late is not None:
            front = np.argsort(np.maximum(copy, late[who]), kind="stable")
            who, copy = who[front], copy[front]
        at = c * NEURONS + np.arange(who.size)
        made.neuron[at] = who
        made.first[who[copy == 0]] = at[copy == 0]
        made.second[who[copy == 1]] = at[copy == 1]
    return made


def _copy_number(made: Allotment, place: int) -> int:
    """Return the number of copies of the same neuron at lower places."""
    start = place // NEURONS * NEURONS
    return int((made.neuron[start:place] == made.neuron[place]).sum())


def _own_rows(made: Allotment, order: _Order, inputs: int, place: int) -> None:
    core, source = place // NEURONS, inputs + int(made.neuron[place])
    signs, number = order.of(source, core), _copy_number(made, place)
    if number < len(signs):
        made.rows.append(Row(core, place % NEURONS, source, signs[number]))


@dataclass(frozen=True)
class _Wish:
    """What a place has to send beyond its core: targets with signs, of this chip and of another."""

    place: int
    source: int
    near: tuple[tuple[int, int], ...]
    far: tuple[tuple[int, int], ...]


def _wishes(made: Allotment, order: _Order, inputs: int) -> Iterator[_Wish]:
    reached: np.ndarray = np.asarray(order.needs.any(axis=2))
    for place in np.flatnonzero(made.neuron >= 0).tolist():
        home, source = place // NEURONS, inputs + int(made.neuron[place])
        targets = np.flatnonzero(reached[source])
        if not (targets != home).any():
            continue
        number = _copy_number(made, place)
        near = tuple(_nth(order, source, targets[targets // CORES == home // CORES], number, home))
        far: tuple[tuple[int, int], ...] = ()
        left = number
        for chip in np.unique(targets // CORES):
            if chip == home // CORES:
                continue
            there = targets[targets // CORES == chip]
            packets = max(len(order.of(source, int(c))) for c in there)
            if left < packets:
                far = tuple(_nth(order, source, there, left))
                break
            left -= packets
        if near or far:
            yield _Wish(place, source, near, far)


def _nth(
    order: _Order, source: int, cores: np.ndarray, number: int, but: int = -1
) -> Iterator[tuple[int, int]]:
    """Yield the cores that need at least ``number + 1`` signs of a source, with that sign."""
    for core in cores.tolist():
        signs = order.of(source, core)
        if core != but and number < len(signs):
            yield core, signs[number]


def _routed(
    made: Allotment, order: _Order, inputs: int, taken: np.ndarray, columns: int,
    alike: Alike | None,
) -> None:  # fmt: skip
    """Give L1 and L2 rows, to those with most targets first, and write the route words."""
    wishes = sorted(_wishes(made, order, inputs), key=lambda w: (-len(w.near), w.place))
    near_group = _grouped(wishes, "near", alike)
    far_group = _grouped(wishes, "far", alike)
    known: dict[_Group, int] = {}
    for wish in wishes:
        core = wish.place // NEURONS
        near = tuple(c for c, _ in wish.near)
        l1, l2, dx, dy = 0, 0, 0, 0
        if near:
            l1 = known.get(near_group[wish.place], -1)
            if l1 < 0:
                l1 = _first_free(taken[list(near), L1_BASE:L2_BASE], "L1 rows of a core", L1_ROWS)
            known[near_group[wish.place]] = l1
        if wish.far:
            chip = wish.far[0][0] // CORES
            all_of = slice(chip * CORES, chip * CORES + CORES)
            l2 = known.get(far_group[wish.place], -1)
            if l2 < 0:
                l2 = _first_free(taken[all_of, L2_BASE:], "L2 rows of a chip", L2_ROWS)
            known[far_group[wish.place]] = l2
            dx, dy = _way(core // CORES, chip, columns)
            taken[all_of, L2_BASE + l2] = True
            made.packets.append((core // CORES, chip))
        for target, sign in wish.near:
            taken[target, L1_BASE + l1] = True
            made.rows.append(Row(target, L1_BASE + l1, wish.source, sign))
        made.rows += [Row(c, L2_BASE + l2, wish.source, sign) for c, sign in wish.far]
        route = Route(tuple(c % CORES for c in near), l1, dx, dy, l2)
        made.routes[wish.place] = encode(route, core % CORES)


_Group = tuple[str, tuple[tuple[int, int], ...], int]
"""Places that share a row: of which kind, to which targets, and a number."""


def _grouped(wishes: list[_Wish], kind: str, alike: Alike | None) -> dict[int, _Group]:
    """Return the group of each place; each is one of its own unless rows are short."""
    found = {wish.place: (kind, getattr(wish, kind), -1 - wish.place) for wish in wishes}
    if alike is None:
        return found
    classes: dict[tuple[tuple[int, int], ...], list[_Wish]] = {}
    for wish in wishes:
        if getattr(wish, kind):
            classes.setdefault(getattr(wish, kind), []).append(wish)
    rows, unit = (L1_ROWS, 1) if kind == "near" else (L2_ROWS, CORES)
    asked: dict[int, int] = {}
    for targets, those in classes.items():
        for at in {c // unit for c, _ in targets}:
            asked[at] = asked.get(at, 0) + len(those)
    for targets, those in classes.items():
        most = max(asked[c // unit] for c, _ in targets)
        limit = len(those) * rows // most if most > rows else len(those)
        label = alike.groups([wish.source for wish in those], targets, limit)
        for wish, group in zip(those, label.tolist(), strict=True):
            found[wish.place] = (kind, targets, group)
    return found


def _first_free(taken: np.ndarray, what: str, limit: int) -> int:
    free = np.flatnonzero(~taken.any(axis=0))
    if not free.size:
        raise NoRoom(what, limit + 1, limit)
    return int(free[0])


def _way(chip: int, target: int, columns: int) -> tuple[int, int]:
    dx, dy = target % columns - chip % columns, target // columns - chip // columns
    if not (REACH[0] <= min(dx, dy) and max(dx, dy) <= REACH[1]):
        raise NoRoom("chips to go along one axis", max(abs(dx), abs(dy)), REACH[1])
    return dx, dy


def _input_rows(
    made: Allotment, order: _Order, inputs: int, taken: np.ndarray, alike: Alike | None
) -> None:
    """Give inputs the rows that no neuron addresses."""
    free = [np.flatnonzero(~row).tolist()[::-1] for row in taken]
    group = [_input_groups(order, inputs, core, len(rows), alike) for core, rows in enumerate(free)]
    known: dict[tuple[int, int, int], int] = {}
    for source, signs in zip(*np.nonzero(order.needs[:inputs].any(axis=1)), strict=True):
        for core in np.flatnonzero(order.needs[source, :, signs]).tolist():
            key = core, int(signs), group[core][int(source), int(signs)]
            if key not in known:
                known[key] = free[core].pop()
            taken[core, known[key]] = True
            made.rows.append(Row(core, known[key], int(source), order.signs[signs]))


def _input_groups(
    order: _Order, inputs: int, core: int, rows: int, alike: Alike | None
) -> dict[tuple[int, int], int]:
    """Return the group of each input and place of a sign; each is one of its own if rows suffice.

    Raises
    ------
    NoRoom
        There are not rows enough.
    """
    needs = order.needs[:inputs, core]
    needed, spare = int(needs.sum()), 2  # spare rows: for biases
    found = {(int(i), int(s)): int(i) for i, s in np.argwhere(needs)}
    if needed > rows and alike is not None:
        for s, sign in enumerate(order.signs):
            sources = np.flatnonzero(needs[:, s]).tolist()
            limit = len(sources) * (rows - spare) // needed
            label = alike.groups(sources, ((core, sign),), limit)
            found |= {(i, s): g for i, g in zip(sources, label.tolist(), strict=True)}
    groups = len({(s, g) for (_, s), g in found.items()})
    if groups > rows:
        raise NoRoom("rows of a core", ROWS - rows + groups, ROWS)
    return found
