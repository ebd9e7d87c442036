"""Copying a neuron's word, which the chip does by mistake when a slot ends in a virtual event."""

from __future__ import annotations

from typing import Any

from nm_backends.fixed import kernel

__all__ = ["copy_neuron"]


@kernel()
def copy_neuron(neurons: Any, source: int, target: int) -> None:
    """Overwrite the word of ``target`` by that of ``source``; flags are no part of it."""
    if source == target:
        return
    for array in (neurons.membrane, neurons.threshold, neurons.leak, neurons.calcium):
        array[target] = array[source]
    for array in (neurons.leak_count, neurons.theta_membrane, neurons.calcium_leak):
        array[target] = array[source]
    for array in (neurons.accumulated, neurons.step_bit, neurons.cores, neurons.word):
        array[target] = array[source]
    for flags in (neurons.enabled, neurons.calcium_up, neurons.calcium_down):
        flags[target] = flags[source]
    for flags in (neurons.calcium_enabled, neurons.restless):
        flags[target] = flags[source]
    for j in range(3):
        neurons.theta[j, target] = neurons.theta[j, source]
    neurons.izhikevich_count += neurons.izhikevich[source]
    neurons.izhikevich_count -= neurons.izhikevich[target]
    neurons.izhikevich[target] = neurons.izhikevich[source]
    neurons.izh[target] = neurons.izh[source]
