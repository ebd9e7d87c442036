"""Repairing the edges of one graph: names that do not exist, ends that are not connected."""

from __future__ import annotations

import difflib

from nm_backends.lowering import repairs as W
from nm_backends.lowering.model import NEURONS, Graph, Node
from nm_backends.rules import Report

__all__ = ["repair_edges"]

_MOST_REPAIRS = 50


def repair_edges(graph: Graph, prefix: str, report: Report) -> None:
    """Repair names and gaps in ``graph.edges`` in place; what cannot be repaired is left."""
    if len(_missing(graph)) <= _MOST_REPAIRS:
        _rename(graph, prefix, report)
        _drop(graph, prefix, report)
    _complete(graph, prefix, report)


def _known(graph: Graph, name: str) -> bool:
    if name in graph.nodes:
        return True
    head, _, rest = name.partition(".")
    inner = graph.nodes.get(head)
    return bool(rest) and isinstance(inner, Graph) and _known(inner, rest)


def _missing(graph: Graph) -> list[str]:
    names = dict.fromkeys(name for edge in graph.edges for name in edge)
    return [name for name in names if not _known(graph, name)]


def _rename(graph: Graph, prefix: str, report: Report) -> None:
    for name in _missing(graph):
        into = _substitute(graph, name, "post")
        out = _substitute(graph, name, "pre")
        roles = [("post", into, 1), ("pre", out, 0)]
        for _, new, side in roles:
            if new is None or not any(edge[side] == name for edge in graph.edges):
                continue
            way = "to" if side else "from"
            message = (
                f"edges lead {way} {prefix}{name}, which does not exist; {prefix}{new} is used"
            )
            report.add(W.renamed_edge.at(message, node=f"{prefix}{new}"))
            graph.edges = [_with(edge, side, name, new) for edge in graph.edges]


def _with(edge: tuple[str, str], side: int, old: str, new: str) -> tuple[str, str]:
    pre, post = edge
    if side == 0:
        return (new if pre == old else pre, post)
    return (pre, new if post == old else post)


def _substitute(graph: Graph, name: str, role: str) -> str | None:
    """Find the node that a wrong name must mean: its port, its neuron, or a node nobody names."""
    port = f"{name}.{'input' if role == 'post' else 'output'}"
    if port in graph.nodes:
        return port
    parts = [
        n
        for n, node in graph.nodes.items()
        if n.startswith(f"{name}.") and isinstance(node, Node) and node.kind in NEURONS
    ]
    if len(parts) == 1:
        return parts[0]
    named = {n for edge in graph.edges for n in edge}
    idle = [n for n, node in graph.nodes.items() if n not in named and not _is_end(node)]
    if len(idle) == 1 and len(_missing(graph)) == 1:
        return idle[0]
    close = difflib.get_close_matches(name, idle, n=2, cutoff=0.6)
    return close[0] if len(close) == 1 else None


def _is_end(node: Node | Graph) -> bool:
    return isinstance(node, Node) and node.kind in ("Input", "Output")


def _drop(graph: Graph, prefix: str, report: Report) -> None:
    """Leave out edges to nothing where the other end keeps a connection of the same direction."""
    missing = set(_missing(graph))
    good = [e for e in graph.edges if not missing & set(e)]
    feeding = {pre for pre, _ in good}
    fed = {post for _, post in good}
    for name in sorted(missing):
        ends = [e for e in graph.edges if name in e]
        arriving = [pre for pre, post in ends if post == name]
        leaving = [post for pre, post in ends if pre == name]
        if arriving and leaving:
            continue
        if set(arriving) <= feeding and set(leaving) <= fed:
            graph.edges = [e for e in graph.edges if name not in e]
            for pre, post in ends:
                message = f"the edge {prefix}{pre} -> {prefix}{post} leads nowhere and is left out"
                report.add(W.dropped_edge.at(message, node=f"{prefix}{name}"))


def _complete(graph: Graph, prefix: str, report: Report) -> None:
    """Connect an Input or Output that hangs in the air, where only one way exists."""
    if not prefix:
        _add_ends(graph, report)
    for kind, side in (("Input", 0), ("Output", 1)):
        named = {edge[side] for edge in graph.edges}
        named |= {n.partition(".")[0] for n in named}
        ends = [
            n for n, node in graph.nodes.items() if isinstance(node, Node) and node.kind == kind
        ]
        if len(ends) != 1 or ends[0] in named:
            continue
        other = {edge[1 - side] for edge in graph.edges}
        other |= {n.partition(".")[0] for n in other}
        free = [n for n, node in graph.nodes.items() if n not in other and not _is_end(node)]
        if len(free) == 1:
            edge = (ends[0], free[0]) if side == 0 else (free[0], ends[0])
            graph.edges.append(edge)
            message = f"the edge {prefix}{edge[0]} -> {prefix}{edge[1]} is missing and was added"
            report.add(W.completed_graph.at(message, node=f"{prefix}{free[0]}"))


def _add_ends(graph: Graph, report: Report) -> None:
    kinds = {node.kind for node in graph.nodes.values() if isinstance(node, Node)}
    for kind in ("Input", "Output"):
        name = kind.lower()
        if kind in kinds or name in graph.nodes:
            continue
        graph.nodes[name] = Node(name, kind, {"shape": None}, added=True)
        message = f"the graph has no {kind} node; one was added"
        report.add(W.completed_graph.at(message, node=name))
