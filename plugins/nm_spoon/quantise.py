"""Layers as integers: 8-bit weights, a shift and a scale each, chosen on calibration samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import floor, log2, sqrt

import numpy as np

from nm_spoon.convolution import Convolution

__all__ = ["Range", "Scaled", "convolved", "dense_sums", "quantise"]

Sums = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
_SHIFTS = range(24)
_FILLED = (1.0, 0.8, 0.6, 0.45)  # of the largest weight, that the largest integer stands for
_SPREADS = 4.0  # of an output, that its range holds where nothing is known
_LEARNED = 2.5  # weights of this much over sqrt(inputs) fill their format where a layer learns


@dataclass(frozen=True)
class Range:
    """How a layer's values are stored.

    Parameters
    ----------
    low, high, mid
        Integers; ``mid`` stands for 0.
    top
        Integers per value 1 where the whole range of the model's values is stored.
    cut
        Where the model cuts values, or None.
    """

    low: int
    high: int
    mid: int
    top: int
    cut: tuple[float, float] | None


@dataclass(frozen=True)
class Scaled:
    """A layer in integers.

    Parameters
    ----------
    weights, bias
        As given, in integers.
    shift
        From sums to values.
    unit
        Integers per value 1.
    per_weight
        Integers per weight 1.
    """

    weights: np.ndarray
    bias: np.ndarray
    shift: int
    unit: float
    per_weight: float


@dataclass(frozen=True)
class _Task:
    weights: np.ndarray
    bias: np.ndarray
    unit: float
    form: Range
    most: int
    limit: int

    def scaled(self, per_weight: float, shift: int) -> Scaled:
        """Return integers; half a unit goes into the bias, so that shifts round."""
        weights = np.clip(np.rint(self.weights * per_weight), -self.most - 1, self.most)
        half = (1 << shift) // 2
        bias = np.rint(self.bias * per_weight * self.unit) + half
        kept = np.clip(bias, -self.limit, self.limit - 1)
        return Scaled(
            weights.astype(np.int32), kept.astype(np.int32), shift,
            per_weight * self.unit / 2**shift, per_weight,
        )  # fmt: skip

    @property
    def largest(self) -> float:
        """The largest weight, or what stands for it where all are 0."""
        return float(np.abs(self.weights).max(initial=0.0)) or 1.0


def quantise(
    weights: np.ndarray,
    bias: np.ndarray,
    unit: float,
    form: Range,
    bits: tuple[int, int],
    sums: Sums | None,
    given: tuple[np.ndarray, np.ndarray] | None,
    learns: bool = False,
) -> Scaled:
    """Return a layer in integers.

    Parameters
    ----------
    weights
        ``[inputs, neurons]``, or kernels in the form that ``sums`` takes.
    bias
        ``[neurons]``.
    unit
        Integers per input 1.
    form
        How values are stored.
    bits
        Of weights and of accumulators.
    sums
        ``sums(inputs, weights, bias)``: weighted sums ``[samples, ...]`` in floating point.
    given
        Inputs of the samples in integers, and the values that the model makes of them; None:
        scales follow from the weights alone.
    learns
        Whether weights are going to change: then they keep room to grow, whatever was given.
    """
    task = _Task(weights, bias, unit, form, (1 << bits[0] - 1) - 1, 1 << bits[1] - 1)
    if learns:
        return task.scaled(*_growing(task))
    if given is None or sums is None:
        return task.scaled(*_guessed(task))
    made = (task.scaled(*candidate) for candidate in _candidates(task))
    return min(made, key=lambda scaled: _loss(scaled, form, sums, *given))


def _exact(task: _Task, shift: int) -> float:
    """Return the scale at which the whole range is stored."""
    return task.form.top * 2.0**shift / task.unit


def _candidates(task: _Task) -> Iterator[tuple[float, int]]:
    filled = [task.most / (task.largest * share) for share in _FILLED]
    for shift in _SHIFTS:
        for per_weight in [*filled, _exact(task, shift)]:
            reach = task.form.high / (per_weight * task.unit / 2**shift)
            if per_weight <= filled[-1] and per_weight >= filled[0] / 4 and 1e-3 < reach < 1e3:
                yield per_weight, shift


def _guessed(task: _Task) -> tuple[float, int]:
    """Return the finest scale that stores the whole range, or four spreads of what has none."""
    if task.form.cut is not None:
        shift = floor(log2(task.most * task.unit / (task.largest * task.form.top)))
        shift = min(max(shift, 0), _SHIFTS[-1])
        return min(_exact(task, shift), task.most / task.largest), shift
    per_weight = task.most / task.largest
    spread = sqrt(float((task.weights**2).sum(axis=0).max(initial=0.0))) / 4 or 1.0
    wanted = task.form.top / (_SPREADS * (spread + float(np.abs(task.bias).max(initial=0.0))))
    shift = min(max(round(log2(per_weight * task.unit / wanted)), 0), _SHIFTS[-1])
    return per_weight, shift


def _growing(task: _Task) -> tuple[float, int]:
    """Return a scale that leaves weights room to grow from where they are."""
    shift = round(log2(task.most * sqrt(len(task.weights)) / _LEARNED))
    while shift > 0 and _exact(task, shift) * np.abs(task.weights).max(initial=0.0) > task.most:
        shift -= 1
    return _exact(task, shift), shift


def _loss(scaled: Scaled, form: Range, sums: Sums, inputs: np.ndarray, wanted: np.ndarray) -> float:
    total = sums(inputs, scaled.weights, scaled.bias)
    stored = np.clip(np.floor(total / 2.0**scaled.shift) + form.mid, form.low, form.high)
    return float(np.mean(((stored - form.mid) / scaled.unit - wanted) ** 2))


def dense_sums(inputs: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Return weighted sums float64 ``[samples, neurons]``."""
    return np.asarray(inputs.astype(np.float64) @ weights.astype(np.float64) + bias)


def convolved(
    geometry: Convolution, shape: tuple[int, int, int], maps: tuple[int, int, int]
) -> Sums:
    """Return what sums inputs ``[samples, pixels]`` to maps ``[samples, kernels, rows, columns]``.

    Its weights are kernels ``[kernels, channels, rows, columns]``.
    """

    def sums(inputs: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
        windows = _windows(inputs.reshape(len(inputs), *shape), geometry, maps)
        flat = windows.reshape(*windows.shape[:3], -1)
        found = flat @ weights.reshape(len(weights), -1).T.astype(np.float64) + bias
        return np.asarray(found.transpose(0, 3, 1, 2))

    return sums


def _windows(images: np.ndarray, geometry: Convolution, maps: tuple[int, int, int]) -> np.ndarray:
    """Return what each position of a map sees: ``[samples, rows, columns, *kernel]``."""
    _, channels, height, width = geometry.kernel.shape
    stride, (_, rows, columns) = geometry.stride, maps
    padded = np.zeros(
        (len(images), channels, stride * (rows - 1) + height, stride * (columns - 1) + width)
    )
    _place(padded, images, geometry)
    seen = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(2, 3))
    return np.asarray(seen[:, :, ::stride, ::stride].transpose(0, 2, 3, 1, 4, 5))


def _place(padded: np.ndarray, images: np.ndarray, geometry: Convolution) -> None:
    """Copy images to where the windows look for them."""
    target, source = [], []
    for axis, before in ((2, geometry.top), (3, geometry.left)):
        first, last = max(before, 0), min(before + images.shape[axis], padded.shape[axis])
        target.append(slice(first, last))
        source.append(slice(first - before, last - before))
    padded[:, :, target[0], target[1]] = images[:, :, source[0], source[1]]
