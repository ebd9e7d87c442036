"""One time step of one population in float64, for all samples at once."""

from __future__ import annotations

import operator

import numpy as np

from nm_backends.network import Population

__all__ = ["Stepper"]

_COMPARE = {">": operator.gt, ">=": operator.ge}


class Stepper:
    """State of a population ``[batch, size]`` and its update.

    Parameters
    ----------
    population
        Its parameters.
    batch
        Number of samples.
    """

    def __init__(self, population: Population, batch: int) -> None:
        self.p = population
        shape = (batch, population.size)
        start = np.zeros(population.size) if population.v0 is None else population.v0
        self.v = np.array(np.broadcast_to(start, shape), dtype=np.float64)
        self.i = np.zeros(shape) if population.decay_syn is not None else None
        self.compare = _COMPARE[population.spike_cmp]

    def step(self, drive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Advance one step with input ``drive``; return spikes (bool) and membrane."""
        p, current = self.p, drive
        if self.i is not None:
            self.i = p.decay_syn * self.i + p.gain_syn * drive
            current = self.i
        v = p.decay * self.v + p.gain * current + p.leak
        if not p.spiking:
            self.v = v
            return np.zeros(0, dtype=bool), v
        spikes, self.v = self._fire(v)
        return spikes, self.v

    def _fire(self, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Compare and reset; ``before`` is the comparison with the last step's membrane."""
        rule, threshold = self.p.reset, self.p.threshold
        if rule in ("zero", "subtract", "none"):
            spikes = self.compare(v, threshold)
            if rule == "zero":
                v = np.where(spikes, self.p.v_reset, v)
            elif rule == "subtract":
                v = v - spikes * threshold
            return spikes, v
        before = self.compare(self.v, threshold)
        if rule == "zero_dropinput":
            v = np.where(before, 0.0, v)
            return self.compare(v, threshold), v
        v = v - before * threshold
        spikes = self.compare(v, threshold)
        if rule == "subtract_nodelay_snntorch":
            v = v - (spikes.astype(np.int8) - before.astype(np.int8)) * threshold
        return spikes, v
