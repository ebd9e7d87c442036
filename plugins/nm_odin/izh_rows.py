"""Whole rows of Izhikevich neurons: sums for all at once, then those that something happens to.

A touch that flips no step bit leaves most neurons as they are; `touch_izh` notes in ``restless``
which not. So a row is one vectorised pass over the accumulators and a few single neurons, or
another vectorised pass over all of them (`izh_sweep`) where these would be many.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nm_backends.eventcore.machine import NEURONS
from nm_backends.fixed import kernel
from nm_odin.izh_kernel import EXCITATORY, REFERENCE, accumulated, touch_izh
from nm_odin.izh_sweep import touch_row

__all__ = ["merge_fired", "sum_inputs", "touch_all", "touch_restless"]

_MANY = 16  # neurons from which on it is faster to touch all of them
_ACCUMULATOR = np.int16(0x7FF)
_ZERO = np.int16(0)


@kernel()
def sum_inputs(neurons: Any, weights: np.ndarray) -> None:
    """Add one signed weight to each accumulator; note in ``touch`` which neurons to touch.

    1 is a touch without a step, 2 or 3 one with it. Membranes of Izhikevich neurons, which the
    sweep of the LIF neurons has gone over, are set right.
    """
    sums, bits, restless, hits = (
        neurons.accumulated, neurons.step_bit, neurons.restless, neurons.touch,
    )  # fmt: skip
    for k in range(NEURONS):
        before = sums[k]
        after = np.int16(before + weights[k]) & _ACCUMULATOR
        sums[k] = after
        step = np.uint8(((before ^ after) & bits[k]) != _ZERO)
        hits[k] = restless[k] | step << 1
    membrane, cores, izhikevich = neurons.membrane, neurons.cores, neurons.izhikevich
    for k in range(NEURONS):
        membrane[k] = cores[k] if izhikevich[k] else membrane[k]


@kernel()
def touch_restless(neurons: Any, kind: int) -> int:
    """Touch the neurons in ``touch``, list enabled ones that fire; return how many."""
    count, fired = 0, 0
    for k in range(NEURONS):  # without branches: which neurons are listed is anyone's guess
        neurons.fired_izh[count] = k
        count += neurons.touch[k] != 0
    if count > _MANY:
        return int(touch_row(neurons, kind == EXCITATORY))
    for j in range(count):
        k = np.int64(neurons.fired_izh[j])
        if touch_izh(neurons, k, kind, neurons.touch[k] > 1, False):
            neurons.fired_izh[fired] = k
            fired += neurons.enabled[k]
    return fired


@kernel()
def touch_all(neurons: Any) -> int:
    """Give all Izhikevich neurons a time reference, list enabled that fire; return how many."""
    fired = 0
    for k in range(NEURONS):
        if not neurons.izhikevich[k]:
            continue
        step = accumulated(neurons, k, -np.int64(neurons.leak[k]))
        if touch_izh(neurons, k, REFERENCE, step, False):
            neurons.fired_izh[fired] = k
            fired += neurons.enabled[k]
    return fired


@kernel()
def merge_fired(neurons: Any, lif: int, izh: int) -> int:
    """Merge the ascending lists ``fired`` and ``fired_izh`` into ``fired``; return the length."""
    total = lif + izh
    while izh > 0:
        if lif > 0 and neurons.fired[lif - 1] > neurons.fired_izh[izh - 1]:
            neurons.fired[lif + izh - 1] = neurons.fired[lif - 1]
            lif -= 1
        else:
            neurons.fired[lif + izh - 1] = neurons.fired_izh[izh - 1]
            izh -= 1
    return total
