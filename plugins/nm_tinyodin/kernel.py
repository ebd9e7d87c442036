"""tinyODIN's neurons, synapses and events, as the compiled operations of an event-driven core."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from nm_backends.eventcore.machine import NEURONS, CoreModel, execute_signature
from nm_backends.eventcore.operations import (
    ARGUMENT,
    KIND_SHIFT,
    LEAK_ALL,
    LEAK_ONE,
    ROW,
    VIRTUAL,
)
from nm_backends.eventcore.rows import collect_fired, integrate, keep_enabled, leak, toward_zero
from nm_backends.eventcore.saturations import SATURATION_FIELDS, count_one, count_row
from nm_backends.fixed import kernel, saturate
from nm_tinyodin.spec import SPEC

__all__ = ["MODEL", "NEURON_STATE", "SYNAPSE_STATE"]

NEURON_STATE = np.dtype(
    [
        ("membrane", np.int16, NEURONS),
        ("threshold", np.int16, NEURONS),
        ("leak", np.int16, NEURONS),
        ("enabled", np.uint8, NEURONS),
        ("fired", np.int16, NEURONS),
        ("hits", np.uint8, NEURONS),  # scratch
        ("count", np.int64),  # neurons that rows and time references of all neurons visit
        *SATURATION_FIELDS,
    ],
    align=True,
)
SYNAPSE_STATE = np.dtype([("weights", np.int8, (NEURONS, NEURONS))], align=True)

_LOW, _HIGH = np.int16(SPEC.membrane.minimum), np.int16(SPEC.membrane.maximum)


@kernel(types.int32[::1](types.uint32[::1]))
def decode(words: np.ndarray) -> np.ndarray:
    """Return the operations of 10-bit events (``controller.v``, event type decoding, PUSH).

    Bit 8 alone makes a time reference; a virtual event of weight 0 leaves no trace of being one in
    the scheduler, and is served as the neuron event of its row.
    """
    operations = np.empty(words.size, np.int32)
    for i in range(words.size):
        word = words[i]
        low = np.int32(word & 0xFF)
        if word >> 8 & 1:
            operations[i] = LEAK_ALL << KIND_SHIFT if low == 0xFF else LEAK_ONE << KIND_SHIFT | low
        elif word >> 9 & 1 and low >> 4:
            operations[i] = VIRTUAL << KIND_SHIFT | low >> 4 << 8 | low & 0xF
        else:
            operations[i] = low & 0xF if word >> 9 & 1 else low
    return operations


@kernel()
def _touch(neurons: Any, k: int, value: np.int16) -> int:
    """Write one membrane and compare it (``lif_neuron.v``)."""
    if value < neurons.threshold[k]:
        neurons.membrane[k] = value
        return 0
    neurons.membrane[k] = 0
    neurons.fired[0] = k
    return 1 if neurons.enabled[k] else 0


@kernel()
def _signed(argument: int) -> int:
    """Return the weight of a virtual event."""
    weight = argument >> 8
    return weight - (weight >> 3 << 4)


@kernel(execute_signature(NEURON_STATE, SYNAPSE_STATE))
def execute(neurons: Any, synapses: Any, operation: int) -> int:
    """Carry out one operation (``neuron_core.v``, ``lif_neuron.v``)."""
    kind, argument = operation >> KIND_SHIFT, operation & ARGUMENT
    membrane, threshold, count = neurons.membrane, neurons.threshold, neurons.count
    if kind == ROW:
        row = synapses.weights[argument]
        any_fired = integrate(membrane, threshold, row, count, _LOW, _HIGH)
    elif kind == LEAK_ALL:
        any_fired = leak(membrane, threshold, neurons.leak, count)
    elif kind == LEAK_ONE:
        return _touch(neurons, argument, toward_zero(membrane[argument], neurons.leak[argument]))
    else:
        k = argument & 0xFF
        return _touch(neurons, k, saturate(membrane[k] + _signed(argument), _LOW, _HIGH))
    if not any_fired:
        return 0
    fired = collect_fired(membrane, threshold, neurons.hits, neurons.fired, count)
    return keep_enabled(neurons.fired, fired, neurons.enabled)


@kernel(execute_signature(NEURON_STATE, SYNAPSE_STATE))
def execute_counting(neurons: Any, synapses: Any, operation: int) -> int:
    """As `execute`, and count the membranes that are about to go beyond their limits."""
    kind, argument = operation >> KIND_SHIFT, operation & ARGUMENT
    if kind == ROW:
        count_row(neurons, synapses.weights[argument], neurons.count, _LOW, _HIGH)
    elif kind == VIRTUAL:
        count_one(neurons, argument & 0xFF, _signed(argument), _LOW, _HIGH)
    return execute(neurons, synapses, operation)


MODEL = CoreModel(
    name=SPEC.name,
    execute=execute,
    counting=execute_counting,
    decode=decode,
    neurons=NEURON_STATE,
    synapses=SYNAPSE_STATE,
    fifo_depth=int(SPEC.quantities["scheduler_depth"].value),
    event_bits=10,
    output_cycles=int(SPEC.quantities["cycles_output"].value),
    row_tail=int(SPEC.quantities["cycles_pop"].value),
)
