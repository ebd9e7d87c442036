"""Route words: where the spikes of a neuron go besides its own core."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nm_backends.errors import UserError
from nm_morphic.spec import CORES, L1_ROWS, L2_ROWS, NEURONS, ROUTE_FIELDS, ROWS

__all__ = ["L1_BASE", "L2_BASE", "REACH", "Route", "decode", "encode", "level", "path", "unpack"]

L1_BASE, L2_BASE = NEURONS, NEURONS + L1_ROWS
_FIELDS = {field.name: field for field in ROUTE_FIELDS}
REACH = (-(1 << _FIELDS["dx"].width - 1), (1 << _FIELDS["dx"].width - 1) - 1)
"""Least and greatest number of chips along x, and along y."""


@dataclass(frozen=True)
class Route:
    """Targets of one neuron.

    Parameters
    ----------
    cores
        Other cores of its chip (L1), ascending.
    l1_row
        Row 0..255 among the L1 rows of those cores, one for all.
    dx, dy
        Chips to go along x and y (L2), -8..7; both 0 for no L2 route.
    l2_row
        Row 0..255 among the L2 rows of all cores of that chip.
    """

    cores: tuple[int, ...] = ()
    l1_row: int = 0
    dx: int = 0
    dy: int = 0
    l2_row: int = 0


def level(row: int) -> int:
    """Return the route level of a row: 0 same core, 1 other cores, 2 other chips."""
    if not 0 <= row < ROWS:
        raise UserError(f"row {row}: expected 0..{ROWS - 1}")
    return (row >= L1_BASE) + (row >= L2_BASE)


def encode(route: Route, core: int) -> int:
    """Return the 27-bit word of a neuron of ``core``.

    Raises
    ------
    UserError
        A core that is no other core of the chip, or a number that does not fit its field.
    """
    others = _others(core)
    cores = tuple(route.cores)
    if any(target not in others for target in cores) or len(set(cores)) != len(cores):
        raise UserError(
            f"route of core {core}: cores {list(cores)}, expected some of {list(others)}",
            "the core itself is reached by its L0 rows, without a route",
        )
    _check("l1_row", route.l1_row, 0, L1_ROWS - 1)
    _check("l2_row", route.l2_row, 0, L2_ROWS - 1)
    _check("dx", route.dx, *REACH)
    _check("dy", route.dy, *REACH)
    values = {
        "l1_mask": sum(1 << others.index(target) for target in cores),
        "l1_row": route.l1_row, "dx": route.dx, "dy": route.dy, "l2_row": route.l2_row,
    }  # fmt: skip
    word = 0
    for name, value in values.items():
        word |= (value & (1 << _FIELDS[name].width) - 1) << _FIELDS[name].lsb
    return word


def decode(word: int, core: int) -> Route:
    """Return what the word of a neuron of ``core`` says; the inverse of `encode`."""
    width = sum(field.width for field in ROUTE_FIELDS)
    if not 0 <= word < 1 << width:
        raise UserError(f"route word {word:#x}: expected {width} bits")
    fields = {name: int(values[0]) for name, values in unpack(np.array([word])).items()}
    mask, others = fields.pop("l1_mask"), _others(core)
    return Route(tuple(c for bit, c in enumerate(others) if mask >> bit & 1), **fields)


def unpack(words: np.ndarray) -> dict[str, np.ndarray]:
    """Return the fields of route words, int64, by name."""
    found = {}
    for name, field in _FIELDS.items():
        values = np.asarray(words, np.int64) >> field.lsb & (1 << field.width) - 1
        if field.signed:
            values = values - ((values >> field.width - 1) << field.width)
        found[name] = values
    return found


def path(start: int, dx: int, dy: int, columns: int, order: str = "xy") -> list[tuple[int, int]]:
    """Return the links from a chip of a mesh, one after the other.

    Parameters
    ----------
    start
        Chip, ``y * columns + x``.
    columns
        Chips along x.
    order
        ``"xy"``, along x first, or ``"yx"``.

    Returns
    -------
    list of (chip, direction)
        The chip that each link leaves; direction 0 is +x, 1 -x, 2 +y, 3 -y.
    """
    x = [(0 if dx > 0 else 1, 1 if dx > 0 else -1)] * abs(dx)
    y = [(2 if dy > 0 else 3, columns if dy > 0 else -columns)] * abs(dy)
    links, chip = [], start
    for direction, step in x + y if order == "xy" else y + x:
        links.append((chip, direction))
        chip += step
    return links


def _others(core: int) -> Sequence[int]:
    if not 0 <= core < CORES:
        raise UserError(f"core {core}: expected 0..{CORES - 1}")
    return [other for other in range(CORES) if other != core]


def _check(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise UserError(f"route: {name} {value}, expected {low}..{high}")
