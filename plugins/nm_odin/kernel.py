"""ODIN's neurons, synapses and events, as the compiled operations of an event-driven core.

A core without calcium and flags takes the short way; the results are the same. Where there are
Izhikevich neurons, rows go first through the LIF neurons, then through those.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numba import types

from nm_backends.eventcore.calcium import calcium_step
from nm_backends.eventcore.machine import NEURONS, CoreModel, execute_signature
from nm_backends.eventcore.operations import (
    ARGUMENT,
    BISTABLE_ALL,
    BISTABLE_ROW,
    KIND_SHIFT,
    LEAK_ALL,
    LEAK_ONE,
    ROW,
    SYNAPSE,
    VIRTUAL,
)
from nm_backends.eventcore.rows import collect_fired, integrate, keep_enabled, leak, toward_zero
from nm_backends.eventcore.saturations import count_one, count_row
from nm_backends.fixed import kernel, saturate
from nm_odin.izh_kernel import EXCITATORY, INHIBITORY, REFERENCE, accumulated, touch_izh
from nm_odin.izh_rows import merge_fired, sum_inputs, touch_all, touch_restless
from nm_odin.learning import (
    bistable_row,
    learn_row,
    learn_synapse,
    refresh_flag,
    refresh_flags,
)
from nm_odin.spec import SPEC
from nm_odin.state import NEURON_STATE, SYNAPSE_STATE

__all__ = ["LIF_MODEL", "MODEL", "touch_neuron"]

_LOW, _HIGH = np.int16(SPEC.membrane.minimum), np.int16(SPEC.membrane.maximum)


@kernel(types.int32[::1](types.uint32[::1]))
def decode(words: np.ndarray) -> np.ndarray:
    """Return the operations of 17-bit events (``controller.v``, event type decoding, PUSH).

    Every low byte that is neither a time reference nor bistability is pushed with its upper five
    bits as the payload, documented or not; a payload of zero is a neuron event.
    """
    operations = np.empty(words.size, np.int32)
    for i in range(words.size):
        word = np.int32(words[i])
        neuron, low, single = word >> 8 & 0xFF, word & 0x7F, word >> 7 & 1
        if word >> 16:
            operations[i] = SYNAPSE << KIND_SHIFT | word & ARGUMENT
        elif low == 0x7F:
            operations[i] = LEAK_ONE << KIND_SHIFT | neuron if single else LEAK_ALL << KIND_SHIFT
        elif low == 0:
            operations[i] = (
                BISTABLE_ROW << KIND_SHIFT | neuron if single else BISTABLE_ALL << KIND_SHIFT
            )
        else:
            payload = word >> 3 & 0x1F
            kind = VIRTUAL if payload else ROW
            operations[i] = kind << KIND_SHIFT | payload << 8 | neuron
    return operations


@kernel()
def _touch_lif(neurons: Any, k: int, change: int, reference: bool) -> int:
    """Write one neuron: compare, reset, calcium, flags (``lif_neuron.v``); 1 when it fires."""
    if reference:
        value = toward_zero(neurons.membrane[k], neurons.leak[k])
    else:
        value = saturate(neurons.membrane[k] + change, _LOW, _HIGH)
    spike = np.int64(value >= neurons.threshold[k])
    neurons.membrane[k] = np.int16(0) if spike else value
    if neurons.learning:
        calcium_step(neurons, k, spike, reference)
        refresh_flag(neurons, k)
    return int(spike)


@kernel()
def touch_neuron(
    neurons: Any, k: int, weight: int, inhibitory: bool, reference: bool, burst_end: bool
) -> int:
    """Give neuron ``k`` a weight (0..7) or a time reference; return its event, see `touch_izh`.

    A disabled neuron has none.
    """
    change = np.int64(-weight if inhibitory else weight)
    if neurons.izhikevich[k]:
        kind = REFERENCE if reference else INHIBITORY if inhibitory else EXCITATORY
        step = accumulated(neurons, k, -np.int64(neurons.leak[k]) if reference else change)
        event = touch_izh(neurons, k, kind, step, burst_end)
    else:
        event = np.int64(_touch_lif(neurons, k, change, reference))
    return event if neurons.enabled[k] else 0


@kernel(inline=True)
def _single(neurons: Any, synapses: Any, kind: int, argument: int, mixed: bool) -> int:
    """Carry out an operation that touches one neuron."""
    k, upper = argument & 0xFF, argument >> 8
    neurons.fired[0] = k
    reference = kind == LEAK_ONE or (kind == VIRTUAL and upper & 1 != 0)
    if kind == SYNAPSE:
        weight, inhibitory = abs(np.int64(synapses.weights[upper, k])), synapses.inhibitory[upper]
        if neurons.learning and synapses.learn_single:
            learn_synapse(neurons, synapses, upper, k)
    else:
        weight, inhibitory = np.int64(upper >> 2), np.uint8(upper & 2)
    if mixed:
        return touch_neuron(neurons, k, weight, inhibitory != 0, reference, False) & 1
    change = np.int64(-weight if inhibitory else weight)
    fired = _touch_lif(neurons, k, change, reference)
    return fired if neurons.enabled[k] else 0


@kernel(inline=True)
def _elsewhere(neurons: Any, synapses: Any, kind: int, argument: int, mixed: bool) -> int:
    """Carry out an operation that is no sweep over the neurons (``synaptic_core.v``)."""
    if kind == BISTABLE_ROW:
        bistable_row(synapses, argument)
        return 0
    if kind == BISTABLE_ALL:
        for pre in range(NEURONS):
            bistable_row(synapses, pre)
        return 0
    return _single(neurons, synapses, kind, argument, mixed)


@kernel()
def _after_sweep(neurons: Any, any_fired: bool, reference: bool) -> int:
    """Reset the neurons that fired and, where there is learning, bring calcium and flags along."""
    fired = 0
    if any_fired:
        fired = collect_fired(
            neurons.membrane, neurons.threshold, neurons.hits, neurons.fired, NEURONS
        )
    if neurons.learning:
        if reference:
            following = 0
            for k in range(NEURONS):
                spike = following < fired and neurons.fired[following] == k
                if not neurons.izhikevich[k]:
                    calcium_step(neurons, k, np.int64(spike), True)
                following += spike
        else:
            for j in range(fired):
                calcium_step(neurons, np.int64(neurons.fired[j]), np.int64(1), False)
        refresh_flags(neurons)
    return keep_enabled(neurons.fired, fired, neurons.enabled)


@kernel(execute_signature(NEURON_STATE, SYNAPSE_STATE))
def execute_lif(neurons: Any, synapses: Any, operation: int) -> int:
    """Carry out one operation on LIF neurons (``neuron_core.v``, ``lif_neuron.v``)."""
    kind, argument = operation >> KIND_SHIFT, operation & ARGUMENT
    if kind == ROW:
        row = synapses.weights[argument]
        fired = integrate(neurons.membrane, neurons.threshold, row, NEURONS, _LOW, _HIGH)
        if neurons.learning:
            learn_row(neurons, synapses, argument)
        elif not fired:
            return 0
        return _after_sweep(neurons, fired, False)
    if kind == LEAK_ALL:
        fired = leak(neurons.membrane, neurons.threshold, neurons.leak, NEURONS)
        return _after_sweep(neurons, fired, True)
    return _elsewhere(neurons, synapses, kind, argument, False)


@kernel(execute_signature(NEURON_STATE, SYNAPSE_STATE))
def execute(neurons: Any, synapses: Any, operation: int) -> int:
    """Carry out one operation where there are Izhikevich neurons, with LIF neurons or without."""
    kind, argument = operation >> KIND_SHIFT, operation & ARGUMENT
    if kind != ROW and kind != LEAK_ALL:
        return _elsewhere(neurons, synapses, kind, argument, True)
    reference, any_fired, lif = kind == LEAK_ALL, False, 0
    if neurons.izhikevich_count != NEURONS:
        if reference:
            any_fired = leak(neurons.membrane, neurons.threshold, neurons.leak, NEURONS)
        else:
            row = synapses.weights[argument]
            any_fired = integrate(neurons.membrane, neurons.threshold, row, NEURONS, _LOW, _HIGH)
    if not reference:
        sum_inputs(neurons, synapses.weights[argument])
        if neurons.learning:
            learn_row(neurons, synapses, argument)
    if neurons.izhikevich_count != NEURONS:
        lif = _after_sweep(neurons, any_fired, reference)
    if reference:
        izh = touch_all(neurons)
    else:
        kind = INHIBITORY if synapses.inhibitory[argument] else EXCITATORY
        izh = touch_restless(neurons, kind)
    return merge_fired(neurons, lif, izh)


@kernel()
def _count(neurons: Any, synapses: Any, operation: int) -> None:
    """Count the membranes that an operation is about to take beyond their limits."""
    kind, argument = operation >> KIND_SHIFT, operation & ARGUMENT
    k, upper = argument & 0xFF, argument >> 8
    if kind == ROW:
        count_row(neurons, synapses.weights[argument], NEURONS, _LOW, _HIGH)
    elif kind == SYNAPSE:
        count_one(neurons, k, np.int64(synapses.weights[upper, k]), _LOW, _HIGH)
    elif kind == VIRTUAL and upper & 1 == 0:
        count_one(neurons, k, -(upper >> 2) if upper & 2 else upper >> 2, _LOW, _HIGH)


@kernel(execute_signature(NEURON_STATE, SYNAPSE_STATE))
def execute_lif_counting(neurons: Any, synapses: Any, operation: int) -> int:
    """As `execute_lif`, and count."""
    _count(neurons, synapses, operation)
    return execute_lif(neurons, synapses, operation)


@kernel(execute_signature(NEURON_STATE, SYNAPSE_STATE))
def execute_counting(neurons: Any, synapses: Any, operation: int) -> int:
    """As `execute`, and count."""
    _count(neurons, synapses, operation)
    return execute(neurons, synapses, operation)


LIF_MODEL = CoreModel(
    name=SPEC.name,
    execute=execute_lif,
    counting=execute_lif_counting,
    decode=decode,
    neurons=NEURON_STATE,
    synapses=SYNAPSE_STATE,
    fifo_depth=int(SPEC.quantities["scheduler_depth"].value),
    event_bits=17,
    output_cycles=int(SPEC.quantities["cycles_output"].value),
    row_tail=int(SPEC.quantities["cycles_pop"].value),
)
MODEL = replace(LIF_MODEL, execute=execute, counting=execute_counting)
