"""Sources that drive one row, where rows are short: those whose synapses agree, or nearly do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Alike", "agreed", "groups_of"]


@dataclass(frozen=True, eq=False)
class Alike:
    """What tells sources apart.

    Parameters
    ----------
    weights
        Binary weights, int64 ``[sources, neurons]``.
    core
        Core of each neuron.
    nearest
        Whether sources that differ may share a row as well.
    """

    weights: np.ndarray
    core: np.ndarray
    nearest: bool

    def groups(
        self, sources: list[int], targets: tuple[tuple[int, int], ...], limit: int
    ) -> np.ndarray:
        """Put sources with the same targets (core and sign of the row) into groups.

        Returns
        -------
        numpy.ndarray
            Number of the group of each source, int64; at most ``limit`` groups if that can be.
        """
        parts = [np.zeros((len(sources), 0), np.int64)]
        for core, sign in targets:
            there = self.weights[np.array(sources)][:, self.core == core]
            parts.append(there if sign == 0 else (there * sign > 0).astype(np.int64))
        return groups_of(np.hstack(parts), limit, self.nearest)


def groups_of(weights: np.ndarray, limit: int, nearest: bool) -> np.ndarray:
    """Return the group of each row, so that there are at most ``limit``, if that can be.

    Equal rows are one group. If that does not suffice, the nearest pairs of groups become one, as
    many as it takes, and again with what most of their members want.
    """
    if len(weights) <= limit:
        return np.arange(len(weights))
    middle, label = np.unique(weights, axis=0, return_inverse=True)
    label, size = label.ravel(), np.bincount(label.ravel())
    while nearest and len(middle) > max(limit, 1):
        into = np.arange(len(middle))
        for a, b in _nearest_pairs(middle, len(middle) - max(limit, 1)):
            into[b] = a
        kept, into = np.unique(into, return_inverse=True)
        total = np.zeros((len(kept), middle.shape[1]))
        np.add.at(total, into, middle * size[:, None])
        size = np.bincount(into, size)
        share = total / size[:, None]
        middle = np.sign(share) * (np.abs(share) >= 0.5) if middle.min() >= 0 else np.sign(share)
        label = into[label]
    return np.asarray(label)


def _nearest_pairs(rows: np.ndarray, most: int) -> list[tuple[int, int]]:
    """Return up to ``most`` pairs that have no row in common, the nearest first."""
    wide = rows.astype(np.float32)
    size = np.square(wide).sum(axis=1)
    apart = size[:, None] + size - 2 * wide @ wide.T
    first, second = np.triu_indices(len(rows), 1)
    free, found = np.ones(len(rows), bool), []
    for pair in np.argsort(apart[first, second], kind="stable").tolist():
        a, b = int(first[pair]), int(second[pair])
        if free[a] and free[b]:
            free[a] = free[b] = False
            found.append((a, b))
            if len(found) == most:
                break
    return found


def agreed(values: np.ndarray, place: np.ndarray, sign: np.ndarray) -> np.ndarray:
    """Return what rows hold where several sources have one: what most of them want.

    Parameters
    ----------
    values
        What each source wants its row to add, int8 ``[n, 512]``.
    place, sign
        Row of each, counted over all cores, and the sign of the row (0: both).
    """
    _, first, which, count = np.unique(
        place, return_index=True, return_inverse=True, return_counts=True
    )
    if (count == 1).all():
        return values
    total = np.zeros((len(first), values.shape[1]), np.int64)
    np.add.at(total, which, values)
    many = np.sign(total)
    many[2 * np.abs(total) < count[:, None] * (sign[first] != 0)[:, None]] = 0
    undecided = (total == 0) & (sign[first] == 0)[:, None]
    return np.asarray(np.where(undecided, values[first], many)[which], np.int8)
