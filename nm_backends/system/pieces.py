"""Pieces of a network, each for one chip: everything that its neurons listen to is an input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from nm_backends.effective import some_of
from nm_backends.network import Network, Population, Projection
from nm_backends.rules import Report

__all__ = ["LAST_STEP", "fed", "piece", "source_of"]

LAST_STEP = " (last step)"


def source_of(name: str, network: Network) -> tuple[str, int]:
    """Return the population that an input of a piece stands for, and the steps that it is late."""
    if name in network.populations or not name.endswith(LAST_STEP):
        return name, 0
    return name.removesuffix(LAST_STEP), 1


def piece(network: Network, chosen: Mapping[str, np.ndarray], inside: bool = False) -> Network:
    """Return the network of some neurons.

    Parameters
    ----------
    chosen
        Population to neurons, ascending indices.
    inside
        Whether projections stay where the chip has all their neurons. Populations that do not spike
        may then be on several chips, each of which has what its own neurons add to them; the
        outputs of the piece are those of the network, and what neurons elsewhere listen to.

    Returns
    -------
    Network
        Populations keep their names. Neurons that others listen to within the step are an input of
        the same name and size; those that are heard in later steps, an input whose name ends with
        `LAST_STEP`, for which the host keeps spikes one step.
    """
    found: list[Projection] = []
    for projection in network.projections:
        if projection.post not in chosen:
            continue
        if inside and _stays(network, projection, chosen):
            found += _kept(projection, chosen)
            continue
        weights = sp.csr_array(projection.weights[:, chosen[projection.post]])
        if weights.nnz == 0:
            continue
        late = projection.delay > 0 and not network.populations[projection.pre].is_input
        found.append(
            replace(
                projection,
                pre=projection.pre + LAST_STEP if late else projection.pre,
                delay=projection.delay - late,
                weights=weights,
            )
        )
    needed = {p.pre for p in found} - chosen.keys() or {network.inputs[0].name}
    inputs = [
        _input(population, name)
        for population in network.populations.values()
        for name in (population.name, population.name + LAST_STEP)
        if name in needed
    ]
    parts = [some_of(network.populations[name], index) for name, index in chosen.items()]
    shown = [p.name for p in parts]
    if inside:
        parts = [_summand(p, network, chosen) for p in parts]
        shown = [name for name in shown if _is_heard(network, name, chosen)] or shown
    return Network(
        {p.name: p for p in (*inputs, *parts)},
        found,
        {name: name for name in shown},
        network.discretisation,
        Report(),
        network.source,
    )


def _stays(network: Network, projection: Projection, chosen: Mapping[str, np.ndarray]) -> bool:
    """Say whether a projection between chosen populations is all, or adds up, on the chip."""
    if projection.pre not in chosen:
        return False
    whole = chosen[projection.pre].size == network.populations[projection.pre].size
    return whole or not network.populations[projection.post].spiking


def _kept(projection: Projection, chosen: Mapping[str, np.ndarray]) -> list[Projection]:
    weights = projection.weights[chosen[projection.pre]][:, chosen[projection.post]]
    return [replace(projection, weights=sp.csr_array(weights))] if weights.nnz else []


def _is_heard(network: Network, name: str, chosen: Mapping[str, np.ndarray]) -> bool:
    """Say whether the host must see a population."""
    listeners = (p.post for p in network.projections if p.pre == name and p.weights.nnz)
    return name in network.outputs.values() or any(post not in chosen for post in listeners)


def _summand(
    population: Population, network: Network, chosen: Mapping[str, np.ndarray]
) -> Population:
    """Return a population whose bias and first membrane are on one of the chips that add to it."""
    pre = [p.pre for p in network.into(population.name) if p.pre in chosen]
    if population.spiking or not pre or chosen[pre[0]][0] == 0:
        return population
    zero = np.zeros(population.size)
    return replace(population, bias=zero, leak=zero, v0=zero)


def fed(network: Network, of: Network, spikes: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the input counts of a piece, uint8 ``[time, batch, channels]``.

    Parameters
    ----------
    network
        The piece.
    of
        The network that it is a piece of.
    spikes
        Counts of all its populations, ``[time, batch, size]``.
    """
    parts = []
    for population in network.inputs:
        name, late = source_of(population.name, of)
        counts = spikes[name]
        if late:
            counts = np.concatenate([np.zeros_like(counts[:1]), counts[:-1]])
        parts.append(counts)
    return np.ascontiguousarray(np.concatenate(parts, axis=2), np.uint8)


def _input(population: Population, name: str) -> Population:
    return Population(name, population.shape, "Input", graded=population.graded)
