"""What the chip holds, given back as a model: weights in the user's units, in a NIR graph."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from nm_backends.errors import UserError

if TYPE_CHECKING:
    import nir

    from nm_backends.program import Program

__all__ = ["learned_graph", "weights"]


def weights(program: Program, node: str) -> np.ndarray:
    """Return the weights of a node; see `nm_backends.program.Program.weights`."""
    from nm_backends.registry import get_backend

    read = getattr(get_backend(program.chip), "weights_of", None)
    if read is None:
        raise UserError(f"the backend of {program.chip!r} does not give weights back")
    return np.asarray(read(program, node))


def learned_graph(program: Program, model: Any) -> nir.NIRGraph:
    """Return a NIR graph with learned weights; see `nm_backends.program.Program.to_nir`."""
    from nm_backends.frontends import to_nir

    nodes = program.options.learn
    if not nodes:
        raise UserError(
            "program.to_nir: no layer of this program learned",
            "the model it was compiled from is as it was; program.weights(node) gives what the "
            "chip holds",
        )
    graph = copy.deepcopy(to_nir(model))
    for name in nodes:
        found = weights(program, name)
        node = _node(graph, name)
        before = getattr(node, "weight", None)
        if before is None or before.shape != found.shape:
            has = "no weight" if before is None else f"a weight {list(before.shape)}"
            raise UserError(
                f"program.to_nir: node {name!r} of the model has {has}, the program's is "
                f"{list(found.shape)}",
                "give the model that the program was compiled from",
            )
        node.weight = found.astype(before.dtype if before.dtype.kind == "f" else np.float32)
    return graph


def _node(graph: nir.NIRGraph, name: str) -> Any:
    """Return a node by its full name; names of sub-graphs are joined with dots."""
    if name in graph.nodes:
        return graph.nodes[name]
    for head, inner in graph.nodes.items():
        if name.startswith(f"{head}.") and hasattr(inner, "nodes"):
            return _node(inner, name[len(head) + 1 :])
    raise UserError(
        f"program.to_nir: the model has no node {name!r}",
        f"it has {', '.join(graph.nodes)}; give the model that the program was compiled from",
    )
