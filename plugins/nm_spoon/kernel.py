"""Kernels of one sample: events through the convolution, pooling, a dense layer.

Integers throughout. ``limit`` is ``2 ** (bits - 1)`` of the accumulators, which stay within
``-limit..limit - 1``; where sums cannot leave that range (``safe``), nothing is checked.
"""

from __future__ import annotations

import numpy as np

from nm_backends.fixed import kernel

__all__ = ["convolve", "dense", "pool", "values"]


@kernel()
def convolve(
    events: np.ndarray,
    worth: np.ndarray,
    shape: np.ndarray,
    weights: np.ndarray,
    accumulators: np.ndarray,
    limit: int,
    safe: bool,
) -> tuple[int, int]:
    """Add events, one after another, to the accumulators of all kernels that they reach.

    Parameters
    ----------
    events, worth
        Addresses ``(channel * rows + y) * columns + x`` and their values, int32 ``[events]``.
    shape
        Rows and columns of the input, of a kernel; stride, top, left.
    weights
        int32 ``[taps, kernels]``.
    accumulators
        int32 ``[map rows, map columns, kernels]``.

    Returns
    -------
    products, stops
        How many there were, and how often an accumulator stopped at a limit.
    """
    rows, columns, height, width, stride, top, left = shape
    map_rows, map_columns, kernels = accumulators.shape
    positions, stops = 0, 0
    for i in range(events.size):
        address, value = events[i], worth[i]
        x, rest = address % columns, address // columns
        y, channel = rest % rows, rest // rows
        for v in range(
            max(0, (y + top - height + stride) // stride), min(map_rows, (y + top) // stride + 1)
        ):
            tap_row = (channel * height + y + top - stride * v) * width
            for u in range(
                max(0, (x + left - width + stride) // stride),
                min(map_columns, (x + left) // stride + 1),
            ):
                tap = tap_row + x + left - stride * u
                positions += 1
                if safe:
                    for k in range(kernels):
                        accumulators[v, u, k] += value * weights[tap, k]
                else:
                    stops += _add(accumulators[v, u], value, weights[tap], limit)
    return positions * kernels, stops


@kernel()
def _add(accumulators: np.ndarray, value: int, weights: np.ndarray, limit: int) -> int:
    """Add a value times weights, saturating; return how often that stopped a sum."""
    stops = 0
    for k in range(accumulators.size):
        total = accumulators[k] + value * weights[k]
        kept = min(max(total, -limit), limit - 1)
        stops += total != kept
        accumulators[k] = kept
    return stops


@kernel()
def dense(
    inputs: np.ndarray, weights: np.ndarray, accumulators: np.ndarray, limit: int, safe: bool
) -> tuple[int, int]:
    """Add inputs that are not 0, one after another, to all accumulators; see `convolve`."""
    heard, stops = 0, 0
    for i in range(inputs.size):
        value = inputs[i]
        if value == 0:
            continue
        heard += 1
        if safe:
            for j in range(accumulators.size):
                accumulators[j] += value * weights[i, j]
        else:
            stops += _add(accumulators, value, weights[i], limit)
    return heard * accumulators.size, stops


@kernel()
def values(
    accumulators: np.ndarray, shift: int, mid: int, low: int, high: int, out: np.ndarray
) -> None:
    """Shift accumulators towards minus infinity, add ``mid`` and cut to ``low..high``."""
    for j in range(accumulators.size):
        out[j] = min(max((accumulators[j] >> shift) + mid, low), high)


@kernel()
def pool(
    accumulators: np.ndarray, shift: int, mode: int, maps: np.ndarray, features: np.ndarray
) -> None:
    """Turn accumulators ``[rows, columns, kernels]`` into features, kernel by kernel.

    Parameters
    ----------
    maps
        int32 ``[rows, columns, kernels]``: takes the values before pooling, 0..255.
    features
        int32 ``[kernels * pooled rows * pooled columns]``.
    """
    rows, columns, kernels = accumulators.shape
    values(accumulators.reshape(-1), shift, 0, 0, 255, maps.reshape(-1))
    half = 2 if mode else 1
    rows, columns = rows // half, columns // half
    for v in range(rows):
        for u in range(columns):
            for k in range(kernels):
                if mode == 0:
                    found = maps[v, u, k]
                else:
                    a, b = maps[2 * v, 2 * u, k], maps[2 * v, 2 * u + 1, k]
                    c, d = maps[2 * v + 1, 2 * u, k], maps[2 * v + 1, 2 * u + 1, k]
                    found = max(max(a, b), max(c, d)) if mode == 1 else (a + b + c + d) >> 2
                features[(k * rows + v) * columns + u] = found
