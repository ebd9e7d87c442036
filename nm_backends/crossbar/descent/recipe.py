"""Two ways to begin a descent, and how it goes on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nm_backends.crossbar.chip import CrossbarChip
from nm_backends.crossbar.choose import demanded_rows
from nm_backends.crossbar.descent.core import Core
from nm_backends.crossbar.integers import Integers
from nm_backends.crossbar.layout import Choices, plan, row_signs
from nm_backends.crossbar.trials import Trials
from nm_backends.crossbar.wiring import Wiring

__all__ = ["FAR", "NEAR", "Recipe", "Room", "core_for", "room_for", "tamed"]


@dataclass(frozen=True)
class Recipe:
    """How a descent goes.

    Parameters
    ----------
    steps
        Of the optimiser.
    rate
        Of weights, in units of the chip per step, at first.
    memory, stuck
        See `nm_backends.crossbar.descent.kernels.gradients`.
    guide
        How much neurons are to fire as often as in the model: hidden ones and those of the last
        population, see `nm_backends.crossbar.descent.loss`.
    given
        Share of samples that are learned from as they are, not as variants.
    free
        Whether more than weights, thresholds and leaks may change: biases, first membranes, and
        synapses that the model does not have.
    """

    steps: int
    rate: float
    memory: float
    stuck: float
    guide: tuple[float, float]
    given: float
    free: bool


NEAR = Recipe(steps=480, rate=0.2, memory=1.0, stuck=0.0, guide=(1.0, 1.0), given=0.5, free=False)
"""From the integers of the float model's weights."""
FAR = Recipe(steps=1440, rate=0.3, memory=0.9, stuck=0.1, guide=(0.1, 0.0), given=0.8, free=True)
"""From a tamed network, where the chip's neurons are too different: see `tamed`."""
_HIGHER = 6


def tamed(trials: Trials, integers: Integers) -> Integers:
    """Return integers from which a descent can find its own way.

    Spikes of a neuron act within its step here: recurrent synapses begin at 0. What neurons are to
    remember has to be kept below the threshold: thresholds are raised.
    """
    weights, inputs = integers.weights.copy(), trials.wiring.inputs
    for _, span in trials.wiring.spans():
        weights[inputs + span.start : inputs + span.stop, span] = 0
    form = trials.chip.spec.threshold
    threshold = np.clip(integers.threshold * _HIGHER, form.minimum, form.maximum)
    settle = np.zeros_like(integers.settle)
    return integers.with_(weights=weights, threshold=threshold, settle=settle)


@dataclass(frozen=True)
class Room:
    """What there is room for.

    Parameters
    ----------
    signs
        For which signs sources may have rows, bool ``[sources, 2]``.
    weights
        Synapses that may change, bool ``[sources, neurons]``.
    bias
        Whether there are rows for biases.
    """

    signs: np.ndarray
    weights: np.ndarray
    bias: bool


def room_for(
    chip: CrossbarChip,
    wiring: Wiring,
    integers: Integers,
    choices: Choices,
    free: bool,
    lateral: bool,
) -> Room:
    """Say which rows and synapses a descent may use.

    Every source may have both signs if there are rows (and second copies) for all of them, else
    those that the integers have. Where a chip loses charge below zero, neurons of a population that
    drives another one may inhibit and excite each other, which takes no more rows.
    """
    weights = (wiring.weights != 0) | (integers.weights != 0)
    if free and lateral and not chip.signed_membrane:
        weights = weights | _lateral(wiring)
    both = np.repeat(np.asarray(weights.any(axis=1))[:, None], 2, axis=1)
    full = _some_of_each(integers, both)
    signs = both if _fits(chip, wiring, full, choices) else row_signs(wiring, integers)
    weights = weights & np.asarray(signs.any(axis=1))[:, None]
    bias = False
    small = bool((abs(integers.bias) <= chip.spec.weights.maximum).all())  # one event per step
    if free and not chip.signed_membrane and small and wiring.neurons > 1:
        biased = _some_of_each(integers, signs).with_(bias=probe(wiring.neurons))
        bias = _fits(chip, wiring, biased, choices)
    return Room(signs, weights, bias)


def core_for(
    chip: CrossbarChip, wiring: Wiring, integers: Integers, choices: Choices, room: Room
) -> tuple[Core, dict[str, np.ndarray]]:
    """Return the core with a row for everything that may change, and its layout."""
    if room.bias:
        integers = integers.with_(bias=probe(wiring.neurons))
    made = plan(wiring, integers, chip, choices, room.signs)
    return Core.of(chip, wiring, made, room.bias), made.layout


def probe(neurons: int) -> np.ndarray:
    """Return biases of both signs, int64 ``[neurons]``."""
    return np.where(np.arange(neurons) == 0, -1, np.where(np.arange(neurons) == 1, 1, 0))


def _lateral(wiring: Wiring) -> np.ndarray:
    """Return the synapses within populations that drive others and not yet themselves."""
    there = np.zeros(wiring.weights.shape, bool)
    for _, span in wiring.spans():
        rows = slice(wiring.inputs + span.start, wiring.inputs + span.stop)
        drives = (wiring.weights[rows] != 0).any(axis=1)
        if drives.any() and not wiring.weights[rows, span].any():
            there[rows, span] = drives[:, None] & ~np.eye(span.stop - span.start, dtype=bool)
    return there


def _some_of_each(integers: Integers, signs: np.ndarray) -> Integers:
    """Return integers with one weight of each sign that a source may have."""
    weights = np.zeros((len(signs), max(2, integers.weights.shape[1])), np.int64)
    weights[:, 0], weights[:, 1] = -1 * signs[:, 0], 1 * signs[:, 1]
    return integers.with_(weights=weights)


def _fits(chip: CrossbarChip, wiring: Wiring, integers: Integers, choices: Choices) -> bool:
    neurons = row_signs_of(wiring, integers)
    places = wiring.neurons + (int(neurons.sum()) if chip.row_pairs else 0)
    rows = demanded_rows(chip, wiring, integers, choices)
    return rows <= chip.spec.rows and places <= chip.spec.neurons


def row_signs_of(wiring: Wiring, integers: Integers) -> np.ndarray:
    """Return which neurons have rows of both signs, bool ``[neurons]``."""
    weights = integers.weights[wiring.inputs :]
    return np.asarray((weights < 0).any(axis=1) & (weights > 0).any(axis=1))
