"""Weights of NIR nodes to matrices between populations, so that gradients find the way back."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from nm_backends.lowering.graph import Flat
from nm_backends.lowering.model import LINEAR, Node
from nm_backends.lowering.operators import fitted, operator
from nm_backends.lowering.origin import Origin

__all__ = ["TRAINED", "Composition", "Key", "Layer", "Signal"]

TRAINED = frozenset({"Affine", "Linear", "Conv1d", "Conv2d"})
Key = tuple[str, int]
"""Population and delay in steps."""


class Layer(torch.nn.Module):  # type: ignore[misc]
    """The weight, and the bias if it has one, of a NIR node, in NIR's shapes (which are torch's).

    Parameters
    ----------
    node
        A node of one of the kinds in `TRAINED`.
    """

    def __init__(self, node: Node, dtype: torch.dtype) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(node.fields["weight"], dtype=dtype))
        self.bias: torch.nn.Parameter | None = None
        bias = node.fields.get("bias")
        if bias is not None and "bias" not in node.defaulted:
            self.bias = torch.nn.Parameter(torch.tensor(bias, dtype=dtype))


class Composition:
    """What arrives at a node, as matrices ``[population, node]`` by population and delay.

    Parameters
    ----------
    origin
        The graph.
    layers
        The parameters of its nodes, by name.
    dt
        Time step in seconds.
    like
        Returns a tensor of the dtype and on the device of the moment.
    """

    def __init__(
        self,
        origin: Origin,
        layers: dict[str, Layer],
        dt: float,
        like: Callable[[], torch.Tensor],
    ) -> None:
        self.flat: Flat = origin.flat
        self.shapes, self.layers, self.dt, self.like = origin.shapes, layers, dt, like
        self._places: dict[str, tuple[np.ndarray, np.ndarray, int, int]] = {}
        self._done: dict[str, Signal] = {}

    def forget(self) -> None:
        """Drop what was computed: weights have changed, or their gradients are wanted anew."""
        self._done = {}

    def arriving(self, name: str) -> Signal:
        """Return the sum over the predecessors of a node."""
        total = Signal()
        for pred in self.flat.preds[name]:
            self._add(total, self.leaving(pred), math.prod(self.shapes.into[name]))
        return total

    def leaving(self, name: str) -> Signal:
        """Return what a node gives."""
        if name not in self._done:
            self._done[name] = self._leaving(self.flat.nodes[name])
        return self._done[name]

    def _leaving(self, node: Node) -> Signal:
        if node.is_neuron or node.name in self.flat.inputs:
            return Signal({(node.name, 0): None})
        arriving = self.arriving(node.name)
        if node.kind == "Delay":
            return self._delayed(node, arriving)
        if node.kind not in LINEAR or node.kind == "Flatten":
            return arriving
        matrix, bias = self._operator(node)
        made = Signal(bias=bias)
        for key, before in arriving.terms.items():
            made.terms[key] = matrix if before is None else before @ matrix
        if arriving.bias is not None:
            pushed = arriving.bias @ matrix
            made.bias = pushed if bias is None else pushed + bias
        return made

    def _operator(self, node: Node) -> tuple[torch.Tensor, torch.Tensor | None]:
        layer = self.layers.get(node.name)
        if layer is None:
            fixed, _ = operator(node, self.shapes.into[node.name], self.shapes.out[node.name])
            assert fixed is not None
            return torch.tensor(fixed.toarray()).to(self.like()), None
        return self._matrix(node, layer.weight), self._bias(node, layer.bias)

    def _matrix(self, node: Node, weight: torch.Tensor) -> torch.Tensor:
        """Return a weight as a matrix; of a convolution each element stands in many places."""
        if weight.ndim == 2:
            return weight.t()
        if node.name not in self._places:
            self._places[node.name] = self._find_places(node)
        place, element, rows, columns = self._places[node.name]
        put = torch.as_tensor(place, device=weight.device)
        taken = weight.reshape(-1)[torch.as_tensor(element, device=weight.device)]
        empty = torch.zeros(rows * columns, dtype=weight.dtype, device=weight.device)
        return empty.index_put((put,), taken).reshape(rows, columns)

    def _find_places(self, node: Node) -> tuple[np.ndarray, np.ndarray, int, int]:
        """Ask the lowering, with the numbers of the weights for weights."""
        weight = np.asarray(node.fields["weight"])
        numbers = np.arange(1.0, weight.size + 1).reshape(weight.shape)
        numbered = replace(node, fields={**node.fields, "weight": numbers})
        found, _ = operator(numbered, self.shapes.into[node.name], self.shapes.out[node.name])
        assert found is not None
        there = found.tocoo()
        rows, columns = found.shape
        place = there.row.astype(np.int64) * columns + there.col
        return place, np.rint(there.data).astype(np.int64) - 1, rows, columns

    def _bias(self, node: Node, bias: torch.Tensor | None) -> torch.Tensor | None:
        if bias is None:
            return None
        out = self.shapes.out[node.name]
        if node.kind in ("Conv1d", "Conv2d"):
            bias = bias.reshape(-1, *(1,) * (len(out) - 1)).expand(out)
        elif bias.numel() == 1:
            bias = bias.reshape(1).expand(math.prod(out))
        return bias.reshape(-1)

    def _delayed(self, node: Node, arriving: Signal) -> Signal:
        out = self.shapes.out[node.name]
        delay = np.broadcast_to(fitted(node.fields["delay"], out), out).reshape(-1)
        steps = np.rint(delay / self.dt).astype(np.int64)
        made = Signal(bias=arriving.bias)
        for (name, waited), matrix in arriving.terms.items():
            for wait in np.unique(steps):
                chosen = torch.tensor(steps == wait).to(self.like())
                part = self._full(matrix, steps.size) * chosen
                self._add(made, Signal({(name, waited + int(wait)): part}), steps.size)
        return made

    def _full(self, matrix: torch.Tensor | None, size: int) -> torch.Tensor:
        return torch.eye(size).to(self.like()) if matrix is None else matrix

    def _add(self, total: Signal, other: Signal, size: int) -> None:
        """Add another sum to a sum of signals of this size."""
        for key, matrix in other.terms.items():
            if key in total.terms:
                matrix = self._full(total.terms[key], size) + self._full(matrix, size)
            total.terms[key] = matrix
        if other.bias is not None:
            total.bias = other.bias if total.bias is None else total.bias + other.bias


class Signal:
    """A sum over populations: their matrices (None: identity), and a constant."""

    def __init__(
        self,
        terms: dict[Key, torch.Tensor | None] | None = None,
        bias: torch.Tensor | None = None,
    ) -> None:
        self.terms, self.bias = dict(terms or {}), bias
