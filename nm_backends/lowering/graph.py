"""One flat graph out of nested ones, with edges that name nodes which exist."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from nm_backends.lowering import repairs as W
from nm_backends.lowering import rules as E
from nm_backends.lowering.edges import repair_edges
from nm_backends.lowering.fields import did_you_mean
from nm_backends.lowering.model import Graph, Node
from nm_backends.rules import Report

__all__ = ["Flat", "flatten", "natural"]


@dataclass
class Flat:
    """Nodes by full name, their neighbours, and which of them are inputs and outputs."""

    nodes: dict[str, Node] = field(default_factory=dict)
    preds: dict[str, list[str]] = field(default_factory=dict)
    succs: dict[str, list[str]] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)

    def connect(self, edges: Iterable[tuple[str, str]]) -> None:
        """Set the neighbours, in natural order of their names (NIR edges have no order)."""
        unique = set(edges)
        self.preds = {name: [] for name in self.nodes}
        self.succs = {name: [] for name in self.nodes}
        for pre, post in sorted(unique, key=lambda e: (natural(e[0]), natural(e[1]))):
            self.succs[pre].append(post)
            self.preds[post].append(pre)

    def reachable(self, start: Iterable[str]) -> set[str]:
        """Return ``start`` and every node that can be reached from there."""
        seen, todo = set(start), list(start)
        while todo:
            for name in self.succs[todo.pop()]:
                if name not in seen:
                    seen.add(name)
                    todo.append(name)
        return seen


def natural(name: str) -> list[tuple[int, int, str]]:
    """Sort key that puts ``fc2`` before ``fc10``."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(p[:300]), "") if p.isdecimal() else (1, 0, p) for p in parts if p]


def flatten(graph: Graph, report: Report) -> Flat:
    """Join sub-graphs into one graph and repair what the edges got wrong."""
    flat = Flat(metadata=graph.metadata)
    if not graph.nodes:
        report.add(E.no_path.at("the graph has no nodes"))
        return flat
    edges: list[tuple[str, str]] = []
    before = len(report.errors)
    _collect(graph, "", flat, edges, report)
    flat.connect(edges)
    # When nodes are missing, further findings about paths are consequences; say only the cause.
    _ends(flat, report, complete=len(report.errors) == before)
    return flat


def _collect(
    graph: Graph, prefix: str, flat: Flat, edges: list[tuple[str, str]], report: Report
) -> None:
    repair_edges(graph, prefix, report)
    for local, child in graph.nodes.items():
        if isinstance(child, Graph):
            _collect(child, f"{prefix}{local}.", flat, edges, report)
            continue
        if child.name in flat.nodes:
            report.add(E.bad_field.at("two nodes have this full name", node=child.name))
        if prefix and child.kind in ("Input", "Output"):
            child.metadata.setdefault("port", child.kind)
            child.kind = "Port"
        flat.nodes[child.name] = child
    for pre, post in graph.edges:
        start = _endpoint(graph, pre, "pre", prefix, report)
        end = _endpoint(graph, post, "post", prefix, report)
        if start is not None and end is not None:
            edges.append((start, end))


def _endpoint(graph: Graph, name: str, role: str, prefix: str, report: Report) -> str | None:
    """Return the full name of the node that an edge end means."""
    child = graph.nodes.get(name)
    if isinstance(child, Node):
        return child.name
    if child is not None:
        return _port(child, f"{prefix}{name}", role, report)
    head, _, rest = name.partition(".")
    inner = graph.nodes.get(head)
    if rest and isinstance(inner, Graph):
        return _endpoint(inner, rest, role, f"{prefix}{head}.", report)
    hint = did_you_mean(name, graph.nodes)
    message = (
        f"an edge {'starts' if role == 'pre' else 'ends'} at {prefix}{name}, which does not exist"
    )
    report.add(E.missing_node.at(message, node=f"{prefix}{name}", hint=hint))
    return None


def _port(graph: Graph, place: str, role: str, report: Report) -> str | None:
    """Return the Output (for a leaving edge) or Input (for an arriving one) of a sub-graph."""
    wanted = "Output" if role == "pre" else "Input"
    ports = [
        n.name
        for n in graph.nodes.values()
        if isinstance(n, Node) and (n.kind == wanted or n.metadata.get("port") == wanted)
    ]
    if len(ports) == 1:
        return ports[0]
    if not ports:
        report.add(E.no_path.at(f"the sub-graph has no {wanted} node", node=place))
    else:
        message = f"an edge names a sub-graph with {len(ports)} {wanted} nodes"
        report.add(E.ambiguous_port.at(message, node=place, hint="one of: " + ", ".join(ports)))
    return None


def _ends(flat: Flat, report: Report, *, complete: bool) -> None:
    """Tell inputs and outputs from Input and Output nodes that only pass something on."""
    sources = [n for n, node in flat.nodes.items() if node.kind == "Input"]
    sinks = [n for n, node in flat.nodes.items() if node.kind == "Output"]
    flat.inputs = sorted((n for n in sources if not flat.preds[n]), key=natural)
    flat.outputs = sorted((n for n in sinks if not flat.succs[n]), key=natural) or sinks
    for name in sources + sinks:
        if name not in flat.inputs and name not in flat.outputs:
            flat.nodes[name].kind = "Port"
    if not complete:
        return
    if not flat.inputs:
        report.add(E.no_path.at("the graph has no input"))
    if not flat.outputs:
        report.add(E.no_path.at("the graph has no output"))
    if flat.inputs and flat.outputs:
        _reach(flat, report)


def _reach(flat: Flat, report: Report) -> None:
    seen = flat.reachable(flat.inputs)
    if not seen & set(flat.outputs):
        hint = "connect the nodes" if any(flat.preds.values()) else "the graph has no edges"
        report.add(E.no_path.at("no path leads from an input to an output", hint=hint))
        return
    for name, node in flat.nodes.items():
        if name not in seen and node.is_neuron:
            report.add(W.unreached_node.at("no input reaches this node", node=name))
