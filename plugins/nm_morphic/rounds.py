"""A mesh of chips in rounds: all cores serve their FIFOs at the same time, then spikes travel.

The order of events (`Assumptions.event_order`): in a round each core serves what it holds, first in
first out. The spikes of the round are then put in the order of the events that caused them, then
core and neuron, and delivered in that order for the next round; a packet to another chip joins the
deliveries ``hops * hop_latency`` rounds later, before younger ones. One core alone is exactly a
FIFO, and without latency the whole mesh is one too, were it one large core.

Threads have cores of their own for the whole run, and meet once in a round, when all have served.
Each of them then works out the order of all spikes by itself and fills the FIFOs of its cores, so
nothing depends on which thread is faster, or on how many there are. What others read of a round is
written over in the next but one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nm_backends.fixed import grow, kernel
from nm_backends.together import meet
from nm_morphic.fabric import OUTPUT, PENDING, SHARE, SPIKE
from nm_morphic.kernel import serve_reference, serve_row
from nm_morphic.spec import CORES, NEURONS, SPEC
from nm_morphic.travel import arrive, close_links, count_links, travel

__all__ = ["plan", "run"]

_PER_NEURON = int(SPEC.quantities["cycles_per_neuron"].value)
_SWEEP = _PER_NEURON * NEURONS
_EVENTS, _MOST, _FIRED = range(3)  # of a thread in a round


@kernel()
def plan(
    events: np.ndarray, chips: int, highest: int, wait: bool, first: np.ndarray, stop: np.ndarray,
    begins: np.ndarray,
) -> tuple[int, int]:  # fmt: skip
    """Find the cores that each event addresses, and the groups of events that are sent together.

    Parameters
    ----------
    events
        int64 ``[n, 3]``: chip, core, row, at most ``highest``.
    first, stop
        Are set to the first core, and the one after the last, int64 ``[n]``.
    begins
        Is set to where groups begin, and to the end, int64 ``[n + 1]``.

    Returns
    -------
    groups, bad
        How many groups; and an event that addresses nothing, or -1.
    """
    addressed, groups, open_group = np.full(chips * CORES, -1), 0, False
    for event in range(events.shape[0]):
        chip, core, row = events[event]
        least = -1 if row < 0 else 0
        bad = row < -1 or row > highest or not least <= chip < chips
        if bad or not least <= core < CORES or (chip < 0 and core >= 0):
            return groups, event
        first[event] = max(chip, 0) * CORES + max(core, 0)
        stop[event] = first[event] + (chips * CORES if chip < 0 else CORES if core < 0 else 1)
        if wait or row < 0 or not open_group or addressed[first[event]] == groups:
            begins[groups] = event
            groups += 1
        addressed[first[event]], open_group = groups, row >= 0
    begins[groups] = events.shape[0]
    return groups, -1


@kernel()
def _serve(
    core: Any, turn: int, count: int, addresses: np.ndarray, c: int, allow: np.ndarray, period: int
) -> int:
    """Serve what one core holds; return its spikes, whose addresses then follow each other."""
    used = 0
    for slot in range(count):
        row = np.int64(core.rows[turn, slot])
        fired = serve_reference(core) if row < 0 else serve_row(core, row, allow, period)
        core.spikes[turn, slot] = fired
        for j in range(fired):
            addresses[turn, c, used + j] = core.fired[j]
        used += fired
    return used


@kernel(inline=True)
def _serve_own(
    cores: np.ndarray, share: Any, held: np.ndarray, fired: np.ndarray, turn: int,
    addresses: np.ndarray, allow: np.ndarray, period: int, tally: np.ndarray,
) -> None:  # fmt: skip
    """Serve the cores of a thread, and note how many events and spikes there were."""
    events, most, spikes = 0, 0, 0
    for c in range(share.low, share.high):
        count = held[turn, c]
        if count:
            core = cores[c]
            if share.holding:
                core.served += count
            else:
                core.references += count
            fired[turn, c] = _serve(core, turn, count, addresses, c, allow, period)
            events, most, spikes = events + count, max(most, count), spikes + fired[turn, c]
    tally[turn, share.part, _EVENTS], tally[turn, share.part, _MOST] = events, most
    tally[turn, share.part, _FIRED] = spikes


@kernel(inline=True)
def _totals(tally: np.ndarray, turn: int, parts: int) -> tuple[int, int, int]:
    """Return the events of a round, the most of one core, and the spikes."""
    events, most, fired = 0, 0, 0
    for part in range(parts):
        events += tally[turn, part, _EVENTS]
        most = max(most, tally[turn, part, _MOST])
        fired += tally[turn, part, _FIRED]
    return events, most, fired


@kernel()
def _in_order(
    cores: np.ndarray, held: np.ndarray, fired: np.ndarray, turn: int, addresses: np.ndarray,
    place: np.ndarray, ranks: int, order: np.ndarray,
) -> None:  # fmt: skip
    """Put the spikes of a round in order of rank of their cause, core, neuron: a counting sort."""
    for rank in range(ranks + 1):
        place[rank] = 0
    for c in range(cores.size):
        if held[turn, c] and fired[turn, c]:
            core = cores[c]
            for slot in range(held[turn, c]):
                place[core.ranks[turn, slot] + 1] += core.spikes[turn, slot]
    for rank in range(ranks):
        place[rank + 1] += place[rank]
    for c in range(cores.size):
        if held[turn, c] and fired[turn, c]:
            core, used = cores[c], 0
            for slot in range(held[turn, c]):
                rank = core.ranks[turn, slot]
                for _ in range(core.spikes[turn, slot]):
                    spike = order[place[rank]]
                    spike.core, spike.slot, spike.root = c, slot, core.roots[turn, slot]
                    spike.neuron = addresses[turn, c, used]
                    place[rank] += 1
                    used += 1


@kernel(inline=True)
def _inject(
    cores: np.ndarray, share: Any, held: np.ndarray, turn: int, first: np.ndarray,
    stop: np.ndarray, rows: np.ndarray, begin: int, end: int,
) -> None:  # fmt: skip
    """Give input events to the cores of a thread, at most one to each.

    A time reference takes no place in the FIFO.
    """
    share.holding = rows[begin] >= 0
    for c in range(share.low, share.high):
        held[turn, c] = 0
    for event in range(begin, end):
        row = rows[event]
        for c in range(max(first[event], share.low), min(stop[event], share.high)):
            core = cores[c]
            if row >= 0 and core.meaning[row] == 0:
                continue
            core.rows[turn, 0], core.ranks[turn, 0], core.roots[turn, 0] = row, event - begin, event
            core.fifo_max = max(core.fifo_max, share.holding)
            held[turn, c] = 1


@kernel(inline=True)
def _put_out(out: np.ndarray, used: int, order: np.ndarray, spikes: int, clock: int) -> None:
    """Note the spikes of a round as output events, in the cycle that writes the neuron."""
    for j in range(spikes):
        spike, event = order[j], out[used + j]
        event.chip, event.core = spike.core // CORES, spike.core % CORES
        event.neuron, event.event = spike.neuron, spike.root
        event.cycle = clock + np.int64(spike.slot) * _SWEEP + _PER_NEURON * (spike.neuron + 1) - 1


@kernel()
def _still_busy(
    cores: np.ndarray, held: np.ndarray, turn: int, pending: np.ndarray, status: np.ndarray
) -> None:
    """Note an input event whose consequences do not end, and a core and row that are busy."""
    status[0] = 1
    for c in range(cores.size):
        if held[turn, c]:
            status[1], status[2] = cores[c].roots[turn, 0], c
            status[3] = cores[c].rows[turn, 0]
            return
    status[1], status[2], status[3] = pending[0].root, CORES * pending[0].chip, pending[0].row


@kernel()
def run(
    cores: np.ndarray, meshes: np.ndarray, links: np.ndarray, allow: np.ndarray, period: int,
    addresses: np.ndarray, held: np.ndarray, fired_of: np.ndarray, tally: np.ndarray,
    first: np.ndarray, stop: np.ndarray, rows: np.ndarray, groups: np.ndarray, budget: int,
    group_cycles: np.ndarray, status: np.ndarray, part: int, barrier: np.ndarray,
) -> tuple[np.ndarray, int]:  # fmt: skip
    """Send groups of input events, each when the mesh is idle; one of ``tally.shape[1]`` threads.

    Parameters
    ----------
    addresses
        Scratch for the addresses of spikes, int16 ``[2, cores, spikes]``.
    held, fired_of
        Scratch: events and spikes of each core in a round, int64 ``[2, cores]``.
    tally
        Scratch: what threads have done in a round, int64 ``[2, threads, >= 3]``.

    Returns
    -------
    out, used
        Output events (`OUTPUT`), and how many; of the first thread. ``status`` is left 0, or holds
        1, an input event whose consequences do not end, and a core and row that are still busy.
    """
    out, used = np.empty(1024, OUTPUT), 0
    order, pending, place = np.empty(1024, SPIKE), np.empty(1024, PENDING), np.empty(1024, np.int64)
    parts, shares = tally.shape[1], np.zeros(1, SHARE)
    mesh, share, clock, round_number, turn = meshes[0], shares[0], 0, 0, 0
    share.part, share.low = part, cores.size * part // parts
    share.high = cores.size * (part + 1) // parts
    for group in range(groups.size - 1):
        begin, end = groups[group], groups[group + 1]
        ranks, waiting, left, start = end - begin, 0, budget, clock
        _inject(cores, share, held, turn, first, stop, rows, begin, end)
        while True:
            _serve_own(cores, share, held, fired_of, turn, addresses, allow, period, tally)
            if not meet(barrier, parts):
                return out, used
            events, most, fired = _totals(tally, turn, parts)
            if events == 0 and waiting == 0:
                turn = 1 - turn
                break
            left -= max(events, 1)
            if left < 0:
                if part == 0:
                    _still_busy(cores, held, turn, pending, status)
                return out, used
            for c in range(share.low, share.high):
                held[1 - turn, c] = 0
            due = 0
            if waiting:
                waiting, due = arrive(
                    cores, share, held, turn, mesh.depth, pending, waiting, round_number
                )
            if fired:
                order, place = grow(order, 0, fired), grow(place, 0, ranks + 1)
                pending = grow(pending, waiting, fired)
                _in_order(cores, held, fired_of, turn, addresses, place, ranks, order)
                if part == 0:
                    out = grow(out, used, fired)
                    _put_out(out, used, order, fired, clock)
                    used += fired
                waiting = travel(
                    cores, share, held, mesh, turn, order, fired, due, pending, waiting,
                    round_number,
                )  # fmt: skip
            if mesh.meshed and part == parts - 1:
                count_links(cores, mesh, links, order, fired, round_number)
                close_links(links, round_number)
            clock += _SWEEP * max(most, 1)
            ranks, round_number, turn = due + fired, round_number + 1, 1 - turn
            share.holding = 1
            if ranks == 0 and waiting == 0:
                break
        if part == 0:
            group_cycles[group] = clock - start
    return out, used
