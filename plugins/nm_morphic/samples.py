"""Many samples on one copy of a mesh, one after the other, within a kernel.

A sample of few steps takes the mesh some ten microseconds, less than a call from Python.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nm_backends.fixed import grow, kernel
from nm_backends.uncounted import borrowed
from nm_morphic.fabric import BUSIEST, PACKETS
from nm_morphic.kernel import read_membranes
from nm_morphic.rounds import run
from nm_morphic.spec import CORES, NEURONS, ROWS

__all__ = ["run_samples"]


@kernel()
def _copy(source: np.ndarray, target: np.ndarray) -> None:
    for k in range(source.size):
        target[k] = source[k]


@kernel()
def _at_rest(core: Any, start: Any) -> None:
    """Put a core back to where samples start, and its counters to 0."""
    for plane in range(core.bits):
        _copy(start.membrane[plane], core.membrane[plane])
    core.place = start.place
    if core.learning:
        _copy(start.calcium, core.calcium)
        _copy(start.leak_count, core.leak_count)
        _copy(start.calcium_up, core.calcium_up)
        _copy(start.calcium_down, core.calcium_down)
        _copy(start.may_up, core.may_up)
        _copy(start.may_down, core.may_down)
        for row in range(ROWS):
            _copy(start.weights[row], core.weights[row])
    core.served, core.references, core.dropped, core.fifo_max = 0, 0, 0, 0
    _copy(start.lost, core.lost)
    for side in range(2):
        _copy(start.saturated[side], core.saturated[side])


@kernel()
def _note(core: Any, counts: np.ndarray, lost: np.ndarray) -> None:
    """Take the counters of a core over."""
    counts[1] += core.served
    counts[2] += core.dropped
    counts[3] = max(counts[3], core.fifo_max)
    _copy(core.lost, lost)


@kernel()
def _note_links(links: np.ndarray, counts: np.ndarray) -> None:
    """Take the counters of links over, and set them to 0."""
    for chip in range(links.shape[1]):
        for direction in range(4):
            counts[4] += links[PACKETS, chip, direction]
            counts[5] = max(counts[5], links[BUSIEST, chip, direction])
            links[PACKETS, chip, direction] = links[BUSIEST, chip, direction] = 0


@kernel(inline=True)
def _take(out: np.ndarray, used: int, found: np.ndarray, at: int, begin: int) -> None:
    for j in range(used):
        spike, event = out[j], found[at + j]
        event.address = (spike.chip * CORES + spike.core) * NEURONS + spike.neuron
        event.event = spike.event - begin


@kernel()
def run_samples(
    cores: np.ndarray, rest: np.ndarray, meshes: np.ndarray, links: np.ndarray, allow: np.ndarray,
    period: int, addresses: np.ndarray, first: np.ndarray, stop: np.ndarray, rows: np.ndarray,
    begins: np.ndarray, bounds: np.ndarray, which: np.ndarray, parts: np.ndarray, budget: int,
    found: np.ndarray, sizes: np.ndarray, counts: np.ndarray, lost: np.ndarray,
    saturated: np.ndarray, membranes: np.ndarray, status: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Run samples, each from rest.

    Parameters
    ----------
    cores, rest
        A mesh, and the state that samples start in; both `nm_morphic.state.CORE`.
    first, stop, rows, begins
        See `nm_morphic.events.Events`.
    bounds, parts
        Sample ``s`` goes from event ``bounds[parts[s]]`` by way of others to event
        ``bounds[parts[s + 1] - 1]``; int64.
    which
        How many groups begin before each of ``bounds``, int64.
    found
        Output events, with room; what comes back may be a larger copy.
    sizes, counts, lost, saturated
        Per sample: its output events ``[S]``; clock cycles, events served and lost, places of a
        FIFO in use at most, packets and the most on a link in a round ``[S, 6]``; spikes lost
        ``[S, cores, 512]``, and saturations or none ``[S, 2, cores, 512]``, all int64.
    membranes
        Of all neurons after each part, int16 ``[parts, cores, 512]``, or none.
    status
        See `nm_morphic.rounds.run`; stays 0 unless a sample does not end.
    """
    held, fired = np.zeros((2, cores.size), np.int64), np.zeros((2, cores.size), np.int64)
    tally, barrier = np.zeros((2, 1, 8), np.int64), np.zeros(24, np.int64)
    at, mark = 0, 0
    for s in range(sizes.size):
        for c in range(cores.size):
            _at_rest(cores[c], rest[c])
        for p in range(parts[s], parts[s + 1] - 1):
            inner = begins[which[p] : which[p + 1]]
            groups, cycles = np.empty(inner.size + 1, np.int64), np.zeros(inner.size, np.int64)
            _copy(inner, groups)
            groups[inner.size] = bounds[p + 1]
            out, used = run(
                cores, meshes, links, allow, period, addresses, held, fired, tally, first, stop,
                rows, groups, budget, cycles, status, 0, barrier,
            )  # fmt: skip
            if status[0]:
                return found
            found = grow(found, at, used)
            _take(borrowed(out), used, borrowed(found), at, bounds[parts[s]])
            at, sizes[s] = at + used, sizes[s] + used
            for g in range(cycles.size):
                counts[s, 0] += cycles[g]
            if membranes.size:
                read_membranes(cores, membranes[mark])
                mark += 1
        _note_links(links, counts[s])
        for c in range(cores.size):
            _note(cores[c], counts[s], lost[s, c])
            for side in range(2 if saturated.size else 0):
                _copy(cores[c].saturated[side], saturated[s, side, c])
    return found
