"""SDSP on ODIN: calcium, UP and DOWN flags, weight updates and bistability, row by row.

The learning rule of a synapse is evaluated when its row is served, with the flags that the last
write of its neuron left behind; the flags are then set anew from the state after the event
(``sdsp_update.v``, ``lif_calcium.v``, ``neuron_core.v``).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nm_backends.eventcore.machine import NEURONS
from nm_backends.fixed import kernel

__all__ = [
    "bistable_row",
    "effective_row",
    "effective_weight",
    "learn_row",
    "learn_synapse",
    "refresh_flag",
    "refresh_flags",
    "updated",
]

_W_MAX = np.uint8(7)
_W_HALF = np.uint8(4)
_MAPPED = np.uint8(8)
_ONE, _ZERO = np.uint8(1), np.uint8(0)


@kernel()
def updated(nibble: np.uint8, active: np.uint8, up: np.uint8, down: np.uint8) -> np.uint8:
    """Return a synapse after one update; a flag that cannot act also stops the other one."""
    weight = nibble & _W_MAX
    stuck = (up & (weight == _W_MAX)) | (down & (weight == _ZERO))
    step_up = up & active
    step_down = down & active & (up ^ _ONE)
    moved = np.uint8(nibble + step_up - step_down)
    return nibble if stuck else moved


@kernel()
def effective_row(row: np.ndarray, nibbles: np.ndarray, inhibitory: int, unmapped: int) -> None:
    """Set the signed weights that neurons see: masked by the mapping bit (``neuron_core.v``)."""
    keep = np.uint8(_MAPPED if unmapped == 0 else 0)
    sign = np.int8(-1 if inhibitory else 1)
    for k in range(NEURONS):
        nibble = nibbles[k]
        weight = np.int8(nibble & _W_MAX)
        row[k] = np.int8(weight * sign) if (nibble | ~keep) & _MAPPED else np.int8(0)


@kernel()
def effective_weight(nibble: np.uint8, unmapped: int) -> np.uint8:
    """Return the weight that a neuron sees of one synapse."""
    seen: np.uint8 = nibble & _W_MAX if unmapped or nibble & _MAPPED else _ZERO
    return seen


@kernel()
def learn_row(neurons: Any, synapses: Any, pre: int) -> None:
    """Update all synapses of row ``pre`` with the flags before the event."""
    nibbles, up, down = synapses.nibbles[pre], neurons.up, neurons.down
    always = np.uint8(synapses.update_unmapped)
    for k in range(NEURONS):
        nibble = nibbles[k]
        nibbles[k] = updated(nibble, np.uint8(nibble >> 3) | always, up[k], down[k])
    effective_row(
        synapses.weights[pre], nibbles, synapses.inhibitory[pre], synapses.propagate_unmapped
    )


@kernel()
def learn_synapse(neurons: Any, synapses: Any, pre: int, post: int) -> None:
    """Update one synapse with the flags before the event."""
    nibbles = synapses.nibbles[pre]
    active = nibbles[post] >> 3 | synapses.update_unmapped
    nibbles[post] = updated(nibbles[post], active, neurons.up[post], neurons.down[post])
    effective_row(
        synapses.weights[pre], nibbles, synapses.inhibitory[pre], synapses.propagate_unmapped
    )


@kernel()
def bistable_row(synapses: Any, pre: int) -> None:
    """Move the weights of row ``pre`` one step to the nearer end of their range."""
    nibbles = synapses.nibbles[pre]
    always = np.uint8(synapses.update_unmapped)
    for k in range(NEURONS):
        nibble = nibbles[k]
        high = np.uint8((nibble & _W_HALF) >> 2)
        nibbles[k] = updated(nibble, np.uint8(nibble >> 3) | always, high, high ^ _ONE)
    effective_row(
        synapses.weights[pre], nibbles, synapses.inhibitory[pre], synapses.propagate_unmapped
    )


@kernel()
def refresh_flag(neurons: Any, k: int) -> None:
    """Set the flags of one neuron from its state; below 0 it has none (``izh_calcium.v``)."""
    membrane = neurons.membrane[k]
    high = membrane >= neurons.theta_membrane[k]
    neurons.up[k] = neurons.calcium_up[k] if high else 0
    neurons.down[k] = 0 if high or membrane < 0 else neurons.calcium_down[k]


@kernel()
def refresh_flags(neurons: Any) -> None:
    """Set the flags of all neurons from their state."""
    membrane, theta = neurons.membrane, neurons.theta_membrane
    up, down = neurons.up, neurons.down
    may_up, may_down = neurons.calcium_up, neurons.calcium_down
    for k in range(NEURONS):
        high, low = np.uint8(membrane[k] >= theta[k]), np.uint8(membrane[k] >= 0)
        up[k] = may_up[k] & high
        down[k] = may_down[k] & (high ^ low)
