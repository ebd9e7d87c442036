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
    EVENT_COUNTS,
    OUTPUTS,
    POPS,
    ROOM,
    WORK,
    CoreModel,
    execute_signature,
    serve,
)
from nm_backends.eventcore.operations import KIND_SHIFT, VIRTUAL
from nm_backends.fixed import grow, kernel, ring_pop, ring_push

__all__ = ["LIVELOCK", "compile_fast"]

LIVELOCK = 1


@cache
def compile_fast(model: CoreModel) -> Any:
    """Return `_run_samples` for the state of one chip, compiled or from the cache on disk."""
    execute = execute_signature(model.neurons, model.synapses)
    neurons, synapses = (numba.from_dtype(d)[::1] for d in (model.neurons, model.synapses))
    ints, table = types.int64[::1], types.int64[:, ::1]
    arguments = (
        types.FunctionType(execute), numba.from_dtype(CONFIG)[::1], numba.from_dtype(WORK)[::1],
        neurons, neurons, synapses, synapses, types.int32[::1], ints, types.int64, types.int64,
        ints, ints, types.int16[:, ::1], types.int32[:, ::1], table, table, ints,
    )  # fmt: skip
    return kernel(types.Tuple((ints, types.int64))(*arguments))(_run_samples)


@kernel()
def _advance(
    execute: Any, config: Any, neurons: Any, synapses: Any, work: Any, operations: np.ndarray,
    begin: int, until: int,
) -> None:  # fmt: skip
    """Go on from within ``work.event`` until the event ``until`` is done; the hot loop.

    Comes back early when the room for outputs or the budget of pops is used up.
    """
    while work.used + ROOM <= work.out.size:
        popped = work.held != 0
        if popped:
            if work.budget == 0:
                break
            operation = np.int64(work.items[work.head])
        else:
            if work.event == until:
                break
            work.event += 1
            work.budget = config.max_pops
            operation = np.int64(operations[begin + work.event])
            if operation >> KIND_SHIFT <= VIRTUAL:
                ring_push(work, operation, config.fifo_depth)
                work.tally[CORE] += 1
                continue
        serve(execute, config, neurons, synapses, work, operation)
        if popped:
            ring_pop(work)
            work.tally[POPS] += 1
            work.budget -= 1


def _run_samples(
    execute: Any, configs: Any, works: Any, rest_neurons: Any, neurons: Any, rest_synapses: Any,
    synapses: Any, operations: np.ndarray, offsets: np.ndarray, first: int, stop: int,
    marks: np.ndarray, mark_offsets: np.ndarray, membranes: np.ndarray, log: np.ndarray,
    tally: np.ndarray, dropped: np.ndarray, status: np.ndarray,
) -> tuple[np.ndarray, int]:  # fmt: skip
    """Run samples ``first .. stop - 1``, each from the rest state, when there is one.

    With an empty ``rest_neurons`` sample ``s`` goes on from its own present state, ``neurons[s]``;
    with empty ``rest_synapses`` what one sample learned is there for the next.
    ``status`` is left 0, or holds `LIVELOCK`, the sample, the event and the neuron whose row was
    served last.
    """
    out, used = np.empty(4 * ROOM, np.int64), 0
    before = np.empty(EVENT_COUNTS, np.int64)
    config, work, weights = configs[0], works[0], synapses[0]
    for sample in range(first, stop):
        state = neurons[0 if rest_neurons.size else sample]
        if rest_neurons.size:
            neurons[0] = rest_neurons[0]
        if config.plastic and rest_synapses.size:
            synapses[0] = rest_synapses[0]
        begin, last = offsets[sample], offsets[sample + 1] - offsets[sample] - 1
        mark, last_mark = mark_offsets[sample], mark_offsets[sample + 1]
        start = used
        work.tally[:] = 0
        work.dropped[:] = 0
        work.event = -1
        while True:
            while mark < last_mark and marks[mark] <= work.event:
                membranes[mark] = state.membrane
                mark += 1
            if work.event == last:
                break
            until = marks[mark] if mark < last_mark else last
            if log.size:
                until = work.event + 1
                before[:] = work.tally[:EVENT_COUNTS]
            while work.event < until or work.held:
                work.used = 0
                _advance(execute, config, state, weights, work, operations, begin, until)
                if work.held and work.budget == 0:
                    status[:] = (LIVELOCK, sample, work.event, work.items[work.head] & 0xFF)
                    return out, used
                out = grow(out, used, work.used)
                out[used : used + work.used] = work.out[: work.used]
                used += work.used
            if log.size:
                log[begin + work.event] = work.tally[:EVENT_COUNTS] - before
        work.tally[OUTPUTS] = used - start
        tally[sample] += work.tally
        dropped[sample] += work.dropped
    return out, used
