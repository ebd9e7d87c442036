"""Stochastic updates of weights by one, a row of 16 synapses at a time.

A term is the wish of a synapse: its sign is the direction, its size, scaled by two shifts, the
probability. Input and recurrent rows take 16 random numbers of 32 bits from their generator, output
rows 16 of 28 bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nm_backends.fixed import kernel

__all__ = ["update_outputs", "update_recurrent_rows", "update_rows"]

_MASK = np.uint32(127)
_MASK_5 = np.uint32(31)  # lets the compiler keep shifts to 32 bits
_FULL, _FULL_28 = np.uint32(0xFFFFFFFF), np.uint32(0x0FFFFFFF)
_LEAST = np.int32(-0x80000000)
_ALL = np.int32(16)  # the damping factor in sixteenths: none
_ZERO, _ONE = np.int32(0), np.int32(1)


@kernel(inline=True)
def _move(
    term: np.int32, random: np.uint32, left: np.uint32, right: np.uint32, full: np.uint32
) -> Any:
    """Return by how much a weight moves, before saturation: -1, 0 or 1."""
    size = np.uint32(-term if term < _ZERO else term)
    scaled = np.uint32(size << (left & _MASK_5))
    scaled = full if size > np.uint32(full >> (left & _MASK_5)) else scaled
    hit = (np.uint32(scaled >> (right & _MASK_5)) >= random) | (term == _LEAST)
    return np.int32(hit & (term != _ZERO)) * np.int32((term >> 31) | 1)


@kernel(inline=True)
def _damped(wish: np.int32, factor: np.int32) -> Any:
    """Return ``factor * wish >> 4`` without overflow; a negative wish is not damped."""
    share = _ALL if wish < _ZERO else factor
    whole, rest = np.int32(wish >> 4), np.int32(wish & 15)
    return np.int32(np.int32(share * whole) + np.int32(np.int32(share * rest) >> 4))


@kernel(inline=True)
def _term(gain: np.int32, trace: np.int32, damp: int, factor: np.int32, pull: np.int32) -> Any:
    """Return a synapse's term: error times eligibility, if positive damped, less the pull.

    The chip tests bit 31 of a 37-bit product (here bit 27) for an underflow, which large positive
    terms have as well: they become a certain decrement.
    """
    wish = np.int32(gain * trace)
    damped = _damped(wish, factor) if damp else wish
    term = np.int32(damped - pull)
    wrong = (term >= _ZERO) & (np.int32(damped & 0x08000000) != _ZERO)
    return _LEAST if wrong else term


@kernel(inline=True)
def _limited(weight: np.int32, move: np.int32) -> Any:
    return np.int8(min(max(np.int32(weight + move), np.int32(-128)), np.int32(127)))


@kernel(inline=True)
def _update_row(
    row: np.ndarray, gain: np.ndarray, factor: np.ndarray, pull: np.ndarray, random: Any,
    state: np.uint32, trace: np.int32, damp: int, left: np.uint32, right: np.uint32,
) -> Any:  # fmt: skip
    """Update 16 synapses of one source; return how many changed."""
    a, b = random[0, state & _MASK], random[1, state >> np.uint32(7) & _MASK]
    d, e = random[2, state >> np.uint32(14) & _MASK], random[3, state >> np.uint32(21) & _MASK]
    changed = _ZERO
    for k in range(16):
        drawn = np.uint32(a[k] ^ b[k] ^ d[k] ^ e[k])
        term = _term(gain[k], trace, damp, factor[k], pull[k])
        old = row[k]
        new = _limited(np.int32(old), _move(term, drawn, left, right, _FULL))
        row[k] = new
        changed = np.int32(changed + np.int32(new != old))
    return np.int64(changed)


@kernel(inline=True)
def _next(states: np.ndarray, state: np.uint32) -> Any:
    """Return the state of a generator after a draw."""
    return np.uint32(
        states[0, state & _MASK]
        ^ states[1, state >> np.uint32(7) & _MASK]
        ^ states[2, state >> np.uint32(14) & _MASK]
        ^ states[3, state >> np.uint32(21) & _MASK]
    )


@kernel()
def update_rows(t: Any, c: Any, s: Any, base: int, skip: bool) -> None:
    """Update the input weights of the 16 neurons from ``base`` on; ``skip`` rows without trace."""
    traces, state = s.seen[1], s.draws[0]
    left, right, damp = c.rate[0, 0], c.rate[0, 1], c.damp
    for pre in range(c.last_input + 1):
        trace = np.int32(traces[pre]) >> c.point_inp
        if trace == 0 and skip:
            continue
        row = s.w_inp[pre, base : base + 16]
        s.tally.updates += _update_row(
            row,
            s.gain,
            s.factor,
            s.pull[0],
            t.draw_update,
            state,
            np.int32(trace),
            damp,
            left,
            right,
        )
        state = _next(t.next_update, state)
    s.draws[0] = state


@kernel()
def update_recurrent_rows(t: Any, c: Any, s: Any, base: int, skip: bool) -> None:
    """As `update_rows` for recurrent weights; an update of a synapse onto itself sets it to 0."""
    traces, state = s.seen[2], s.draws[1]
    left, right, damp = c.rate[1, 0], c.rate[1, 1], c.damp
    for pre in range(c.last_neuron + 1):
        trace = np.int32(traces[pre]) >> c.point_rec
        if trace == 0 and skip:
            continue
        row = s.w_rec[pre, base : base + 16]
        own = row[pre & 15]
        s.tally.updates += _update_row(
            row,
            s.gain,
            s.factor,
            s.pull[1],
            t.draw_update,
            state,
            np.int32(trace),
            damp,
            left,
            right,
        )
        if pre - base >= 0 and pre - base < 16:
            _clear_own(t, c, s, row, pre & 15, own, state, np.int32(trace))
        state = _next(t.next_update, state)
    s.draws[1] = state


@kernel()
def _clear_own(
    t: Any, c: Any, s: Any, row: np.ndarray, k: int, own: np.int8, state: np.uint32, trace: np.int32
) -> None:
    """Set synapse ``k``, a neuron's onto itself, to 0 if its update fires, even a saturated one."""
    random, shift = np.uint32(0), np.uint32(0)
    for chunk in range(4):
        random ^= t.draw_update[chunk, state >> shift & _MASK, k]
        shift += np.uint32(7)
    term = _term(s.gain[k], trace, c.damp, s.factor[k], s.pull[1, k])
    if _move(term, random, c.rate[1, 0], c.rate[1, 1], _FULL) != 0:
        s.tally.updates += np.int64(own != 0) - np.int64(row[k] != own)
        row[k] = 0


@kernel()
def update_outputs(t: Any, c: Any, s: Any, post: int, trace: np.int32) -> None:
    """Update the output weights of one neuron from the errors of the outputs."""
    row, state = s.w_out[post], s.draws[2]
    random = t.draw_output
    a, b = random[0, state & _MASK], random[1, state >> np.uint32(7) & _MASK]
    d, e = random[2, state >> np.uint32(14) & _MASK], random[3, state >> np.uint32(21) & _MASK]
    for k in range(c.last_output + 1):
        drawn = np.uint32(a[k] ^ b[k] ^ d[k] ^ e[k])
        term = np.int32(s.error[k] * trace)
        old = row[k]
        row[k] = _limited(np.int32(old), _move(term, drawn, c.rate[2, 0], c.rate[2, 1], _FULL_28))
        s.tally.updates += np.int64(row[k] != old)
    s.draws[2] = _next(t.next_output, state)
