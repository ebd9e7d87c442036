"""What is asked of the spikes: decide as the float model does."""

from __future__ import annotations

import numpy as np

__all__ = ["slopes_of_spikes"]

_PARTS = 4


def slopes_of_spikes(
    fired: np.ndarray, wanted: np.ndarray, last: slice, guide: tuple[float, float]
) -> np.ndarray:
    """Return the gradient of the mean loss by each spike, float32, of the shape of ``fired``.

    Parameters
    ----------
    fired, wanted
        Counts of the chip and of the float model ``[batch, time, neurons]``.
    last
        Neurons of the last population.
    guide
        Weights of the second part: for hidden neurons, and for those of the last population.

    Notes
    -----
    The loss is the cross entropy between the decisions of the model and of the chip, softmax
    distributions over the spike counts of the last population. Where that has one neuron only, half
    the squared difference of counts in each quarter of the time. The second part lets all neurons
    fire about as often as in the model: half the squared difference of their mean counts per step
    in each quarter of the time.
    """
    worth = np.full(fired.shape[2], guide[0], np.float32)
    worth[last] = guide[1]
    slopes = _quarters(fired, wanted) * worth / np.float32(max(fired.shape[1] / _PARTS, 1))
    out, asked = (spikes[:, :, last].astype(np.float64) for spikes in (fired, wanted))
    if out.shape[2] > 1:
        found, sure = _shares(out.sum(axis=1)), _shares(asked.sum(axis=1))
        slopes[:, :, last] += (found - sure)[:, None, :]
    else:
        slopes[:, :, last] = _quarters(fired[:, :, last], wanted[:, :, last])
    return np.asarray(slopes / np.float32(max(len(fired), 1)))


def _quarters(fired: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the difference of counts within each quarter of the time, float32, at each step."""
    steps = fired.shape[1]
    off = fired.astype(np.float32) - wanted
    edges = np.unique(np.linspace(0, steps, min(_PARTS, steps) + 1).astype(int))
    parts = np.add.reduceat(off, edges[:-1], axis=1)
    return np.asarray(np.repeat(parts, np.diff(edges), axis=1))


def _shares(counts: np.ndarray) -> np.ndarray:
    """Return a softmax."""
    powers = np.exp(counts - counts.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
