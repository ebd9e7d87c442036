"""From the neurons that fired in each tick to the spikes of a network's neurons in its steps."""

from __future__ import annotations

import numpy as np
from numba import types

from nm_backends.fixed import kernel

__all__ = ["gather"]

_WORD = 8  # neurons looked at together


@kernel(
    types.void(
        types.uint8[:, :, ::1], types.uint64[:, :, ::1], types.int64[::1], types.int64[::1],
        types.int64, types.uint8[:, :, ::1], types.int64, types.int64,
    )
)  # fmt: skip
def gather(
    shown: np.ndarray, words: np.ndarray, neuron_of: np.ndarray, lag: np.ndarray, each: int,
    fired: np.ndarray, first: int, last: int,
) -> None:  # fmt: skip
    """Note the spikes of samples ``first .. last - 1``.

    Parameters
    ----------
    shown, words
        Who fired, ``[batch, ticks, neurons of the chip]``, as bytes and eight at a time.
    neuron_of
        Neuron of the network at each place of the chip, or -1.
    lag
        Of each neuron of the network: a spike of step ``t`` shows in tick ``each * t + lag + 1``.
    fired
        Is set where a neuron fired, ``[time, batch, neurons of the network]``; zeros before.
    """
    for s in range(first, last):
        for tick in range(shown.shape[1]):
            for w in range(words.shape[2]):
                if words[s, tick, w] == 0:
                    continue
                for i in range(_WORD * w, _WORD * w + _WORD):
                    n = neuron_of[i]
                    if shown[s, tick, i] == 0 or n < 0:
                        continue
                    since = tick - 1 - lag[n]
                    step = since // each
                    if since >= 0 and step * each == since and step < fired.shape[0]:
                        fired[step, s, n] = 1
