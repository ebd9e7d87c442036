"""Which populations listen to each other, directly or through others."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from nm_backends.network import Network

__all__ = ["grouped", "groups"]


def groups(network: Network) -> list[list[str]]:
    """Return the neuron populations in groups that form loops, in an order of evaluation.

    A population outside all loops is a group of its own. Delayed connections count as well: they
    too need the past of the group.
    """
    names = [p.name for p in network.neurons]
    index = {name: i for i, name in enumerate(names)}
    pairs = [(index[p.pre], index[p.post]) for p in network.projections if p.pre in index]
    return grouped(names, pairs)


def grouped(names: list[str], pairs: list[tuple[int, int]]) -> list[list[str]]:
    """Return names in groups that form loops, in an order in which each comes after its sources.

    Parameters
    ----------
    pairs
        Which name (by its place in the list) is heard by which.
    """
    index = {name: i for i, name in enumerate(names)}
    count = len(names)
    ends = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    matrix = sp.csr_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(count, count))
    _, label = connected_components(matrix, connection="strong")
    members: dict[int, list[str]] = {}
    for name in names:
        members.setdefault(int(label[index[name]]), []).append(name)
    return _sorted(members, label, pairs)


def _sorted(
    members: dict[int, list[str]], label: np.ndarray, pairs: list[tuple[int, int]]
) -> list[list[str]]:
    """Sort groups so that each comes after those it listens to; ties in the given order."""
    before: dict[int, set[int]] = {group: set() for group in members}
    for pre, post in pairs:
        if label[pre] != label[post]:
            before[int(label[post])].add(int(label[pre]))
    after: dict[int, list[int]] = {group: [] for group in members}
    for group, sources in before.items():
        for source in sources:
            after[source].append(group)
    ready = [group for group in members if not before[group]]
    done: list[list[str]] = []
    while ready:
        group = ready.pop(0)
        done.append(members[group])
        for listener in after[group]:
            before[listener].discard(group)
            if not before[listener]:
                ready.append(listener)
    return done
