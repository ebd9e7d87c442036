"""Real weights as integers where they are about to change: one unit for all, with room to grow.

E-prop changes weights by one unit of the chip, the same for all neurons that share a learning rate.
So a program that learns has one scale of membranes, as the published set-up has; a scale for each
pair of neurons, the best where weights stay, would make each pair learn at a rate of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from nm_backends.effective import learning
from nm_backends.network import Network, Projection
from nm_reckon.eprop_setup import MATRICES
from nm_reckon.pairing import partners
from nm_reckon.scaling import LARGEST, Integers, Shifts, kappa_of
from nm_reckon.spec import SPEC
from nm_reckon.topology import Topology

__all__ = ["layers_that_stay", "learned_matrices", "learning_integers", "matrix_of"]

_GROWTH = 2.0  # times the largest weight that a learned weight may reach, at least
_SHIFT = 3  # the published one: membranes and leaks count in eighths of a weight's unit
_ROOM = 8.0  # thresholds that a membrane may reach


def matrix_of(network: Network, projection: Projection) -> str:
    """Return which weight memory a projection is in."""
    pre, post = (network.populations[name] for name in (projection.pre, projection.post))
    if not post.spiking:
        return "output"
    return "input" if pre.is_input else "recurrent"


def learned_matrices(network: Network, nodes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the weight memories that learn, in the order of `eprop_setup.MATRICES`."""
    found = {matrix_of(network, projection) for projection in learning(network, nodes)}
    return tuple(name for name in MATRICES if name in found)


def layers_that_stay(network: Network, nodes: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Go through the layers that are not to learn but are in a memory that does, with its name."""
    chosen, matrices = learning(network, nodes), learned_matrices(network, nodes)
    for projection in network.projections:
        matrix = matrix_of(network, projection)
        if matrix in matrices and not any(projection is one for one in chosen):
            yield ", ".join(projection.nodes) or projection.name, matrix


def learning_integers(
    network: Network,
    wired: Topology,
    where: tuple[np.ndarray, np.ndarray],
) -> Integers:
    """Return integers for a network that learns.

    The unit of a weight is a power of two of the user's, so that learning rates (powers of two on
    the chip) mean the same whatever the weights began with.

    Parameters
    ----------
    where
        See `scaling.places`.
    """
    subtracts = any(p.reset.startswith("subtract") for p in network.neurons if p.spiking)
    place, alpha = where
    matrices = (wired.w_in, wired.w_rec, wired.w_out)
    largest = max(float(np.abs(w).max(initial=0.0)) for w in matrices) or float(wired.height.max())
    unit = 2.0 ** math.ceil(math.log2(_GROWTH * largest / SPEC.weights.maximum) - 1e-9)
    top = float(wired.height.max(initial=0.0)) * _ROOM
    shift = _SHIFT
    while shift and top * 2**shift / unit > LARGEST:
        shift -= 1
    scale = 2**shift / unit
    w_in, w_rec, w_out = (np.rint(w / unit).astype(np.int64) for w in matrices)
    return Integers(
        place,
        w_in,
        w_rec,
        w_out,
        _thresholds(wired, place, scale),
        alpha,
        kappa_of(wired),
        np.full(wired.size, scale),
        np.full(wired.outputs, scale),
        Shifts(shift, shift, shift),
        subtracts,
        rounding=1,
    )


def _thresholds(wired: Topology, place: np.ndarray, scale: float) -> np.ndarray:
    """Return thresholds; the two of a pair meet in the middle."""
    found = np.clip(np.rint(wired.height * scale), 1, LARGEST).astype(np.int64)
    for a, b in partners(place):
        if a >= 0 and b >= 0:
            found[[a, b]] = (found[a] + found[b] + 1) // 2
    return found
