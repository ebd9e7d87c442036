"""Convolutions and pooling found again in weight matrices, where the lowering has put them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

__all__ = ["Convolution", "Shape", "as_convolution", "pooled_rows"]

Shape = tuple[int, int, int]
_STRIDES = range(1, 9)
_CLOSE = 1e-9  # sums of the same weights in another order


@dataclass(frozen=True)
class Convolution:
    """A convolution that is the same as a matrix.

    Parameters
    ----------
    kernel
        float64 ``[kernels, channels, rows, columns]``.
    stride, top, left
        Output ``(y, x)`` hears inputs from row ``stride * y - top`` and column
        ``stride * x - left`` on.
    """

    kernel: np.ndarray
    stride: int
    top: int
    left: int


def as_convolution(weights: sp.csr_array, into: Shape, out: Shape) -> Convolution | None:
    """Return the convolution that a matrix is, with the smallest kernel; None if it is none.

    Parameters
    ----------
    weights
        ``[inputs, outputs]``.
    into, out
        Channels, rows and columns of both sides.
    """
    entries = sp.coo_array(weights)
    there = entries.data != 0
    source = np.unravel_index(entries.coords[0][there], into)
    target = np.unravel_index(entries.coords[1][there], out)
    if not there.any():
        return Convolution(np.zeros((out[0], into[0], 1, 1)), 1, 0, 0)
    found = [_with_stride(stride, source, target, entries.data[there], into, out)
             for stride in _STRIDES]  # fmt: skip
    fitting = [one for one in found if one is not None]
    return min(fitting, key=lambda one: one.kernel.size, default=None)


def _with_stride(
    stride: int,
    source: tuple[np.ndarray, ...],
    target: tuple[np.ndarray, ...],
    values: np.ndarray,
    into: Shape,
    out: Shape,
) -> Convolution | None:
    dy, dx = (source[axis] - stride * target[axis] for axis in (1, 2))
    top, left = int(dy.min()), int(dx.min())
    rows, columns = int(dy.max()) - top + 1, int(dx.max()) - left + 1
    if rows > into[1] or columns > into[2]:
        return None
    place = (target[0], source[0], dy - top, dx - left)
    kernel = np.zeros((out[0], into[0], rows, columns))
    kernel[place] = values
    if not np.allclose(kernel[place], values, rtol=_CLOSE, atol=0):
        return None
    positions = np.outer(
        _inside(top + np.arange(rows), stride, into[1], out[1]),
        _inside(left + np.arange(columns), stride, into[2], out[2]),
    )
    if int(((kernel != 0) * positions).sum()) != values.size:
        return None  # some outputs lack a weight that others have
    return Convolution(kernel, stride, -top, -left)


def _inside(offset: np.ndarray, stride: int, size: int, out: int) -> np.ndarray:
    """Return for how many outputs each kernel row or column lies on the input."""
    at = stride * np.arange(out)[:, None] + offset
    return np.asarray(((at >= 0) & (at < size)).sum(axis=0))


def pooled_rows(weights: np.ndarray, maps: Shape) -> np.ndarray | None:
    """Return what 2 x 2 mean pooling leaves of weights ``[maps, posts]``; None if it is not there.

    Rows and columns that pooling leaves out must have no weights.
    """
    channels, height, width = maps
    if min(height, width) < 2 or not weights.any():
        return None
    grid = weights.reshape(channels, height, width, -1)
    even = grid[:, : height // 2 * 2, : width // 2 * 2]
    if grid[:, height // 2 * 2 :].any() or grid[:, :, width // 2 * 2 :].any():
        return None
    blocks = even.reshape(channels, height // 2, 2, width // 2, 2, -1)
    if not np.allclose(blocks, blocks[:, :, :1, :, :1], rtol=_CLOSE, atol=0):
        return None
    return np.asarray(blocks.sum(axis=(2, 4)).reshape(-1, weights.shape[1]))
