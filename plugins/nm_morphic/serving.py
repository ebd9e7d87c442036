"""Input events come to their cores, and cores serve what they hold."""

from __future__ import annotations

from typing import Any

import numpy as np

from nm_backends.fixed import kernel
from nm_morphic.kernel import serve_reference, serve_row
from nm_morphic.spec import NEURONS, SPEC

__all__ = ["PER_NEURON", "SWEEP", "inject", "quiet", "serve_own", "totals"]

PER_NEURON = int(SPEC.quantities["cycles_per_neuron"].value)
SWEEP = PER_NEURON * NEURONS
"""Clock cycles of an event."""

_EVENTS, _MOST, _FIRED = range(3)  # of a thread in a round


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
def serve_own(
    cores: np.ndarray, share: Any, held: np.ndarray, fired: np.ndarray,
    addresses: np.ndarray, allow: np.ndarray, period: int, tally: np.ndarray,
) -> None:  # fmt: skip
    """Serve the cores of a thread, and note how many events and spikes there were."""
    turn, events, most, spikes = share.turn, 0, 0, 0
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
def totals(tally: np.ndarray, turn: int, parts: int) -> tuple[int, int, int]:
    """Return the events of a round, the most of one core, and the spikes."""
    events, most, fired = 0, 0, 0
    for part in range(parts):
        events += tally[turn, part, _EVENTS]
        most = max(most, tally[turn, part, _MOST])
        fired += tally[turn, part, _FIRED]
    return events, most, fired


@kernel(inline=True)
def inject(
    cores: np.ndarray, share: Any, held: np.ndarray, first: np.ndarray,
    stop: np.ndarray, rows: np.ndarray, begin: int, end: int,
) -> None:  # fmt: skip
    """Give input events to the cores of a thread, at most one to each.

    A time reference takes no place in the FIFO.
    """
    turn, share.holding = share.turn, rows[begin] >= 0
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
def _send_alone(
    cores: np.ndarray, first: np.ndarray, stop: np.ndarray, rows: np.ndarray, begin: int, end: int,
    turn: int, addresses: np.ndarray, allow: np.ndarray, period: int,
) -> tuple[int, int]:  # fmt: skip
    """Serve a group of input events where there is one thread; return sweeps and spikes."""
    sweeps, spikes = 0, 0
    for event in range(begin, end):
        row = rows[event]
        for c in range(first[event], stop[event]):
            core = cores[c]
            if row < 0:
                core.references += 1
                fired = serve_reference(core)
            elif core.meaning[row]:
                core.served += 1
                core.fifo_max = max(core.fifo_max, 1)
                fired = serve_row(core, row, allow, period)
            else:
                continue
            core.spikes[turn, 0] = fired
            for j in range(fired):
                addresses[turn, c, j] = core.fired[j]
            sweeps, spikes = sweeps + 1, spikes + fired
    return sweeps, spikes


@kernel()
def quiet(
    cores: np.ndarray, share: Any, held: np.ndarray, fired: np.ndarray, tally: np.ndarray,
    first: np.ndarray, stop: np.ndarray, rows: np.ndarray, groups: np.ndarray, group: int,
    addresses: np.ndarray, allow: np.ndarray, period: int, group_cycles: np.ndarray,
) -> int:  # fmt: skip
    """Send groups of input events as long as they cause no spikes, where there is one thread.

    Most do not. Returns the group that does, whose first round is then served, or the end.
    """
    turn = share.turn
    for at in range(group, groups.size - 1):
        begin, end = groups[at], groups[at + 1]
        sweeps, spikes = _send_alone(
            cores, first, stop, rows, begin, end, turn, addresses, allow, period
        )
        if spikes:
            inject(cores, share, held, first, stop, rows, begin, end)
            for c in range(cores.size):
                fired[turn, c] = cores[c].spikes[turn, 0] if held[turn, c] else 0
            tally[turn, 0, _EVENTS], tally[turn, 0, _MOST] = sweeps, 1
            tally[turn, 0, _FIRED] = spikes
            return at
        if sweeps:
            group_cycles[at] = SWEEP
            share.clock += SWEEP
    return groups.size - 1
