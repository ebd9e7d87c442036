"""PROP: spikes and input events, in order of their address, reach neurons, outputs and traces."""

from __future__ import annotations

from typing import Any

import numpy as np

from nm_backends.fixed import kernel
from nm_reckon.step_kernel import advance, settle

__all__ = ["propagate"]

_NOISE = 12
_LOW, _HIGH = np.int32(-0x8000), np.int32(0x7FFF)


@kernel()
def _add_row(u: np.ndarray, row: np.ndarray, shift: np.int16, visited: int) -> None:
    """Add a row of weights to membranes, saturating."""
    for j in range(visited):
        total = np.int32(np.int32(u[j]) + np.int32(np.int16(np.int16(row[j]) << shift)))
        u[j] = np.int16(min(max(total, _LOW), _HIGH))


@kernel()
def _count(c: Any, s: Any, i: int, event: int, spike: int) -> None:
    """Count the membranes and outputs that source ``i`` is about to take beyond their limits."""
    for j in range(c.visited):
        total = np.int32(s.membrane[j])
        if event:
            total += np.int32(s.w_inp[i, j]) << c.shift_inp
        if spike:
            total += np.int32(s.w_rec[i, j]) << c.shift_rec
        s.tally.saturated[0, j] += np.int32(total < _LOW)
        s.tally.saturated[1, j] += np.int32(total > _HIGH)
    if spike:
        for k in range(c.last_output + 1):
            total = np.int32(s.output[k]) + (np.int32(s.w_out[i, k]) << c.shift_out)
            s.tally.saturated[0, 256 + k] += np.int32(total < _LOW)
            s.tally.saturated[1, 256 + k] += np.int32(total > _HIGH)


@kernel()
def _add_rows(c: Any, s: Any, i: int) -> None:
    """Add the input row and the recurrent row of source ``i`` at once."""
    u, inp, rec = s.membrane, s.w_inp[i], s.w_rec[i]
    for j in range(c.visited):
        weight = np.int32(np.int16(inp[j]) << c.shift_inp) + np.int32(
            np.int16(rec[j]) << c.shift_rec
        )
        total = np.int32(np.int32(u[j]) + np.int32(weight))
        u[j] = np.int16(min(max(total, _LOW), _HIGH))


@kernel()
def _add_noisy(t: Any, c: Any, s: Any, i: int, event: int, spike: int) -> None:
    """Add rows and noise; whether a sum saturates is decided without the noise."""
    place = s.place[_NOISE]
    for j in range(c.visited):
        weight = np.int32(0)
        if event:
            weight += np.int32(s.w_inp[i, j]) << c.shift_inp
        if spike:
            weight += np.int32(s.w_rec[i, j]) << c.shift_rec
        half = np.int16(t.noise[place + (j >> 1)] >> np.uint32(16 * (j & 1)))
        old = s.membrane[j]
        total = np.int16(old + weight + (np.int32(half) >> c.noise_shift))
        if old >= 0 and weight >= 0 and total < 0:
            total = np.int16(0x7FFF)
        elif old < 0 and weight < 0 and total >= 0:
            total = np.int16(-0x8000)
        s.membrane[j] = total
    advance(s, _NOISE, c.visited >> 1)


@kernel()
def _add_outputs(c: Any, s: Any, i: int) -> None:
    """Add the output weights of a neuron that fired."""
    for k in range(c.last_output + 1):
        total = np.int32(s.output[k]) + np.int32(np.int32(s.w_out[i, k]) << c.shift_out)
        s.output[k] = np.int16(min(max(np.int32(total), _LOW), _HIGH))


@kernel()
def _grow_traces(c: Any, s: Any, i: int, event: int, spike: int) -> None:
    """Let the traces of source ``i`` grow; it is within the pairs visited."""
    if event and c.keep_inp:
        s.trace_inp[i] = min(s.trace_inp[i] + (8 << c.point_inp), 0xFFF)
        s.live[0] = 1
    if spike and c.keep_rec:
        s.trace_rec[i] = min(s.trace_rec[i] + (8 << c.point_rec), 0xFFF)
        s.live[1] = 1
    if spike and c.keep_out:
        s.trace_out[i] = min(s.trace_out[i] + (2 << c.point_out), 0x3FF)
        s.live[2] = 1


@kernel()
def _supplement(c: Any, s: Any, i: int) -> None:
    """Let the trace of an input above the last neuron grow, in two cycles of its own.

    A word not written yet in this sample keeps its old membrane, and counts as written.
    """
    first = i & ~1
    for j in range(first, first + 2):
        if s.dirty[j] == 0:
            s.trace_inp[j] = s.trace_rec[j] = s.trace_out[j] = 0
            s.dirty[j] = 1
    s.trace_inp[i] = min(s.trace_inp[i] + (8 << c.point_inp), 0xFFF)
    s.live[:] = 1
    s.busy[3] += 2


@kernel()
def _serve(t: Any, c: Any, s: Any, i: int) -> None:
    """Propagate source ``i``: an input event, a spike or both."""
    event, spike = np.int64(s.events[i]), np.int64(s.fired[i])
    if not s.settled_visit:
        settle(s, c.visited >> 1)
        s.settled_visit = 1
    if c.counting:
        _count(c, s, i, event, spike)
    if c.noise:
        _add_noisy(t, c, s, i, event, spike)
    elif event and spike:
        _add_rows(c, s, i)
    elif event:
        _add_row(s.membrane, s.w_inp[i], c.shift_inp, c.visited)
    else:
        _add_row(s.membrane, s.w_rec[i], c.shift_rec, c.visited)
    if spike:
        _add_outputs(c, s, i)
    if i < c.visited:
        _grow_traces(c, s, i, event, spike)
    s.tally.sops += c.visited
    s.busy[3] += c.visited
    if event and i > c.last_neuron and c.keep_inp:
        _supplement(c, s, i)


@kernel()
def propagate(t: Any, c: Any, s: Any) -> None:
    """Propagate what the last step and the host brought; nothing comes from unused addresses."""
    s.busy[3] = c.last_source + 1
    fired, events = s.fired.view(np.uint64), s.events.view(np.uint64)
    for word in range((c.last_source >> 3) + 1):
        if fired[word] | events[word]:
            for i in range(8 * word, min(8 * word + 8, c.last_source + 1)):
                if s.fired[i] | s.events[i]:
                    _serve(t, c, s, i)
