"""Is a network consistent: asked of everything that comes from a file."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nm_backends.network import Network, Population, Projection

__all__ = ["check_network"]

MAX_SIZE = 1 << 24  # neurons or input channels of one population
_PARAMETERS = (
    "decay",
    "gain",
    "leak",
    "decay_syn",
    "gain_syn",
    "threshold",
    "v_reset",
    "v0",
    "bias",
)


def check_network(network: Network) -> list[str]:
    """Name every contradiction in ``network``; empty when there is none."""
    found: list[str] = []
    for name, population in network.populations.items():
        found += _population(name, population)
    if found:
        return found  # sizes are not to be trusted
    order = {name: i for i, name in enumerate(network.populations)}
    for projection in network.projections:
        found += _projection(projection, network, order)
    pairs = [(p.pre, p.post, p.delay) for p in network.projections]
    found += [
        f"projection {a} -> {b} stands twice"
        for a, b, _ in {p for p in pairs if pairs.count(p) > 1}
    ]
    if not network.outputs:
        found.append("no outputs")
    found += [
        f"output {k!r} shows unknown {v!r}" for k, v in network.outputs.items() if v not in order
    ]
    return found


def _population(key: str, population: Population) -> Iterator[str]:
    where = f"population {key!r}"
    if population.name != key:
        yield f"{where}: calls itself {population.name!r}"
    size = 1
    for length in population.shape:
        size *= length
    if min(population.shape, default=1) < 1 or size > MAX_SIZE:
        yield f"{where}: shape {population.shape}, expected 1 to {MAX_SIZE} neurons"
        return
    for name in _PARAMETERS:
        array = getattr(population, name)
        if array is None:
            continue
        if array.dtype != np.float64 or array.shape != (size,):
            yield f"{where}: {name} is {array.dtype}{list(array.shape)}, expected float64[{size}]"
        elif np.isnan(array).any():
            yield f"{where}: {name} holds NaN"
    if not np.isfinite(population.graded):
        yield f"{where}: graded is {population.graded}"


def _projection(projection: Projection, network: Network, order: dict[str, int]) -> Iterator[str]:
    where = f"projection {projection.name}"
    unknown = {projection.pre, projection.post} - set(order)
    if unknown:
        yield f"{where}: unknown population {min(unknown)!r}"
        return
    pre, post = (network.populations[name] for name in (projection.pre, projection.post))
    if projection.weights.shape != (pre.size, post.size):
        yield f"{where}: weights {projection.weights.shape}, expected {(pre.size, post.size)}"
    if not np.isfinite(projection.weights.data).all():
        yield f"{where}: weights that are not finite"
    if projection.delay < 0:
        yield f"{where}: delay {projection.delay}"
    if projection.delay == 0 and order[projection.pre] >= order[projection.post]:
        yield f"{where}: without delay, but against the order of evaluation"
