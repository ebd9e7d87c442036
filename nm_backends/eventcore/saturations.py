"""Counting what saturates on an event-driven core: operations of their own, where it is asked for.

Neurons whose membranes are kept as integers in ``membrane`` are counted; a sum that is outside the
limits counts once, whatever it is outside by.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nm_backends.fixed import kernel

__all__ = ["HIGH", "LOW", "SATURATION_FIELDS", "count_one", "count_row"]

LOW, HIGH = range(2)

SATURATION_FIELDS = [
    ("saturated", np.int32, (2, 256)),  # [LOW, HIGH]: how often a membrane stopped there
]
"""Fields that a chip's neuron state has for this."""


@kernel()
def count_row(neurons: Any, weights: np.ndarray, count: int, low: np.int16, high: np.int16) -> None:
    """Count the membranes that a row of signed weights is about to take beyond their limits."""
    for k in range(count):
        total = np.int16(neurons.membrane[k] + weights[k])
        neurons.saturated[0, k] += np.int32(total < low)
        neurons.saturated[1, k] += np.int32(total > high)


@kernel()
def count_one(neurons: Any, k: int, change: int, low: np.int16, high: np.int16) -> None:
    """Count if neuron ``k`` is about to go beyond its limits."""
    total = neurons.membrane[k] + change
    neurons.saturated[0, k] += np.int32(total < low)
    neurons.saturated[1, k] += np.int32(total > high)
