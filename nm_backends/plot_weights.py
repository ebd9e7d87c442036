"""A picture of the weights that a chip holds, with the names of the nodes that they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from nm_backends.network import Network
    from nm_backends.program import Program

__all__ = ["Band", "WeightMap", "crossbar", "draw_program", "draw_weights", "weight_map"]

_MOST = 1 << 24  # weights that are drawn
_CROWDED = 0.12  # share of the width between two names that have no room beside each other
_NARROW = 0.03  # of an axis: a band that is smaller gets no name
_OTHERS = {-2: "bias", -3: "trigger"}


@dataclass(frozen=True)
class Band:
    """Rows or columns ``first`` to ``last`` belong to a node."""

    name: str
    first: int
    last: int

    @property
    def size(self) -> int:
        """How many there are."""
        return self.last - self.first + 1


@dataclass(frozen=True)
class WeightMap:
    """Weights ``[row, column]``; rows send, columns listen.

    ``memory`` tells a synapse memory, in the chip's units and at its addresses, from a matrix of
    all neurons, in the user's units.
    """

    values: np.ndarray
    memory: bool
    rows: list[Band] = field(default_factory=list)
    columns: list[Band] = field(default_factory=list)


def weight_map(program: Program) -> WeightMap | None:
    """Return the weights that a program's image holds, or None where the backend tells none."""
    stored = crossbar(program)
    network = program.network
    sources = [p.name for p in (*network.inputs, *network.neurons) for _ in range(p.size)]
    if stored is not None:
        rows = [_OTHERS.get(s, "") if s < 0 else sources[s] for s in _layout(program, "row_source")]
        return WeightMap(stored, True, _bands(rows), _bands(_columns(program, stored.shape[1])))
    held = _held(program)
    if held is None:
        return None
    return WeightMap(_dense(held), False, _bands(sources), _bands(sources[network.input_size :]))


def _layout(program: Program, name: str) -> list[int]:
    """Return a list of the layout, as the shared mapper of crossbars keeps it; else nothing."""
    found = program.layout.get(name)
    return [] if found is None or found.ndim != 1 else [int(value) for value in found]


def _columns(program: Program, size: int) -> list[str]:
    """Return the node of every column of a synapse memory."""
    neurons = [p.name for p in program.network.neurons for _ in range(p.size)]
    names = [""] * size
    for key in ("address", "copy"):
        for name, place in zip(neurons, _layout(program, key), strict=False):
            if 0 <= place < size:
                names[place] = name
    return names


def _bands(names: Sequence[str]) -> list[Band]:
    """Return runs of the same name; what has none is left out."""
    found = []
    for name, run in groupby(range(len(names)), key=lambda i: names[i]):
        members = list(run)
        if name:
            found.append(Band(name, members[0], members[-1]))
    return found


def _held(program: Program) -> Network | None:
    """Return the network that the image holds, if the backend gives it and it can be drawn."""
    from nm_backends.errors import UserError
    from nm_backends.readback import realised

    network = program.network
    neurons = sum(p.size for p in network.neurons)
    if neurons * (network.input_size + neurons) > _MOST:
        return None
    try:
        return realised(program).network
    except UserError:
        return None


def _dense(network: Network) -> np.ndarray:
    """Return all weights as one matrix: inputs and neurons to neurons, delays added up."""
    populations = (*network.inputs, *network.neurons)
    ends = np.cumsum([p.size for p in populations])
    first = {p.name: int(end) - p.size for p, end in zip(populations, ends, strict=True)}
    inputs = network.input_size
    matrix = np.zeros((int(ends[-1]), int(ends[-1]) - inputs))
    for p in network.projections:
        row, column = first[p.pre], first[p.post] - inputs
        height, width = p.weights.shape
        matrix[row : row + height, column : column + width] += p.weights.toarray()
    return matrix


def draw_program(program: Program) -> list[Any]:
    """Draw how full the chip is, and the weights that it holds."""
    from nm_backends.plot import draw_resources, subplots

    left, right = subplots((13, 5.2), 1, 2, width_ratios=(4, 6))[0]
    draw_resources(left, program.resources)
    draw_weights(right, program)
    return [left, right]


def draw_weights(axes: Any, program: Program) -> None:
    """Draw the weights that the chip holds, if its backend tells: rows are sources."""
    found = weight_map(program)
    if found is None or not found.values.size:
        axes.set_axis_off()
        return
    limit = float(np.abs(found.values).max()) or 1.0
    signed = float(found.values.min()) < 0
    image = axes.imshow(
        np.ma.masked_equal(found.values, 0),
        cmap="coolwarm" if signed else "viridis_r",
        vmin=-limit if signed else 0,
        vmax=limit,
        interpolation="nearest",
        aspect="auto",
    )
    unit = "chip units" if found.memory else "units of the model"
    axes.figure.colorbar(image, ax=axes, label=f"weight ({unit})")
    share = np.count_nonzero(found.values) / found.values.size
    place = "in the synapse memory" if found.memory else "on the chip"
    used = f"{share:.1%} of {found.values.size:,} weights are not 0"
    axes.set_title(f"Which weights are {place}? ({used})")
    for bands, size, vertical in (
        (found.columns, found.values.shape[1], False),
        (found.rows, found.values.shape[0], True),
    ):
        _name(axes, bands, size, vertical=vertical, places=found.memory)
    axes.set_xlabel("neuron")
    axes.set_ylabel("row" if found.memory else "input or neuron")


def _name(axes: Any, bands: Sequence[Band], size: int, *, vertical: bool, places: bool) -> None:
    """Mark where the nodes of an axis begin, and name them beside it, with places or sizes."""
    line = axes.axhline if vertical else axes.axvline
    axis = axes.yaxis if vertical else axes.xaxis
    named = [band for band in bands if band.size / size >= _NARROW]
    for band in bands:
        for edge in (band.first - 0.5, band.last + 0.5):
            line(edge, color="0.75", linewidth=0.6)
    if named:
        centres = [(band.first + band.last) / 2 for band in named]
        axis.set_ticks(
            centres,
            [f"{b.name} {b.first}-{b.last}" if places else f"{b.name} ({b.size})" for b in named],
            fontsize="small",
        )
        if not vertical and np.diff(centres).min(initial=size) < _CROWDED * size:
            axis.set_tick_params(labelrotation=90)


def crossbar(program: Program) -> np.ndarray | None:
    """Return the weights in the synapse memory ``[row, neuron]``, or None without one.

    Where a row has a sign and the program's layout tells it (``row_sign``), weights carry it.
    """
    from nm_backends.assumptions import backend_of

    stored = program.image.memories.get("synapse")
    if stored is None or stored.ndim != 2:
        return None
    spec = backend_of(program).spec
    values = stored.astype(np.int64)
    if spec.sign == "synapse":
        half = 1 << (spec.weights.bits - 1)
        return (values + half) % (2 * half) - half  # two's complement
    values &= spec.weights.maximum  # magnitude; what the other bits mean is the chip's own
    signs = program.layout.get("row_sign")
    return values if signs is None else values * np.where(signs < 0, -1, 1)[:, None]
