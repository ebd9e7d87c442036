"""One crossbar as large as it takes, layer by layer: what a system of several chips must equal.

Plain Python from the published rules of ODIN and tinyODIN, one event after the other; it knows
nothing of chips, rows, cuts or virtual events.
"""

from __future__ import annotations

import numpy as np

LIMITS = {"odin": (0, 255), "tinyodin": (-2048, 2047)}


class Layered:
    """Neurons of one level with all their sources.

    Parameters
    ----------
    weights
        Integers ``[sources, neurons]``; an event brings a row of them.
    bias, threshold, leak, start
        Integers ``[neurons]``.
    split
        Whether the negative weights of a source go first, with an event of their own.
    """

    def __init__(self, chip, weights, bias, threshold, leak, start, split):
        self.low, self.high = LIMITS[chip]
        self.threshold, self.leak, self.split = threshold, leak, split
        self.weights, self.bias = weights, bias
        self.v = start.copy()

    def step(self, counts):
        """Return the spikes of a step from the counts of all sources."""
        fired = np.zeros(self.v.size, np.int64)
        toward = np.where(self.v >= 0, np.maximum(self.v - self.leak, 0),
                          np.minimum(self.v + self.leak, 0))  # fmt: skip
        self._settle(toward, fired)
        for row in self._signs(self.bias):
            self._event(row, fired)
        for source in np.flatnonzero(counts):
            for row in self._signs(self.weights[source]):
                for _ in range(counts[source]):
                    self._event(row, fired)
        return fired

    def _signs(self, row):
        parts = [np.minimum(row, 0), np.maximum(row, 0)] if self.split else [row]
        return [part for part in parts if part.any()]

    def _event(self, row, fired):
        self._settle(np.clip(self.v + row, self.low, self.high), fired)

    def _settle(self, value, fired):
        spikes = value >= self.threshold
        fired += spikes
        self.v = np.where(spikes, 0, value)
