"""A host that does not wait: the mesh as a simulation of discrete events, cycle by cycle.

The host sends its next event ``host_interval`` cycles after the last one, or when all cores that it
addresses have a place; a time reference when the mesh is idle. A core serves its FIFO as long as it
holds something, a sweep for each event, and frees a place when the sweep ends. A spike leaves in
the cycle that writes its neuron and is in other FIFOs at once, or after its hops; it is lost where
there is no place. In one cycle sweeps end first; then spikes come, by core and neuron; then the
host sends.
"""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np

from nm_backends.fixed import RING, grow, kernel
from nm_morphic.kernel import serve_reference, serve_row
from nm_morphic.serving import PER_NEURON, SWEEP
from nm_morphic.spec import CORES, NEURONS

__all__ = ["SENT_OUT", "drive"]

SENT_OUT = np.dtype([("cycle", np.int64), ("address", np.int64)])
"""An output event: when it left, and its neuron counted over all cores."""

_ENDS, _COMES = range(2)  # a sweep; a spike
_HEAD, _HELD, _SERVING = range(3)  # of a core's FIFO
_REFERENCE = 2  # as what it is serving: a time reference that is about to be

# An entry is (cycle, kind, key that orders ties, core, row). For a sweep that ends, the row says
# whether it frees a place.


@kernel()
def _leave(
    cores: np.ndarray, mesh: Any, heap: Any, c: int, start: int, fired: int, out: np.ndarray,
    used: int,
) -> None:  # fmt: skip
    """Send the spikes of a sweep on their ways."""
    core = cores[c]
    for j in range(fired):
        k = np.int64(core.fired[j])
        when, key = start + PER_NEURON * (k + 1) - 1, c * NEURONS + k
        out[used + j].cycle, out[used + j].address = when, key
        heapq.heappush(heap, (when, _COMES, key, c, k))
        for other in range(CORES):
            if core.l1_mask[k] >> other & 1:
                there = c // CORES * CORES + other
                heapq.heappush(heap, (when, _COMES, key, there, np.int64(core.l1_row[k])))
        target = np.int64(core.l2_chip[k])
        if target >= 0:
            hops = abs(np.int64(core.dx[k])) + abs(np.int64(core.dy[k]))
            when += hops * mesh.hop_latency * SWEEP
            for other in range(CORES * target, CORES * target + CORES):
                heapq.heappush(heap, (when, _COMES, key, other, np.int64(core.l2_row[k])))


@kernel()
def _enter(core: Any, queue: np.ndarray, row: int) -> None:
    core.rows[0, queue[_HEAD] + queue[_HELD] & RING - 1] = row
    queue[_HELD] += 1
    core.fifo_max = max(core.fifo_max, queue[_HELD])


@kernel()
def _places(
    cores: np.ndarray, queues: np.ndarray, depth: int, first: np.ndarray, stop: np.ndarray,
    rows: np.ndarray, begin: int, end: int,
) -> bool:  # fmt: skip
    """Say whether all cores that a group of events addresses have a place."""
    for event in range(begin, end):
        for c in range(first[event], stop[event]):
            if cores[c].meaning[rows[event]] and queues[c, _HELD] >= depth:
                return False
    return True


@kernel()
def _happen(cores: np.ndarray, queues: np.ndarray, depth: int, entry: Any) -> None:
    """Let a sweep end, or a spike come."""
    _, kind, key, c, row = entry
    core, queue = cores[c], queues[c]
    if kind == _ENDS:
        queue[_SERVING] = 0
        queue[_HEAD], queue[_HELD] = queue[_HEAD] + row & RING - 1, queue[_HELD] - row
    elif core.meaning[row] == 0:
        return
    elif queue[_HELD] < depth:
        _enter(core, queue, row)
    else:
        core.dropped += 1
        cores[key // NEURONS].lost[key % NEURONS] += 1


@kernel()
def _send(
    cores: np.ndarray, queues: np.ndarray, first: np.ndarray, stop: np.ndarray, rows: np.ndarray,
    begin: int, end: int,
) -> None:  # fmt: skip
    """Take a group of input events in; a time reference is on its way to all cores."""
    for event in range(begin, end):
        row = rows[event]
        for c in range(first[event], stop[event]):
            if row < 0:
                queues[c, _SERVING] = _REFERENCE
            elif cores[c].meaning[row]:
                _enter(cores[c], queues[c], row)


@kernel()
def _serve(
    core: Any, queue: np.ndarray, allow: np.ndarray, period: int, heap: Any, c: int, now: int
) -> int:
    """Begin to serve what a core holds, if it is free; return its spikes, or -1."""
    if queue[_SERVING] == _REFERENCE:
        core.references += 1
        fired = serve_reference(core)
    elif queue[_HELD] and not queue[_SERVING]:
        core.served += 1
        fired = serve_row(core, np.int64(core.rows[0, queue[_HEAD]]), allow, period)
    else:
        return -1
    frees = np.int64(queue[_SERVING] != _REFERENCE)
    queue[_SERVING] = 1
    heapq.heappush(heap, (now + SWEEP, _ENDS, np.int64(c), np.int64(c), frees))
    return fired


@kernel()
def drive(
    cores: np.ndarray, mesh: Any, allow: np.ndarray, period: int, first: np.ndarray,
    stop: np.ndarray, rows: np.ndarray, groups: np.ndarray, interval: int, budget: int,
    sent: np.ndarray, status: np.ndarray,
) -> tuple[np.ndarray, int, int]:  # fmt: skip
    """Send groups of input events to a mesh that is idle, as fast as it takes them.

    Parameters
    ----------
    first, stop, rows, groups
        As for `nm_morphic.rounds.run`.
    interval
        Cycles between input events at least.
    budget
        Events that may be served while the host waits.
    sent
        Is set to the cycle in which each event is sent, int64 ``[events]``.

    Returns
    -------
    out, used, cycles
        Output events (`SENT_OUT`) as cores came to them, how many, and cycles until all is idle.
        ``status[0]`` is 1 where that will not be; ``status[1:4]`` then are as for `run`.
    """
    out, used, now, host, left = np.empty(1024, SENT_OUT), 0, 0, 0, budget
    heap = [(np.int64(0), np.int64(0), np.int64(0), np.int64(0), np.int64(0))]
    heap.pop()
    queues, group, last, waits = np.zeros((cores.size, 3), np.int64), 0, groups.size - 1, False
    while heap or group < last:
        if heap and (group == last or waits or heap[0][0] <= host):
            entry = heapq.heappop(heap)
            now, waits = entry[0], waits and entry[1] != _ENDS
            _happen(cores, queues, mesh.depth, entry)
            low, high = entry[3], entry[3] + 1
        else:
            begin, end, low, high = groups[group], groups[group + 1], 0, cores.size
            if rows[begin] < 0:
                waits = len(heap) > 0
            else:
                waits = not _places(cores, queues, mesh.depth, first, stop, rows, begin, end)
            if waits:
                continue
            now = max(now, host)
            sent[begin:end] = now
            _send(cores, queues, first, stop, rows, begin, end)
            group, host, left = group + 1, now + interval, budget
        for c in range(low, high):
            fired = _serve(cores[c], queues[c], allow, period, heap, c, now)
            if fired < 0:
                continue
            left -= 1
            if left < 0:
                status[0], status[1], status[2] = 1, groups[group] - 1, c
                status[3] = cores[c].rows[0, queues[c, _HEAD]]
                return out, used, now
            out = grow(out, used, fired)
            _leave(cores, mesh, heap, c, now, fired, out, used)
            used += fired
    return out, used, now
