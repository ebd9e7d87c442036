"""A mesh of chips in rounds: all cores serve their FIFOs at the same time, then spikes travel.

The order of events (`Assumptions.event_order`): in a round each core serves what it holds, first in
first out. The spikes of the round are then put in the order of the events that caused them, then
core and neuron, and delivered in that order for the next round; a packet to another chip joins the
deliveries ``hops * hop_latency`` rounds later, before younger ones. Nothing in this depends on
which core is computed first, so threads change nothing. One core alone is exactly a FIFO, and
without latency the whole mesh is one too, were it one large core.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from nm_backends.fixed import grow, kernel
from nm_morphic.fabric import BUSIEST, COMING, OUTPUT, PACKETS, PENDING, SPIKE
from nm_morphic.kernel import serve_reference, serve_row
from nm_morphic.spec import CORES, NEURONS, SPEC

__all__ = ["run"]

_PER_NEURON = int(SPEC.quantities["cycles_per_neuron"].value)
_SWEEP = _PER_NEURON * NEURONS


@kernel()
def _serve(core: Any, turn: int, addresses: np.ndarray, allow: np.ndarray, period: int) -> None:
    """Serve what one core holds; the spikes' addresses follow each other in ``addresses``."""
    used = 0
    for slot in range(core.held[turn]):
        row = np.int64(core.rows[turn, slot])
        fired = serve_reference(core) if row < 0 else serve_row(core, row, allow, period)
        core.spikes[slot] = fired
        for j in range(fired):
            addresses[used + j] = core.fired[j]
        used += fired


@kernel(parallel=True)
def _serve_shared(
    cores: np.ndarray, turn: int, addresses: np.ndarray, active: np.ndarray, count: int,
    allow: np.ndarray, period: int,
) -> None:  # fmt: skip
    for j in prange(count):
        c = active[j]
        _serve(cores[c], turn, addresses[c], allow, period)


@kernel(inline=True)
def _serve_alone(
    cores: np.ndarray, turn: int, addresses: np.ndarray, active: np.ndarray, count: int,
    allow: np.ndarray, period: int,
) -> None:  # fmt: skip
    for j in range(count):
        c = active[j]
        _serve(cores[c], turn, addresses[c], allow, period)


@kernel(inline=True)
def _spikes(cores: np.ndarray, turn: int, active: np.ndarray, count: int) -> int:
    """Return the number of spikes of a round."""
    found = 0
    for j in range(count):
        core = cores[active[j]]
        for slot in range(core.held[turn]):
            found += core.spikes[slot]
    return found


@kernel(inline=True)
def _in_order(
    cores: np.ndarray, turn: int, addresses: np.ndarray, active: np.ndarray, count: int,
    place: np.ndarray, order: np.ndarray,
) -> None:  # fmt: skip
    """Put the spikes of a round in order of rank of their cause, core, neuron: a counting sort.

    ``place`` has an element per rank, and one more.
    """
    place[:] = 0
    for j in range(count):
        core = cores[active[j]]
        for slot in range(core.held[turn]):
            place[core.ranks[turn, slot] + 1] += core.spikes[slot]
    for rank in range(place.size - 1):
        place[rank + 1] += place[rank]
    for j in range(count):
        c, used = active[j], 0
        core = cores[c]
        for slot in range(core.held[turn]):
            rank = core.ranks[turn, slot]
            for _ in range(core.spikes[slot]):
                spike = order[place[rank]]
                spike.core, spike.slot, spike.root = c, slot, core.roots[turn, slot]
                spike.neuron = addresses[c, used]
                place[rank] += 1
                used += 1


@kernel(inline=True)
def _deliver(core: Any, turn: int, depth: int, row: int, rank: int, root: int, slot: int) -> None:
    """Put an event into the FIFO of a core, if the row is connected and there is a place.

    While the core's event ``slot`` is served, that one and all after it hold their places.
    """
    if core.meaning[row] == 0:
        return
    following = 1 - turn
    place = core.held[following]
    occupied = place + max(core.holding - slot, 0)
    if occupied >= depth:
        core.dropped += 1
        return
    core.rows[following, place], core.ranks[following, place] = row, rank
    core.roots[following, place], core.held[following] = root, place + 1
    core.fifo_max = max(core.fifo_max, occupied + 1)


@kernel()
def _walk(mesh: Any, links: np.ndarray, chip: int, dx: int, dy: int, round_number: int) -> int:
    """Count a packet on each link of its way (see `routes.path`); return the number of hops."""
    hops, rounds = 0, links.shape[0] - COMING
    for leg in range(2):
        along_y = (leg == 0) == (mesh.y_first != 0)
        left = dy if along_y else dx
        direction = (2 if along_y else 0) + (0 if left > 0 else 1)
        step = (mesh.columns if along_y else 1) * (1 if left > 0 else -1)
        for _ in range(abs(left)):
            when = (round_number + hops * mesh.hop_latency) % rounds
            links[COMING + when, chip, direction] += 1
            chip += step
            hops += 1
    return hops


@kernel()
def _close_links(links: np.ndarray, round_number: int) -> None:
    """Take the packets of a finished round into the counters."""
    now = COMING + round_number % (links.shape[0] - COMING)
    for chip in range(links.shape[1]):
        for direction in range(4):
            packets = links[now, chip, direction]
            if packets:
                links[PACKETS, chip, direction] += packets
                links[BUSIEST, chip, direction] = max(links[BUSIEST, chip, direction], packets)
                links[now, chip, direction] = 0


@kernel()
def _arrive(
    cores: np.ndarray, turn: int, depth: int, pending: np.ndarray, waiting: int, round_number: int
) -> tuple[int, int]:
    """Deliver the packets that are due, oldest first; return how many wait on, and were due."""
    kept, due = 0, 0
    for j in range(waiting):
        packet = pending[j]
        if packet.due == round_number:
            for c in range(CORES * packet.chip, CORES * packet.chip + CORES):
                _deliver(cores[c], turn, depth, packet.row, due, packet.root, packet.slot)
            due += 1
        else:
            pending[kept] = pending[j]
            kept += 1
    return kept, due


@kernel(inline=True)
def _travel(
    cores: np.ndarray, mesh: Any, links: np.ndarray, turn: int, order: np.ndarray, spikes: int,
    first_rank: int, pending: np.ndarray, waiting: int, round_number: int,
) -> int:  # fmt: skip
    """Send the spikes of a round to their core, its neighbours and another chip.

    Returns
    -------
    int
        How many packets are under way now.
    """
    depth = mesh.depth
    for j in range(spikes):
        spike, rank = order[j], first_rank + j
        k, slot, root, chip = spike.neuron, spike.slot, spike.root, spike.core // CORES
        source = cores[spike.core]
        _deliver(source, turn, depth, k, rank, root, slot)
        mask = source.l1_mask[k]
        for c in range(CORES):
            if mask >> c & 1:
                _deliver(cores[CORES * chip + c], turn, depth, source.l1_row[k], rank, root, slot)
        target, row = source.l2_chip[k], source.l2_row[k]
        if target < 0:
            continue
        hops = _walk(
            mesh, links, chip, np.int64(source.dx[k]), np.int64(source.dy[k]), round_number
        )
        if mesh.hop_latency:
            packet = pending[waiting]
            packet.due = round_number + hops * mesh.hop_latency
            packet.chip, packet.row, packet.slot, packet.root = target, row, slot, root
            waiting += 1
        else:
            for c in range(CORES * target, CORES * target + CORES):
                _deliver(cores[c], turn, depth, row, rank, root, slot)
    return waiting


@kernel(inline=True)
def _inject(
    cores: np.ndarray, turn: int, first: np.ndarray, stop: np.ndarray, rows: np.ndarray,
    begin: int, end: int, active: np.ndarray,
) -> int:  # fmt: skip
    """Give input events to their cores, at most one to each; return how many cores have one.

    A time reference takes no place in the FIFO.
    """
    count = 0
    for event in range(begin, end):
        row = rows[event]
        for c in range(first[event], stop[event]):
            core = cores[c]
            if row >= 0 and core.meaning[row] == 0:
                continue
            core.rows[turn, 0], core.ranks[turn, 0], core.roots[turn, 0] = row, event - begin, event
            core.held[turn], core.holding = 1, 1 if row >= 0 else 0
            core.fifo_max = max(core.fifo_max, core.holding)
            active[count] = c
            count += 1
    if end - begin > 1:
        active[:count].sort()
    return count


@kernel(inline=True)
def _put_out(out: np.ndarray, used: int, order: np.ndarray, spikes: int, clock: int) -> int:
    """Note the spikes of a round as output events, in the cycle that writes the neuron."""
    for j in range(spikes):
        spike, event = order[j], out[used + j]
        event.chip, event.core = spike.core // CORES, spike.core % CORES
        event.neuron, event.event = spike.neuron, spike.root
        event.cycle = clock + np.int64(spike.slot) * _SWEEP + _PER_NEURON * (spike.neuron + 1) - 1
    return used + spikes


@kernel(inline=True)
def _account(cores: np.ndarray, turn: int, active: np.ndarray, count: int) -> tuple[int, int]:
    """Count what the active cores are to serve; return the events, and the most of one core."""
    events, most = 0, 0
    for j in range(count):
        core = cores[active[j]]
        held = core.held[turn]
        events += held
        most = max(most, held)
        if core.rows[turn, 0] < 0:
            core.references += 1
        else:
            core.served += held
    return events, most


@kernel(inline=True)
def _turn_over(cores: np.ndarray, turn: int, active: np.ndarray) -> int:
    """Let the next round follow: empty the queues of this one, list the cores that hold events."""
    count = 0
    for c in range(cores.size):
        core = cores[c]
        core.held[turn] = 0
        core.holding = core.held[1 - turn]
        if core.holding:
            active[count] = c
            count += 1
    return count


@kernel()
def run(
    cores: np.ndarray, meshes: np.ndarray, links: np.ndarray, allow: np.ndarray, period: int,
    addresses: np.ndarray,
    first: np.ndarray, stop: np.ndarray, rows: np.ndarray, groups: np.ndarray, budget: int,
    share_from: int, group_cycles: np.ndarray, status: np.ndarray,
) -> tuple[np.ndarray, int]:  # fmt: skip
    """Send groups of input events, each when the mesh is idle.

    Rounds of at least ``share_from`` sweeps are shared by threads.

    Returns
    -------
    out, used
        Output events (`OUTPUT`), and how many. ``status`` is left 0, or holds 1, an input event
        whose consequences do not end, and a core and row that are still busy.
    """
    out, used = np.empty(1024, OUTPUT), 0
    order, pending = np.empty(1024, SPIKE), np.empty(1024, PENDING)
    active, place = np.zeros(cores.size, np.int64), np.empty(1024, np.int64)
    mesh, clock, round_number, turn = meshes[0], 0, 0, 0
    for group in range(groups.size - 1):
        begin, end = groups[group], groups[group + 1]
        ranks, waiting, left, start = end - begin, 0, budget, clock
        count = _inject(cores, turn, first, stop, rows, begin, end, active)
        while count or waiting:
            events, most = _account(cores, turn, active, count)
            left -= max(events, 1)
            if left < 0:
                core = cores[active[0]]
                status[0], status[1], status[2] = 1, core.roots[turn, 0], active[0]
                status[3] = core.rows[turn, 0]
                return out, used
            if events >= share_from and count > 1:
                _serve_shared(cores, turn, addresses, active, count, allow, period)
            else:
                _serve_alone(cores, turn, addresses, active, count, allow, period)
            fired, due = _spikes(cores, turn, active, count), 0
            if waiting:
                waiting, due = _arrive(cores, turn, mesh.depth, pending, waiting, round_number)
            if fired:
                out, order = grow(out, used, fired), grow(order, 0, fired)
                pending, place = grow(pending, waiting, fired), grow(place, 0, ranks + 1)
                _in_order(cores, turn, addresses, active, count, place[: ranks + 1], order)
                used = _put_out(out, used, order, fired, clock)
                waiting = _travel(
                    cores, mesh, links, turn, order, fired, due, pending, waiting, round_number
                )
            if mesh.meshed:
                _close_links(links, round_number)
            clock += _SWEEP * max(most, 1)
            ranks, round_number = due + fired, round_number + 1
            if fired or due:
                count = _turn_over(cores, turn, active)
                turn = 1 - turn
            else:
                for j in range(count):
                    cores[active[j]].held[turn] = 0
                    cores[active[j]].holding = 0
                count = 0
        group_cycles[group] = clock - start
    return out, used
