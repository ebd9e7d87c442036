"""The cycle-accurate engine: the same operations, with every clock edge accounted for.

Cycles are counted as in the recorded traces: cycle 0 is the first one after the gate was opened,
the inputs of a cycle are sampled by the edge that ends it. Between two decisions in the state WAIT
the controller is deterministic, so the engine steps from decision to decision, not from cycle to
cycle (``controller.v``, state machine; ``aer_out.v``).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numba
import numpy as np
from numba import types

from nm_backends.eventcore.fast import LIVELOCK
from nm_backends.eventcore.machine import (
    CONFIG,
    CORE,
    POPS,
    ROOM,
    STALL,
    WORK,
    CoreModel,
    execute_signature,
    serve,
)
from nm_backends.eventcore.operations import BISTABLE_ROW, KIND_SHIFT, VIRTUAL
from nm_backends.fixed import grow, kernel, ring_pop, ring_push

__all__ = [
    "ACCEPT", "ACK", "BACK_TO_BACK", "DONE", "IDLE", "NO_REQUEST", "REQ", "REQDN", "SCHEDULED",
    "STAMPS", "SYNCHRONISER", "TIMING", "compile_timed", "next_request",
]  # fmt: skip

IDLE, BACK_TO_BACK, SCHEDULED = range(3)
STAMPS = ("req", "accept", "ack", "done", "reqdn")  # columns of the time stamps
REQ, ACCEPT, ACK, DONE, REQDN = range(5)

TIMING = np.dtype(
    [
        ("driving", np.int64),
        ("idle_cycles", np.int64),
        ("release_delay", np.int64),
        ("now", np.int64),
        ("link_free", np.int64),  # first cycle in which the output link is not busy
        ("request", np.int64),  # cycle in which REQ rises for the next event, or NO_REQUEST
    ],
    align=True,
)

NO_REQUEST = np.int64(-1)
SYNCHRONISER = 2  # flip-flops between REQ and the controller


@cache
def compile_timed(model: CoreModel) -> Any:
    """Return `_run_timed` for the state of one chip, compiled or from the cache on disk."""
    execute = execute_signature(model.neurons, model.synapses)
    neurons, synapses = (numba.from_dtype(d)[::1] for d in (model.neurons, model.synapses))
    config, timing, work = (numba.from_dtype(d)[::1] for d in (CONFIG, TIMING, WORK))
    ints, table = types.int64[::1], types.int64[:, ::1]
    arguments = (
        types.FunctionType(execute), config, timing, work, neurons, synapses,
        types.int32[::1], ints, table, table, ints, ints,
    )  # fmt: skip
    result = types.Tuple((ints, ints, types.int64))
    return kernel(result(*arguments))(_run_timed)


@kernel()
def _serve_at(
    execute: Any, config: Any, clock: Any, neurons: Any, synapses: Any, work: Any, operation: int,
    out_cycle: np.ndarray, first: int,
) -> None:  # fmt: skip
    """Serve an operation from cycle ``clock.now`` on and set the cycles of its outputs.

    A neuron is written in the second of its two cycles, where it also raises the output request;
    the link is then busy for ``output_cycles``, and the controller waits in front of the next
    neuron.
    """
    kind = operation >> KIND_SHIFT
    stall = work.tally[STALL]
    work.used = 0
    serve(execute, config, neurons, synapses, work, operation)
    for j in range(work.used):
        address = work.out[j] & 0xFF
        position = config.row_position if config.from_rows else address * config.sweeps[kind]
        cycle = clock.now + 2 * position + 2 + config.output_cycles * j
        out_cycle[first + j] = cycle
        clock.link_free = cycle + config.output_cycles
    clock.now += config.length[kind] + work.tally[STALL] - stall


@kernel()
def _accept(
    execute: Any, config: Any, clock: Any, neurons: Any, synapses: Any, work: Any, operation: int,
    out_cycle: np.ndarray, first: int, stamps: np.ndarray,
) -> None:  # fmt: skip
    """Take an input event in WAIT; the next WAIT is when the host's release has come through.

    ACK is high from the end of the operation on.
    """
    stamps[REQ] = clock.request
    clock.now += 1
    stamps[ACCEPT] = clock.now
    if operation >> KIND_SHIFT <= VIRTUAL:
        ring_push(work, operation, config.fifo_depth)
        work.tally[CORE] += 1
        clock.now += 1
    else:
        _serve_at(execute, config, clock, neurons, synapses, work, operation, out_cycle, first)
    stamps[ACK] = clock.now
    stamps[REQDN] = clock.release_delay + SYNCHRONISER + 1
    clock.now += stamps[REQDN]


@kernel()
def next_request(clock: Any, schedule: np.ndarray, event: int) -> int:
    """Return when REQ rises for ``event``, the handshake before being over; or not yet known."""
    if clock.driving == IDLE:
        return int(NO_REQUEST)
    if clock.driving == SCHEDULED and event < schedule.size:
        return int(max(clock.now, schedule[event]))
    return int(clock.now)


def _run_timed(
    execute: Any, configs: Any, clocks: Any, works: Any, neurons: Any, synapses: Any,
    operations: np.ndarray, schedule: np.ndarray, stamps: np.ndarray, counts: np.ndarray,
    dropped: np.ndarray, status: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, int]:  # fmt: skip
    """Run events; return outputs, their cycles, and how many. ``clocks`` holds the last WAIT.

    The arbitration in WAIT is, in this order: output link busy, full scheduler, input request
    other than bistability, scheduler, bistability request (``controller.v``, next state of WAIT).
    """
    config, clock, work, state, weights = configs[0], clocks[0], works[0], neurons[0], synapses[0]
    out, out_cycle, used = np.empty(4 * ROOM, np.int64), np.empty(4 * ROOM, np.int64), 0
    work.event = -1
    clock.request = next_request(clock, schedule, 0)
    while True:
        clock.now = max(clock.now, clock.link_free)
        following = work.event + 1
        pending = following < operations.size and clock.request != NO_REQUEST
        visible = pending and clock.request + SYNCHRONISER <= clock.now
        bistable = visible and operations[following] >> KIND_SHIFT >= BISTABLE_ROW
        work.used = 0
        out, out_cycle = grow(out, used, ROOM), grow(out_cycle, used, ROOM)
        if visible and work.held < config.fifo_depth and not (bistable and work.held):
            work.event, work.budget = following, config.max_pops
            work.tally[:] = 0
            _accept(
                execute, config, clock, state, weights, work, np.int64(operations[following]),
                out_cycle, used, stamps[following],
            )  # fmt: skip
            clock.request = next_request(clock, schedule, following + 1)
        elif work.held:
            if work.budget == 0:
                status[:] = (LIVELOCK, 0, work.event, work.items[work.head] & 0xFF)
                break
            work.budget -= 1
            clock.now += 1
            operation = np.int64(work.items[work.head])
            _serve_at(execute, config, clock, state, weights, work, operation, out_cycle, used)
            ring_pop(work)
            work.tally[POPS] += 1
        elif pending:
            clock.now = clock.request + SYNCHRONISER
            continue
        elif following < operations.size:
            clock.request = clock.now + clock.idle_cycles - 1
            continue
        else:
            break
        out[used : used + work.used] = work.out[: work.used]
        used += work.used
        stamps[work.event, DONE] = clock.now
        counts[work.event] = work.tally
    dropped[:] += work.dropped
    return out, out_cycle, used
