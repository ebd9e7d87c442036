"""Linear NIR nodes as sparse matrices ``[inputs, outputs]`` and bias vectors."""

from __future__ import annotations

import math

import numpy as np
import scipy.sparse as sp

from nm_backends.lowering.geometry import Shape, Window, window
from nm_backends.lowering.model import MAX_SYNAPSES, Node

__all__ = ["TooManySynapses", "add", "column_filter", "compose", "fitted", "identity", "operator"]


class TooManySynapses(Exception):
    """A matrix would exceed the limit; nothing was allocated."""

    def __init__(self, count: int) -> None:
        super().__init__(f"{count:,} synapses")
        self.count = count


def identity(size: int) -> sp.csr_array:
    """Return the identity matrix."""
    index = np.arange(size + 1, dtype=np.int32)
    return sp.csr_array((np.ones(size), index[:-1], index), shape=(size, size))


def operator(node: Node, into: Shape, out: Shape) -> tuple[sp.csr_array | None, np.ndarray | None]:
    """Return matrix (None: identity) and bias (None: zero) of a linear node.

    Raises
    ------
    TooManySynapses
        Before anything is allocated.
    """
    if node.kind in ("Affine", "Linear"):
        return _linear(node), _bias(node, out)
    if node.kind in ("Conv1d", "Conv2d"):
        groups = int(np.asarray(node.fields["groups"]).reshape(-1)[0])
        return _convolution(node.fields["weight"], groups, window(node, into)), _bias(node, out)
    if node.kind in ("SumPool2d", "AvgPool2d"):
        return _pool(node, into), None
    if node.kind == "Scale":
        scale = np.broadcast_to(fitted(node.fields["scale"], into), into)
        return sp.csr_array(sp.diags_array(scale.reshape(-1))), None
    return None, None


def fitted(array: np.ndarray, shape: Shape) -> np.ndarray:
    """Give a parameter the form in which it broadcasts to ``shape``."""
    while array.ndim > len(shape) and array.shape[0] == 1:
        array = array[0]
    if array.size == 1:
        return array.reshape(())
    return array.reshape(shape) if array.size == math.prod(shape) else array


def _bias(node: Node, out: Shape) -> np.ndarray | None:
    bias = node.fields.get("bias")
    if bias is None or not bias.any():
        return None
    if node.kind in ("Conv1d", "Conv2d"):
        bias = bias.reshape(-1, *(1,) * (len(out) - 1))
        return np.ascontiguousarray(np.broadcast_to(bias, out)).reshape(-1)
    if bias.size == 1:
        return np.full(math.prod(out), bias.reshape(-1)[0])
    return np.asarray(bias.reshape(-1))


def _linear(node: Node) -> sp.csr_array:
    weight = node.fields["weight"]
    if weight.ndim == 2:
        return sp.csr_array(weight.T)
    blocks = weight.reshape(-1, *weight.shape[-2:])
    return sp.csr_array(sp.block_diag([sp.csr_array(block.T) for block in blocks], format="csr"))


def _pool(node: Node, into: Shape) -> sp.csr_array:
    axes = window(node, into)
    kernel = tuple(axis.kernel for axis in axes)
    weight = np.ones((into[0], 1, *kernel))
    if node.kind == "AvgPool2d":
        weight /= math.prod(kernel)
    return _convolution(weight, into[0], axes)


def _convolution(weight: np.ndarray, groups: int, axes: tuple[Window, ...]) -> sp.csr_array:
    """Return the matrix of a grouped convolution, one kernel element at a time."""
    if len(axes) == 1:
        return _convolution(weight[:, :, None, :], groups, (Window(1, 1, 1, 0, 0, 1), axes[0]))
    height, width = axes
    filters, per_group = weight.shape[:2]
    positions = height.out * width.out
    bound = int(np.count_nonzero(weight)) * positions
    if bound > MAX_SYNAPSES:
        raise TooManySynapses(bound)
    pixels = height.size * width.size
    first_channel = (np.arange(filters) // (filters // groups)) * per_group
    rows, cols, data = [], [], []
    for i in range(height.kernel):
        for j in range(width.kernel):
            target, source = _overlap(height, width, i, j)
            filter_, channel = np.nonzero(weight[:, :, i, j])
            if target.size == 0 or filter_.size == 0:
                continue
            absolute = first_channel[filter_] + channel
            rows.append((absolute[:, None] * pixels + source).reshape(-1).astype(np.int32))
            cols.append((filter_[:, None] * positions + target).reshape(-1).astype(np.int32))
            data.append(np.repeat(weight[filter_, channel, i, j], target.size))
    shape = (per_group * groups * pixels, filters * positions)
    if not rows:
        return sp.csr_array(shape)
    entries = (np.concatenate(data), (np.concatenate(rows), np.concatenate(cols)))
    return sp.csr_array(sp.coo_array(entries, shape=shape))


def _overlap(height: Window, width: Window, i: int, j: int) -> tuple[np.ndarray, np.ndarray]:
    """Return output and input positions that kernel element ``(i, j)`` connects."""
    y_out, y_in = _line(height, i)
    x_out, x_in = _line(width, j)
    target = y_out[:, None] * width.out + x_out
    source = y_in[:, None] * width.size + x_in
    return target.reshape(-1), source.reshape(-1)


def _line(axis: Window, k: int) -> tuple[np.ndarray, np.ndarray]:
    out = np.arange(axis.out)
    position = out * axis.stride + k * axis.dilation - axis.before
    inside = (position >= 0) & (position < axis.size)
    return out[inside], position[inside]


def compose(first: sp.csr_array | None, second: sp.csr_array | None) -> sp.csr_array | None:
    """Return the matrix of ``first`` followed by ``second`` (None: identity)."""
    if first is None or second is None:
        return second if first is None else first
    bound = min(_product_bound(first, second), first.shape[0] * second.shape[1])
    if bound > MAX_SYNAPSES:
        raise TooManySynapses(bound)
    product = sp.csr_array(first @ second)
    product.sort_indices()
    return product


def _product_bound(first: sp.csr_array, second: sp.csr_array) -> int:
    """Most entries that the product can have, without computing it."""
    lengths = np.diff(second.indptr).astype(np.int64)
    return int(lengths[first.indices].sum())


def add(a: sp.csr_array, b: sp.csr_array) -> sp.csr_array:
    """Return the sum of two matrices."""
    return sp.csr_array(a + b)


def column_filter(matrix: sp.csr_array, keep: np.ndarray) -> sp.csr_array:
    """Return ``matrix`` with the columns that are not in the mask ``keep`` emptied."""
    inside = keep[matrix.indices]
    counts = np.concatenate(([0], np.cumsum(inside)))
    indptr = counts[matrix.indptr].astype(np.int32)
    return sp.csr_array((matrix.data[inside], matrix.indices[inside], indptr), shape=matrix.shape)
