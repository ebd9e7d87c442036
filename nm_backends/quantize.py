"""Real weights as small integers: one scale per neuron, and the best integers for it.

A neuron compares a sum of weights with a threshold, so its weights, its threshold and its leak may
be multiplied by any one number. Every neuron gets the number that suits it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nm_backends.chip import IntFormat

__all__ = [
    "Quantized",
    "best_integers",
    "binarised",
    "integer_thresholds",
    "quantize_calibrated",
    "quantize_maxabs",
    "source_moments",
]

_TIE = 1e-9


@dataclass
class Quantized:
    """Integer weights int64 ``[sources, neurons]`` and chip units per user unit ``[neurons]``."""

    weights: np.ndarray
    scale: np.ndarray


def integer_thresholds(threshold: np.ndarray, scale: np.ndarray, strict: np.ndarray) -> np.ndarray:
    """Return the integers that integer membranes reach exactly when they pass the thresholds.

    ``v > x`` is ``v >= floor(x) + 1`` and ``v >= x`` is ``v >= ceil(x)``, for integers ``v``.
    Products that miss a whole number by rounding errors only count as that number.
    """
    exact = threshold * scale
    nearest = np.rint(exact)
    exact = np.where(np.abs(exact - nearest) <= _TIE * np.maximum(1.0, nearest), nearest, exact)
    return np.asarray(np.where(strict, np.floor(exact) + 1, np.ceil(exact)), np.int64)


def quantize_maxabs(
    weights: np.ndarray,
    threshold: np.ndarray,
    strict: np.ndarray,
    form: IntFormat,
    limit: np.ndarray,
) -> Quantized:
    """Let the largest weight of each neuron fill the format, as far as its threshold allows.

    Weights that are multiples of one number get the largest scale at which they are whole.

    Parameters
    ----------
    weights
        float64 ``[sources, neurons]``.
    threshold, strict
        Real thresholds, and whether a neuron fires only above it.
    limit
        Largest integer threshold of each neuron.
    """
    scale = _exact_or_largest(weights, form, _highest(threshold, strict, limit))
    return Quantized(_rounded(weights, scale, form), scale)


def quantize_calibrated(
    weights: np.ndarray,
    threshold: np.ndarray,
    strict: np.ndarray,
    form: IntFormat,
    limit: np.ndarray,
    moments: np.ndarray,
    stretches: np.ndarray,
) -> Quantized:
    """Choose scales and integers that disturb the membranes least on what the sources sent.

    Parameters
    ----------
    moments
        ``[sources, sources]``, mean product of what any two sources leave on a membrane.
    stretches
        Factors on the scale of `quantize_maxabs` to try; above 1 the largest weights are clipped.

    Notes
    -----
    With the rounding errors ``e`` of a neuron's weights, its membrane is off by a mean square of
    ``e' M e``. Starting from plain rounding, each integer in turn is set to its best value given
    the others (coordinate descent), without changing the sign of any weight or adding a synapse.
    """
    top = _highest(threshold, strict, limit)
    fill = _filling(weights, form)
    unit = _exact_or_largest(weights, form, top)
    damped = moments + np.eye(len(moments)) * max(1e-3 * float(np.mean(np.diag(moments))), 1e-9)
    best = Quantized(np.zeros(weights.shape, np.int64), np.minimum(fill, top))
    best_loss = np.full(weights.shape[1], np.inf)
    for scale in [unit, *(fill * stretch for stretch in stretches)]:
        allowed = np.minimum(scale, top)
        integers, loss = best_integers(weights * allowed, form, damped)
        loss = loss / allowed**2
        better = loss < best_loss * (1 - _TIE) - 1e-300
        best.weights[:, better], best.scale[better] = integers[:, better], allowed[better]
        best_loss = np.where(better, loss, best_loss)
    return best


def binarised(
    weights: np.ndarray,
    threshold: np.ndarray,
    strict: np.ndarray,
    limit: np.ndarray,
    there: np.ndarray | None = None,
) -> Quantized:
    """Return the weights -1, 0 and +1, and the scales, that are nearest to real weights.

    Parameters
    ----------
    weights, threshold, strict, limit
        As for `quantize_maxabs`.
    there
        Synapses that exist and cannot be 0, bool ``[sources, neurons]``: weights of 0 among them
        become +1 and -1 by turns. None: any may be 0, and the small ones do.

    Notes
    -----
    For a neuron whose ``k`` largest weights stay, the least sum of squared errors is reached where
    these are worth their mean size, and it is least for the ``k`` with the largest square of their
    sum over ``k``.
    """
    rows = weights.any(axis=1) if there is None else there.any(axis=1)
    some = weights[rows]
    there = _largest(np.abs(some)) if there is None else there[rows]
    worth = _worth(np.where(there, np.abs(some), 0.0), there)
    top = _highest(threshold, strict, limit)
    scale = np.minimum(np.divide(1.0, worth, out=top.copy(), where=worth > 0), top)
    by_turns = np.where(np.cumsum(there & (some == 0), axis=0) % 2 == 1, 1, -1)
    integers = np.zeros(weights.shape, np.int64)
    integers[rows] = np.where(there, np.where(some == 0, by_turns, np.sign(some)), 0)
    return Quantized(integers, scale)


def _largest(size: np.ndarray) -> np.ndarray:
    """Say which sizes stay, see `binarised`."""
    if not len(size):
        return size > 0
    ranked = -np.sort(-size, axis=0)
    total, kept = np.cumsum(ranked, axis=0), np.arange(1, len(size) + 1)[:, None]
    best = np.argmax(total**2 / kept * (1 + _TIE * kept), axis=0)
    least = np.take_along_axis(ranked, best[None], axis=0)
    return np.asarray((size >= least) & (size > 0))


def _worth(size: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Return the mean size of each neuron's weights, without rounding where all are the same."""
    mean = size.sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    largest = size.max(axis=0, initial=0.0)
    smallest = np.where(there, size, np.inf).min(axis=0, initial=np.inf)
    return np.asarray(np.where(largest - smallest <= _TIE * largest, largest, mean))


def _filling(weights: np.ndarray, form: IntFormat) -> np.ndarray:
    """Return the scale at which the largest weight of each neuron is the largest integer."""
    highest = np.maximum(weights.max(axis=0, initial=0.0), 0.0)
    lowest = np.maximum(-weights.min(axis=0, initial=0.0), 0.0)
    with np.errstate(divide="ignore"):
        scale = np.minimum(form.maximum / highest, -form.minimum / lowest)
    return np.asarray(scale)


def _highest(threshold: np.ndarray, strict: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """Return the largest scale at which the threshold still fits."""
    room = np.where(strict, limit - 0.5, limit).astype(np.float64)
    scale = np.divide(room, threshold, out=np.ones_like(threshold), where=threshold > 0)
    return np.asarray(scale)


def _exact_or_largest(weights: np.ndarray, form: IntFormat, top: np.ndarray) -> np.ndarray:
    """Return the largest scale that makes all weights of a neuron whole, or the largest at all.

    Parameters
    ----------
    top
        Largest scale that the threshold allows.
    """
    largest = np.minimum(_filling(weights, form), top)
    smallest = np.abs(np.where(weights == 0, np.inf, weights)).min(axis=0, initial=np.inf)
    scale = largest.copy()
    for times in range(1, form.maximum + 1):
        candidate = np.where(np.isfinite(smallest), times / smallest, largest)
        whole = weights * candidate
        exact = (np.abs(whole - np.rint(whole)) <= _TIE * np.maximum(1, np.abs(whole))).all(axis=0)
        scale = np.where(exact & (candidate <= largest * (1 + _TIE)), candidate, scale)
    return np.asarray(scale)


def _rounded(weights: np.ndarray, scale: np.ndarray, form: IntFormat) -> np.ndarray:
    integers = np.clip(np.rint(weights * scale), form.minimum, form.maximum)
    return np.asarray(integers, np.int64)


def best_integers(
    wanted: np.ndarray, form: IntFormat, moments: np.ndarray, sweeps: int = 3
) -> tuple[np.ndarray, np.ndarray]:
    """Return integers near ``wanted`` that make ``e' M e`` small, and that loss per neuron.

    Parameters
    ----------
    wanted
        Real weights in chip units, ``[sources, neurons]``; what is whole already stays.
    moments
        ``M``, see `source_moments`, with a positive diagonal.
    """
    low = np.where(wanted < 0, form.minimum, 0)
    high = np.where(wanted > 0, form.maximum, 0)
    integers = np.clip(np.rint(wanted), low, high)
    slope = moments @ (integers - wanted)
    curvature = np.diag(moments)
    for _ in range(sweeps):
        moved = False
        for i in range(len(wanted)):
            target = np.rint(integers[i] - slope[i] / curvature[i])
            step = np.clip(target, low[i], high[i]) - integers[i]
            if step.any():
                integers[i] += step
                slope += np.outer(moments[:, i], step)
                moved = True
        if not moved:
            break
    error = integers - wanted
    return integers.astype(np.int64), np.einsum("sn,sn->n", error, slope)


def source_moments(sent: np.ndarray, decay: float) -> np.ndarray:
    """Return the mean product of what any two sources leave on a membrane, ``[sources, sources]``.

    Parameters
    ----------
    sent
        What every source sent, float64 ``[time, batch, sources]``.
    decay
        What a membrane keeps of it per step.
    """
    steps, batch, sources = sent.shape
    trace = np.zeros((batch, sources))
    total = np.zeros((sources, sources))
    for now in sent:
        trace = decay * trace + now
        total += trace.T @ trace
    return np.asarray(total / max(1, steps * batch))
