"""Which neurons share a chip: layers are cut so that few spikes have to reach more than one chip.

Neurons that listen to the same sources should be on the same chip: each source's spikes then go to
fewer chips. As a graph that is neurons, joined by the spikes of the sources they have in common;
METIS (by ``pymetis``: small wheels for Linux and macOS, Python 3.10 to 3.13; no other dependencies
to speak of) cuts it into parts of equal size. KaHIP does the same with wheels of 9 MB; networkx has
bisection only. METIS is asked only where it can win: where all neurons of a layer listen to the
same sources (dense layers), every cut into so many parts costs the same. Where ``pymetis`` is not
installed (``pip install nm-backends[partition]``), neurons are cut in their order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy.sparse as sp

from nm_backends.network import Network

__all__ = ["Level", "all_alike", "cut", "have_metis", "levels", "spikes_sent"]

_LARGEST_WEIGHT = 1_000_000  # of an edge; METIS takes integers
_SEED = 1
Fits = Callable[[np.ndarray], bool]


@dataclass(frozen=True)
class Level:
    """Populations whose chips run side by side.

    Parameters
    ----------
    names
        Those whose neurons are cut over chips.
    summed
        Those that do not spike and are on each of these chips; the host adds their membranes.
    whole
        Whether they are all on one chip, as is known to be possible.
    """

    names: list[str]
    summed: tuple[str, ...] = ()
    whole: bool = False


def levels(network: Network) -> list[list[str]]:
    """Return the neuron populations by the longest way of delay-0 projections that leads to them.

    Spikes of a time step go from level to level, never within one.
    """
    depth = {p.name: 0 for p in network.neurons}
    for p in network.neurons:  # in evaluation order: sources are done
        before = [depth[q.pre] for q in network.into(p.name) if q.delay == 0 and q.pre in depth]
        depth[p.name] = 1 + max(before, default=-1)
    return [[n for n, d in depth.items() if d == at] for at in range(max(depth.values()) + 1)]


def spikes_sent(sources: sp.csr_array, activity: np.ndarray, label: np.ndarray) -> float:
    """Return how many spikes go to chips: each one once to every chip that listens to its source.

    Parameters
    ----------
    sources
        Which source reaches which neuron, ``[sources, neurons]``.
    activity
        Spikes of each source.
    label
        Chip of each neuron.
    """
    part = sp.csr_array((np.ones(label.size), (np.arange(label.size), label)))
    reached = np.diff(sp.csr_array(sources @ part).indptr)
    return float(activity @ reached)


def cut(
    sources: sp.csr_array, activity: np.ndarray, fits: Fits, least: int, largest: int | None = None
) -> np.ndarray | None:
    """Return the chip of each neuron: as few chips as possible, then as few spikes as possible.

    Parameters
    ----------
    sources, activity
        See `spikes_sent`.
    fits
        Says whether some neurons (ascending indices) fit one chip.
    least, largest
        Chips to begin with, and to end with.

    Returns
    -------
    numpy.ndarray or None
        int64 ``[neurons]``; None where no number of chips will do.
    """
    count = sources.shape[1]
    for chips in range(min(least, count), min(largest or count, count) + 1):
        found = [label for label in _cuts(sources, activity, chips) if _all_fit(label, fits)]
        if found:
            return min(found, key=lambda label: spikes_sent(sources, activity, label))
    return None


def have_metis() -> bool:
    """Say whether METIS is installed."""
    from importlib.util import find_spec

    return find_spec("pymetis") is not None


def all_alike(sources: sp.csr_array) -> bool:
    """Say whether every source reaches all neurons or none: then all cuts cost the same."""
    reached = np.diff(sources.indptr)
    return bool(((reached == 0) | (reached == sources.shape[1])).all())


def _all_fit(label: np.ndarray, fits: Fits) -> bool:
    return all(fits(np.flatnonzero(label == chip)) for chip in range(int(label.max()) + 1))


def _cuts(sources: sp.csr_array, activity: np.ndarray, chips: int) -> list[np.ndarray]:
    """Return candidates, each in ``chips`` parts."""
    count = sources.shape[1]
    edges = [count * i // chips for i in range(chips + 1)]
    in_order = np.repeat(np.arange(chips), [b - a for a, b in pairwise(edges)])
    if chips == 1 or all_alike(sources) or not have_metis():
        return [in_order]
    found = _metis(sources, activity, chips)
    return [in_order] if np.unique(found).size < chips else [in_order, found]


def _metis(sources: sp.csr_array, activity: np.ndarray, chips: int) -> np.ndarray:
    """Cut the graph of neurons that share sources."""
    import pymetis

    there = sp.csr_array((np.ones(sources.nnz), sources.indices, sources.indptr), sources.shape)
    # A source of n listeners joins n * (n - 1) / 2 pairs: together they weigh what it sends.
    fan_out = np.maximum(np.diff(sources.indptr) - 1, 1)
    weight = sp.dia_array((((activity + 1e-9) / fan_out)[None], [0]), shape=(fan_out.size,) * 2)
    graph = sp.csr_array(there.T @ weight @ there)
    graph.setdiag(0)
    graph.eliminate_zeros()
    graph.sort_indices()
    scale = _LARGEST_WEIGHT / graph.data.max() if graph.nnz else 1.0
    _, label = pymetis.part_graph(
        chips,
        pymetis.CSRAdjacency(graph.indptr.tolist(), graph.indices.tolist()),
        eweights=np.maximum(1, np.rint(graph.data * scale)).astype(np.int64).tolist(),
        options=pymetis.Options(seed=_SEED),
    )
    return _by_first(np.asarray(label, np.int64))


def _by_first(label: np.ndarray) -> np.ndarray:
    """Return the same parts, numbered by their first neurons."""
    _, first, of = np.unique(label, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    return np.asarray(rank[of], np.int64)
