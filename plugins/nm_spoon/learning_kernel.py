"""One sample of DRTP: layer by layer, each updated as soon as its output is there."""

from __future__ import annotations

import numpy as np

from nm_backends.fixed import kernel
from nm_spoon.engine import forward, in_order
from nm_spoon.kernel import dense, values

__all__ = ["learn_samples", "update"]

_DRAWS = 65535


@kernel()
def update(
    inputs: np.ndarray,
    signals: np.ndarray,
    weights: np.ndarray,
    rate: int,
    most: int,
    numbers: np.ndarray,
    place: int,
) -> int:
    """Add ``signal * input * 2 ** -rate`` to all weights, rounded at random.

    Parameters
    ----------
    inputs, signals
        int32 ``[inputs]`` and ``[neurons]``; an input of 0 draws no numbers.
    weights
        int32 ``[inputs, neurons]``; they stay within ``-most - 1 .. most``.
    numbers, place
        The random numbers, 16 bits each, and the last one that was used.

    Returns
    -------
    place
        The last number that was used now.
    """
    for i in range(inputs.size):
        value = inputs[i]
        if value == 0:
            continue
        for j in range(signals.size):
            place = place + 1 if place + 1 < _DRAWS else 0
            product = value * signals[j]
            if product == 0:
                continue
            draw = numbers[place] >> (16 - rate) if rate <= 16 else numbers[place] << (rate - 16)
            step = (abs(product) + draw) >> rate
            changed = weights[i, j] + (step if product > 0 else -step)
            weights[i, j] = min(max(changed, -most - 1), most)
    return place


@kernel()
def learn_samples(
    inputs: np.ndarray,
    labels: np.ndarray,
    shape: np.ndarray,
    form: np.ndarray,
    conv_weight: np.ndarray,
    conv_bias: np.ndarray,
    hidden_weight: np.ndarray,
    hidden_bias: np.ndarray,
    output_weight: np.ndarray,
    output_bias: np.ndarray,
    feedback: np.ndarray,
    learning: np.ndarray,
    maps: np.ndarray,
    features: np.ndarray,
    numbers: np.ndarray,
    place: int,
) -> int:
    """Learn from samples, one after another; return the last random number that was used.

    Parameters
    ----------
    inputs
        Values 0..255, int32 ``[batch, pixels]``.
    labels
        int64 ``[batch]``.
    shape, form
        Of `nm_spoon.engine.Plan`.
    learning
        Whether the hidden and the output layer learn, their rates, the largest weight.
    maps, features
        Room for one sample.
    """
    low, high = (-128, 127) if form[4] else (0, 255)
    sums, hidden = np.empty(hidden_bias.size, np.int32), np.empty(hidden_bias.size, np.int32)
    last, outputs = np.empty(output_bias.size, np.int32), np.empty(output_bias.size, np.int32)
    signals = np.empty(hidden_bias.size, np.int32)
    for n in range(len(inputs)):
        events, worth = in_order(inputs[n])
        forward(events, worth, inputs[n], shape, form, conv_weight, conv_bias, maps, features)
        sums[:] = hidden_bias
        dense(features, hidden_weight, sums, form[7], False)
        values(sums, form[1], 0, low, high, hidden)
        if learning[0]:
            for j in range(sums.size):
                within = low <= sums[j] >> form[1] <= high
                signals[j] = -feedback[labels[n], j] if within else 0
            place = update(
                features, signals, hidden_weight, learning[2], learning[4], numbers, place
            )
        last[:] = output_bias
        dense(hidden, output_weight, last, form[7], False)
        values(last, form[2], form[5], 0, 255, outputs)
        if learning[1]:
            for k in range(outputs.size):
                outputs[k] = ((255 if k == labels[n] else 0) - outputs[k]) >> 1
            place = update(hidden, outputs, output_weight, learning[3], learning[4], numbers, place)
    return place
