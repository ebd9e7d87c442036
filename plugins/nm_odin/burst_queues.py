"""ODIN's scheduler with its burst queues, cycle by cycle (``scheduler.v``, ``fifo.v``).

A spike that starts a burst goes into the main queue once and into one of 57 burst queues for each
further spike. A counter steps from queue to queue every ``SPI_BURST_TIMEREF + 1`` cycles, whatever
the controller does, and the head of the queue that it points to hides that of the main queue.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nm_backends.eventcore.machine import DROPS
from nm_backends.fixed import kernel

__all__ = [
    "BURST", "FINE", "IN_BURST", "LAST", "OVERFLOW", "SLOTS", "UNDEFINED", "advance", "head",
    "holds", "new_queues", "pop", "push", "push_burst",
]  # fmt: skip

SLOTS, _PLACES, _MAIN = 57, 4, 32
LAST = 1 << 13  # the last spike of a burst
IN_BURST = 1 << 14  # from a burst queue
_NEVER_WRITTEN = -1
_OFF = np.int64(1) << 62  # period of a counter that stands still
FINE, _, UNDEFINED, OVERFLOW = range(4)  # 1 is `fast.LIVELOCK`

BURST = np.dtype(
    [
        ("slot", np.int64),
        ("next_slot", np.int64),  # cycle from which on the next queue is the current one
        ("period", np.int64),
        ("main", np.int64, _MAIN),  # payload << 8 | neuron; words stay when they are popped
        ("main_read", np.int64),
        ("main_held", np.int64),
        ("entries", np.int64, (SLOTS, _PLACES)),
        ("written", np.int64, SLOTS),
        ("read", np.int64, SLOTS),
        ("pending", np.int64),  # entries in all burst queues
        ("latch", np.uint8, 8),  # synapse word that was read last
    ],
    align=True,
)


def new_queues(time_reference: int, slot: int, count: int) -> np.ndarray:
    """Return empty queues, and the counter where it is: current queue, and cycles spent there.

    With a time reference of 0 the burst queues are held in reset and the counter stands still.
    """
    queues = np.zeros(1, BURST)
    queues["slot"], queues["period"] = slot, time_reference + 1 if time_reference else _OFF
    queues["next_slot"] = queues["period"] - count
    queues["main"] = _NEVER_WRITTEN
    return queues


@kernel()
def advance(queues: Any, cycle: int) -> None:
    """Set the current queue to that of ``cycle``, which must not lie in the past."""
    if cycle >= queues.next_slot:
        steps = (cycle - queues.next_slot) // queues.period + 1
        queues.slot = (queues.slot + steps) % SLOTS
        queues.next_slot += steps * queues.period


@kernel()
def head(queues: Any) -> int:
    """Return what the controller sees: neuron, payload << 8, `LAST`, `IN_BURST`; -1 if undefined.

    With both queues empty it is what the main queue's read pointer happens to point to.
    """
    slot = queues.slot
    place = queues.read[slot]
    if place != queues.written[slot]:
        return int(queues.entries[slot, place])
    return int(queues.main[queues.main_read])


@kernel()
def holds(queues: Any) -> bool:
    """Return whether the main or the current burst queue holds anything."""
    slot = queues.slot
    return bool(queues.main_held != 0 or queues.read[slot] != queues.written[slot])


@kernel()
def push(queues: Any, work: Any, item: int, neuron: int) -> None:
    """Append to the main queue; count a spike of ``neuron`` that finds it full as lost."""
    if queues.main_held == _MAIN:
        work.tally[DROPS] += 1
        work.dropped[neuron] += 1
        return
    queues.main[(queues.main_read + queues.main_held) % _MAIN] = item
    queues.main_held += 1


@kernel()
def push_burst(queues: Any, neuron: int, event: int) -> int:
    """Put the further spikes of a burst into their queues; `OVERFLOW` at a queue's fifth entry.

    The queues have four places but five-bit pointers that nothing resets while the engine is on:
    further entries are lost and undefined words come out in their place.
    """
    if queues.period == _OFF:
        return FINE
    spikes, interval = event >> 1 & 7, (event >> 4) + 1
    for j in range(1, spikes + 1):
        slot = (queues.slot + j * interval) % SLOTS
        place = queues.written[slot]
        if place == _PLACES:
            return OVERFLOW
        queues.entries[slot, place] = IN_BURST | neuron | (LAST if j == spikes else 0)
        queues.written[slot] += 1
        queues.pending += 1
    return FINE


@kernel()
def pop(queues: Any, data: int, held: int) -> None:
    """Free what the controller sees: ``data``, with ``held`` entries in the main queue."""
    if data & IN_BURST:
        queues.read[queues.slot] += 1
        queues.pending -= 1
    elif held != 0:
        queues.main_read = (queues.main_read + 1) % _MAIN
        queues.main_held -= 1
