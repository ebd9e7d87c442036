"""Samples, tick by tick: what happens in which order, and what is recorded."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import types

from nm_backends.fixed import kernel
from nm_reckon.eprop_kernel import learn
from nm_reckon.layout import CHIP, PLAN, STATE, TABLES, TALLY
from nm_reckon.logs import Log
from nm_reckon.packing import INFER_ACC, TARGET_VALID, Stimulus
from nm_reckon.propagate_kernel import propagate
from nm_reckon.step_kernel import step

__all__ = ["run_samples"]


@kernel()
def _largest(values: np.ndarray, last: int) -> int:
    """Return the index of the largest value, the lowest one of equals."""
    best = 0
    for k in range(1, last + 1):
        if values[k] > values[best]:
            best = k
    return best


@kernel()
def _vote(c: Any, s: Any) -> None:
    """Count a vote for the largest output (in regression, the counter is not visible)."""
    winner = 0 if c.regression else _largest(s.output, c.last_output)
    s.votes[winner] += np.uint16(1)


@kernel(inline=True)
def _send(c: Any, s: Any, log: Any, place: int, tick: int) -> None:
    """Put the label or the outputs on the bus."""
    log.out_tick[place : place + _bytes_sent(c)] = tick
    s.tally.sent += _bytes_sent(c)
    if c.send_label:
        log.out[place] = np.uint8(_largest(s.votes, c.last_output))
        return
    for k in range(c.last_output + 1):
        value = np.uint16(s.output[k])
        log.out[place + 2 * k] = np.uint8(value & 0xFF)
        log.out[place + 2 * k + 1] = np.uint8(value >> 8)


@kernel(inline=True)
def _bytes_sent(c: Any) -> Any:
    return 1 if c.send_label else 2 * (c.last_output + 1)


@kernel(inline=True)
def _receive(s: Any, p: Any, stimulus: Any, tick: int) -> None:
    """Take what the host sends before a tick: the label, then events."""
    if tick == p.label_tick:
        s.label, s.got_label = p.label & 15, np.int64(tick > 0)
    while s.event < p.ev_end and stimulus.ev_tick[s.event] == tick:
        address = stimulus.ev_addr[s.event]
        s.tally.events += s.events[address] ^ 1
        s.events[address] = 1
        s.event += 1


@kernel(inline=True)
def _drop_events(s: Any, stimulus: Any, begin: int) -> None:
    """Forget the events of a tick, from ``begin`` on."""
    for e in range(begin, s.event):
        s.events[stimulus.ev_addr[e]] = 0


@kernel(inline=True)
def _ask_target(c: Any, s: Any, stimulus: Any, g: int) -> None:
    """Get what is to be learned: from the host, unless a label was sent that serves the sample."""
    if c.regression:
        s.target[:] = stimulus.targets[g]
    elif not (c.single_label and s.got_label):
        s.label, s.got_label = np.int64(stimulus.on_request[g]) & 15, 1


@kernel()
def _show(s: Any, memory: np.ndarray) -> None:
    """Record the state of all neurons, int16 ``[4, 256]``."""
    memory[0, :], memory[1, :] = s.membrane, s.trace_inp
    memory[2, :], memory[3, :] = s.trace_rec, s.trace_out


@kernel(inline=True)
def _log_step(s: Any, log: Any, g: int, n: int, tick: int) -> None:
    """Record what is asked for after the step of a tick."""
    if log.spikes.shape[0]:
        log.spikes[g, :] = s.fired
    if log.leaked.shape[0]:
        log.leaked[g, :], log.votes[g, :] = s.output, s.votes
    if s.caught < log.captured.size and log.captured[s.caught] == tick and tick > 0:
        _show(s, log.mem_step[n * log.captured.size + s.caught])


@kernel(inline=True)
def _log_ready(s: Any, log: Any, g: int, n: int, tick: int) -> None:
    """Record what is asked for when the chip is ready again."""
    if log.ready.shape[0]:
        log.ready[g, :] = s.output
    if log.lfsr.shape[0]:
        log.lfsr[g, :3], log.lfsr[g, 3:] = s.draws, s.place[3:]
    if log.cycles.shape[0]:
        log.cycles[g, :] = s.busy
    if s.caught < log.captured.size and log.captured[s.caught] == tick:
        place = n * log.captured.size + s.caught
        _show(s, log.mem_ready[place])
        if tick == 0:  # does not step
            _show(s, log.mem_step[place])
        s.caught += 1


@kernel()
def _begin(s: Any, p: Any) -> None:
    """Raise ``SAMPLE``."""
    s.live[:] = 1
    s.settled_step = s.settled_visit = s.got_label = s.caught = 0
    s.votes[:] = 0
    s.event = p.ev_begin
    tally = s.tally
    tally.busy[:] = 0
    tally.events = tally.spikes = tally.sops = tally.updates = 0
    tally.sent = tally.late = tally.halted = 0


@kernel()
def _end(s: Any) -> None:
    """Return to the idle state; memories keep what they hold."""
    s.dirty[:] = 0
    s.fired[:] = 0
    s.output[:] = 0


@kernel(inline=True)
def _tick(t: Any, c: Any, s: Any, p: Any, n: int, tick: int, stimulus: Any, log: Any) -> None:
    """Run one tick: step, learn, send, propagate; the last one only steps and sends."""
    g, event, final = p.begin + tick, s.event, tick == p.ticks - 1
    valid = np.int64(stimulus.pins[g] & TARGET_VALID)
    s.busy[:] = 0
    _receive(s, p, stimulus, tick)
    if tick > 0:
        step(t, c, s)
        if stimulus.pins[g] & INFER_ACC:
            _vote(c, s)
    _log_step(s, log, g, n, tick)
    if tick > 0 and not final and c.learn and (valid or c.always):
        _ask_target(c, s, stimulus, g)
        learn(t, c, s, valid)
    if final or (tick > 0 and c.send_every_tick):
        first = p.begin if c.send_every_tick else n
        _send(c, s, log, first * _bytes_sent(c) + s.tally.sent, tick)
    if final:
        _end(s)
    else:
        propagate(t, c, s)
    _drop_events(s, stimulus, event)
    _log_ready(s, log, g, n, tick)
    for k in range(4):
        s.tally.busy[k] += s.busy[k]


@kernel(inline=True)
def _check_time(c: Any, s: Any, p: Any, tick: int, log: Any) -> None:
    """Note the next tick if it comes while the chip is busy with this one, and perhaps halt."""
    if tick == p.ticks - 1 or s.busy[0] + s.busy[1] + s.busy[2] + s.busy[3] < p.period:
        return
    log.late[p.begin + s.tally.late] = tick + 1
    s.tally.late += 1
    if c.error_halt:
        s.tally.halted = tick + 1


_LOG = types.NamedTuple(
    (
        types.uint8[::1], types.int32[::1], types.int32[::1], numba.from_dtype(TALLY)[::1],
        types.uint8[:, ::1], types.int16[:, ::1], types.int16[:, ::1], types.uint16[:, ::1],
        types.int64[:, ::1], types.int32[:, ::1], types.int32[::1], types.int16[:, :, ::1],
        types.int16[:, :, ::1],
    ),
    Log,
)  # fmt: skip
_STIMULUS = types.NamedTuple(
    (
        types.int32[::1], types.uint8[::1], types.uint8[::1], types.int16[::1],
        types.int16[:, ::1],
    ),
    Stimulus,
)  # fmt: skip
_RECORDS = [numba.from_dtype(kind)[::1] for kind in (TABLES, CHIP, STATE, PLAN)]


@kernel(types.int64(*_RECORDS, types.int64, types.int64, _STIMULUS, _LOG))
def run_samples(
    tables: np.ndarray, chip: np.ndarray, state: np.ndarray, plan: np.ndarray,
    first: int, last: int, stimulus: Any, log: Any,
) -> int:  # fmt: skip
    """Run samples ``first..last - 1`` of a plan, one after the other.

    Returns
    -------
    int
        How many were begun; in the last one the chip may have halted.
    """
    t, c, s = tables[0], chip[0], state[0]
    for n in range(first, last):
        p = plan[n]
        _begin(s, p)
        for tick in range(p.ticks):
            _tick(t, c, s, p, n, tick, stimulus, log)
            if p.period:
                _check_time(c, s, p, tick, log)
                if s.tally.halted:
                    break
        log.tally[n] = s.tally
        if s.tally.halted:
            return n + 1 - first
    return last - first
