"""The transaction engine: no clock, but every count that follows from the canonical driving.

Canonical driving means that the host waits until the chip is idle before it sends the next event.
Then an event is accepted, executed or queued, and the scheduler is served in order until it is
empty, whatever the clock does; outputs stall the controller but change nothing.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numba
import numpy as np
from numba import types

from nm_backends.eventcore.machine import (
    CONFIG,
    CORE,
    DROPS,
    OUTPUTS,
    POPS,
    ROOM,
    STALL,
    CoreModel,
    execute_signature,
    serve,
)
from nm_backends.eventcore.operations import KIND_SHIFT, VIRTUAL
from nm_backends.fixed import grow, kernel, ring_pop, ring_push

__all__ = ["EVENT_COUNTS", "LIVELOCK", "compile_fast"]

EVENT_COUNTS = (CORE, STALL, POPS, DROPS)  # columns of the per-event log
LIVELOCK = 1


@cache
def compile_fast(model: CoreModel) -> Any:
    """Return `_run_samples` for the state of one chip, compiled or from the cache on disk."""
    execute = execute_signature(model.neurons, model.synapses)
    neurons, synapses = (numba.from_dtype(d)[::1] for d in (model.neurons, model.synapses))
    ints, table = types.int64[::1], types.int64[:, ::1]
    arguments = (
        types.FunctionType(execute), numba.from_dtype(CONFIG)[::1],
        neurons, neurons, synapses, synapses, types.int32[::1],
        types.int32[::1], ints, types.int64, types.int64,
        ints, ints, types.int16[:, ::1], types.int32[:, ::1], table, table, ints,
    )  # fmt: skip
    return kernel(types.Tuple((ints, types.int64))(*arguments))(_run_samples)


def _run_samples(
    execute: Any, config: Any, rest_neurons: Any, neurons: Any, rest_synapses: Any, synapses: Any,
    ring: np.ndarray, operations: np.ndarray, offsets: np.ndarray, first: int, stop: int,
    marks: np.ndarray, mark_offsets: np.ndarray, membranes: np.ndarray, log: np.ndarray,
    tally: np.ndarray, dropped: np.ndarray, status: np.ndarray,
) -> tuple[np.ndarray, int]:
    """Run samples ``first .. stop - 1``, each from the rest state, when there is one.

    An empty ``rest_neurons`` goes on from the present state. ``status`` is left 0, or holds
    `LIVELOCK`, the sample, the event and the neuron whose row was served last.
    """
    held = np.zeros(2, np.int64)
    out = np.empty(4 * ROOM, np.int64)
    before = np.empty(4, np.int64)
    used = 0
    setup, state, weights = config[0], neurons[0], synapses[0]
    for sample in range(first, stop):
        if rest_neurons.size:
            neurons[0] = rest_neurons[0]
            if setup.plastic:
                synapses[0] = rest_synapses[0]
        begin = offsets[sample]
        mark, last_mark = mark_offsets[sample], mark_offsets[sample + 1]
        while mark < last_mark and marks[mark] < 0:
            membranes[mark] = state.membrane
            mark += 1
        counts, lost, start = tally[sample], dropped[sample], used
        for event in range(offsets[sample + 1] - begin):
            operation = operations[begin + event]
            if log.size:
                before[:] = counts[:4]
            if operation >> KIND_SHIFT <= VIRTUAL:
                ring_push(ring, held, operation)
                counts[CORE] += 1
            else:
                out = grow(out, used, ROOM)
                used = serve(
                    execute, setup, state, weights, ring, held, operation, event,
                    out, used, counts, lost,
                )  # fmt: skip
            budget = setup.max_pops
            while held[1]:
                if budget == 0:
                    status[:] = (LIVELOCK, sample, event, ring[held[0]] & 0xFF)
                    return out, used
                budget -= 1
                out = grow(out, used, ROOM)
                used = serve(
                    execute, setup, state, weights, ring, held, ring[held[0]], event,
                    out, used, counts, lost,
                )  # fmt: skip
                ring_pop(ring, held)
            counts[POPS] += setup.max_pops - budget
            if log.size:
                log[begin + event] = counts[:4] - before
            while mark < last_mark and marks[mark] <= event:
                membranes[mark] = state.membrane
                mark += 1
        counts[OUTPUTS] += used - start
    return out, used
