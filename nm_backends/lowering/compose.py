"""Folding the linear nodes between populations into one matrix for each pair and delay."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp

from nm_backends.lowering import repairs as W
from nm_backends.lowering import rules as E
from nm_backends.lowering.graph import Flat, natural
from nm_backends.lowering.model import LINEAR, MAX_SYNAPSES, Node
from nm_backends.lowering.operators import (
    TooManySynapses,
    add,
    column_filter,
    compose,
    fitted,
    identity,
    operator,
)
from nm_backends.lowering.shapes import Shapes
from nm_backends.rules import Report

__all__ = ["Composer", "Signal", "Term"]

MAX_DELAY = 65_535
_MAX_TOTAL = 2 * MAX_SYNAPSES


@dataclass(frozen=True)
class Term:
    """What one population contributes: a matrix (None: identity) and the nodes folded into it."""

    matrix: sp.csr_array | None
    nodes: tuple[str, ...] = ()


@dataclass
class Signal:
    """The output of a node as a sum over ``(population, delay)`` plus a constant."""

    terms: dict[tuple[str, int], Term] = field(default_factory=dict)
    bias: np.ndarray | None = None


class Composer:
    """Works out the signal of every node, each once, in the order of the linear nodes."""

    def __init__(self, flat: Flat, shapes: Shapes, dt: float, report: Report) -> None:
        self.flat, self.shapes, self.dt, self.report = flat, shapes, dt, report
        self.done: dict[str, Signal] = {}
        self.total = 0
        self._settle()

    def arriving(self, name: str) -> Signal:
        """Return what arrives at a node: the sum over its predecessors."""
        return self._sum([self.done[p] for p in self.flat.preds[name]], self._size(name))

    def leaving(self, name: str) -> Signal:
        """Return what a node gives."""
        return self.done[name]

    def _size(self, name: str) -> int:
        return math.prod(self.shapes.into[name])

    def _is_source(self, name: str) -> bool:
        return self.flat.nodes[name].is_neuron or name in self.flat.inputs

    def _settle(self) -> None:
        """Compute all signals; populations stand for themselves, which is where loops end."""
        todo = []
        waiting: dict[str, int] = {}
        for name in self.flat.nodes:
            if self._is_source(name):
                self.done[name] = Signal({(name, 0): Term(None)})
            else:
                waiting[name] = sum(not self._is_source(p) for p in self.flat.preds[name])
                if not waiting[name]:
                    todo.append(name)
        while todo:
            name = todo.pop()
            self.done[name] = self._through(self.flat.nodes[name])
            for succ in self.flat.succs[name]:
                if succ in waiting:
                    waiting[succ] -= 1
                    if not waiting[succ]:
                        todo.append(succ)
        self._loops([name for name in waiting if name not in self.done])

    def _loops(self, names: list[str]) -> None:
        """Report nodes that wait for themselves, leaving out what only waits for those."""
        around = dict.fromkeys(names)
        ahead = {n: sum(s in around for s in self.flat.succs[n]) for n in names}
        ends = [n for n in names if not ahead[n]]
        while ends:
            name = ends.pop()
            del around[name]
            for pred in self.flat.preds[name]:
                if pred in ahead:
                    ahead[pred] -= 1
                    if not ahead[pred]:
                        ends.append(pred)
        if around:
            first = sorted(around, key=natural)
            message = "a loop holds no neuron: " + ", ".join(first[:6])
            self.report.add(E.loop_without_neuron.at(message, node=first[0]))
        for name in names:
            self.done[name] = Signal()

    def _sum(self, signals: list[Signal], size: int) -> Signal:
        total = Signal()
        for signal in signals:
            for key, term in signal.terms.items():
                there = total.terms.get(key)
                total.terms[key] = term if there is None else self._plus(there, term, size)
            if signal.bias is not None:
                total.bias = signal.bias if total.bias is None else total.bias + signal.bias
        return total

    def _plus(self, a: Term, b: Term, size: int) -> Term:
        first = identity(size) if a.matrix is None else a.matrix
        second = identity(size) if b.matrix is None else b.matrix
        nodes = dict.fromkeys(a.nodes + b.nodes)
        return Term(add(first, second), tuple(nodes))

    def _through(self, node: Node) -> Signal:
        arriving = self._sum(
            [self.done[p] for p in self.flat.preds[node.name]], self._size(node.name)
        )
        if node.kind == "Delay":
            return self._delayed(node, arriving)
        if node.kind not in LINEAR or node.kind == "Flatten":
            return arriving  # another shape, no other numbers: a layer after it is still itself
        try:
            return self._transformed(node, arriving)
        except TooManySynapses as problem:
            self._too_many(node, problem.count)
            return Signal()

    def _transformed(self, node: Node, arriving: Signal) -> Signal:
        into, out = self.shapes.into[node.name], self.shapes.out[node.name]
        matrix, bias = operator(node, into, out)
        given = Signal(bias=bias)
        with np.errstate(over="ignore", invalid="ignore"):  # found and named by the caller
            for key, term in arriving.terms.items():
                product = compose(term.matrix, matrix)
                self._count(product, node)
                given.terms[key] = Term(product, (*term.nodes, node.name))
            if arriving.bias is not None:
                pushed = arriving.bias if matrix is None else arriving.bias @ matrix
                given.bias = pushed if bias is None else pushed + bias
        return given

    def _count(self, matrix: sp.csr_array | None, node: Node) -> None:
        self.total += 0 if matrix is None else matrix.nnz
        if self.total > _MAX_TOTAL:
            raise TooManySynapses(self.total)

    def _too_many(self, node: Node, count: int) -> None:
        message = f"the matrix of this {node.kind} would have {count:,} synapses"
        hint = "use a smaller layer; the chips here hold 10,000 to a million synapses"
        limit = f"{MAX_SYNAPSES:,}"
        self.report.add(
            E.too_large.at(message, node=node.name, found=f"{count:,}", limit=limit, hint=hint)
        )

    def _delayed(self, node: Node, arriving: Signal) -> Signal:
        steps = self._steps(node)
        given = Signal(bias=arriving.bias)
        for (pop, delay), term in arriving.terms.items():
            nodes = (*term.nodes, node.name)
            for wait in np.unique(steps):
                matrix = term.matrix
                if not (steps == wait).all():
                    full = identity(steps.size) if matrix is None else matrix
                    matrix = column_filter(full, steps == wait)
                key = (pop, min(delay + int(wait), MAX_DELAY))
                there = given.terms.get(key)
                part = Term(matrix, nodes)
                given.terms[key] = part if there is None else self._plus(there, part, steps.size)
        return given

    def _steps(self, node: Node) -> np.ndarray:
        """Return the delay of every channel in whole steps."""
        shape = self.shapes.out[node.name]
        delay = np.broadcast_to(fitted(node.fields["delay"], shape), shape).reshape(-1)
        exact = delay / self.dt
        steps = np.rint(exact)
        bad = np.flatnonzero((delay < 0) | (steps > MAX_DELAY))
        if bad.size:
            message = f"delay[{bad[0]}] is {delay[bad[0]]:g} s ({exact[bad[0]]:g} steps)"
            limit = f"0 to {MAX_DELAY} steps"
            self.report.add(E.bad_delay.at(message, node=node.name, limit=limit))
            return np.zeros(delay.size, dtype=np.int64)
        off = np.abs(exact - steps)
        if (off > 1e-3).any():
            worst = int(off.argmax())
            message = (
                f"delay[{worst}] = {delay[worst]:g} s is {exact[worst]:g} steps of {self.dt:g} s; "
                f"{steps[worst]:.0f} is used"
            )
            self.report.add(W.rounded_delay.at(message, node=node.name))
        return np.asarray(steps, dtype=np.int64)
