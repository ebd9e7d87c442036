"""From the image back to the user's units: the network as the chip holds it now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from nm_backends.crossbar.chip import CrossbarChip
from nm_backends.crossbar.hosted import hosted_weights
from nm_backends.crossbar.integers import Integers
from nm_backends.crossbar.sharing import wiring_of
from nm_backends.crossbar.wiring import Wiring
from nm_backends.effective import constant, gain_of, parameter
from nm_backends.eventcore.words import extract
from nm_backends.network import Projection
from nm_backends.readback import Realised

if TYPE_CHECKING:
    from nm_backends.network import Network, Population
    from nm_backends.program import Program

__all__ = ["integers_in", "realised", "weights_between"]

_BIAS_ROW = -2
_BELOW = (3 - 5**0.5) / 2  # no sum of integers and their decays is a golden section away


def realised(chip: CrossbarChip, program: Program) -> Realised:
    """Return the network that the image holds; see `nm_backends.readback.Realised`."""
    network = program.network
    wiring = wiring_of(program)
    held = integers_in(chip, program, wiring)
    populations = dict(network.populations)
    for name, span in wiring.spans():
        populations[name] = _population(network.populations[name], held, span)
    unit = held.weights / held.scale
    projections = [
        replace(p, weights=sp.csr_array(weights_between(network, wiring, unit, p)))
        for p in network.projections
    ]
    projections += _lateral(network, wiring, unit)
    made = replace(network, populations=populations, projections=projections)
    spans = wiring.spans()
    return Realised(made, {name: _notes(program, held, span) for name, span in spans})


def _lateral(network: Network, wiring: Wiring, effects: np.ndarray) -> list[Projection]:
    """Return the synapses within populations that the chip has and the model has not."""
    there = {(p.pre, p.post) for p in network.projections}
    found = []
    for name, span in wiring.spans():
        mine = effects[wiring.inputs + span.start : wiring.inputs + span.stop, span]
        if (name, name) not in there and mine.any():
            made = Projection(name, name, sp.csr_array(mine.shape), 1)
            weights = weights_between(network, wiring, effects, made)
            found.append(replace(made, weights=sp.csr_array(weights)))
    return found


def integers_in(chip: CrossbarChip, program: Program, wiring: Wiring) -> Integers:
    """Return what the image of a program holds, source by source and neuron by neuron."""
    layout, spec = program.layout, chip.spec
    stored = chip.unpack(program.image)
    by_source = hosted_weights(chip, layout, wiring)
    for rows, neurons in _crossbars(chip, stored):
        source = layout["row_source"][rows]
        there = source >= 0
        np.add.at(by_source[:, neurons], source[there], stored[rows][there].astype(np.int64))
        row, more = _sharing(layout, rows)
        np.add.at(by_source[:, neurons], more, stored[row].astype(np.int64))
    address, lift = layout["address"], layout["lift"].astype(np.int64)
    field = {f.name: f for f in spec.fields["neuron"]}
    words = program.image.memories["neuron"]
    names = ("thr", "leak_str", "core")
    threshold, leak, start = (extract(words, field[name])[address] for name in names)
    return Integers(
        by_source[:, address],
        _bias(chip, layout, stored)[address],
        threshold - lift,
        leak - lift,
        start - lift,
        layout["scale"],
        lift // spec.weights.maximum,
    )


def _sharing(layout: dict[str, np.ndarray], rows: slice) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of a crossbar that further sources drive, and these sources."""
    if "shared_row" not in layout:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    here = (layout["shared_row"] >= rows.start) & (layout["shared_row"] < rows.stop)
    return layout["shared_row"][here], layout["shared_source"][here]


def _bias(chip: CrossbarChip, layout: dict[str, np.ndarray], stored: np.ndarray) -> np.ndarray:
    """Return what the constant events of a step add, by neuron address."""
    total, sent = (
        np.zeros(chip.spec.neurons, np.int64),
        layout["slot_word"] & ~np.uint32(chip.flags),
    )
    for rows, neurons in _crossbars(chip, stored):
        for row in rows.start + np.flatnonzero(layout["row_source"][rows] == _BIAS_ROW):
            word = chip.row_words(np.array([row]))[0]
            events = layout["slot_count"][(sent == word) & (layout["slot_channel"] < 0)]
            total[neurons] += stored[row] * int(events.sum())
    return total


def _crossbars(chip: CrossbarChip, stored: np.ndarray) -> Iterator[tuple[slice, slice]]:
    """Go through the crossbars of a chip: their rows, and their neurons."""
    height, width = chip.spec.rows, stored.shape[1]
    for i in range(len(stored) // height):
        yield slice(i * height, (i + 1) * height), slice(i * width, (i + 1) * width)


def weights_between(
    network: Network, wiring: Wiring, effects: np.ndarray, projection: Projection
) -> np.ndarray:
    """Return the weights of a projection, float64 ``[pre, post]``, from what its spikes do.

    Parameters
    ----------
    effects
        Effect of one spike of every source on every membrane, user's units,
        ``[sources, neurons]``.
    """
    pre, post = network.populations[projection.pre], network.populations[projection.post]
    worth = gain_of(post) * pre.graded
    columns = effects[:, wiring.of(post.name)] / np.where(worth == 0, 1.0, worth)
    if not pre.is_input:
        return np.asarray(columns[wiring.inputs :][wiring.of(pre.name)])
    unit = wiring.channel - _first_channel(network, pre.name)
    mine = (unit >= 0) & (unit < pre.size) & (wiring.delay == projection.delay)
    found = np.zeros((pre.size, post.size))
    found[unit[mine]] = columns[wiring.source[mine]]
    return found


def _first_channel(network: Network, name: str) -> int:
    names = [p.name for p in network.inputs]
    return sum(p.size for p in network.inputs[: names.index(name)])


def _population(population: Population, held: Integers, span: slice) -> Population:
    """Return the population with thresholds, biases and first states of the chip.

    Membranes of the chip are whole numbers, so that any threshold between two of them is the same.
    One is taken that nothing hits: no rounding error matters, and > is as good as >=.
    """
    scale = held.scale[span]
    rest = parameter(population, "v_reset")
    gain = gain_of(population)
    moved = held.bias[span] / scale - constant(population)
    bias = parameter(population, "bias") + moved / np.where(gain == 0, 1.0, gain)
    return replace(
        population,
        threshold=rest + (held.threshold[span] - _BELOW) / scale,
        v0=rest + held.start[span] / scale,
        bias=bias,
    )


def _notes(program: Program, held: Integers, span: slice) -> dict[str, np.ndarray]:
    copy = program.layout["copy"][span]
    notes = {
        "neuron": program.layout["address"][span],
        "scale": held.scale[span],
        "threshold": held.threshold[span],
        "leak": held.leak[span],
    }
    return notes | ({"second_neuron": copy} if (copy >= 0).any() else {})
