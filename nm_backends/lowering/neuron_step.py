"""One time step of one population in float64, for all samples at once."""

from __future__ import annotations

import numpy as np

from nm_backends.network import Population

__all__ = ["Stepper"]

_COMPARE = {">": np.greater, ">=": np.greater_equal}


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
        shape = (batch, population.size)
        zero, one = np.zeros(population.size), np.ones(population.size)

        def known(values: np.ndarray | None, default: np.ndarray) -> np.ndarray:
            return default if values is None else values

        self.spiking, self.rule = population.spiking, population.reset
        self.decay, self.gain = known(population.decay, zero), known(population.gain, one)
        self.leak, self.threshold = known(population.leak, zero), known(population.threshold, one)
        self.v_reset = known(population.v_reset, zero)
        self.decay_syn, self.gain_syn = population.decay_syn, known(population.gain_syn, one)
        self.v = np.array(np.broadcast_to(known(population.v0, zero), shape), dtype=np.float64)
        self.i = np.zeros(shape)
        self.compare = _COMPARE[population.spike_cmp]

    def step(self, drive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Advance one step with input ``drive``; return spikes (bool) and membrane."""
        current = drive
        if self.decay_syn is not None:
            current = self.i = self.decay_syn * self.i + self.gain_syn * drive
        v = self.decay * self.v + self.gain * current + self.leak
        if not self.spiking:
            self.v = v
            return np.zeros(0, dtype=bool), v
        spikes, self.v = self._fire(v)
        return spikes, self.v

    def _fire(self, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Compare and reset; ``before`` is the comparison with the last step's membrane."""
        rule, threshold = self.rule, self.threshold
        if rule in ("zero", "subtract", "none"):
            spikes = self.compare(v, threshold)
            if rule == "zero":
                v = np.where(spikes, self.v_reset, v)
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
