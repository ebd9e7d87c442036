"""The core's contents, and the fixed sequence of events that the host sends in a time step.

A time step is a list of *slots*. Each slot is one AER word that is sent a number of times: constant
(time reference, bias, trigger), or as often as an input channel spikes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nm_backends.crossbar.chip import CoreContents, CrossbarChip
from nm_backends.crossbar.hosted import hosted_slots
from nm_backends.crossbar.integers import Integers
from nm_backends.crossbar.slots import Slots, constant, joined, ordered, words_of
from nm_backends.crossbar.wiring import Wiring
from nm_backends.placement import Placement, RowUse, place, use_rows

__all__ = ["Choices", "Plan", "plan", "row_signs"]

_FIRST = {"excitatory_first": 1, "inhibitory_first": -1}


@dataclass(frozen=True)
class Choices:
    """What the mapper may choose beyond numbers.

    Parameters
    ----------
    order
        ``ascending`` rows, ``excitatory_first`` or ``inhibitory_first``: of inputs, and of neurons
        that fire at the same event where a row has one sign.
    split
        Give inputs of both signs two rows also where each synapse has its sign; where a chip has
        several crossbars, perhaps one population and not another: then one for each.
    """

    order: str = "ascending"
    split: bool | tuple[bool, ...] = False

    def by_neuron(self, wiring: Wiring) -> np.ndarray:
        """Return for each neuron whether it hears rows of one sign, bool ``[neurons]``."""
        spans = list(wiring.spans())
        each = self.split if isinstance(self.split, tuple) else (self.split,) * len(spans)
        sizes = [span.stop - span.start for _, span in spans]
        return np.repeat(np.array(each, bool), sizes)


@dataclass
class Plan:
    """Contents of the core (what ``chip.pack`` takes), and the program's layout arrays.

    ``layout`` holds ``slot_word`` uint32, ``slot_channel`` int64 (-1: constant), ``slot_count``
    int64 (events per spike, or per step), ``slot_delay`` int64, and ``address``, ``copy`` int64
    ``[neurons]``; an input without a row (`Wiring.hosted`) has one slot per synapse, the word of a
    virtual event; ``row_source``, ``row_sign`` int64 ``[rows]`` say who uses a row (source index,
    -1 nobody, -2 bias, -3 trigger); ``scale`` float64 ``[neurons]`` is chip units per user unit;
    ``lift`` int64 ``[neurons]`` is what membranes are above their meaning at the end of a step, see
    `Integers.settle`.
    """

    contents: Any
    layout: dict[str, np.ndarray]
    placement: Any
    bias: np.ndarray


def plan(
    wiring: Wiring,
    integers: Integers,
    chip: CrossbarChip,
    choices: Choices,
    signs: np.ndarray | None = None,
) -> Plan:
    """Place ``integers`` on the chip and list what the host sends.

    Parameters
    ----------
    signs
        For which signs a source has rows, as of `row_signs`, if it is to have more than it needs.
    """
    if chip.floor is not None:
        return chip.floor.plan(wiring, integers, choices)
    weights, inputs = integers.weights, wiring.inputs
    signs = row_signs(wiring, integers) if signs is None else signs
    spec, split = chip.spec, chip.row_pairs or bool(choices.split)
    placed = place(
        signs[:inputs],
        signs[inputs:],
        spec.rows,
        split_inputs=split,
        split_neurons=chip.row_pairs,
        first=_FIRST.get(choices.order, 0),
    )
    crossbar = np.zeros((spec.rows, spec.neurons), np.int16)
    plastic = np.zeros(crossbar.shape, bool)
    row_source = np.full(spec.rows, -1, np.int64)
    row_sign = np.zeros(spec.rows, np.int64)
    for use, base in ((placed.inputs, 0), (placed.senders, inputs)):
        rows = _part(weights[base + use.source], use)
        crossbar[use.row] = _spread(rows, placed, spec.neurons)
        plastic[use.row] = _spread(wiring.plastic[base + use.source], placed, spec.neurons)
        row_source[use.row], row_sign[use.row] = base + use.source, use.sign
    settled = sum(bool(integers.settle[span].any()) for _, span in wiring.spans())
    spare = placed.free.size - settled
    bias_slots, bias = _bias(integers.bias, placed, chip, crossbar, spare)
    row_source[bias_slots.row], row_sign[bias_slots.row] = -2, bias_slots.sign
    trigger = _triggers(integers.settle, wiring, placed, chip, crossbar, bias_slots.row)
    row_source[trigger.row], row_sign[trigger.row] = -3, trigger.sign
    driven, rows = _driven(wiring, weights, placed, crossbar, split)
    driven = ordered(driven, bias_slots, rows, choices.order)
    lift = integers.settle * spec.weights.maximum
    layout = words_of(chip, joined([driven, trigger]), rows, bool((integers.leak + lift).any()))
    layout |= {
        "lift": lift,
        "scale": integers.scale,
        "address": placed.address,
        "copy": placed.copy,
        "row_source": row_source,
        "row_sign": row_sign,
    }
    closed = bool(signs[inputs:].any())
    contents = _contents(integers, lift, placed, crossbar, plastic, chip, row_sign, closed)
    return Plan(contents, layout, placed, bias)


def row_signs(wiring: Wiring, integers: Integers) -> np.ndarray:
    """Return whether a source has negative and positive weights, bool ``[sources, 2]``.

    A source whose synapses learn has a row of its own even if all its weights are 0 so far; that
    row then is excitatory. Hosted inputs (`Wiring.hosted`) have none.
    """
    signs = _signs(integers.weights)
    signs[:, 1] |= wiring.plastic.any(axis=1) & ~signs.any(axis=1)
    signs[: wiring.inputs][wiring.hosted] = False
    return signs


def _signs(weights: np.ndarray) -> np.ndarray:
    return np.stack([(weights < 0).any(axis=1), (weights > 0).any(axis=1)], axis=1)


def _part(weights: np.ndarray, use: RowUse) -> np.ndarray:
    """Keep of each row's weights those of the row's sign."""
    sign = use.sign[:, None]
    return np.where((sign == 0) | (weights * sign > 0), weights, 0)


def _spread(rows: np.ndarray, placed: Placement, neurons: int) -> np.ndarray:
    """Put the columns of network neurons where these sit; copies hear the same."""
    wide = np.zeros((len(rows), neurons), rows.dtype)
    wide[:, placed.address] = rows
    twice = placed.copy >= 0
    wide[:, placed.copy[twice]] = rows[:, twice]
    return wide


def _bias(
    bias: np.ndarray, placed: Placement, chip: CrossbarChip, crossbar: np.ndarray, spare: int
) -> tuple[Slots, np.ndarray]:
    """Write the rows that carry biases; return their slots and the biases that they realise.

    A bias beyond the largest weight takes several events of one row, and a second row for the rest
    where one of the ``spare`` rows is left (exact up to 8 times the largest weight).
    """
    form = chip.spec.weights
    parts = [np.minimum(bias, 0), np.maximum(bias, 0)] if chip.row_pairs else [bias]
    kept = [part for part in parts if part.any()]
    spare -= len(kept)
    row: list[int] = []
    count: list[int] = []
    sign: list[int] = []
    realised = np.zeros_like(bias)
    for part in kept:
        times = int(max(np.ceil(part.max() / form.maximum), np.ceil(part.min() / form.minimum), 1))
        coarse = np.clip(np.trunc(part / times + 0.5 * np.sign(part)), form.minimum, form.maximum)
        pieces = [(coarse.astype(np.int64), times)]
        if times > 1 and spare > 0:
            coarse = np.trunc(part / times).astype(np.int64)
            pieces = [(coarse, times), (part - coarse * times, 1)]
            spare -= 1
        for weights, events in pieces:
            weights = np.clip(weights, form.minimum, form.maximum)
            address = int(placed.free[len(row)])
            crossbar[address] = _spread(weights[None], placed, crossbar.shape[1])[0]
            realised += weights * events
            row.append(address)
            count.append(events)
            sign.append(int(np.sign(part.sum())) if chip.row_pairs else 0)
    return constant(row, count, sign), realised


def _triggers(
    settle: np.ndarray,
    wiring: Wiring,
    placed: Placement,
    chip: CrossbarChip,
    crossbar: np.ndarray,
    taken: np.ndarray,
) -> Slots:
    """Write one row per population that settles: it lifts all its membranes to their thresholds.

    Nothing lowers them but the next time reference: leaks are as much stronger.
    """
    free = placed.free[~np.isin(placed.free, taken)]
    row: list[int] = []
    count: list[int] = []
    for _, span in wiring.spans():
        events = int(settle[span].max(initial=0))
        if not events:
            continue
        weights = np.zeros((1, settle.size), np.int64)
        weights[0, span] = chip.spec.weights.maximum
        address = int(free[len(row)])
        crossbar[address] = _spread(weights, placed, crossbar.shape[1])[0]
        row.append(address)
        count.append(events)
    return constant(row, count, [1] * len(row))


def _inputs(wiring: Wiring, use: RowUse) -> Slots:
    line, at = wiring.lines_of(use.source)
    ones = np.ones(line.size, np.int64)
    return Slots(use.row[at], wiring.channel[line], ones, wiring.delay[line], use.sign[at])


def _driven(
    wiring: Wiring, weights: np.ndarray, placed: Placement, crossbar: np.ndarray, split: bool
) -> tuple[Slots, np.ndarray]:
    """Return the slots of inputs, and the weights by row, those of hosted inputs after all rows."""
    driven = _inputs(wiring, placed.inputs)
    if not wiring.hosted.any():
        return driven, crossbar
    hosted = _signs(weights[: wiring.inputs]) & wiring.hosted[:, None]
    use = use_rows(hosted, split)
    beyond = _spread(_part(weights[use.source], use), placed, crossbar.shape[1])
    slots = hosted_slots(wiring, use, placed, driven, len(crossbar))
    return slots, np.vstack([crossbar, beyond.astype(np.int16)])


def _contents(
    integers: Integers,
    lift: np.ndarray,
    placed: Placement,
    crossbar: np.ndarray,
    plastic: np.ndarray,
    chip: CrossbarChip,
    row_sign: np.ndarray,
    closed: bool,
) -> CoreContents:
    size = chip.spec.neurons

    def at(values: np.ndarray, rest: int) -> np.ndarray:
        wide = np.full(size, rest, np.int64)
        wide[placed.address] = values
        twice = placed.copy >= 0
        wide[placed.copy[twice]] = values[twice]
        return wide

    return CoreContents(
        crossbar,
        row_sign < 0,
        at(np.minimum(integers.threshold + lift, chip.spec.threshold.maximum), 0),
        at(np.minimum(integers.leak + lift, chip.spec.leak.maximum), 0),
        at(integers.start + lift, 0),
        at(np.ones(placed.address.size, np.int64), 0).astype(bool),
        not closed,
        plastic,
    )
