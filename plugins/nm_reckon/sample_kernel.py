"""Samples, tick by tick: what happens in which order, and what is recorded."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import types

from nm_backends.fixed import kernel
from nm_reckon.eprop_kernel import learn
from nm_reckon.layout import (
    CHIP,
    CYCLE_LOG,
    LFSR_LOG,
    MEMORY_LOG,
    OUTPUT_LOG,
    PLAN,
    SPIKE_LOG,
    STATE,
    TABLES,
    TALLY,
    TARGETS,
    TICK,
)
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


@kernel()
def _send(c: Any, s: Any) -> None:
    """Put the label or the outputs on the bus."""
    if c.send_label:
        s.bus[0], s.on_bus = np.uint8(_largest(s.votes, c.last_output)), 1
        return
    s.on_bus = 2 * (c.last_output + 1)
    for k in range(c.last_output + 1):
        value = np.uint16(s.output[k])
        s.bus[2 * k], s.bus[2 * k + 1] = np.uint8(value & 0xFF), np.uint8(value >> 8)


@kernel()
def _ask_target(c: Any, s: Any, k: Any) -> None:
    """Get the label that is to be learned, unless one was sent that serves the whole sample."""
    if not (c.regression or (c.single_label and s.got_label)):
        s.label, s.got_label = np.int64(k.on_request) & 15, 1


@kernel()
def _begin(s: Any) -> None:
    """Raise ``SAMPLE``."""
    s.live[:] = 1
    s.settled_step = s.settled_visit = s.got_label = 0
    s.votes[:] = 0
    tally = s.tally
    tally.busy[:] = 0
    tally.events = tally.spikes = tally.sops = tally.updates = 0
    tally.sent = tally.late = tally.halted = 0
    tally.saturated[:] = 0


@kernel()
def _end(s: Any) -> None:
    """Return to the idle state; memories keep what they hold."""
    s.dirty[:] = 0
    s.fired[:] = 0
    s.output[:] = 0


@kernel()
def _begin_tick(s: Any, p: Any, tick: int) -> None:
    """Take the label, if it comes before this tick; before tick 0 the chip forgets that it came."""
    s.busy[:] = 0
    s.on_bus = s.eventful = 0
    if tick == p.label_tick:
        s.label, s.got_label = p.label & 15, np.int64(tick > 0)


@kernel()
def _add_event(s: Any, address: int) -> None:
    s.tally.events += np.int64(s.events[address] ^ 1)
    s.events[address] = s.eventful = 1
    s.event += 1


@kernel()
def _step_tick(t: Any, c: Any, s: Any, k: Any, tick: int) -> None:
    """Step the neurons and count a vote; not in tick 0."""
    if tick > 0:
        step(t, c, s)
        if k.infer_acc:
            _vote(c, s)


@kernel()
def _finish_tick(t: Any, c: Any, s: Any, p: Any, k: Any, tick: int) -> None:
    """Learn, send and propagate; the last tick only sends."""
    final = tick == p.ticks - 1
    if tick > 0 and not final and c.learn and (k.target_valid or c.always):
        _ask_target(c, s, k)
        learn(t, c, s, np.int64(k.target_valid))
    if final or (tick > 0 and c.send_every_tick):
        _send(c, s)
    if final:
        _end(s)
    else:
        propagate(t, c, s)
    if s.eventful:
        s.events[:] = 0
    for state in range(4):
        s.tally.busy[state] += s.busy[state]


@kernel()
def _is_late(c: Any, s: Any, p: Any, tick: int) -> bool:
    """Whether the next tick comes while the chip is busy with this one, and perhaps halts it."""
    busy = s.busy[0] + s.busy[1] + s.busy[2] + s.busy[3]
    if tick == p.ticks - 1 or busy < p.period:
        return False
    s.tally.late += 1
    if c.error_halt:
        s.tally.halted = tick + 1
    return True


@kernel()
def _show(s: Any, memory: np.ndarray) -> None:
    """Record the state of all neurons, int16 ``[4, 256]``."""
    memory[0, :], memory[1, :] = s.membrane, s.trace_inp
    memory[2, :], memory[3, :] = s.trace_rec, s.trace_out


@kernel()
def _log_outputs(s: Any, record: Any) -> None:
    record.leaked[:] = s.output
    record.votes[:] = s.votes


@kernel()
def _log_generators(s: Any, record: Any) -> None:
    record.draws[:] = s.draws
    for i in range(13):
        record.place[i] = np.int32(s.place[i])


@kernel()
def _run_sample(
    t: Any, c: Any, s: Any, p: Any, n: int, ticks: np.ndarray, addresses: np.ndarray,
    targets: np.ndarray, out: np.ndarray, out_tick: np.ndarray, late: np.ndarray,
    spikes: np.ndarray, outputs: np.ndarray, lfsr: np.ndarray, cycles: np.ndarray,
    captured: np.ndarray, memory: np.ndarray,
) -> None:  # fmt: skip
    """Run what is planned of sample ``n``.

    Functions called at every tick take records, not arrays (see `layout`).
    """
    shot, bus = n * captured.size, _first_byte(c, p, n)
    s.event = p.event
    for tick in range(p.first, p.stop):
        g = p.begin + tick
        _begin_tick(s, p, tick)
        while s.event < ticks[g].events_end:
            _add_event(s, addresses[s.event])
        if targets.size:
            s.target[:] = targets[g].values
        _step_tick(t, c, s, ticks[g], tick)
        if spikes.size:
            spikes[g].fired[:] = s.fired
        if outputs.size:
            _log_outputs(s, outputs[g])
        catch = shot < (n + 1) * captured.size and captured[shot - n * captured.size] == tick
        if catch and tick > 0:
            _show(s, memory[shot].step)
        _finish_tick(t, c, s, p, ticks[g], tick)
        if outputs.size:
            outputs[g].ready[:] = s.output
        if lfsr.size:
            _log_generators(s, lfsr[g])
        if cycles.size:
            cycles[g].busy[:] = s.busy
        if catch:
            _show(s, memory[shot].ready)
            if tick == 0:  # which does not step
                _show(s, memory[shot].step)
            shot += 1
        for k in range(s.on_bus if out.size else 0):
            out[bus + s.tally.sent + k], out_tick[bus + s.tally.sent + k] = s.bus[k], tick
        s.tally.sent += s.on_bus
        if p.period and _is_late(c, s, p, tick):
            late[p.begin + s.tally.late - 1] = tick + 1
            if s.tally.halted:
                return


@kernel()
def _first_byte(c: Any, p: Any, n: int) -> Any:
    """Return where the bytes of sample ``n`` begin on the bus."""
    sent = 1 if c.send_label else 2 * (c.last_output + 1)
    return np.int64(sent * (p.begin if c.send_every_tick else n))


def _arrays(*kinds: Any) -> list[Any]:
    return [numba.from_dtype(np.dtype(kind))[::1] for kind in kinds]


_SIGNATURE = types.int64(
    *_arrays(TABLES, CHIP, STATE, np.uint8, np.uint8, PLAN, TICK, np.uint8, TARGETS),
    types.int64, types.int64,
    *_arrays(np.uint8, np.int32, np.int32, TALLY, SPIKE_LOG, OUTPUT_LOG, LFSR_LOG, CYCLE_LOG),
    *_arrays(np.int32, MEMORY_LOG),
)  # fmt: skip


@kernel(_SIGNATURE)
def run_samples(
    tables: np.ndarray, chip: np.ndarray, state: np.ndarray, present: np.ndarray,
    fresh: np.ndarray, plan: np.ndarray, ticks: np.ndarray, addresses: np.ndarray,
    targets: np.ndarray, first: int, last: int,
    out: np.ndarray, out_tick: np.ndarray, late: np.ndarray, tally: np.ndarray, spikes: np.ndarray,
    outputs: np.ndarray, lfsr: np.ndarray, cycles: np.ndarray, captured: np.ndarray,
    memory: np.ndarray,
) -> int:  # fmt: skip
    """Run samples ``first..last - 1`` of a plan, one after the other.

    See `packing.Packed` and `logs.Log` for the arrays. ``state`` is one record for all samples, or
    one for each; ``present`` are its bytes, the first of which ``fresh`` replaces before each
    sample.

    Returns
    -------
    int
        How many were begun; in the last one the chip may have halted.
    """
    for n in range(first, last):
        s = state[n if state.size > 1 else 0]
        present[: fresh.size] = fresh
        if plan[n].first == 0:
            _begin(s)
        _run_sample(
            tables[0], chip[0], s, plan[n], n, ticks, addresses, targets, out, out_tick, late,
            spikes, outputs, lfsr, cycles, captured, memory,
        )  # fmt: skip
        tally[n] = s.tally
        if s.tally.halted and fresh.size == 0:
            return n + 1 - first
    return last - first
