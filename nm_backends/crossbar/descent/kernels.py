"""A crossbar core event by event, forward and backward, over plain arrays.

Forward is what the chip's engine does, on the neurons in use alone: every event adds a row to all
membranes, those at their thresholds fire and go to 0, and where neurons drive rows their spikes are
served before the next input event. Backward goes through the same events in reverse. Membranes pass
gradients on, except where they stopped at a limit or were reset. A spike is given the slope of a
fast sigmoid, once per step, at the event where the membrane was highest; its tails also reach
neurons that never fire.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from nm_backends.fixed import grow, kernel

__all__ = ["MOST_POPS", "gradients", "spikes"]

MOST_POPS = 4096  # spikes served after one input event; more, and the step does not end
_F = types.float32
_I = types.int64
_EVENTS = (types.int32[::1], _I[::1], _I[:, ::1])
_CORE = (_F[:, ::1], _I[::1], _I[::1], _F[::1], _F[::1], _F[::1], _F, _F, _I)
_QUEUE = 256


@kernel()
def _touch(
    v: np.ndarray, row: np.ndarray, threshold: np.ndarray, low: np.float32, high: np.float32,
    kept: np.ndarray,
) -> bool:  # fmt: skip
    """Add a row to the membranes; return whether one reached its threshold.

    ``kept`` gets the membranes before any reset.
    """
    top = np.float32(-1.0)
    for n in range(v.size):
        value = min(max(v[n] + row[n], low), high)
        v[n] = value
        kept[n] = value
        top = max(top, value - threshold[n])
    return bool(top >= 0)


@kernel()
def _leak(v: np.ndarray, leak: np.ndarray, kept: np.ndarray) -> None:
    for n in range(v.size):
        value = v[n]
        value = max(value - leak[n], np.float32(0)) if value >= 0 else min(
            value + leak[n], np.float32(0)
        )  # fmt: skip
        v[n] = value
        kept[n] = value


@kernel()
def _fire(
    v: np.ndarray, threshold: np.ndarray, sender_row: np.ndarray, sender: np.ndarray,
    queue: np.ndarray, head: int, held: int, depth: int, fired: np.ndarray, count: np.ndarray,
) -> int:  # fmt: skip
    """Reset and count the neurons that fire, queue their rows; return how many are held."""
    for n in range(v.size):
        fired[n] = v[n] >= threshold[n]
        if fired[n]:
            v[n] = 0
            count[n] += 1
    for k in range(sender.size):
        if fired[sender[k]] and held < depth:
            queue[(head + held) % _QUEUE] = sender_row[k]
            held += 1
    return held


@kernel()
def _forward(
    operations: np.ndarray, step_end: np.ndarray, rows: np.ndarray, sender_row: np.ndarray,
    sender: np.ndarray, threshold: np.ndarray, leak: np.ndarray, start: np.ndarray,
    low: np.float32, high: np.float32, depth: int, keep: bool, counts: np.ndarray,
    end: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, bool]:  # fmt: skip
    """Run one sample.

    Returns
    -------
    kept, rows_of
        With ``keep``: membranes after each event, before resets, ``[events * neurons]``, and the
        row of each event, -1 for a leak; ``end`` gets the events until the end of each step.
    idle
        False where a step never ended.
    """
    size = threshold.size
    v, fired = start.copy(), np.zeros(size, np.bool_)
    queue = np.zeros(_QUEUE, np.int64)
    room = 4 * operations.size if keep else 1
    kept, row_of = np.empty(room * size, np.float32), np.empty(room, np.int64)
    made, at, head = 0, 0, 0
    for t in range(step_end.size):
        while at < step_end[t]:
            queue[head] = operations[at]
            held, pops, at = 1, 0, at + 1
            while held:
                if pops > MOST_POPS:
                    return kept, row_of, False
                row = queue[head]
                if row != -2:
                    if keep:
                        row_of = grow(row_of, made, 1)
                        kept = grow(kept, made * size, size)
                        row_of[made] = row
                    here = kept[made * size : (made + 1) * size] if keep else kept[:size]
                    if row == -1:
                        _leak(v, leak, here)
                    elif _touch(v, rows[row], threshold, low, high, here):
                        held = _fire(
                            v, threshold, sender_row, sender, queue, head, held, depth, fired,
                            counts[t],
                        )  # fmt: skip
                    made += keep
                head, held, pops = (head + 1) % _QUEUE, held - 1, pops + 1
        end[t] = made
    return kept, row_of, True


@kernel(types.boolean(*_EVENTS, *_CORE, types.uint8[:, :, ::1], _I, _I))
def spikes(
    operations: np.ndarray, offsets: np.ndarray, step_end: np.ndarray, rows: np.ndarray,
    sender_row: np.ndarray, sender: np.ndarray, threshold: np.ndarray, leak: np.ndarray,
    start: np.ndarray, low: np.float32, high: np.float32, depth: int, counts: np.ndarray,
    first: int, last: int,
) -> bool:  # fmt: skip
    """Count the spikes of samples ``first .. last - 1`` in ``counts[sample, step, neuron]``.

    Returns False where a step never ends.
    """
    end = np.zeros(step_end.shape[1], np.int64)
    for s in range(first, last):
        _, _, idle = _forward(
            operations[offsets[s] : offsets[s + 1]], step_end[s], rows, sender_row, sender,
            threshold, leak, start, low, high, depth, False, counts[s], end,
        )  # fmt: skip
        if not idle:
            return False
    return True


@kernel()
def _peaks(kept: np.ndarray, begin: int, stop: int, best: np.ndarray, peak: np.ndarray) -> None:
    """Find the event of a step at which each membrane is highest, the first among equals."""
    best[:] = np.float32(-1e9)
    peak[:] = -1
    size = best.size
    for e in range(begin, stop):
        here = kept[e * size : (e + 1) * size]
        for n in range(size):
            if here[n] > best[n]:
                best[n] = here[n]
                peak[n] = e


@kernel()
def _slopes(
    e: int, here: np.ndarray, peak: np.ndarray, threshold: np.ndarray, width: np.ndarray,
    wanted: np.ndarray, effect: np.ndarray, g: np.ndarray, pulled: np.ndarray, by_threshold: Any,
) -> None:  # fmt: skip
    """Add to ``pulled`` what the spikes at event ``e`` are worth, through the slope.

    A spike is worth what the loss says, and what its own row does to membranes from here on.
    """
    for n in range(peak.size):
        if peak[n] != e:
            continue
        slope = np.float32(1) / (np.float32(1) + abs(here[n] - threshold[n]) / width[n]) ** 2
        worth = wanted[n]
        for m in range(g.size):
            worth += effect[n, m] * g[m]
        worth *= slope / width[n]
        pulled[n] += worth
        by_threshold[n] -= worth


@kernel()
def _through_row(
    before: np.ndarray, row: np.ndarray, low: np.float32, high: np.float32, stuck: np.float32,
    pulled: np.ndarray, g: np.ndarray, by_row: np.ndarray,
) -> None:  # fmt: skip
    for n in range(g.size):
        value = before[n] + row[n]
        free = pulled[n] if (value >= low) & (value <= high) else stuck * pulled[n]
        g[n] = free
        by_row[n] += free


@kernel()
def _through_leak(
    before: np.ndarray, leak: np.ndarray, pulled: np.ndarray, g: np.ndarray, by_leak: np.ndarray
) -> None:
    for n in range(g.size):
        some = pulled[n] if abs(before[n]) > leak[n] else np.float32(0)
        g[n] = some
        by_leak[n] -= some if before[n] > 0 else -some


@kernel(
    types.boolean(
        *_EVENTS, *_CORE, _F[:, ::1], _F[::1], _F, _F, _F[:, :, ::1], _F[:, ::1], _F[::1], _F[::1],
        _F[::1], _I, _I,
    )
)  # fmt: skip
def gradients(
    operations: np.ndarray, offsets: np.ndarray, step_end: np.ndarray, rows: np.ndarray,
    sender_row: np.ndarray, sender: np.ndarray, threshold: np.ndarray, leak: np.ndarray,
    start: np.ndarray, low: np.float32, high: np.float32, depth: int, effect: np.ndarray,
    width: np.ndarray, stuck: np.float32, memory: np.float32, wanted: np.ndarray,
    by_row: np.ndarray, by_threshold: np.ndarray, by_leak: np.ndarray, by_start: np.ndarray,
    first: int, last: int,
) -> bool:  # fmt: skip
    """Add the gradients of samples ``first .. last - 1`` to ``by_*``.

    Parameters
    ----------
    effect
        What a spike of neuron ``n`` adds to neuron ``m``, ``[n, m]``, as far as gradients follow.
    width
        Distance from the threshold at which the slope of a spike is a quarter, per neuron.
    stuck
        What passes a membrane that stopped at a limit.
    memory
        What passes from one step to the one before.
    wanted
        Gradient of the loss by each spike, ``[sample, step, neuron]``.
    """
    size, steps = threshold.size, step_end.shape[1]
    end, unused = np.zeros(steps, np.int64), np.zeros((steps, size), np.uint8)
    best, peak = np.empty(size, np.float32), np.empty(size, np.int64)
    before, pulled = np.empty(size, np.float32), np.empty(size, np.float32)
    for s in range(first, last):
        kept, row_of, idle = _forward(
            operations[offsets[s] : offsets[s + 1]], step_end[s], rows, sender_row, sender,
            threshold, leak, start, low, high, depth, True, unused, end,
        )  # fmt: skip
        if not idle:
            return False
        g = np.zeros(size, np.float32)
        for t in range(steps - 1, -1, -1):
            begin = end[t - 1] if t else 0
            _peaks(kept, begin, end[t], best, peak)
            g *= memory
            for e in range(end[t] - 1, begin - 1, -1):
                here = kept[e * size : (e + 1) * size]
                for n in range(size):
                    pulled[n] = np.float32(0) if here[n] >= threshold[n] else g[n]
                _slopes(
                    e, here, peak, threshold, width, wanted[s, t], effect, g, pulled, by_threshold
                )
                if e:
                    last_kept = kept[(e - 1) * size : e * size]
                    for n in range(size):
                        value = last_kept[n]
                        before[n] = np.float32(0) if value >= threshold[n] else value
                else:
                    before[:] = start
                row = row_of[e]
                if row == -1:
                    _through_leak(before, leak, pulled, g, by_leak)
                else:
                    _through_row(before, rows[row], low, high, stuck, pulled, g, by_row[row])
        by_start += g
    return True
