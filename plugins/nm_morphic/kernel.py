"""What one core does with one event: rows of binary synapses, time references, stochastic SDSP."""

from __future__ import annotations

from typing import Any

import numpy as np

from nm_backends.eventcore.calcium import calcium_step
from nm_backends.eventcore.rows import collect_fired, integrate, keep_enabled, leak
from nm_backends.fixed import kernel
from nm_morphic.spec import L1_ROWS, NEURONS
from nm_morphic.state import WORDS

__all__ = ["MEANINGS", "serve_reference", "serve_row"]

_L1, _L2 = NEURONS, NEURONS + L1_ROWS
_BYTES = NEURONS // 8


def _meanings() -> np.ndarray:
    """Return what a byte of weights adds to its eight neurons, eight int8 in a uint64.

    Index 0 is a disabled row, 1 the mode {-1, +1}, 2 and 3 the mode {0, 1}, excitatory, inhibitory.
    """
    byte = np.arange(256, dtype=np.uint8)[:, None]
    bits = np.unpackbits(byte, axis=1, bitorder="little").astype(np.int8)
    values = np.stack([0 * bits, 2 * bits - 1, bits, -bits])
    return np.ascontiguousarray(values).view(np.uint64)[:, :, 0]


MEANINGS = _meanings()


@kernel()
def _expand(core: Any, row: int) -> None:
    """Set what a row adds to each neuron."""
    lanes = core.signed_row.view(np.uint64)
    packed = core.weights[row].view(np.uint8)
    meaning = np.int64(core.meaning[row])
    for j in range(_BYTES):
        lanes[j] = MEANINGS[meaning, packed[j]]


@kernel(inline=True)
def _packed(hits: Any, word: int) -> np.uint64:
    """Return 64 flags, one byte each, as 64 bits: a product moves eight at once into one byte."""
    found: np.uint64 = np.uint64(0)
    for j in range(8):
        eight = hits[8 * word + j] * np.uint64(0x0102040810204080) >> np.uint64(56)
        found |= eight << np.uint64(8 * j)
    return found


@kernel(inline=True)
def _stretch(table: Any, first: int, word: int) -> np.uint64:
    """Return 64 bits of a table from bit ``first + 64 * word`` on."""
    place, shift = (first >> 6) + word, np.uint64(first & 63)
    upper = table[place + 1] << np.uint64(1) << (np.uint64(63) - shift)
    found: np.uint64 = table[place] >> shift | upper
    return found


@kernel()
def _learn(core: Any, row: int, allow: np.ndarray, period: int) -> None:
    """Flip synapses of a row, with the state of the neurons from before the event."""
    membrane, theta, hits = core.membrane, core.theta_membrane, core.hits
    weights, flags = core.weights[row], hits.view(np.uint64)
    up, down, first = allow[core.allow_up], allow[core.allow_down], core.place
    may_up, may_down = core.calcium_up, core.calcium_down
    for k in range(NEURONS):
        hits[k] = may_up[k] & np.uint8(membrane[k] >= theta[k])
    for word in range(WORDS):
        weights[word] |= _packed(flags, word) & _stretch(up, first, word)
    for k in range(NEURONS):
        hits[k] = may_down[k] & np.uint8(membrane[k] < theta[k])
    for word in range(WORDS):
        weights[word] &= ~(_packed(flags, word) & _stretch(down, first, word))
    core.place = (first + NEURONS) % period


@kernel()
def _after_sweep(core: Any, any_fired: bool, reference: bool) -> int:
    """Reset the neurons that fired and bring calcium along; return how many emit a spike."""
    fired = 0
    if any_fired:
        fired = collect_fired(core.membrane, core.threshold, core.hits, core.fired, NEURONS)
    if core.learning:
        if reference:
            following = 0
            for k in range(NEURONS):
                spike = following < fired and core.fired[following] == k
                calcium_step(core, k, np.int64(spike), True)
                following += spike
        else:
            for j in range(fired):
                calcium_step(core, np.int64(core.fired[j]), np.int64(1), False)
    return keep_enabled(core.fired, fired, core.enabled)


@kernel()
def _count_saturations(core: Any) -> None:
    """Count the membranes that the row about to be swept takes beyond a limit."""
    for k in range(NEURONS):
        total = np.int64(core.membrane[k]) + core.signed_row[k]
        core.saturated[0, k] += np.int32(total < core.low)
        core.saturated[1, k] += np.int32(total > core.high)


@kernel()
def serve_row(core: Any, row: int, allow: np.ndarray, period: int) -> int:
    """Sweep a row: the weights from before the event act, then some of them may flip.

    Returns
    -------
    int
        How many neurons emit a spike; they are in ``core.fired``, ascending.
    """
    _expand(core, row)
    if core.counting:
        _count_saturations(core)
    if core.plastic[np.int64(row >= _L1) + np.int64(row >= _L2)]:
        _learn(core, row, allow, period)
    fired = integrate(core.membrane, core.threshold, core.signed_row, NEURONS, core.low, core.high)
    return _after_sweep(core, fired, False) if fired else 0


@kernel()
def serve_reference(core: Any) -> int:
    """Let all neurons leak; return as `serve_row` does."""
    fired = leak(core.membrane, core.threshold, core.leak, NEURONS)
    if not fired and not core.learning:
        return 0
    return _after_sweep(core, fired, True)
