"""Inputs without a row: the host is their synapses, and sends one virtual event for each of them.

A virtual event brings a weight of its own to one neuron, and does to that neuron exactly what the
event of a row does that holds the same weight. So fan-in beyond the rows of a crossbar is exact, at
the price of one event per spike and synapse. It is done only where no neuron of the chip drives
another one: with rows alone, spikes that a row causes wait until the row is done; between two
virtual events they would not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nm_backends.crossbar.slots import Slots, joined

if TYPE_CHECKING:
    from nm_backends.crossbar.chip import CrossbarChip
    from nm_backends.crossbar.wiring import Wiring
    from nm_backends.placement import Placement, RowUse

__all__ = ["choose_hosted", "hosted_in", "hosted_slots", "hosted_weights", "room_for_inputs"]


def room_for_inputs(chip: CrossbarChip, wiring: Wiring) -> int:
    """Return how many rows inputs may take: biases (two rows each) and triggers keep theirs."""
    bias = [(wiring.bias < 0).any(), (wiring.bias > 0).any()]
    biases = sum(bias) if chip.row_pairs else int(any(bias))
    return chip.spec.rows - 2 * int(biases) - len(wiring.names)


def choose_hosted(
    chip: CrossbarChip, wiring: Wiring, activity: np.ndarray | None = None
) -> np.ndarray | None:
    """Say which inputs get no row, so that the events per step are few; None if it cannot be.

    Parameters
    ----------
    activity
        Spikes of each source; by default all are equally active.

    Returns
    -------
    numpy.ndarray or None
        bool ``[inputs]``. None where inputs of neurons that virtual events do not reach need more
        rows than there are, or the chip has no virtual events.
    """
    weights = wiring.weights[: wiring.inputs]
    rows = (weights != 0).any(axis=1).astype(np.int64)
    if chip.row_pairs:
        rows = (weights < 0).any(axis=1).astype(np.int64) + (weights > 0).any(axis=1)
    room = room_for_inputs(chip, wiring)
    if rows.sum() <= room:
        return np.zeros(wiring.inputs, bool)
    if chip.virtual is None or wiring.closed or wiring.plastic.any():
        return None
    kept = (weights[:, chip.virtual.neurons :] != 0).any(axis=1)
    room -= int(rows[kept].sum())
    if room < 0:
        return None
    active = np.ones(wiring.inputs) if activity is None else activity[: wiring.inputs]
    saved = (active + 1e-9) * (np.count_nonzero(weights, axis=1) - rows) / np.maximum(rows, 1)
    saved[kept | (rows == 0)] = -np.inf
    for source in np.argsort(-saved, kind="stable"):
        if saved[source] == -np.inf:
            break
        if rows[source] <= room:
            kept[source] = True
            room -= int(rows[source])
    return np.asarray(~kept & (rows > 0))


def hosted_slots(
    wiring: Wiring, use: RowUse, placed: Placement, driven: Slots, first: int
) -> Slots:
    """Return the slots of all inputs, in the order of their lines.

    Parameters
    ----------
    use
        The hosted sources, as rows would be given to them.
    driven
        Slots of the inputs that have rows.
    first
        Address of the first row beyond the crossbar.
    """
    line, at = wiring.lines_of(use.source)
    beyond = Slots(
        first + at, wiring.channel[line], np.ones(line.size, np.int64), wiring.delay[line],
        use.sign[at],
    )  # fmt: skip
    lines = np.concatenate([wiring.lines_of(placed.inputs.source)[0], line])
    return joined([driven, beyond]).at(np.argsort(lines, kind="stable"))


def hosted_weights(chip: CrossbarChip, layout: dict[str, np.ndarray], wiring: Wiring) -> np.ndarray:
    """Return the weights that virtual events bring, int64 ``[sources, neuron addresses]``."""
    found = np.zeros((len(wiring.weights), chip.spec.neurons), np.int64)
    neuron, weight = chip.read_virtual(layout["slot_word"])
    at = np.flatnonzero((weight != 0) & (layout["slot_channel"] >= 0))
    if at.size:
        span = int(max(wiring.delay.max(), layout["slot_delay"].max())) + 1
        first = wiring.leaders
        sources = wiring.channel[first] * span + wiring.delay[first]
        order = np.argsort(sources)
        sources = sources[order]
        keys = layout["slot_channel"][at] * span + layout["slot_delay"][at]
        source = np.minimum(np.searchsorted(sources, keys), sources.size - 1)
        there = sources[source] == keys
        np.add.at(found, (order[source[there]], neuron[at][there]), weight[at][there])
    return found


def hosted_in(chip: CrossbarChip, layout: dict[str, np.ndarray], wiring: Wiring) -> np.ndarray:
    """Say which inputs have no row in a program, bool ``[inputs]``."""
    if not chip.read_virtual(layout["slot_word"])[1].any():
        return np.zeros(wiring.inputs, bool)
    return ~np.isin(np.arange(wiring.inputs), layout["row_source"])
