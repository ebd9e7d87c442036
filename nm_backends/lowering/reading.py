"""From a file or an object in memory to a `Graph`: lenient, but never silent."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from nm_backends.lowering import repairs as W
from nm_backends.lowering import rules as E
from nm_backends.lowering.fields import check_node, clean, did_you_mean, text
from nm_backends.lowering.findings import Findings
from nm_backends.lowering.hdf5 import MAX_DEPTH, Refused, read_tree
from nm_backends.lowering.model import FIELDS, MAX_NODES, Graph, Node
from nm_backends.rules import CompileError, Report

__all__ = ["describe", "read_model", "read_nir"]


def read_nir(model: object) -> tuple[Graph, Report]:
    """Read a ``.nir`` file or take a ``nir.NIRGraph`` from memory.

    Returns
    -------
    graph, report
        The nodes as they are (see `nm_backends.lowering.model`), and every repair as a warning.

    Raises
    ------
    CompileError
        With all reasons, when the model cannot be read.
    """
    report = Findings(describe(model))
    graph = read_model(model, report)
    if graph is None or not report.ok:
        raise CompileError(report.plain())
    return graph, report.plain()


def describe(model: object) -> str:
    """Name a model for messages: its path, or its type."""
    if isinstance(model, (str, os.PathLike)):
        return clean(os.fspath(model))
    return type(model).__name__


def read_model(model: object, report: Report) -> Graph | None:
    """Read like `read_nir`, but keep all findings in ``report`` and raise nothing."""
    try:
        if isinstance(model, (str, os.PathLike)):
            tree = read_tree(os.fspath(model))
        else:
            tree = _tree_of(model, 0, ())
        return _Builder(report).top(tree)
    except Refused as refused:
        report.add(refused.finding)
        return None


def _tree_of(model: Any, depth: int, above: tuple[int, ...]) -> Any:
    """Take a NIR object apart; recognised by its form, so that nir need not be imported."""
    if id(model) in above or depth > MAX_DEPTH:
        message = f"graphs are nested more than {MAX_DEPTH} deep (or contain themselves)"
        raise Refused(E.unsafe_file.at(message, limit=MAX_DEPTH))
    if isinstance(model, Mapping):
        tree = dict(model)
    elif kind := _nir_type(model):
        tree = {"type": kind, **vars(model)}
    elif depth:
        return model
    else:
        name = f"{type(model).__module__}.{type(model).__qualname__}"
        message = f"an object of type {name} is not a NIR graph"
        hint = "use nmb.to_nir(model, sample) for models of snnTorch, Norse, SpikingJelly or Lava"
        raise Refused(E.unknown_model.at(message, hint=hint))
    nodes = tree.get("nodes")
    if isinstance(nodes, Mapping):
        within = (*above, id(model))
        tree["nodes"] = {k: _tree_of(n, depth + 1, within) for k, n in nodes.items()}
    _port_shape(tree)
    return tree


def _nir_type(model: Any) -> str | None:
    """Return the NIR type of an object: its class, or the NIR class that it extends."""
    for base in type(model).__mro__:
        if base.__module__.split(".")[0] == "nir":
            return base.__name__
    is_graph = all(hasattr(model, name) for name in ("nodes", "edges", "__dict__"))
    return "NIRGraph" if is_graph else None


def _port_shape(tree: dict[str, Any]) -> None:
    """In memory Input and Output call their shape ``input_type`` and ``output_type``."""
    key = {"Input": "input_type", "Output": "output_type"}.get(str(text(tree.get("type"))))
    if key and "shape" not in tree and key in tree:
        tree["shape"] = tree[key]
    tree.pop("output_type", None)


class _Builder:
    """Turn nested dicts into nodes, checking every field."""

    def __init__(self, report: Report) -> None:
        self.report, self.count = report, 0

    def top(self, tree: dict[str, Any]) -> Graph:
        kind = text(tree.get("type"))
        if kind == "NIRGraph" or (kind is None and "nodes" in tree):
            return self.graph(tree, "")
        node = self.node("node" if kind is None else kind.lower(), tree)
        self.report.add(
            W.completed_graph.at("the file holds a single node; input and output were added")
        )
        return Graph({node.name: node}) if isinstance(node, Node) else Graph()

    def graph(self, tree: dict[str, Any], prefix: str) -> Graph:
        nodes = tree.get("nodes")
        found: dict[str, Node | Graph] = {}
        for name, child in (nodes if isinstance(nodes, dict) else {}).items():
            local = clean(name)
            found[local] = self.node(f"{prefix}{local}", child)
        return Graph(found, self.edges(tree.get("edges"), prefix), _metadata(tree))

    def node(self, name: str, tree: Any) -> Node | Graph:
        self.count += 1
        if self.count > MAX_NODES:
            message = f"the model has more than {MAX_NODES:,} nodes"
            raise Refused(E.too_large.at(message, limit=f"{MAX_NODES:,}"))
        if not isinstance(tree, dict):
            message = f"this is {type(tree).__name__}, not a node with fields"
            hint = "exporters leave None for a layer that they do not know" if tree is None else ""
            self.report.add(E.bad_field.at(message, node=name, hint=hint))
            return Node(name, "Unknown", broken=True)
        kind = text(tree.get("type"))
        if kind == "NIRGraph" or (kind is None and "nodes" in tree):
            return self.graph(tree, f"{name}.")
        if kind is None:
            self.report.add(E.missing_field.at("the node has no type", node=name))
            return Node(name, "Unknown", broken=True)
        if kind not in FIELDS:
            message = f"{kind[:80]!r} is not a NIR node type"
            self.report.add(
                E.unknown_node_type.at(message, node=name, hint=did_you_mean(kind, FIELDS))
            )
            return Node(name, "Unknown", broken=True)
        node = Node(name, kind, metadata=_metadata(tree))
        raw = {k: v for k, v in tree.items() if v is not None}
        check_node(node, raw, self.report)
        return node

    def edges(self, raw: Any, prefix: str) -> list[tuple[str, str]]:
        pairs: list[tuple[str, str]] = []
        if raw is None:
            return pairs
        rows = raw if isinstance(raw, (list, tuple, set, frozenset)) else np.asarray(raw)
        if isinstance(rows, np.ndarray) and rows.size and (rows.ndim != 2 or rows.shape[1] != 2):
            message = "edges are not pairs of names"
            self.report.add(E.bad_field.at(message, node=prefix[:-1], found=f"shape {rows.shape}"))
            return pairs
        seen: set[tuple[str, str]] = set()
        for row in rows:
            try:
                pre, post = row
            except (TypeError, ValueError):
                message = "an edge is not a pair of names"
                self.report.add(E.bad_field.at(message, node=prefix[:-1], found=clean(row)[:80]))
                continue
            pair = (clean(pre), clean(post))
            if pair in seen:
                message = f"the edge {pair[0]} -> {pair[1]} stands more than once"
                self.report.add(W.duplicate_edge.at(message, node=f"{prefix}{pair[1]}"))
            else:
                seen.add(pair)
                pairs.append(pair)
        return pairs


def _metadata(tree: dict[str, Any]) -> dict[str, Any]:
    data = tree.get("metadata")
    return {clean(k): v for k, v in data.items()} if isinstance(data, Mapping) else {}
