"""How far the spikes of a chip are from those of the model."""

from __future__ import annotations

import numpy as np

__all__ = ["agreement", "count_error", "decision_error", "divergence", "readout_agreement"]

_WINDOWS = 6
_SHARPNESS = 2.0 ** np.arange(-3, 1.5, 0.5)


def count_error(fired: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the spikes that are off, per neuron: in all, and half as much in parts of the time."""
    steps = len(fired)
    difference = fired.astype(np.int32) - wanted
    edges = np.unique(np.linspace(0, steps, min(_WINDOWS, steps) + 1).astype(int))[:-1]
    parts = np.add.reduceat(difference, edges, axis=0) if steps else difference
    whole = np.abs(parts.sum(axis=0)).sum(axis=0)
    return np.asarray(whole + 0.5 * np.abs(parts).sum(axis=(0, 1)), np.float64)


def agreement(fired: np.ndarray, wanted: np.ndarray) -> float:
    """Return the share of spikes that coincide: same neuron, same step; 1 where none is due."""
    both = 2.0 * float(np.minimum(fired, wanted).sum(dtype=np.int64))
    every = float(fired.sum(dtype=np.int64) + wanted.sum(dtype=np.int64))
    return both / every if every else 1.0


def divergence(fired: np.ndarray, wanted: np.ndarray) -> float:
    """Return the mean divergence between softmax distributions over spike counts, in nats."""
    if fired.shape[2] < 2 or not fired.shape[1]:
        return 0.0
    logs = [_log_shares(counts.sum(axis=0, dtype=np.float64)) for counts in (wanted, fired)]
    return float((np.exp(logs[0]) * (logs[0] - logs[1])).sum(axis=1).mean())


def decision_error(fired: np.ndarray, wanted: np.ndarray) -> float:
    """Return how unsure the counts are of the model's decisions: mean cross entropy, in nats.

    Counts are scaled by the one factor that suits them best: a decision does not change where all
    neurons fire more often, or less. Less than certain decisions of the model count as such.
    """
    if fired.shape[2] < 2 or not fired.shape[1]:
        return 0.0
    sure = np.exp(_log_shares(wanted.sum(axis=0, dtype=np.float64)))
    counts = fired.sum(axis=0, dtype=np.float64)
    lost = [-(sure * _log_shares(s * counts)).sum(axis=1).mean() for s in _SHARPNESS]
    return float(min(lost))


def _log_shares(counts: np.ndarray) -> np.ndarray:
    """Return the logarithm of a softmax."""
    shifted = counts - counts.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def readout_agreement(fired: np.ndarray, wanted: np.ndarray) -> float:
    """Return the share of samples whose largest spike count is that of the same neuron."""
    if fired.shape[2] < 2 or not fired.shape[1]:
        return 1.0
    chosen = fired.sum(axis=0, dtype=np.int64).argmax(axis=1)
    return float(np.mean(chosen == wanted.sum(axis=0, dtype=np.int64).argmax(axis=1)))
