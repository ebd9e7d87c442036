"""Long runs in slices of the batch, so that a progress bar can move."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from nm_backends.network import Network
    from nm_backends.program import Program
    from nm_backends.result import Estimate, Result

__all__ = ["batch_of", "run_in_slices"]


def batch_of(network: Network, spikes: np.ndarray) -> int | None:
    """Return the number of samples, or None when there is no batch axis to slice."""
    if spikes.ndim < 3 or int(np.prod(spikes.shape[2:])) != network.input_size:
        return None
    return int(spikes.shape[1])


def run_in_slices(
    program: Program,
    spikes: np.ndarray,
    record: Sequence[str] = (),
    advance: Callable[[int], None] = lambda _: None,
    size: int = 64,
) -> Result:
    """Run a program on ``size`` samples at a time; the result is that of one run."""
    batch = batch_of(program.network, spikes)
    if batch is None or batch <= size:
        result = program.run(spikes, record=tuple(record))
        advance(batch or 1)
        return result
    parts = []
    for start in range(0, batch, size):
        part = spikes[:, start : start + size]
        parts.append(program.run(part, record=tuple(record)))
        advance(part.shape[1])
    return _joined(parts)


def _joined(parts: list[Result]) -> Result:
    first = parts[0]
    return replace(
        first,
        spikes=np.concatenate([p.spikes for p in parts], axis=1),
        readout=np.concatenate([p.readout for p in parts]),
        layers={n: np.concatenate([p.layers[n] for p in parts], axis=1) for n in first.layers},
        membranes={
            n: np.concatenate([p.membranes[n] for p in parts], axis=1) for n in first.membranes
        },
        counters={n: np.concatenate([p.counters[n] for p in parts]) for n in first.counters},
        energy=_joined_estimate([p.energy for p in parts]),
        latency=_joined_estimate([p.latency for p in parts]),
    )


def _joined_estimate(parts: list[Estimate | None]) -> Estimate | None:
    known = [part for part in parts if part is not None]
    if not known or np.ndim(known[0].value) == 0:
        return known[0] if known else None
    return replace(known[0], value=np.concatenate([np.asarray(part.value) for part in known]))
