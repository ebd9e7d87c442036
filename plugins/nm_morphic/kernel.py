"""What one core does with one event: rows of binary synapses, time references, stochastic SDSP.

All neurons are served at once, a bit of each at a time (`nm_morphic.lanes`). A membrane is held as
what it is above the least value there is, so that a carry out of the last plane is a saturation.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nm_backends.eventcore.calcium import calcium_step
from nm_backends.fixed import kernel
from nm_morphic.lanes import any_of, every, load, lowest, store
from nm_morphic.spec import L1_ROWS, NEURONS
from nm_morphic.state import WORDS

__all__ = ["read_membranes", "serve_reference", "serve_row", "write_planes"]

_L1, _L2 = NEURONS, NEURONS + L1_ROWS
_NONE, _ALL, _ONE = np.uint64(0), ~np.uint64(0), np.uint64(1)
_EXCITATORY = 2  # from here on, the meaning of a row is that of the mode {0, 1}


@kernel(inline=True)
def _at_least(core: Any, limits: np.ndarray) -> Any:
    """Return which membranes are at their limit or above."""
    reached = every(_ALL)
    for plane in range(0, WORDS * core.bits, WORDS):
        value, limit = load(core.membrane, plane), load(limits, plane)
        reached = value & ~limit | ~(value ^ limit) & reached
    return reached


@kernel()
def _count_saturations(counts: np.ndarray, words: np.ndarray, lanes: Any) -> None:
    store(words, 0, lanes)
    for w in range(WORDS):
        word = words[w]
        while word:
            counts[64 * w + lowest(word)] += np.int32(1)
            word &= word - _ONE


@kernel(inline=True)
def _saturate(core: Any, below: Any, above: Any) -> None:
    """Put membranes that went beyond a limit, and so around, at that limit."""
    for plane in range(0, WORDS * core.bits, WORDS):
        store(core.membrane, plane, load(core.membrane, plane) & ~below | above)
    if core.counting:
        _count_saturations(core.saturated[0], core.hits, below)
        _count_saturations(core.saturated[1], core.hits, above)


@kernel(inline=True)
def _move(core: Any, moving: Any, up: Any) -> Any:
    """Take membranes one up or down; return which are at their threshold or above then."""
    carry, reached = moving, every(_ALL)
    for plane in range(0, WORDS * core.bits, WORDS):
        old, limit = load(core.membrane, plane), load(core.threshold, plane)
        new = old ^ carry
        store(core.membrane, plane, new)
        carry = carry & ~(old ^ up)
        reached = new & ~limit | ~(new ^ limit) & reached
    if any_of(carry):
        below, above = carry & ~up, carry & up
        _saturate(core, below, above)
        reached = reached & ~below | above
    return reached & load(core.reaches, 0)


@kernel(inline=True)
def _leak(core: Any) -> Any:
    """Move membranes toward zero; return which are at their threshold or above then.

    For both signs the leak is taken off a size: ``V``, or ``-1 - V`` where that is negative.
    """
    top = WORDS * (core.bits - 1)
    positive, borrow = load(core.membrane, top), every(_NONE)
    for plane in range(0, top, WORDS):
        size, less = load(core.membrane, plane) ^ ~positive, load(core.leak, plane)
        store(core.membrane, plane, size ^ less ^ borrow ^ ~positive)
        borrow = ~size & less | ~(size ^ less) & borrow
    at_zero = borrow | load(core.forgets, 0)
    for plane in range(0, top, WORDS):
        store(core.membrane, plane, load(core.membrane, plane) & ~at_zero)
    store(core.membrane, top, positive | at_zero)
    return _at_least(core, core.threshold) & load(core.reaches, 0)


@kernel(inline=True)
def _reset(core: Any, fired: Any) -> None:
    top = WORDS * (core.bits - 1)
    for plane in range(0, top, WORDS):
        store(core.membrane, plane, load(core.membrane, plane) & ~fired)
    store(core.membrane, top, load(core.membrane, top) | fired)


@kernel(inline=True)
def _stretch(tables: np.ndarray, table: int, first: int) -> Any:
    """Return 512 bits of a table from bit ``first`` on."""
    place, shift = table * tables.shape[1] + (first >> 6), np.uint64(first & 63)
    upper = load(tables, place + 1) << _ONE << (np.uint64(63) - shift)
    return load(tables, place) >> shift | upper


@kernel()
def _learn(core: Any, row: int, allow: np.ndarray, period: int) -> None:
    """Flip synapses of a row, with the state of the neurons from before the event."""
    above = _at_least(core, core.theta_membrane)
    up = above & load(core.may_up, 0) & _stretch(allow, core.allow_up, core.place)
    down = ~above & load(core.may_down, 0) & _stretch(allow, core.allow_down, core.place)
    store(core.weights, WORDS * row, (load(core.weights, WORDS * row) | up) & ~down)
    core.place = (core.place + NEURONS) % period


@kernel()
def _step_calcium(core: Any, k: int, spikes: int, reference: bool) -> None:
    calcium_step(core, k, spikes, reference)
    word, bit = k >> 6, _ONE << np.uint64(k & 63)
    for may, now in ((core.may_up, core.calcium_up), (core.may_down, core.calcium_down)):
        may[word] = may[word] | bit if now[k] else may[word] & ~bit


@kernel()
def _bring_calcium(core: Any, reference: bool) -> None:
    """Bring calcium along; ``core.hits`` holds who has fired."""
    for w in range(WORDS):
        word = core.hits[w]
        if reference:
            for k in range(64):
                spike = np.int64(word >> np.uint64(k) & _ONE)
                _step_calcium(core, 64 * w + k, spike, True)
        else:
            while word:
                _step_calcium(core, 64 * w + lowest(word), np.int64(1), False)
                word &= word - _ONE


@kernel()
def _after_sweep(core: Any, reference: bool) -> int:
    """Reset the neurons that fired (``core.hits``); return how many emit a spike."""
    fired = load(core.hits, 0)
    _reset(core, fired)
    if core.learning:
        _bring_calcium(core, reference)
    store(core.hits, 0, fired & load(core.emits, 0))
    found = 0
    for w in range(WORDS):
        word = core.hits[w]
        while word:
            core.fired[found] = 64 * w + lowest(word)
            word &= word - _ONE
            found += 1
    return found


@kernel()
def serve_row(core: Any, row: int, allow: np.ndarray, period: int) -> int:
    """Sweep a row: the weights from before the event act, then some of them may flip.

    Returns
    -------
    int
        How many neurons emit a spike; they are in ``core.fired``, ascending.
    """
    meaning, up = core.meaning[row], load(core.weights, WORDS * row)
    moving = every(_ALL)
    if meaning >= _EXCITATORY:
        moving, up = up, every(_ALL if meaning == _EXCITATORY else _NONE)
    if core.plastic[np.int64(row >= _L1) + np.int64(row >= _L2)]:
        _learn(core, row, allow, period)
    reached = _move(core, moving, up)
    if not any_of(reached):
        return 0
    store(core.hits, 0, reached)
    return _after_sweep(core, False)


@kernel()
def serve_reference(core: Any) -> int:
    """Let all neurons leak; return as `serve_row` does."""
    reached = _leak(core)
    if not any_of(reached) and not core.learning:
        return 0
    store(core.hits, 0, reached)
    return _after_sweep(core, True)


@kernel()
def write_planes(values: np.ndarray, planes: np.ndarray) -> None:
    """Take values (int64 ``[512]``) apart into bits, uint64 ``[planes, 8]``."""
    for plane in range(planes.shape[0]):
        for w in range(WORDS):
            word = _NONE
            for k in range(64):
                bit = np.uint64(values[64 * w + k]) >> np.uint64(plane) & _ONE
                word |= bit << np.uint64(k)
            planes[plane, w] = word


@kernel()
def read_membranes(cores: np.ndarray, found: np.ndarray) -> None:
    """Write the membranes of all neurons into int16 ``[cores, 512]``."""
    for c in range(cores.size):
        core = cores[c]
        for k in range(NEURONS):
            found[c, k] = -(1 << core.bits - 1)
        for plane in range(core.bits):
            for w in range(WORDS):
                word = core.membrane[plane, w]
                for k in range(64):
                    bit = word >> np.uint64(k) & _ONE
                    found[c, 64 * w + k] += np.int16(bit << np.uint64(plane))
