"""Row operations of a time-multiplexed core of integrate-and-fire neurons, on whole rows.

All neurons of a core are updated in index order, but no neuron sees another within a row; so a row
is one vectorised pass, and only when some neuron has reached its threshold is the row looked at
again to find out which.
"""

from __future__ import annotations

import numpy as np

from nm_backends.fixed import kernel, saturate

__all__ = ["collect_fired", "integrate", "keep_enabled", "leak", "toward_zero"]

_LOWEST = np.int16(-32768)
_ZERO = np.int16(0)


@kernel()
def integrate(
    membrane: np.ndarray,
    threshold: np.ndarray,
    weights: np.ndarray,
    count: int,
    low: np.int16,
    high: np.int16,
) -> bool:
    """Add one signed weight to each of ``count`` membranes, saturating; did any reach threshold."""
    top = _LOWEST
    for k in range(count):
        value = saturate(membrane[k] + weights[k], low, high)
        membrane[k] = value
        top = max(top, np.int16(value - threshold[k]))
    return bool(top >= _ZERO)


@kernel()
def leak(membrane: np.ndarray, threshold: np.ndarray, strength: np.ndarray, count: int) -> bool:
    """Move ``count`` membranes toward zero without crossing it; did any reach threshold."""
    top = _LOWEST
    for k in range(count):
        value = toward_zero(membrane[k], strength[k])
        membrane[k] = value
        top = max(top, np.int16(value - threshold[k]))
    return bool(top >= _ZERO)


@kernel()
def toward_zero(value: np.int16, strength: np.int16) -> np.int16:
    """Return ``value`` moved by ``strength`` toward zero, stopping there."""
    moved: np.int16 = np.int16(value - saturate(value, np.int16(-strength), strength))
    return moved


@kernel()
def collect_fired(
    membrane: np.ndarray, threshold: np.ndarray, hits: np.ndarray, fired: np.ndarray, count: int
) -> int:
    """Reset every neuron at or above threshold and list it in ``fired``; return how many.

    ``hits`` is scratch, uint8, zero from ``count`` on. It is searched eight neurons at a time.
    """
    for k in range(count):
        hits[k] = membrane[k] >= threshold[k]
    found = 0
    words = hits.view(np.uint64)
    for word in range(words.size):
        if words[word] == 0:
            continue
        for k in range(8 * word, 8 * word + 8):
            if hits[k]:
                membrane[k] = _ZERO
                fired[found] = k
                found += 1
    return found


@kernel()
def keep_enabled(fired: np.ndarray, count: int, enabled: np.ndarray) -> int:
    """Drop from the list those neurons whose output is disabled; return how many are left."""
    kept = 0
    for j in range(count):
        fired[kept] = fired[j]
        kept += enabled[fired[j]]
    return kept
