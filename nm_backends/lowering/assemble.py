"""The lowering itself: read, flatten, shape, discretise, compose, order."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from nm_backends.discretisation import Discretisation
from nm_backends.lowering import rules as E
from nm_backends.lowering.findings import Findings
from nm_backends.lowering.graph import Flat, flatten
from nm_backends.lowering.model import MAX_NEURONS
from nm_backends.lowering.order import evaluation_order
from nm_backends.lowering.origin import Origin
from nm_backends.lowering.reading import describe, read_model
from nm_backends.lowering.settings import METADATA_KEY, Settings
from nm_backends.lowering.shapes import Shapes, infer_shapes
from nm_backends.network import Network, Population, Projection
from nm_backends.rules import CompileError, Diagnostic, Report

if TYPE_CHECKING:
    from nm_backends.lowering.compose import Composer, Signal

__all__ = ["lower", "lower_collect"]


def lower(
    model: object, discretisation: Discretisation | None = None, *, strict: bool = True
) -> Network:
    """Lower a NIR graph to populations and projections in discrete time.

    Parameters
    ----------
    model
        Path of a ``.nir`` file or a ``nir.NIRGraph``.
    discretisation
        What the file does not say; see `Discretisation`.
    strict
        If False, a time step that is too long for a time constant (NMB015) is only warned about.

    Returns
    -------
    Network
        Repairs and assumptions are in ``network.report``.

    Raises
    ------
    CompileError
        With everything that is wrong, not just the first finding.
    """
    network, report = lower_collect(model, discretisation, strict=strict)
    if network is None:
        raise CompileError(report)
    return network


def lower_collect(
    model: object,
    discretisation: Discretisation | None = None,
    *,
    strict: bool = True,
    known: Iterable[Diagnostic] = (),
    source: str = "",
) -> tuple[Network | None, Report]:
    """Lower like `lower`, but return the report instead of raising; no network if it has errors.

    ``known`` is what a frontend has found already, in the object ``source``; errors among it mean
    that there is nothing to lower.
    """
    if isinstance(model, Network):
        return model, model.report
    findings = Findings(source or describe(model))
    findings.extend(known)
    network = _network(model, discretisation, findings, strict=strict) if findings.ok else None
    report = findings.plain()
    if network is not None:
        network.report = report
    return network, report


def _network(
    model: object, discretisation: Discretisation | None, report: Report, *, strict: bool
) -> Network | None:
    graph = read_model(model, report)
    if graph is None:
        return None
    flat = flatten(graph, report)
    shapes = infer_shapes(flat, report)
    settings = Settings(flat, discretisation, report, strict=strict)
    populations = _populations(flat, shapes, settings, report)
    if not report.ok:
        return None
    return _Assembler(flat, shapes, settings, populations, report).network()


def _populations(
    flat: Flat, shapes: Shapes, settings: Settings, report: Report
) -> dict[str, Population]:
    """Make the populations; also where shapes are wrong elsewhere, to report all defects."""
    from nm_backends.lowering.neurons import population

    total = sum(
        math.prod(shape) for name, shape in shapes.out.items() if flat.nodes[name].is_neuron
    )
    if total > MAX_NEURONS:
        found, limit = f"{total:,}", f"{MAX_NEURONS:,}"
        report.add(E.too_large.at(f"the model has {total:,} neurons", found=found, limit=limit))
        return {}
    made: dict[str, Population] = {}
    for name in flat.inputs:
        if name in shapes.out:
            made[name] = Population(name, shapes.out[name], "Input")
    for name, node in flat.nodes.items():
        if node.is_neuron and not node.broken and name in shapes.out:
            made[name] = population(node, shapes.out[name], settings, report)
    settings.report_assumptions()
    return made


class _Assembler:
    """Puts populations and projections together."""

    def __init__(
        self,
        flat: Flat,
        shapes: Shapes,
        settings: Settings,
        populations: dict[str, Population],
        report: Report,
    ) -> None:
        from nm_backends.lowering.compose import Composer

        self.flat, self.shapes, self.settings = flat, shapes, settings
        self.populations, self.report = populations, report
        self.composer: Composer = Composer(flat, shapes, settings.dt, report)
        self.found: dict[tuple[str, str, int], Projection] = {}

    def network(self) -> Network | None:
        outputs = self._outputs()
        for name, node in self.flat.nodes.items():
            if node.is_neuron:
                self._project(name, self.composer.arriving(name))
        if not self.report.ok:
            return None
        projections, order = self._ordered()
        metadata = {k: v for k, v in self.flat.metadata.items() if k != METADATA_KEY}
        network = Network(
            {name: self.populations[name] for name in order},
            projections,
            outputs,
            self.settings.resolved(),
            self.report,
            self.report.source,
            metadata,
        )
        network.origin = Origin(self.flat, self.shapes)
        return network

    def _outputs(self) -> dict[str, str]:
        """Find the population behind every output; make one where a linear node ends there."""
        outputs: dict[str, str] = {}
        for name in self.flat.outputs:
            behind = self._behind(name)
            if self.flat.nodes[behind].is_neuron:
                outputs[name] = behind
                continue
            outputs[name] = behind
            if behind not in self.populations:
                self._pseudo(behind, arriving=behind == name)
        return outputs

    def _behind(self, name: str) -> str:
        """Return the node that makes what this Output shows, or the Output itself."""
        current = name
        while True:
            preds = self.flat.preds[current]
            if len(preds) != 1:
                return current if self.flat.nodes[current].kind not in ("Port", "Flatten") else name
            before = self.flat.nodes[preds[0]]
            if before.kind not in ("Port", "Flatten"):
                return name if before.name in self.flat.inputs else before.name
            current = before.name

    def _pseudo(self, name: str, *, arriving: bool) -> None:
        from nm_backends.lowering.neurons import pseudo_population

        shape = self.shapes.out[name]
        self.populations[name] = pseudo_population(name, shape)
        composer = self.composer
        self._project(name, composer.arriving(name) if arriving else composer.leaving(name))

    def _project(self, post: str, signal: Signal) -> None:
        from nm_backends.lowering.operators import identity

        population = self.populations[post]
        if signal.bias is not None:
            population.bias = np.array(signal.bias, dtype=np.float64)
            self._check_finite(post, population.bias, "biases")
        for (pre, delay), term in signal.terms.items():
            matrix = identity(population.size) if term.matrix is None else term.matrix
            self._check_finite(post, matrix.data, "weights", term.nodes)
            self.found[pre, post, delay] = Projection(pre, post, matrix, delay, term.nodes)

    def _check_finite(
        self, name: str, values: np.ndarray, what: str, nodes: tuple[str, ...] = ()
    ) -> None:
        """Products of huge weights may leave the numbers."""
        if not np.isfinite(values).all():
            through = f" through {', '.join(nodes[:4])}" if nodes else ""
            message = f"the {what} into this node{through} are too large for a number"
            self.report.add(E.not_finite.at(message, node=name))

    def _ordered(self) -> tuple[list[Projection], list[str]]:
        """Order the populations and let the edges that close a loop deliver one step later."""
        instant = [(pre, post) for pre, post, delay in self.found if delay == 0]
        delayed = [(pre, post) for pre, post, delay in self.found if delay]
        others = [name for name in self.populations if name not in self.flat.inputs]
        order, closing = evaluation_order(self.flat.inputs, others, instant, delayed)
        final: dict[tuple[str, str, int], Projection] = {}
        for (pre, post, delay), projection in self.found.items():
            late = delay == 0 and (pre, post) in closing
            projection.delay = 1 if late else delay
            key = (pre, post, projection.delay)
            final[key] = _merged(final[key], projection) if key in final else projection
        rank = {name: i for i, name in enumerate(order)}
        ordered = sorted(final.values(), key=lambda p: (rank[p.post], rank[p.pre], p.delay))
        return ordered, order


def _merged(a: Projection, b: Projection) -> Projection:
    from nm_backends.lowering.operators import add

    nodes = tuple(dict.fromkeys(a.nodes + b.nodes))
    return Projection(a.pre, a.post, add(a.weights, b.weights), a.delay, nodes)
