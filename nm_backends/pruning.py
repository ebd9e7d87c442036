"""Neurons that nothing depends on: those from which no way leads to an output.

Leaving them out changes no spike of the others, and saves their places and rows on a chip.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from nm_backends.effective import listed, some_of
from nm_backends.fit_rules import pruned_neurons
from nm_backends.network import Network
from nm_backends.rules import Diagnostic

if TYPE_CHECKING:
    from nm_backends.discretisation import Discretisation

__all__ = ["idle_text", "needed", "prune", "pruned"]


def prune(
    model: Any, discretisation: Discretisation | None = None, *, sample: Any = None
) -> Network:
    """Lower a model and leave out the neurons that no output depends on.

    Parameters
    ----------
    model, discretisation, sample
        As for `nm_backends.lower`.

    Returns
    -------
    Network
        For `nm_backends.compile`. Populations that lost neurons have one axis;
        ``network.metadata["kept"]`` has the indices, int64, of the neurons that are still there, by
        population. Populations of which none is left are gone. Inputs keep all their channels.

    Raises
    ------
    CompileError
        When the model cannot be lowered.
    """
    from nm_backends.api import lower

    return pruned(lower(model, discretisation, sample))


def needed(network: Network) -> dict[str, np.ndarray]:
    """Return which neurons an output depends on, bool ``[size]`` by population of neurons."""
    alive = {p.name: np.zeros(p.size, bool) for p in network.neurons}
    for name in set(network.outputs.values()) & alive.keys():
        alive[name][:] = True
    ways = [(p.pre, p.post, *listed(network, p)[:2]) for p in network.projections if p.pre in alive]
    changed = True
    while changed:
        changed = False
        for pre, post, source, listener in ways:
            reaches = source[alive[post][listener]]
            changed |= not bool(alive[pre][reaches].all())
            alive[pre][reaches] = True
    return alive


def pruned(network: Network) -> Network:
    """Return the network without the neurons that no output depends on; see `prune`."""
    alive = needed(network)
    if all(which.all() for which in alive.values()):
        return network
    kept = {name: np.flatnonzero(which) for name, which in alive.items() if not which.all()}
    gone = {name for name, index in kept.items() if not index.size}
    populations = {
        name: some_of(p, kept[name]) if name in kept else p
        for name, p in network.populations.items()
        if name not in gone
    }
    report = replace(network.report, diagnostics=list(network.report.diagnostics))
    report.extend(_finding(name, which) for name, which in alive.items() if name in kept)
    return replace(
        network,
        populations=populations,
        projections=[
            replace(p, weights=_between(p.weights, kept.get(p.pre), kept.get(p.post)))
            for p in network.projections
            if not {p.pre, p.post} & gone
        ],
        report=report,
        metadata={**network.metadata, "kept": kept},
    )


def idle_text(network: Network) -> str:
    """Return what a finding about too many neurons says of those that are not needed, or ``""``."""
    idle = sum(int((~which).sum()) for which in needed(network).values())
    if not idle:
        return ""
    return f"; {idle:,} neurons reach no output: nmb.prune(model) (nmb compile --prune) drops them"


def _between(
    weights: sp.csr_array, rows: np.ndarray | None, columns: np.ndarray | None
) -> sp.csr_array:
    some = weights if rows is None else weights[rows]
    return sp.csr_array(some if columns is None else some[:, columns])


def _finding(name: str, which: np.ndarray) -> Diagnostic:
    idle = np.flatnonzero(~which)
    return pruned_neurons.at(
        f"{idle.size:,} of {which.size:,} neurons reach no output and are left out",
        node=name,
        neurons=(int(idle[0]), int(idle[-1])),
        found=f"{idle.size:,} neurons",
        hint="network.metadata['kept'] lists those that are there",
    )
