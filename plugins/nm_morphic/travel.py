"""Where the spikes of a round go: into FIFOs of this core, its neighbours, and other chips.

Every thread goes through all spikes, in their order, and fills the FIFOs of its own cores.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nm_backends.fixed import kernel
from nm_morphic.fabric import BUSIEST, COMING, PACKETS
from nm_morphic.spec import CORES

__all__ = ["arrive", "close_links", "count_links", "travel"]


@kernel(inline=True)
def _deliver(
    cores: np.ndarray, share: Any, held: np.ndarray, turn: int, depth: int,
    c: int, row: int, rank: int, root: int, slot: int, source: int, neuron: int,
) -> None:  # fmt: skip
    """Put an event into the FIFO of a core, if the row is connected and there is a place.

    While the core's event ``slot`` is served, that one and all after it hold their places. What is
    lost is noted with the neuron that fired, where one thread sees all of it.
    """
    if c < share.low or c >= share.high:
        return
    core = cores[c]
    if core.meaning[row] == 0:
        return
    following = 1 - turn
    place = held[following, c]
    occupied = place + max(share.holding * held[turn, c] - slot, 0)
    if occupied >= depth:
        core.dropped += 1
        if share.high - share.low == cores.size:
            cores[source].lost[neuron] += 1
        return
    core.rows[following, place], core.ranks[following, place] = row, rank
    core.roots[following, place], held[following, c] = root, place + 1
    core.fifo_max = max(core.fifo_max, occupied + 1)


@kernel()
def _walk(mesh: Any, links: np.ndarray, chip: int, dx: int, dy: int, round_number: int) -> None:
    """Count a packet on each link of its way (see `routes.path`)."""
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


@kernel()
def count_links(
    cores: np.ndarray, mesh: Any, links: np.ndarray, order: np.ndarray, spikes: int, number: int
) -> None:
    """Count the packets that leave in a round on the links of their ways."""
    for j in range(spikes):
        spike = order[j]
        source, k = cores[spike.core], spike.neuron
        if source.l2_chip[k] >= 0:
            dx, dy = np.int64(source.dx[k]), np.int64(source.dy[k])
            _walk(mesh, links, spike.core // CORES, dx, dy, number)


@kernel()
def close_links(links: np.ndarray, round_number: int) -> None:
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
def arrive(
    cores: np.ndarray, share: Any, held: np.ndarray, turn: int, depth: int,
    pending: np.ndarray, waiting: int, round_number: int,
) -> tuple[int, int]:  # fmt: skip
    """Deliver the packets that are due, oldest first; return how many wait on, and were due."""
    kept, due = 0, 0
    for j in range(waiting):
        packet = pending[j]
        if packet.due == round_number:
            for c in range(CORES * packet.chip, CORES * packet.chip + CORES):
                _deliver(
                    cores, share, held, turn, depth, c, packet.row, due, packet.root, packet.slot,
                    packet.core, packet.neuron,
                )  # fmt: skip
            due += 1
        else:
            pending[kept] = pending[j]
            kept += 1
    return kept, due


@kernel()
def travel(
    cores: np.ndarray, share: Any, held: np.ndarray, mesh: Any, turn: int, order: np.ndarray,
    spikes: int, first_rank: int, pending: np.ndarray, waiting: int, round_number: int,
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
        home, source = spike.core, cores[spike.core]
        _deliver(cores, share, held, turn, depth, home, k, rank, root, slot, home, k)
        mask, row = source.l1_mask[k], source.l1_row[k]
        for c in range(CORES):
            if mask >> c & 1:
                _deliver(
                    cores, share, held, turn, depth, CORES * chip + c, row, rank, root, slot,
                    home, k,
                )  # fmt: skip
        target, row = source.l2_chip[k], source.l2_row[k]
        if target < 0:
            continue
        if mesh.hop_latency:
            hops = abs(np.int64(source.dx[k])) + abs(np.int64(source.dy[k]))
            packet = pending[waiting]
            packet.due = round_number + hops * mesh.hop_latency
            packet.chip, packet.row, packet.slot, packet.root = target, row, slot, root
            packet.core, packet.neuron = home, k
            waiting += 1
        else:
            for c in range(CORES * target, CORES * target + CORES):
                _deliver(cores, share, held, turn, depth, c, row, rank, root, slot, home, k)
    return waiting
