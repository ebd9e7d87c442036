"""What the chip holds, given back as a model: weights in the user's units, in a NIR graph."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from nm_backends.errors import UserError

if TYPE_CHECKING:
    import nir

    from nm_backends.network import Network
    from nm_backends.program import Program

__all__ = ["Realised", "held_graph", "learned_graph", "node_of", "realised", "weights"]


@dataclass
class Realised:
    """What a backend's ``realised(program)`` returns.

    Parameters
    ----------
    network
        The program's network with the weights, biases, thresholds and first states of the image,
        in the user's units. What the chip does otherwise than a `Network` is not in it.
    notes
        Population to arrays ``[size]``: where its neurons are, and what they hold in chip units.
    """

    network: Network
    notes: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)


def realised(program: Program) -> Realised:
    """Return the network that the image of a program holds.

    Raises
    ------
    UserError
        The backend does not give it back.
    """
    from nm_backends.assumptions import backend_of

    read = getattr(backend_of(program), "realised", None)
    if read is None:
        raise UserError(
            f"the backend of {program.chip!r} does not give its network back",
            "program.weights(node) may give single layers",
        )
    made: Realised = read(program)
    return made


def weights(program: Program, node: str) -> np.ndarray:
    """Return the weights of a node; see `nm_backends.program.Program.weights`."""
    from nm_backends.assumptions import backend_of

    read = getattr(backend_of(program), "weights_of", None)
    if read is None:
        raise UserError(f"the backend of {program.chip!r} does not give weights back")
    return np.asarray(read(program, node))


def held_graph(program: Program, reader: str) -> nir.NIRGraph:
    """Return what the image holds as a NIR graph; see `nm_backends.program.Program.to_nir`."""
    from nm_backends import __version__
    from nm_backends.network_graph import graph_of

    found = realised(program)
    graph = graph_of(found.network, reader, asked=program.network)
    chosen = {n: v for n, v in program.metadata.items() if isinstance(v, str | int | float | bool)}
    graph.metadata["nm_backends_program"] = {
        "chip": program.chip,
        "nm_backends": __version__,
        **chosen,
        "resources": {r.name: np.array([r.used, r.available]) for r in program.resources},
    }
    for name, notes in found.notes.items():
        if name in graph.nodes:
            graph.nodes[name].metadata["nm_backends_placement"] = notes
    return graph


def learned_graph(program: Program, model: Any) -> nir.NIRGraph:
    """Return a NIR graph with learned weights; see `nm_backends.program.Program.to_nir`."""
    from nm_backends.frontends import to_nir

    nodes = program.options.learn
    if not nodes:
        raise UserError(
            "program.to_nir: no layer of this program learned",
            "program.to_nir() without a model gives the network that the chip holds",
        )
    graph = copy.deepcopy(to_nir(model))
    for name in nodes:
        found = weights(program, name)
        node = node_of(graph, name)
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


def node_of(graph: nir.NIRGraph, name: str) -> Any:
    """Return a node by its full name; names of sub-graphs are joined with dots."""
    if name in graph.nodes:
        return graph.nodes[name]
    for head, inner in graph.nodes.items():
        if name.startswith(f"{head}.") and hasattr(inner, "nodes"):
            return node_of(inner, name[len(head) + 1 :])
    raise UserError(
        f"program.to_nir: the model has no node {name!r}",
        f"it has {', '.join(graph.nodes)}; give the model that the program was compiled from",
    )
