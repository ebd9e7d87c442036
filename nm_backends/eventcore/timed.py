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
    CoreModel,
    execute_signature,
    serve,
)
from nm_backends.eventcore.operations import BISTABLE_ROW, KIND_SHIFT, VIRTUAL
from nm_backends.fixed import grow, kernel, ring_pop, ring_push

__all__ = ["BACK_TO_BACK", "IDLE", "SCHEDULED", "STAMPS", "TIMING", "compile_timed"]

IDLE, BACK_TO_BACK, SCHEDULED = range(3)
STAMPS = ("req", "accept", "ack", "done", "reqdn")  # columns of the time stamps
REQ, ACCEPT, ACK, DONE, REQDN = range(5)

TIMING = np.dtype(
    [
        ("driving", np.int64),
        ("idle_cycles", np.int64),
        ("release_delay", np.int64),
        ("start", np.int64),  # first cycle of the run; the chip is idle from there on
    ],
    align=True,
)

_NEVER = np.int64(-1)
_SYNCHRONISER = 2  # flip-flops between REQ and the controller
_SETTLED = 8  # idle cycles after which the final state counts as final


@cache
def compile_timed(model: CoreModel) -> Any:
    """Return `_run_timed` for the state of one chip, compiled or from the cache on disk."""
    execute = execute_signature(model.neurons, model.synapses)
    neurons, synapses = (numba.from_dtype(d)[::1] for d in (model.neurons, model.synapses))
    ints, table = types.int64[::1], types.int64[:, ::1]
    arguments = (
        types.FunctionType(execute), numba.from_dtype(CONFIG)[::1], numba.from_dtype(TIMING)[::1],
        neurons, synapses, types.int32[::1], types.int32[::1], ints, table, table, ints, ints,
    )  # fmt: skip
    result = types.Tuple((ints, ints, types.int64, types.int64))
    return kernel(result(*arguments))(_run_timed)


@kernel()
def _serve_at(
    execute: Any, config: Any, neurons: Any, synapses: Any, ring: np.ndarray, held: np.ndarray,
    operation: int, event: int, start: int, out: np.ndarray, out_cycle: np.ndarray, used: int,
    tally: np.ndarray, dropped: np.ndarray,
) -> tuple[int, int, int]:
    """Serve an operation from cycle ``start``; return outputs, end, first cycle of a free link.

    A neuron is written in the second of its two cycles, where it also raises the output request;
    the link is then busy for ``output_cycles``, and the controller waits in front of the next
    neuron.
    """
    kind = operation >> KIND_SHIFT
    first, stall = used, tally[STALL]
    used = serve(
        execute, config, neurons, synapses, ring, held, operation, event, out, used, tally, dropped
    )
    free = start
    for j in range(first, used):
        position = config.row_position if config.from_rows else (out[j] & 0xFF) * config.sweeps[kind]
        cycle = start + 2 * position + 2 + config.output_cycles * (j - first)
        out_cycle[j] = cycle
        free = cycle + config.output_cycles
    return used, start + config.length[kind] + tally[STALL] - stall, free


def _run_timed(
    execute: Any, config: Any, timing: Any, neurons: Any, synapses: Any, ring: np.ndarray,
    operations: np.ndarray, schedule: np.ndarray, stamps: np.ndarray, counts: np.ndarray,
    dropped: np.ndarray, status: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, int, int]:
    """Run events; return outputs, their cycles, how many, and the cycle of the end.

    The arbitration in WAIT is, in this order: output link busy, full scheduler, input request
    other than bistability, scheduler, bistability request (``controller.v``, next state of WAIT).
    """
    setup, clock, state, weights = config[0], timing[0], neurons[0], synapses[0]
    held = np.zeros(2, np.int64)
    out, out_cycle = np.empty(4 * ROOM, np.int64), np.empty(4 * ROOM, np.int64)
    total, used, event = operations.size, 0, -1
    now = free = clock.start
    budget = setup.max_pops
    request = _first_request(clock, schedule)
    while True:
        now = max(now, free)
        following = event + 1
        pending = following < total and request != _NEVER
        visible = pending and request + _SYNCHRONISER <= now
        bistable = visible and operations[following] >> KIND_SHIFT >= BISTABLE_ROW
        out = grow(out, used, ROOM)
        out_cycle = grow(out_cycle, used, ROOM)
        if visible and held[1] < ring.size and not (bistable and held[1]):
            event, budget = following, setup.max_pops
            now, free, used = _accept(
                execute, setup, clock, state, weights, ring, held, operations[event], event, now,
                free, out, out_cycle, used, stamps[event], counts[event], dropped,
            )  # fmt: skip
            stamps[event, REQ] = request
            request = now
            if clock.driving == IDLE:
                request = _NEVER
            elif clock.driving == SCHEDULED and event + 1 < total:
                request = max(now, schedule[event + 1])
        elif held[1]:
            if budget == 0:
                status[:] = (LIVELOCK, 0, event, ring[held[0]] & 0xFF)
                return out, out_cycle, used, now
            budget -= 1
            used, now, free = _serve_at(
                execute, setup, state, weights, ring, held, ring[held[0]], event, now + 1,
                out, out_cycle, used, counts[event], dropped,
            )  # fmt: skip
            ring_pop(ring, held)
            counts[event, POPS] += 1
            stamps[event, DONE] = now
        elif pending:
            now = request + _SYNCHRONISER
        elif following < total:
            request = now + clock.idle_cycles - 1
        else:
            settled = clock.idle_cycles if clock.driving == IDLE else _SETTLED
            return out, out_cycle, used, now + settled - 1


@kernel()
def _first_request(clock: Any, schedule: np.ndarray) -> int:
    if clock.driving == IDLE:
        return _NEVER
    if clock.driving == SCHEDULED and schedule.size:
        return max(clock.start, schedule[0])
    return np.int64(clock.start)


@kernel()
def _accept(
    execute: Any, config: Any, clock: Any, neurons: Any, synapses: Any, ring: np.ndarray,
    held: np.ndarray, operation: int, event: int, now: int, free: int, out: np.ndarray,
    out_cycle: np.ndarray, used: int, stamps: np.ndarray, tally: np.ndarray, dropped: np.ndarray,
) -> tuple[int, int, int]:
    """Take an input event in WAIT at cycle ``now``; return the next WAIT, the free link, outputs.

    ACK is high from the end of the operation until the host's release has passed the synchroniser.
    """
    start = now + 1
    if operation >> KIND_SHIFT <= VIRTUAL:
        ring_push(ring, held, operation)
        tally[CORE] += 1
        end = start + 1
    else:
        used, end, free = _serve_at(
            execute, config, neurons, synapses, ring, held, operation, event, start,
            out, out_cycle, used, tally, dropped,
        )  # fmt: skip
    stamps[ACCEPT], stamps[ACK] = start, end
    stamps[REQDN] = clock.release_delay + _SYNCHRONISER + 1
    stamps[DONE] = end + stamps[REQDN]
    return stamps[DONE], free, used
