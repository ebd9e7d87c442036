"""One time step of a population as torch computes it: `nm_backends.lowering.neuron_step` again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from nm_backends.network import Population
from nm_backends.torch.surrogate import Surrogate, instead

__all__ = ["Neurons", "State"]

_FIXED = ("decay", "gain", "leak", "decay_syn", "gain_syn", "threshold", "v_reset", "v0")
_DEFAULT = {"gain": 1.0, "gain_syn": 1.0, "threshold": 1.0}


@dataclass
class State:
    """Membranes and synaptic currents ``[batch, size]``."""

    v: torch.Tensor
    i: torch.Tensor

    def detached(self) -> State:
        """Return the same values without their past."""
        return State(self.v.detach(), self.i.detach())


class Neurons(torch.nn.Module):  # type: ignore[misc]
    """The neurons of one population; parameters are buffers, nothing here is trained.

    Parameters
    ----------
    population
        Its parameters.
    surrogate
        What gradients see of a spike.
    detach_reset
        Whether gradients leave out that a spike resets the membrane, as in snnTorch.
    """

    def __init__(
        self,
        population: Population,
        surrogate: Surrogate,
        dtype: torch.dtype,
        *,
        detach_reset: bool = True,
    ) -> None:
        super().__init__()
        self.rule, self.spiking = population.reset, population.spiking
        self.strict = population.spike_cmp == ">"
        self.synaptic = population.decay_syn is not None
        self.surrogate, self.detach_reset = surrogate, detach_reset
        for name in _FIXED:
            value = getattr(population, name)
            if value is None:
                value = np.full(population.size, _DEFAULT.get(name, 0.0))
            self.register_buffer(name, torch.tensor(value, dtype=dtype), persistent=False)

    def start(self, batch: int) -> State:
        """Return the state before the first step."""
        v = self.v0.expand(batch, -1)
        return State(v, torch.zeros_like(v))

    def step(
        self, drive: torch.Tensor, state: State, heard: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, State]:
        """Advance one step.

        Parameters
        ----------
        drive
            Summed input ``[batch, size]``.
        heard
            Spikes that were really sent; they then stand for those of the model.

        Returns
        -------
        out, state
            Spikes, or the membrane where the population does not spike.
        """
        i = self.decay_syn * state.i + self.gain_syn * drive if self.synaptic else state.i
        v = self.decay * state.v + self.gain * (i if self.synaptic else drive) + self.leak
        if not self.spiking:
            return v, State(v, i)
        spikes, v = self._fire(v, state.v, heard)
        return spikes, State(v, i)

    def _spikes(self, v: torch.Tensor, heard: torch.Tensor | None = None) -> torch.Tensor:
        fired = v > self.threshold if self.strict else v >= self.threshold
        real = fired.to(v.dtype) if heard is None else heard
        return instead(self.surrogate(v - self.threshold), real)

    def _fire(
        self, v: torch.Tensor, last: torch.Tensor, heard: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Compare and reset; ``before`` is the comparison with the last step's membrane."""
        rule = self.rule
        if rule in ("zero", "subtract", "none"):
            spikes = self._spikes(v, heard)
            taken = self._resetting(spikes)
            if rule == "zero":
                v = v - taken.clamp(max=1) * (v - self.v_reset)
            elif rule == "subtract":
                v = v - taken * self.threshold
            return spikes, v
        before = self._resetting(self._spikes(last))
        if rule == "zero_dropinput":
            v = v * (1 - before)
            return self._spikes(v, heard), v
        v = v - before * self.threshold
        spikes = self._spikes(v, heard)
        if rule == "subtract_nodelay_snntorch":
            v = v - (self._resetting(spikes) - before) * self.threshold
        return spikes, v

    def _resetting(self, spikes: torch.Tensor) -> torch.Tensor:
        return spikes.detach() if self.detach_reset else spikes
