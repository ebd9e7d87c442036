"""The cycle-accurate engine for bursts and monitoring: every neuron in its own clock cycle.

As `nm_backends.eventcore.timed`, but what the scheduler shows can change in the middle of a row,
and the controller looks at it in every cycle: for the row and its sign, for the word of synapses
that it writes, for the end of a burst, and for what it removes from the queue at the end
(``controller.v``, states POP_NEUR and POP_VIRT). And what goes out can be the state that a neuron
and a synapse have in the cycle in which they are written.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numba
import numpy as np
from numba import types

from nm_backends.eventcore.fast import LIVELOCK
from nm_backends.eventcore.machine import CONFIG, CORE, NEURONS, POPS, ROOM, SOPS, STALL, WORK
from nm_backends.eventcore.operations import (
    ARGUMENT,
    BISTABLE_ALL,
    BISTABLE_ROW,
    KIND_SHIFT,
    LEAK_ALL,
    ROW,
    SYNAPSE,
    VIRTUAL,
)
from nm_backends.eventcore.timed import (
    ACCEPT,
    ACK,
    DONE,
    NO_REQUEST,
    REQ,
    REQDN,
    SYNCHRONISER,
    TIMING,
    next_request,
)
from nm_backends.fixed import grow, kernel
from nm_odin.burst_queues import (
    BURST,
    FINE,
    LAST,
    UNDEFINED,
    advance,
    head,
    holds,
    pop,
    push,
    push_burst,
)
from nm_odin.burst_synapses import exchange_word, latched_weight, read_word
from nm_odin.kernel import touch_neuron
from nm_odin.learning import bistable_row, learn_synapse
from nm_odin.neuron_copy import copy_neuron
from nm_odin.output_link import NO_ROW, put_out_bistable, put_out_write
from nm_odin.state import NEURON_STATE, SYNAPSE_STATE

__all__ = ["compile_stepwise"]

_NEURON, _MAIN_FULL, _FAR = 0xFF, 32, np.int64(1) << 62


@cache
def compile_stepwise() -> Any:
    """Return `_run_stepwise`, compiled or from the cache on disk."""
    records = (BURST, CONFIG, TIMING, WORK, NEURON_STATE, SYNAPSE_STATE)
    ints, table = types.int64[::1], types.int64[:, ::1]
    arguments = (
        *(numba.from_dtype(record)[::1] for record in records),
        types.int32[::1], ints, table, table, ints, ints,
    )  # fmt: skip
    return kernel(types.Tuple((ints, ints, types.int64))(*arguments))(_run_stepwise)


@kernel()
def _write_neuron(
    config: Any, clock: Any, queues: Any, neurons: Any, synapses: Any, work: Any,
    k: int, weight: int, inhibitory: bool, reference: bool, row: int, written: int,
    burst_end: bool,
) -> int:  # fmt: skip
    """Touch neuron ``k`` in the cycle ``clock.now``; queue its spike, see `put_out_write`."""
    event = touch_neuron(neurons, k, weight, inhibitory, reference, burst_end)
    fired = event != 0
    put_out_write(config, clock, neurons, synapses, work, k, fired, row, written)
    if not (fired and config.closed):
        return FINE
    push(queues, work, k, k)
    return push_burst(queues, k, event)


@kernel()
def _read_cycle(clock: Any, work: Any) -> None:
    """Go on to the cycle in which a neuron is read: the output link must be free."""
    stall = max(clock.link_free - clock.now, 0)
    work.tally[STALL] += stall
    clock.now += stall


@kernel()
def _row(config: Any, clock: Any, queues: Any, neurons: Any, synapses: Any, work: Any) -> int:
    """Serve a neuron event from cycle ``clock.now`` on (state POP_NEUR)."""
    for k in range(NEURONS):
        _read_cycle(clock, work)
        advance(queues, clock.now)
        first, data = k & 7 == 0, head(queues)
        if first and data >= 0:
            read_word(queues, synapses, data & _NEURON, k)
        clock.now += 1
        advance(queues, clock.now)
        seen = head(queues)
        if seen < 0 or (first and data < 0):
            return UNDEFINED
        row, held = seen & _NEURON, queues.main_held
        weight = latched_weight(queues, synapses, k)
        if first:
            exchange_word(queues, neurons, synapses, row, k)
        status = _write_neuron(
            config, clock, queues, neurons, synapses, work, k, weight,
            synapses.inhibitory[row] != 0, False, row, row if first else NO_ROW,
            seen & LAST != 0 and row == k,
        )  # fmt: skip
        if status != FINE:
            return status
        if k == NEURONS - 1:
            pop(queues, seen, held)
        clock.now += 1
    return FINE


@kernel()
def _virtual(config: Any, clock: Any, queues: Any, neurons: Any, synapses: Any, work: Any) -> int:
    """Serve a virtual event (state POP_VIRT).

    When the slot advances between its two cycles, the word of the neuron that was read is written
    to the one that the scheduler then shows, with the synapse word that was read last.
    """
    advance(queues, clock.now)
    before = head(queues)
    clock.now += 1
    advance(queues, clock.now)
    data, held = head(queues), queues.main_held
    if before < 0 or data < 0:
        return UNDEFINED
    k, payload = data & _NEURON, data >> 8 & 31
    copy_neuron(neurons, before & _NEURON, k)
    if payload:
        weight, inhibitory, reference = payload >> 2, payload & 2 != 0, payload & 1 != 0
    else:
        weight = latched_weight(queues, synapses, k)
        inhibitory, reference = synapses.inhibitory[0] != 0, False
    status = _write_neuron(
        config, clock, queues, neurons, synapses, work, k, weight, inhibitory,
        reference, NO_ROW, NO_ROW, False,
    )  # fmt: skip
    pop(queues, data, held)
    clock.now += 1
    return status


@kernel()
def _serve_input(
    config: Any, clock: Any, queues: Any, neurons: Any, synapses: Any, work: Any,
    operation: int,
) -> int:  # fmt: skip
    """Carry out an input event from cycle ``clock.now`` on."""
    kind, argument = operation >> KIND_SHIFT, operation & ARGUMENT
    if kind <= VIRTUAL:
        push(queues, work, argument, argument & _NEURON)
        clock.now += 1
        return FINE
    if kind >= BISTABLE_ROW:
        last = NEURONS - 1 if kind == BISTABLE_ALL else argument
        read_word(queues, synapses, last, NEURONS - 8)
        first = 0 if kind == BISTABLE_ALL else last
        for row in range(first, last + 1):
            bistable_row(synapses, row)
        put_out_bistable(config, clock, synapses, work, first, last)
        clock.now += config.length[kind]
        return FINE
    weight, inhibitory, written = np.int64(0), False, NO_ROW
    first = 0 if kind == LEAK_ALL else argument & _NEURON
    if kind == SYNAPSE:
        written = argument >> 8
        inhibitory = synapses.inhibitory[written] != 0
        read_word(queues, synapses, written, first & ~7)
        weight = latched_weight(queues, synapses, first)
        if synapses.learn_single:
            learn_synapse(neurons, synapses, written, first)
    for k in range(first, NEURONS if kind == LEAK_ALL else first + 1):
        _read_cycle(clock, work)
        clock.now += 1
        advance(queues, clock.now)
        status = _write_neuron(
            config, clock, queues, neurons, synapses, work, k, weight, inhibitory,
            kind != SYNAPSE, NO_ROW, written, False,
        )  # fmt: skip
        if status != FINE:
            return status
        clock.now += 1
    return FINE


@kernel()
def _serve_queue(
    config: Any, clock: Any, queues: Any, neurons: Any, synapses: Any, work: Any
) -> int:
    """Serve what the scheduler shows in WAIT."""
    virtual = head(queues) >> 8 & 31 != 0
    kind = VIRTUAL if virtual else ROW
    work.tally[POPS] += 1
    work.tally[CORE] += config.length[kind]
    work.tally[SOPS] += config.sops[kind]
    clock.now += 1
    if virtual:
        return _virtual(config, clock, queues, neurons, synapses, work)
    return _row(config, clock, queues, neurons, synapses, work)


@kernel()
def _accept(
    config: Any, clock: Any, queues: Any, neurons: Any, synapses: Any, work: Any,
    operation: int, stamps: np.ndarray,
) -> int:  # fmt: skip
    """Take an input event in WAIT; the next WAIT is when the host's release has come through."""
    kind = operation >> KIND_SHIFT
    stamps[REQ] = clock.request
    clock.now += 1
    stamps[ACCEPT] = clock.now
    work.tally[CORE] += 1 if kind <= VIRTUAL else config.length[kind]
    work.tally[SOPS] += config.sops[kind] if kind > VIRTUAL else 0
    status = _serve_input(config, clock, queues, neurons, synapses, work, operation)
    stamps[ACK] = clock.now
    stamps[REQDN] = clock.release_delay + SYNCHRONISER + 1
    clock.now += stamps[REQDN]
    return status


def _run_stepwise(
    all_queues: Any, configs: Any, clocks: Any, works: Any, all_neurons: Any, all_synapses: Any,
    operations: np.ndarray, schedule: np.ndarray, stamps: np.ndarray, counts: np.ndarray,
    dropped: np.ndarray, status: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, int]:  # fmt: skip
    """Run events, as `timed._run_timed`; ``status`` may also say `UNDEFINED` or `OVERFLOW`."""
    queues, config, clock, work = all_queues[0], configs[0], clocks[0], works[0]
    neurons, synapses = all_neurons[0], all_synapses[0]
    out, out_cycle, used = np.empty(4 * ROOM, np.int64), np.empty(4 * ROOM, np.int64), 0
    work.event = -1
    clock.request = next_request(clock, schedule, 0)
    while True:
        clock.now = max(clock.now, clock.link_free)
        advance(queues, clock.now)
        following, holding = work.event + 1, holds(queues)
        pending = following < operations.size and clock.request != NO_REQUEST
        visible = pending and clock.request + SYNCHRONISER <= clock.now
        bistable = visible and operations[following] >> KIND_SHIFT >= BISTABLE_ROW
        result = FINE
        work.used = 0
        if visible and queues.main_held < _MAIN_FULL and not (bistable and holding):
            work.event, work.budget = following, config.max_pops
            work.tally[:] = 0
            result = _accept(
                config, clock, queues, neurons, synapses, work,
                np.int64(operations[following]), stamps[following],
            )  # fmt: skip
            clock.request = next_request(clock, schedule, following + 1)
        elif holding:
            result = (
                LIVELOCK
                if work.budget == 0
                else _serve_queue(config, clock, queues, neurons, synapses, work)
            )
            work.budget -= 1
        elif pending or queues.pending:
            # Nothing until the request comes through or the counter reaches the next queue.
            until = clock.request + SYNCHRONISER if pending else _FAR
            clock.now = min(until, queues.next_slot if queues.pending else _FAR)
            continue
        elif following < operations.size:
            clock.request = clock.now + clock.idle_cycles - 1
            continue
        else:
            break
        if result != FINE:
            status[:] = (result, 0, work.event, max(head(queues), 0) & _NEURON)
            break
        out, out_cycle = grow(out, used, ROOM), grow(out_cycle, used, ROOM)
        out[used : used + work.used] = work.out[: work.used]
        out_cycle[used : used + work.used] = work.cycle[: work.used]
        used += work.used
        stamps[work.event, DONE] = clock.now
        counts[work.event] = work.tally
    dropped[:] += work.dropped
    return out, out_cycle, used
