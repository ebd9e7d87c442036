"""STEP: neurons fire and leak, traces and outputs decay.

Stochastic rounding: the cut-off bits of a product are compared with a random number; neuron ``2p``
and ``2p + 1`` have generators of their own, and the pairs of a step draw one after the other.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nm_backends.fixed import kernel

__all__ = ["advance", "settle", "step"]

_MEMBRANE, _OUTPUT, _T_INP, _T_REC, _T_OUT = 3, 5, 6, 8, 10  # even neurons'; odd ones follow


@kernel()
def advance(s: Any, generator: int, draws: int) -> None:
    """Let a generator go on by some draws, `lfsr.PAD` at most."""
    place = s.place[generator] + draws
    s.place[generator] = place - s.length[generator] if place >= s.end[generator] else place


@kernel()
def settle(s: Any, pairs: int) -> None:
    """Clear the state of neurons that hold what is left of the sample before."""
    for j in range(2 * pairs):
        if s.dirty[j] == 0:
            s.membrane[j] = s.trace_inp[j] = s.trace_rec[j] = s.trace_out[j] = 0
            s.dirty[j] = 1


@kernel()
def _shuffle(s: Any, table: np.ndarray, generator: int, pairs: int) -> None:
    """Set ``random`` to the next draws of an even and an odd generator."""
    even, odd = s.place[generator], s.place[generator + 1]
    evens, odds = table[even : even + pairs], table[odd : odd + pairs]
    random = s.random
    for p in range(pairs):
        random[2 * p] = evens[p]
        random[2 * p + 1] = odds[p]


@kernel()
def _pick(c: Any, s: Any, table: np.ndarray) -> None:
    """As `_shuffle` for membranes where some pairs do not leak, and so do not draw."""
    even, odd = s.place[_MEMBRANE], s.place[_MEMBRANE + 1]
    for p in range(c.pairs):
        s.random[2 * p] = table[even + c.draw_of[p]]
        s.random[2 * p + 1] = table[odd + c.draw_of[p]]


@kernel()
def _step_membranes(c: Any, s: Any) -> Any:
    """Fire where the membrane is at the threshold, leak and reset; return the number of spikes."""
    u, random, fired = s.membrane, s.random, s.fired
    alpha, block, threshold, keep = c.alpha, c.alpha_block, c.threshold, c.reset_keep
    count = np.int32(0)  # 64 bits would halve the vectors
    for j in range(c.padded):
        old = np.int32(u[j])
        product = np.int32(old * alpha[j])
        whole = np.int16(product >> 15)
        rest = np.uint16(product & 0x7FFF)
        up = np.int16(rest >= np.uint16(random[j] | block[j])) & np.int16(whole != 0)
        leaked = np.int16(whole + up)
        spike = old >= threshold[j]
        reset = np.int16(np.int16(leaked - np.int16(threshold[j])) & keep[j])
        u[j] = reset if spike else leaked
        fired[j] = np.uint8(spike)
        count = np.int32(count + np.int32(spike))
    return np.int64(count)


@kernel(inline=True)
def _decay(
    trace: np.ndarray, factor: np.ndarray, random: np.ndarray, block: np.ndarray, padded: int,
    bits: np.int32, mask: np.int16,
) -> Any:  # fmt: skip
    """Decay traces; return 0 when all are zero."""
    some = np.int16(0)
    rest_mask = np.int32((1 << bits) - 1)
    for j in range(padded):
        product = np.int32(np.int32(trace[j]) * factor[j])
        whole = np.int16(np.int32(product >> bits) & np.int32(mask))
        rest = np.uint16(product & rest_mask)
        up = np.int16(rest >= np.uint16(random[j] | block[j])) & np.int16(whole != 0)
        new = np.int16(np.int16(whole + up) & mask)
        trace[j] = new
        some |= new
    return np.int64(some)


@kernel()
def _step_outputs(t: Any, c: Any, s: Any) -> None:
    """Leak the outputs; all 16 draw, whether in use or not."""
    o, place = s.output, s.place[_OUTPUT]
    draws = c.output_draws > 0
    for k in range(c.last_output + 1):
        product = np.int32(np.int32(o[k]) * c.output_kappa)
        whole = np.int16(product >> 7)
        up = draws and np.int32(product & 0x7F) >= np.int32(t.round7[place + k]) and whole != 0
        o[k] = np.int16(whole + np.int16(up))
    advance(s, _OUTPUT, c.output_draws)


@kernel()
def _step_traces(t: Any, c: Any, s: Any) -> None:
    """Decay the three traces; where all are zero, only their generators go on."""
    if s.live[0]:
        _shuffle(s, t.round15, _T_INP, c.pairs)
        s.live[0] = _decay(
            s.trace_inp, c.alpha, s.random, c.alpha_block, c.padded, np.int32(15), np.int16(0xFFF)
        )
    if s.live[1]:
        _shuffle(s, t.round15, _T_REC, c.pairs)
        s.live[1] = _decay(
            s.trace_rec, c.alpha, s.random, c.alpha_block, c.padded, np.int32(15), np.int16(0xFFF)
        )
    if s.live[2]:
        _shuffle(s, t.round7, _T_OUT, c.pairs)
        s.live[2] = _decay(
            s.trace_out, c.kappa, s.random, c.kappa_block, c.padded, np.int32(7), np.int16(0x3FF)
        )
    if c.rounding:
        for generator in range(_T_INP, _T_OUT + 2):
            advance(s, generator, c.pairs)


@kernel()
def _hold_word(c: Any, s: Any) -> None:
    """Keep the last pair as it was before the step: e-prop without a target reads nothing else."""
    first = c.last_stepped & ~1
    for k in range(2):
        s.hold[0, k] = s.membrane[first + k]
        s.hold[1, k] = s.trace_inp[first + k]
        s.hold[2, k] = s.trace_rec[first + k]
        s.hold[3, k] = s.trace_out[first + k]


@kernel()
def step(t: Any, c: Any, s: Any) -> None:
    """Step all neurons, traces and outputs by one tick."""
    if c.always:
        _hold_word(c, s)
    if not s.settled_step:
        settle(s, c.pairs)
        s.settled_step = 1
    if c.rounded_pairs == c.pairs:
        _shuffle(s, t.round15, _MEMBRANE, c.pairs)
    elif c.rounded_pairs > 0:
        _pick(c, s, t.round15)
    s.tally.spikes += _step_membranes(c, s)
    advance(s, _MEMBRANE, c.rounded_pairs)
    advance(s, _MEMBRANE + 1, c.rounded_pairs)
    _step_traces(t, c, s)
    _step_outputs(t, c, s)
    s.busy[0] = c.last_stepped + 1
    s.busy[1] = 1
