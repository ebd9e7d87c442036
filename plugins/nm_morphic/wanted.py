"""Which source has to reach which core, and with rows of which sign."""

from __future__ import annotations

import numpy as np

from nm_backends.crossbar.wiring import Wiring

__all__ = ["classes", "listens", "signs_of", "wanted"]


def signs_of(paired: np.ndarray, first: int = -1) -> tuple[int, ...]:
    """Return the signs that rows can have, those of ``first`` in front; 0 is both in one row.

    Parameters
    ----------
    paired
        Which neurons hear rows of one sign, bool ``[neurons]``.
    """
    apart = (first, -first) if first else (-1, 1)
    return (*(apart if paired.any() else ()), *(() if paired.all() and paired.size else (0,)))


def listens(wiring: Wiring, paired: np.ndarray, first: int = -1) -> np.ndarray:
    """Return which neuron needs which source in a row of which sign.

    Where rows have both signs, no synapse of a row can be neutral: all neurons of a population then
    listen to all its sources.

    Returns
    -------
    numpy.ndarray
        bool ``[signs, sources, neurons]``.
    """
    weights, plastic = wiring.weights, wiring.plastic
    there = (weights != 0) | plastic
    for _, span in wiring.spans():
        there[:, span] = there[:, span].any(axis=1)[:, None]
    found = {
        -1: (weights < 0) & paired,
        0: there & ~paired,
        1: ((weights > 0) | plastic & (weights == 0)) & paired,
    }
    return np.stack([found[sign] for sign in signs_of(paired, first)])


def wanted(by_neuron: np.ndarray, core: np.ndarray, cores: int) -> np.ndarray:
    """Return which core needs which source with which sign, bool ``[sources, cores, signs]``.

    Parameters
    ----------
    by_neuron
        See `listens`.
    core
        Core of each neuron.
    """
    signs, sources, _ = by_neuron.shape
    found = np.zeros((sources, cores, signs), bool)
    for c in np.unique(core):
        found[:, c] = by_neuron[:, :, core == c].any(axis=2).T
    return found


def classes(wiring: Wiring, paired: np.ndarray) -> list[np.ndarray]:
    """Return groups of neurons that may share a core; all may whose rows have one sign."""
    groups: dict[bytes, list[np.ndarray]] = {}
    there = listens(wiring, np.zeros(wiring.neurons, bool))[0]
    for _, span in wiring.spans():
        if span.stop > span.start:
            key = b"" if paired[span.start] else there[:, span.start].tobytes()
            groups.setdefault(key, []).append(np.arange(span.start, span.stop))
    return [np.concatenate(group) for group in groups.values()]
