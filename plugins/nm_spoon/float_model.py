"""What a chain computes in floating point: the yardstick of its quantisation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nm_spoon.chain import MAXIMUM, UNPOOLED, Chain, Dense
from nm_spoon.quantise import convolved, dense_sums

__all__ = ["FloatRun", "float_run", "pooled"]


@dataclass(frozen=True)
class FloatRun:
    """Values of all layers, float64 ``[samples, ...]``; ``features`` are those after pooling."""

    maps: np.ndarray
    features: np.ndarray
    hidden: np.ndarray
    output: np.ndarray


def float_run(chain: Chain, inputs: np.ndarray) -> FloatRun:
    """Compute samples.

    Parameters
    ----------
    chain
        The network.
    inputs
        Values 0 to 1, ``[samples, pixels]``.
    """
    maps = inputs.reshape(len(inputs), *chain.shape)
    if chain.conv is not None:
        sums = convolved(chain.conv.geometry, chain.shape, chain.conv.maps)
        maps = np.clip(sums(inputs, chain.conv.kernel, chain.conv.bias), 0, 1)
    features = pooled(maps, chain.pool).reshape(len(inputs), -1)
    hidden = _dense(chain.hidden, features, (-1, 1) if chain.hidden.signed else (0, 1))
    output = _dense(chain.output, hidden, None if chain.output.signed else (0, 1))
    return FloatRun(maps, features, hidden, output)


def _dense(layer: Dense, inputs: np.ndarray, cut: tuple[int, int] | None) -> np.ndarray:
    sums = dense_sums(inputs, layer.weights, layer.bias)
    return sums if cut is None else np.clip(sums, *cut)


def pooled(maps: np.ndarray, mode: int) -> np.ndarray:
    """Return maps ``[samples, kernels, rows, columns]`` after 2 x 2 pooling."""
    if mode == UNPOOLED:
        return maps
    rows, columns = maps.shape[2] // 2, maps.shape[3] // 2
    even = maps[:, :, : 2 * rows, : 2 * columns]
    blocks = even.reshape(*maps.shape[:2], rows, 2, columns, 2)
    return np.asarray((np.max if mode == MAXIMUM else np.mean)(blocks, axis=(3, 5)))
