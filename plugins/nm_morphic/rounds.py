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
from nm_backends.uncounted import borrowed
from nm_morphic.fabric import OUTPUT, PENDING, SHARE, SPIKE
from nm_morphic.serving import PER_NEURON, SWEEP, inject, quiet, serve_own, totals
from nm_morphic.spec import CORES
from nm_morphic.travel import arrive, close_links, count_links, travel

__all__ = ["plan", "run"]

_DONE, _ROOM, _ENDED = range(3)
_SERVED, _MET = 1, 2


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
def _put_out(out: np.ndarray, used: int, order: np.ndarray, spikes: int, clock: int) -> None:
    """Note the spikes of a round as output events, in the cycle that writes the neuron."""
    for j in range(spikes):
        spike, event = order[j], out[used + j]
        event.chip, event.core = spike.core // CORES, spike.core % CORES
        event.neuron, event.event = spike.neuron, spike.root
        event.cycle = clock + np.int64(spike.slot) * SWEEP + PER_NEURON * (spike.neuron + 1) - 1


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
def _pass_on(
    cores: np.ndarray, share: Any, held: np.ndarray, fired_of: np.ndarray, mesh: Any,
    links: np.ndarray, addresses: np.ndarray, fired: int, last: bool,
    out: np.ndarray, order: np.ndarray, pending: np.ndarray, place: np.ndarray,
) -> None:  # fmt: skip
    """Fill the FIFOs for the next round with what is due and what has been fired."""
    turn, due = share.turn, 0
    for c in range(share.low, share.high):
        held[1 - turn, c] = 0
    if share.waiting:
        share.waiting, due = arrive(
            cores, share, held, turn, mesh.depth, pending, share.waiting, share.round
        )
    if fired:
        _in_order(cores, held, fired_of, turn, addresses, place, share.ranks, order)
        if share.part == 0:
            _put_out(out, share.used, order, fired, share.clock)
            share.used += fired
        share.waiting = travel(
            cores, share, held, mesh, turn, order, fired, due, pending, share.waiting, share.round
        )
    if mesh.meshed and last:
        count_links(cores, mesh, links, order, fired, share.round)
        close_links(links, share.round)
    share.ranks = due + fired


@kernel(inline=True)
def _settle(
    cores: np.ndarray, share: Any, held: np.ndarray, fired_of: np.ndarray, tally: np.ndarray,
    addresses: np.ndarray, allow: np.ndarray, period: int, mesh: Any, links: np.ndarray,
    status: np.ndarray, barrier: np.ndarray, out: np.ndarray, order: np.ndarray,
    pending: np.ndarray, place: np.ndarray,
) -> int:  # fmt: skip
    """Go on, round by round, until the mesh is idle.

    Returns
    -------
    int
        `_DONE`, `_ENDED` where that will not be, or `_ROOM` where ``share.fired`` spikes, of a
        round that has been served, need more of it; all is to be called again then.
    """
    parts = tally.shape[1]
    while share.ranks or share.waiting:
        if not share.served:
            serve_own(cores, share, held, fired_of, addresses, allow, period, tally)
        if share.served != _MET and not meet(barrier, parts):
            return _ENDED
        events, most, fired = totals(tally, share.turn, parts)
        if events == 0 and share.waiting == 0:
            share.turn = 1 - share.turn
            break
        share.served, share.fired = _MET, fired
        room = min(out.size - share.used, order.size, pending.size - share.waiting)
        if fired > room or share.ranks >= place.size:
            return _ROOM
        share.served, share.left = 0, share.left - max(events, 1)
        if share.left < 0:
            if share.part == 0:
                _still_busy(cores, held, share.turn, pending, status)
            return _ENDED
        _pass_on(
            cores, share, held, fired_of, mesh, links, addresses, fired, share.part == parts - 1,
            out, order, pending, place,
        )  # fmt: skip
        share.clock += SWEEP * max(most, 1)
        share.round, share.turn, share.holding = share.round + 1, 1 - share.turn, 1
    return _DONE


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
    cores, links, allow, tally = borrowed(cores), borrowed(links), borrowed(allow), borrowed(tally)
    held, fired_of, addresses = borrowed(held), borrowed(fired_of), borrowed(addresses)
    first, stop, rows, groups = borrowed(first), borrowed(stop), borrowed(rows), borrowed(groups)
    out, pending = np.empty(1024, OUTPUT), np.empty(1024, PENDING)
    order, place = np.empty(1024, SPIKE), np.empty(1024, np.int64)
    parts, shares, group, ended = tally.shape[1], np.zeros(1, SHARE), 0, _DONE
    mesh, share = meshes[0], shares[0]
    share.part, share.low = part, cores.size * part // parts
    share.high = cores.size * (part + 1) // parts
    while ended != _ENDED:
        if parts == 1:
            group = quiet(
                cores, share, held, fired_of, tally, first, stop, rows, groups, group, addresses,
                allow, period, group_cycles,
            )  # fmt: skip
        if group == groups.size - 1:
            break
        begin, end, start = groups[group], groups[group + 1], share.clock
        if parts > 1:
            inject(cores, share, held, first, stop, rows, begin, end)
        share.ranks, share.left, share.served = end - begin, budget, parts == 1
        while True:
            ended = _settle(
                cores, share, held, fired_of, tally, addresses, allow, period, mesh, links,
                status, barrier, borrowed(out), borrowed(order), borrowed(pending), borrowed(place),
            )  # fmt: skip
            if ended != _ROOM:
                break
            out, order = grow(out, share.used, share.fired), grow(order, 0, share.fired)
            pending = grow(pending, share.waiting, share.fired)
            place = grow(place, 0, share.ranks + 1)
        if part == 0:
            group_cycles[group] = share.clock - start
        group += 1
    return out, share.used
