"""What a population does with its inputs, as plain numbers: gains, constants, synapses.

Every mapper asks these; missing parameters of a `Population` get their meaning here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np

from nm_backends.errors import UserError
from nm_backends.network import Network, Population, Projection

__all__ = ["constant", "gain_of", "learning", "listed", "parameter", "some_of"]

_DEFAULT = {"decay": 1.0, "gain": 1.0, "gain_syn": 1.0, "threshold": 1.0}


def parameter(population: Population, name: str) -> np.ndarray:
    """Return a parameter of a population, or what its absence means."""
    value = getattr(population, name)
    if value is None:
        return np.full(population.size, _DEFAULT.get(name, 0.0))
    return np.asarray(value, np.float64)


def gain_of(population: Population) -> np.ndarray:
    """Return by how much one unit of input moves the membrane."""
    gain = parameter(population, "gain")
    return gain if population.decay_syn is None else gain * parameter(population, "gain_syn")


def constant(population: Population) -> np.ndarray:
    """Return what is added to the shifted membrane in every step."""
    pull = (1.0 - parameter(population, "decay")) * parameter(population, "v_reset")
    bias = gain_of(population) * parameter(population, "bias")
    return np.asarray(bias + parameter(population, "leak") - pull)


def some_of(population: Population, index: np.ndarray) -> Population:
    """Return some neurons of a population, by ascending indices, on one axis."""
    arrays = {
        f.name: value[index]
        for f in fields(population)
        if isinstance(value := getattr(population, f.name), np.ndarray)
    }
    return replace(population, shape=(int(index.size),), **arrays)


def listed(network: Network, projection: Projection) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a projection's effective synapses that are not zero: pre, post, weight."""
    matrix = projection.weights.tocoo()
    gain = gain_of(network.populations[projection.post])
    data = matrix.data * gain[matrix.col] * network.populations[projection.pre].graded
    there = data != 0
    return (
        matrix.row[there].astype(np.int64),
        matrix.col[there].astype(np.int64),
        np.asarray(data[there], np.float64),
    )


def learning(network: Network, nodes: Sequence[str]) -> list[Projection]:
    """Return the projections that the NIR nodes ``nodes`` became.

    Raises
    ------
    UserError
        A name is no weight node of the network, or shares a projection with other nodes: what is
        learned could not be given back to it.
    """
    found = []
    for name in nodes:
        into = [p for p in network.projections if name in p.nodes]
        if not into:
            known = sorted({node for p in network.projections for node in p.nodes})
            raise UserError(
                f"node {name!r}: no such weight node in {network.source}",
                f"it has {', '.join(known) or 'none'}",
            )
        if len(into) > 1 or into[0].nodes != (name,):
            raise UserError(
                f"node {name!r} became {', '.join(p.name for p in into)} together with "
                f"{', '.join(sorted({n for p in into for n in p.nodes} - {name})) or 'nothing'}",
                "to learn or be read back, a layer is one Linear or Affine node by itself",
            )
        found += into
    return found
