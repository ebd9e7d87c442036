"""EPROP: errors, learning signals, surrogate slopes, regularisation, and who is updated."""

from __future__ import annotations

from typing import Any

import numpy as np

from nm_backends.fixed import kernel
from nm_reckon.update_kernel import update_outputs, update_recurrent_rows, update_rows

__all__ = ["learn"]

_OUTPUT_ONLY = 4


@kernel()
def _read(
    c: Any, seen: np.ndarray, memory: np.ndarray, hold: np.ndarray, dirty: np.ndarray, valid: int
) -> None:
    end = (c.last_source | 15) + 1
    for j in range(end if valid else 0):
        seen[j] = memory[j]
    last = c.last_source & ~1
    for j in range(c.last_source + 1 if valid else 0, end):
        seen[j] = memory[last + (j & 1)] if valid else hold[j & 1]
    for k in range(2):
        if dirty[k] == 0:
            seen[k:end:2] = 0


@kernel()
def _read_neurons(c: Any, s: Any, valid: int) -> None:
    """Set ``seen`` to what reading the neuron memory gives in this phase.

    Addresses above the last source are not read: the word read last stays. Without a valid target
    no word is read at all. Dirty bits are those of neurons 0 and 1, whatever the address.
    """
    _read(c, s.seen[0], s.membrane, s.hold[0], s.dirty, valid)
    _read(c, s.seen[1], s.trace_inp, s.hold[1], s.dirty, valid)
    _read(c, s.seen[2], s.trace_rec, s.hold[2], s.dirty, valid)
    _read(c, s.seen[3], s.trace_out, s.hold[3], s.dirty, valid)


@kernel()
def _error(c: Any, s: Any, k: int) -> Any:
    """Return target less output, saturated to 16 bits."""
    output = np.int64(s.output[k])
    if c.activation:
        output = 2048 if output > 2047 else max(output + 2048, 0) >> 1
    wanted = np.int64(s.target[k]) if c.regression else (2048 if s.label == k else 0)
    return min(max(wanted - output, -0x8000), 0x7FFF)


@kernel()
def _learning_signal(c: Any, s: Any, j: int) -> Any:
    """Return the errors as neuron ``j`` sees them through its output weights, 16 bits."""
    total = np.int64(0)
    for k in range(c.last_output + 1):
        total += np.int64(s.error[k]) * np.int64(s.w_out[j, k])
    return min(max(total << c.signal_scale >> 12, -0x8000), 0x7FFF)


@kernel()
def _slope(c: Any, membrane: int) -> Any:
    """Return the surrogate derivative of a spike at this membrane potential."""
    for k in range(4):
        if membrane < c.segment[k]:
            return np.int64(c.slope[k])
    return np.int64(c.slope[4])


@kernel()
def _regularise(c: Any, s: Any, j: int, k: int) -> None:
    """Set by how much regularisation damps and pulls the synapses of neuron ``j``."""
    above = np.int32(0)
    if c.regul_mode:
        above = np.int32(max((np.int32(s.seen[2, j]) >> c.point_rec) - c.regul_floor, 0))
    s.above[k] = above
    s.factor[k] = max(16 - (above >> c.damp_shift), 0) if c.damp else 16
    for matrix in range(2):
        pulled = c.pull_rec if matrix else c.pull_inp
        raised = np.uint32(np.uint32(above) << c.pull_shift[matrix, 0])
        s.pull[matrix, k] = np.int32(np.uint32(raised >> c.pull_shift[matrix, 1])) if pulled else 0


@kernel()
def _prepare_post(t: Any, c: Any, s: Any, j: int, valid: int) -> None:
    """Serve neuron ``j`` as a target of learning: its signal, then its output weights."""
    used = valid != 0 and j <= c.last_neuron
    signal = _learning_signal(c, s, j) if used and c.learn & 3 else 0
    s.gain[j & 15] = signal * _slope(c, np.int64(s.seen[0, j])) if used else 0
    _regularise(c, s, j, j & 15)
    trace = np.int32(s.seen[3, j]) >> c.point_out
    if used and c.learn & 4 and trace != 0:
        update_outputs(t, c, s, j, np.int32(trace))


@kernel()
def _nothing_above(c: Any, s: Any) -> bool:
    """Whether no neuron of the group is to be regularised: rows without a trace are skipped."""
    some = np.int32(0)
    for k in range(16):
        some |= s.above[k]
    return bool(some == 0)


@kernel()
def _learn_group(t: Any, c: Any, s: Any, base: int, valid: int) -> None:
    """Update the weights of the 16 neurons from ``base`` on."""
    for j in range(base, base + 16):
        _prepare_post(t, c, s, j, valid)
    skip = _nothing_above(c, s)
    if c.learn & 1 and (valid or c.always_inp):
        update_rows(t, c, s, base, skip)
    if c.learn & 2 and (valid or c.always_rec):
        update_recurrent_rows(t, c, s, base, skip)


@kernel()
def learn(t: Any, c: Any, s: Any, valid: int) -> None:
    """Learn from one tick; without a ``valid`` target all errors are 0."""
    _read_neurons(c, s, valid)
    for k in range(16):
        s.error[k] = _error(c, s, k) if valid and k <= c.last_output else 0
    if c.learn == _OUTPUT_ONLY:
        for j in range(c.last_neuron + 1):
            _prepare_post(t, c, s, j, valid)
        s.busy[2] = 2 * (c.last_neuron + 1)
        return
    groups = (c.last_neuron >> 4) + 1
    for group in range(groups):
        _learn_group(t, c, s, 16 * group, valid)
    s.busy[2] = groups * (32 + 2 * (c.last_source + 1))
