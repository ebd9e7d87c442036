"""Which core goes to which chip: spikes go as few hops as possible."""

from __future__ import annotations

import numpy as np

from nm_morphic.spec import CORES

__all__ = ["arranged", "mesh_columns", "spikes_times_hops"]

_PASSES = 4


def mesh_columns(chips: int) -> int:
    """Return how many chips a row of the mesh has, so that it is about as wide as high."""
    high = max(h for h in range(1, int(chips**0.5) + 1) if chips % h == 0)
    return chips // high


def _distances(chips: int) -> np.ndarray:
    """Return hops between any two cores, and 1 more for leaving the chip, ``[cores, cores]``."""
    chip, columns = np.arange(chips * CORES) // CORES, mesh_columns(chips)
    x, y = chip % columns, chip // columns
    hops = abs(x[:, None] - x) + abs(y[:, None] - y)
    return np.asarray(hops + (hops > 0), np.float64)


def _traffic(hears: np.ndarray, core: np.ndarray, cores: int) -> np.ndarray:
    """Return the neurons of each core that each other core hears, both ways together."""
    found = np.zeros((cores, cores))
    for c in np.unique(core):
        heard = hears[:, core == c].any(axis=1)
        found[:, c] = np.bincount(core[heard], minlength=cores)
    return np.asarray(found + found.T)


def spikes_times_hops(hears: np.ndarray, core: np.ndarray, chips: int) -> float:
    """Return what `arranged` makes small, all neurons taken to be equally active."""
    traffic = _traffic(hears, core, chips * CORES)
    return float((traffic * _distances(chips)).sum() / 2)


def arranged(hears: np.ndarray, core: np.ndarray, chips: int) -> np.ndarray:
    """Return the cores of all neurons after cores have changed places as long as that pays.

    Parameters
    ----------
    hears
        Which neuron hears which, bool ``[neurons, neurons]``, the one that is heard first.
    core
        Core of each neuron, int64.
    chips
        In the mesh.

    Notes
    -----
    Pairs of cores (free ones too) change places where that lowers the sum of spikes times hops,
    until no pair does: a local optimum of a quadratic assignment.
    """
    traffic, distance = _traffic(hears, core, chips * CORES), _distances(chips)
    place = np.arange(chips * CORES)
    for _ in range(_PASSES):
        if not _swapped(traffic, distance, place):
            break
    return np.asarray(place[core])


def _swapped(traffic: np.ndarray, distance: np.ndarray, place: np.ndarray) -> bool:
    """Swap the places of pairs where it pays; return whether any did."""
    better = False
    for i in range(place.size):
        here = distance[place[i]][place]
        gains = np.zeros(place.size)
        for j in range(i + 1, place.size):
            there = distance[place[j]][place]
            change = (traffic[i] - traffic[j]) * (there - here)
            gains[j] = change.sum() - change[i] - change[j]
        j = int(np.argmin(gains))
        if gains[j] < -1e-9:
            place[i], place[j] = place[j], place[i]
            better = True
    return better
