"""From the layers that were seen in a run to a NIR graph and its discretisation."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import nir
import numpy as np

from nm_backends.discretisation import Discretisation
from nm_backends.frontends import rules as F
from nm_backends.frontends.neurons import Neuron, Recurrence, Unfitting, neuron_node, spread
from nm_backends.frontends.torch_layers import (
    FOLDABLE,
    NORMS,
    affine_of_norm,
    layer_node,
    to_array,
)
from nm_backends.frontends.torch_ops import READOUT
from nm_backends.frontends.values import INPUT, Term, Value

if TYPE_CHECKING:
    from nm_backends.frontends.dialect import Dialect
    from nm_backends.frontends.torch_run import Observed
    from nm_backends.frontends.torch_trace import Leaf
    from nm_backends.lowering.findings import Findings

__all__ = ["Builder"]

SNAP = 1e-12
"""The parameters are exact but for the division by tau; beyond that nothing may be moved."""


class Builder:
    """Makes the graph of one model; everything that stands in the way goes into ``notes``."""

    def __init__(self, seen: Observed, dialect: Dialect, dt: float, notes: Findings) -> None:
        self.seen, self.dialect, self.dt, self.notes = seen, dialect, dt, notes
        self.nodes: dict[str, Any] = {}
        self.edges: list[tuple[str, str]] = []
        self.neurons: dict[str, Neuron] = {}
        self.entry: dict[str, str] = {}
        self.exit: dict[str, str] = {}
        self.input = self._free("input")

    def graph(self) -> Any:
        """Return the graph; None where nothing can be connected."""
        self._add_input()
        folded = self._folded()
        for leaf in self.seen.leaves.values():
            self._add(leaf, folded)
        for leaf in self.seen.leaves.values():
            if leaf.name not in folded and leaf.name in self.entry:
                self._connect(leaf.value, self.entry[leaf.name], leaf.into, leaf)
        self._add_outputs()
        if not self.notes.ok:
            return None
        return nir.NIRGraph(self.nodes, self.edges, metadata={}, type_check=False)

    def discretisation(self) -> Discretisation:
        """Return what the graph does not say."""
        spiking = {n: p for n, p in self.neurons.items() if p.spiking}
        v0 = {n: p.v0 for n, p in self.neurons.items()}
        still = all(isinstance(v, float) and v == 0 for v in v0.values())
        exports_less = self.dialect.framework == "norse"
        w_in = {n: node.w_in for n, node in self.nodes.items() if hasattr(node, "w_in")}
        v_reset = {n: self.nodes[n].v_reset for n in spiking if n in self.nodes}
        return Discretisation(
            framework=self.dialect.framework,
            dt=self.dt,
            reset={n: p.reset for n, p in spiking.items()},
            graded={n: p.graded for n, p in spiking.items() if p.graded != 1.0} or None,
            spike_cmp=self.dialect.spike_cmp,
            v0="zero" if still else v0,
            if_gain="r*dt",
            w_in=_single(w_in) or None if exports_less else None,
            v_reset=_single(v_reset) or None if exports_less else None,
            snap=SNAP,
        )

    def _free(self, name: str) -> str:
        """Return a node name that no module has."""
        taken = {*self.seen.leaves, *self.nodes}
        return next(n for n in (name, *(f"{name}_{i}" for i in range(2, 999))) if n not in taken)

    def _add_input(self) -> None:
        given = {
            leaf.name: leaf.into
            for leaf in self.seen.leaves.values()
            if any(t.node == INPUT for t in leaf.value.terms)
        }
        if given:
            shape = max(given.values(), key=lambda s: (math.prod(s), len(s)))
            self.nodes[self.input] = nir.Input({"input": np.array(shape, dtype=np.int64)})
            self.shape = shape
            for name, part in given.items():
                if math.prod(part) != math.prod(shape):
                    message = f"it receives {math.prod(part)} of the {math.prod(shape)} inputs"
                    hint = "give it all inputs, with weights of 0 for those that it ignores"
                    self.notes.add(F.unknown_operation.at(message, node=name, hint=hint))

    def _folded(self) -> dict[str, str]:
        """Find batch normalisations that can become part of the layer before them."""
        used = Counter(t.node for leaf in self.seen.leaves.values() for t in leaf.value.terms)
        used.update(t.node for value in self.seen.returned for t in value.terms)
        folded = {}
        for leaf in self.seen.leaves.values():
            if not isinstance(leaf.module, NORMS) or leaf.module.running_mean is None:
                continue
            terms = leaf.value.terms
            before = self.seen.leaves.get(terms[0].node) if len(terms) == 1 else None
            fits = before is not None and isinstance(before.module, FOLDABLE)
            if before and fits and used[before.name] == 1 and terms[0].scale == 1.0:
                folded[leaf.name] = before.name
        return folded

    def _add(self, leaf: Leaf, folded: dict[str, str]) -> None:
        if leaf.name in folded:
            return
        if leaf.neuron:
            self._add_neuron(leaf)
            return
        node = layer_node(leaf.name, leaf.module, leaf.into, leaf.out, self.notes)
        norms = [n for n, before in folded.items() if before == leaf.name]
        if node is None:
            return
        for norm in norms:
            node = _with_norm(node, self.seen.leaves[norm].module)
            self.exit[norm] = leaf.name
            message = f"batch normalisation is part of the weights of {leaf.name}"
            self.notes.add(F.folded_layer.at(message, node=norm))
        if isinstance(leaf.module, NORMS):
            message = "batch normalisation became a layer of one weight per channel"
            self.notes.add(F.folded_layer.at(message, node=leaf.name))
        self.nodes[leaf.name] = node
        self.entry[leaf.name] = self.exit[leaf.name] = leaf.name

    def _add_neuron(self, leaf: Leaf) -> None:
        name = leaf.name
        neuron = self.dialect.neuron(leaf.module, name, self.notes)
        if neuron is None:
            return
        try:
            self.nodes[name] = neuron_node(neuron, leaf.out, self.dt)
            if neuron.recurrence is not None:
                self._add_recurrence(leaf, neuron.recurrence)
        except Unfitting as problem:
            self.notes.add(F.bad_parameter.at(str(problem), node=name))
            return
        self.neurons[name] = neuron
        self.entry[name] = self.exit[name] = name
        if neuron.weight is not None:
            before = f"{name}.{neuron.weight_name}"
            self.nodes[before] = nir.Linear(neuron.weight)
            self.edges.append((before, name))
            self.entry[name] = before

    def _add_recurrence(self, leaf: Leaf, back: Recurrence) -> None:
        name = f"{leaf.name}.{back.name}"
        if back.module is not None:
            node = layer_node(name, back.module, leaf.out, leaf.out, self.notes)
        elif back.weight is not None:
            node = nir.Linear(back.weight)
        else:
            node = nir.Scale(spread("V", 1.0 if back.scale is None else back.scale, leaf.out))
        if node is not None:
            self.nodes[name] = node
            self.edges += [(leaf.name, name), (name, leaf.name)]

    def _connect(self, value: Value, target: str, into: tuple[int, ...], leaf: Leaf | None) -> None:
        """Lead every term of a value to a node."""
        if value.unknown and (leaf or value.unknown not in READOUT):
            where = "it receives" if leaf else "the model returns"
            message = f"{where} the result of an operation that is not followed: {value.unknown}"
            place, hint = leaf.name if leaf else "", _hint(value.unknown)
            self.notes.add(F.unknown_operation.at(message, node=place, hint=hint))
            return
        for count, (term, scale) in enumerate(_collected(value).items()):
            if term.state and leaf:
                message = f"it receives the membrane of {term.node}, not its spikes"
                self.notes.add(F.unknown_operation.at(message, node=leaf.name))
                continue
            delay = self._delay(term, leaf)
            self._chain(term.node, target, into, scale, delay, f"{target}.from_{count + 1}")

    def _delay(self, term: Term, leaf: Leaf | None) -> int:
        """Return after how many steps the listener gets what the term's layer made."""
        source = self.seen.leaves.get(term.node)
        if source is None or leaf is None or term.step is None:
            return 0
        return leaf.calls - 1 - term.step if min(source.calls, leaf.calls) > 1 else 0

    def _chain(
        self, source: str, target: str, into: tuple[int, ...], scale: float, delay: int, name: str
    ) -> None:
        """Add an edge, with the nodes on it that reshape, scale and delay."""
        if source == INPUT:
            last, shape = self.input, self.shape
        else:
            last, shape = self.exit.get(source, ""), self.seen.leaves[source].out
        if not last:
            return  # its layer could not be mapped, which has been said
        if into and shape != into and len(into) == 1 and math.prod(shape) == into[0]:
            node: Any = nir.Flatten({"input": np.array(shape)}, start_dim=0, end_dim=-1)
            last, shape = self._between(last, f"{name}.flatten", node), into
        if scale != 1.0:
            last = self._between(last, f"{name}.scale", nir.Scale(np.full(shape, scale)))
        if delay:
            wait = nir.Delay(np.full(shape, delay * self.dt))
            last = self._between(last, f"{name}.delay", wait)
        self.edges.append((last, target))

    def _between(self, source: str, name: str, node: Any) -> str:
        self.nodes[name] = node
        self.edges.append((source, name))
        return name

    def _add_outputs(self) -> None:
        """Make an Output of each returned value; membranes only where no spikes are returned."""
        values = [v for v in self.seen.returned if not v.is_input]
        values = [Value(v.at(None).terms, v.unknown) for v in values]
        spikes = [v for v in dict.fromkeys(values) if not any(t.state for t in v.terms)]
        for value in spikes or values[:1]:
            name = self._free("output")
            states = [t.node for t in value.terms if t.state]
            if states:
                message = f"the model returns the membrane of {states[0]}"
                self.notes.add(F.membrane_output.at(message, node=states[0]))
            self._connect(value, name, (), None)
            shape = self.seen.leaves[value.terms[0].node].out
            self.nodes[name] = nir.Output({"output": np.array(shape, dtype=np.int64)})
        if not values or not self.seen.neurons:
            message = "no spiking neuron lies between the input and what the model returns"
            self.notes.add(F.no_neurons.at(message))


def _hint(operation: str) -> str:
    """Return what to do about an operation that stands between layers."""
    hints = {
        "max_pool": "a maximum of spikes is no weighted sum; use nn.AvgPool2d",
        "avg_pool": "use the layer, nn.AvgPool2d",
        "relu": "an activation between spiking neurons; leave it out",
        "cat": "use a linear layer for each part and add the results",
        "linear": "use the layer, nn.Linear",
        "conv": "use the layer, nn.Conv2d",
    }
    return next((hint for word, hint in hints.items() if word in operation), "")


def _collected(value: Value) -> dict[Term, float]:
    """Return terms without their factors, and the sum of the factors of each."""
    found: dict[Term, float] = {}
    for term in value.terms:
        plain = Term(term.node, term.step, 1.0, term.state)
        found[plain] = found.get(plain, 0.0) + term.scale
    return found


def _single(values: dict[str, Any]) -> dict[str, Any]:
    """Return one number where all neurons of a node have the same."""
    return {
        n: float(v.reshape(-1)[0]) if (v == v.reshape(-1)[0]).all() else v
        for n, v in values.items()
    }


def _with_norm(node: Any, norm: Any) -> Any:
    """Return a layer whose weights do the batch normalisation behind it too."""
    factor, offset = affine_of_norm(norm)
    weight = to_array(node.weight) * factor.reshape(-1, *(1,) * (node.weight.ndim - 1))
    if isinstance(node, nir.Linear):
        return nir.Affine(weight, offset)
    node.weight, node.bias = weight, to_array(node.bias) * factor + offset
    return node
