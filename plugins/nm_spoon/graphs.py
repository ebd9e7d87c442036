"""NIR graphs of the networks that SPOON computes, from the arrays of a trained model."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nm_backends.errors import UserError

if TYPE_CHECKING:
    import nir

__all__ = ["spoon_graph"]


def spoon_graph(
    hidden: np.ndarray,
    output: np.ndarray,
    kernels: np.ndarray | None = None,
    *,
    shape: tuple[int, ...] | None = None,
    stride: int = 2,
    pool: Literal["max", "mean", "none"] = "max",
    biases: tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None] = (None, None, None),
    signed: bool = False,
) -> nir.NIRGraph:
    """Return the graph of a network of clipped activations, as this chip means it.

    ``clip(conv(x)) -> pool -> clip(hidden) -> output``: values are cut to 0..1 (IF neurons that
    subtract their threshold), or hidden values to -1..1 (``signed``, I neurons); outputs are the
    weighted sums themselves (I neurons).

    Parameters
    ----------
    hidden, output
        Weights ``[neurons, inputs]``, as torch has them.
    kernels
        ``[kernels, channels, rows, columns]``; None: the hidden layer hears the inputs.
    shape
        Of the input: ``(channels, rows, columns)``; without kernels it may be left out.
    stride
        Of the convolution.
    pool
        What follows it.
    biases
        Of convolution, hidden and output layer.

    Raises
    ------
    UserError
        Kernels without a shape.
    """
    import nir

    nodes: dict[str, Any] = {}
    first = (hidden.shape[1],) if shape is None else shape
    nodes["input"] = nir.Input(input_type={"input": np.array(first)})
    if kernels is not None:
        if shape is None:
            raise UserError("spoon_graph: kernels without a shape", "shape=(1, 28, 28)")
        nodes |= _convolution(kernels, shape, stride, pool, biases[0])
    if len(first) > 1:
        flat = _after(nodes, first)
        nodes["flatten"] = nir.Flatten(input_type={"input": np.array(flat)}, start_dim=0)
    nodes["hidden"] = _linear(hidden, biases[1])
    nodes["hidden_values"] = _integrators(len(hidden)) if signed else _fire((len(hidden),))
    nodes["output"] = _linear(output, biases[2])
    nodes["output_values"] = _integrators(len(output))
    nodes["shown"] = nir.Output(output_type={"output": np.array([len(output)])})
    graph = nir.NIRGraph(nodes=nodes, edges=list(pairwise(nodes)))
    graph.metadata["nm_backends"] = {
        "dt": 1e-3, "reset": "subtract", "spike_cmp": ">=", "v0": "zero", "if_gain": "r",
    }  # fmt: skip
    return graph


def _convolution(
    kernels: np.ndarray, shape: tuple[int, ...], stride: int, pool: str, bias: np.ndarray | None
) -> dict[str, Any]:
    import nir

    count, _, height, width = kernels.shape
    rows, columns = (shape[1] - height) // stride + 1, (shape[2] - width) // stride + 1
    zero = np.zeros(count, np.float32)
    nodes: dict[str, Any] = {
        "conv": nir.Conv2d(
            input_shape=(shape[1], shape[2]), weight=kernels.astype(np.float32), stride=stride,
            padding=0, dilation=1, groups=1,
            bias=zero if bias is None else bias.astype(np.float32),
        ),
        "conv_values": _fire((count, rows, columns)),
    }  # fmt: skip
    two, none = np.array([2, 2]), np.array([0, 0])
    if pool == "max":
        halves = (count, rows // 2, columns // 2)
        nodes["pool"] = nir.SumPool2d(kernel_size=two, stride=two, padding=none)
        nodes["pool_values"] = nir.Threshold(threshold=np.full(halves, 0.5, np.float32))
    elif pool == "mean":
        nodes["pool"] = nir.AvgPool2d(kernel_size=two, stride=two, padding=none)
    return nodes


def _after(nodes: dict[str, Any], first: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of what the last of ``nodes`` gives."""
    if "conv_values" not in nodes:
        return first
    maps = nodes["conv_values"].v_threshold.shape
    return (maps[0], maps[1] // 2, maps[2] // 2) if "pool" in nodes else tuple(maps)


def _linear(weights: np.ndarray, bias: np.ndarray | None) -> Any:
    import nir

    if bias is None:
        return nir.Linear(weight=weights.astype(np.float32))
    return nir.Affine(weight=weights.astype(np.float32), bias=bias.astype(np.float32))


def _fire(shape: tuple[int, ...]) -> Any:
    import nir

    one = np.ones(shape, np.float32)
    return nir.IF(r=one, v_threshold=one.copy(), v_reset=0 * one)


def _integrators(size: int) -> Any:
    import nir

    return nir.I(r=np.ones(size, np.float32))
