"""Samples through the chip: what goes from kernel to kernel, for one sample and for many."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from nm_backends.cores import usable_cores
from nm_backends.fixed import kernel
from nm_spoon.assumptions import Assumptions
from nm_spoon.kernel import convolve, dense, pool, values
from nm_spoon.setup import Setup

__all__ = ["Plan", "Seen", "forward", "in_order", "plan_of", "run"]

COUNTS = ("events_in", "macs", "saturated")
_CHUNK = 64  # samples of one task


@dataclass(frozen=True)
class Plan:
    """A set-up in the form that `forward` takes.

    Parameters
    ----------
    shape
        Rows and columns of input and kernel, stride, top, left; rows and columns of the maps.
    numbers
        Shifts of the three layers, pooling, whether hidden values are signed, middle of outputs,
        limits of accumulators (convolution, dense), and whether each layer is safe.
    """

    setup: Setup
    shape: np.ndarray
    numbers: np.ndarray


@dataclass(frozen=True)
class Seen:
    """What came out of samples: values int32 ``[batch, size]`` and counts int64 ``[batch, 3]``."""

    maps: np.ndarray
    features: np.ndarray
    hidden: np.ndarray
    outputs: np.ndarray
    accumulators: np.ndarray
    counts: np.ndarray


def plan_of(setup: Setup, assumed: Assumptions, checked: bool = False) -> Plan:
    """Return the form that kernels take; ``checked``: limits are checked at every sum."""
    r = setup.registers
    shape = [r[name] for name in (
        "INPUT_HEIGHT", "INPUT_WIDTH", "KERNEL_HEIGHT", "KERNEL_WIDTH", "CONV_STRIDE", "CONV_TOP",
        "CONV_LEFT", "MAP_HEIGHT", "MAP_WIDTH", "CONV_KERNELS",
    )]  # fmt: skip
    conv, full = 1 << assumed.conv_bits - 1, 1 << assumed.dense_bits - 1
    layers = [
        (setup.conv_weight, setup.conv_bias, 255, conv),
        (setup.hidden_weight, setup.hidden_bias, 255, full),
        (setup.output_weight, setup.output_bias, 255, full),
    ]
    safe = [not checked and _safe(*layer) for layer in layers]
    numbers = [r[name] for name in (
        "CONV_SHIFT", "HIDDEN_SHIFT", "OUTPUT_SHIFT", "POOL_MODE", "HIDDEN_SIGNED", "OUTPUT_MID",
    )]  # fmt: skip
    return Plan(setup, np.array(shape), np.array([*numbers, conv, full, *safe], np.int64))


def _safe(weights: np.ndarray, bias: np.ndarray, most: int, limit: int) -> bool:
    """Return whether no sum of products can reach a limit."""
    total = np.abs(weights).sum(axis=0) * most + np.abs(bias)
    return bool(int(total.max(initial=0)) < limit)


@kernel()
def forward(
    events: np.ndarray,
    worth: np.ndarray,
    inputs: np.ndarray,
    shape: np.ndarray,
    numbers: np.ndarray,
    conv_weight: np.ndarray,
    conv_bias: np.ndarray,
    maps: np.ndarray,
    features: np.ndarray,
) -> tuple[int, int]:
    """Compute the features of one sample; without kernels they are the inputs."""
    if shape[9] == 0:
        features[:] = inputs
        return 0, 0
    accumulators = np.empty(maps.shape, np.int32)
    accumulators[:] = conv_bias
    counted = convolve(
        events, worth, shape[:7], conv_weight, accumulators, numbers[6], numbers[8] == 1
    )
    pool(accumulators, numbers[0], numbers[3], maps, features)
    return counted


@kernel()
def _samples(
    inputs: np.ndarray,
    shape: np.ndarray,
    numbers: np.ndarray,
    conv_weight: np.ndarray,
    conv_bias: np.ndarray,
    hidden_weight: np.ndarray,
    hidden_bias: np.ndarray,
    output_weight: np.ndarray,
    output_bias: np.ndarray,
    maps: np.ndarray,
    features: np.ndarray,
    hidden: np.ndarray,
    outputs: np.ndarray,
    sums: np.ndarray,
    counts: np.ndarray,
) -> None:
    low, high = (-128, 127) if numbers[4] else (0, 255)
    first, last = np.empty(hidden.shape[1], np.int32), np.empty(outputs.shape[1], np.int32)
    for n in range(len(inputs)):
        events, worth = in_order(inputs[n])
        done, stops = forward(
            events, worth, inputs[n], shape, numbers, conv_weight, conv_bias, maps[n], features[n]
        )
        first[:] = hidden_bias
        more, stopped = dense(features[n], hidden_weight, first, numbers[7], numbers[9] == 1)
        values(first, numbers[1], 0, low, high, hidden[n])
        last[:] = output_bias
        rest, held = dense(hidden[n], output_weight, last, numbers[7], numbers[10] == 1)
        values(last, numbers[2], numbers[5], 0, 255, outputs[n])
        sums[n, : first.size] = first
        sums[n, first.size :] = last
        counts[n, 0], counts[n, 1] = events.size, done + more + rest
        counts[n, 2] = stops + stopped + held


@kernel()
def in_order(inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return addresses and values of events as they arrive: the largest first, then by address."""
    places = np.zeros(257, np.int64)
    for value in inputs:
        places[256 - value] += 1
    places = np.cumsum(places)
    total = places[255]
    events, worth = np.empty(total, np.int32), np.empty(total, np.int32)
    for address in range(inputs.size):
        value = inputs[address]
        if value > 0:
            place = places[255 - value]
            events[place], worth[place] = address, value
            places[255 - value] += 1
    return events, worth


def run(plan: Plan, inputs: np.ndarray, threads: int | None = None) -> Seen:
    """Compute samples.

    Parameters
    ----------
    plan
        From `plan_of`.
    inputs
        Values 0..255, int32 ``[batch, pixels]``.
    threads
        By default one per core that may be used; the result does not depend on it.
    """
    seen = _empty(plan.setup, len(inputs))
    parts = [slice(i, i + _CHUNK) for i in range(0, len(inputs), _CHUNK)]
    workers = min(threads or usable_cores(), len(parts))
    if workers < 2:
        _part(plan, inputs, seen, slice(None))
    else:
        with ThreadPoolExecutor(workers) as pool_:
            list(pool_.map(lambda part: _part(plan, inputs, seen, part), parts))
    return seen


def _empty(setup: Setup, batch: int) -> Seen:
    kernels, rows, columns = setup.maps
    hidden, outputs = setup.hidden_bias.size, setup.output_bias.size

    def zeros(*shape: int) -> np.ndarray:
        return np.zeros((batch, *shape), np.int32)

    return Seen(
        zeros(rows, columns, kernels), zeros(setup.features), zeros(hidden), zeros(outputs),
        zeros(hidden + outputs), np.zeros((batch, len(COUNTS)), np.int64),
    )  # fmt: skip


def _part(plan: Plan, inputs: np.ndarray, seen: Seen, part: slice) -> None:
    s = plan.setup
    _samples(
        inputs[part], plan.shape, plan.numbers, s.conv_weight, s.conv_bias, s.hidden_weight,
        s.hidden_bias, s.output_weight, s.output_bias, seen.maps[part], seen.features[part],
        seen.hidden[part], seen.outputs[part], seen.accumulators[part], seen.counts[part],
    )  # fmt: skip
