"""Calcium of neurons that learn by SDSP, as ODIN has it and as MorphIC is taken to have it.

``neurons`` is a record with ``calcium``, ``leak_count``, ``calcium_leak`` (int16), ``theta`` (int16
``[3, n]``), ``calcium_enabled``, ``calcium_up`` and ``calcium_down`` (uint8).
"""

from __future__ import annotations

from typing import Any

from nm_backends.fixed import kernel

__all__ = ["calcium_step", "calcium_window"]


@kernel()
def calcium_window(neurons: Any, k: int) -> None:
    """Note between which thresholds the calcium of neuron ``k`` lies."""
    calcium = neurons.calcium[k]
    above = neurons.calcium_enabled[k] != 0 and calcium >= neurons.theta[0, k]
    neurons.calcium_up[k] = above and calcium < neurons.theta[2, k]
    neurons.calcium_down[k] = above and calcium < neurons.theta[1, k]


@kernel()
def calcium_step(neurons: Any, k: int, spikes: int, reference: bool) -> None:
    """Count spikes of neuron ``k`` and, at a time reference, its calcium leak.

    The leak ticks when the counter equals ``ca_leak - 1``; a counter above wraps around at 5 bits.
    Spikes and a tick in the same event cancel out (``lif_calcium.v``). An Izhikevich neuron with
    ``burst_incr`` counts a whole burst at once (``izh_calcium.v``).
    """
    if neurons.calcium_enabled[k] == 0:
        return
    period, tick = neurons.calcium_leak[k], False
    if reference and period != 0:
        tick = neurons.leak_count[k] == period - 1
        neurons.leak_count[k] = 0 if tick else neurons.leak_count[k] + 1 & 31
    if spikes and not tick:
        neurons.calcium[k] = min(neurons.calcium[k] + spikes, 7)
    elif tick and not spikes:
        neurons.calcium[k] = max(neurons.calcium[k] - 1, 0)
    calcium_window(neurons, k)
