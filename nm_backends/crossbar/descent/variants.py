"""Variants of calibration spikes: what the float model does on them can be asked, too."""

from __future__ import annotations

import numpy as np

__all__ = ["partly_varied", "varied"]

_LOST, _ADDED, _MOVED = 0.2, 0.02, 0.5  # shares at most, drawn for each sample
_LATE = 2  # steps


def partly_varied(spikes: np.ndarray, given: float, random: np.random.Generator) -> np.ndarray:
    """Return a share ``given`` of the samples as they are, and variants of the others.

    Variants alone teach what to do on spikes that are noisier than those that will come.
    """
    kept = random.random((1, spikes.shape[1], 1)) < given
    return np.where(kept, spikes, varied(spikes, random)).astype(np.uint8)


def varied(spikes: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return counts uint8 ``[time, batch, channels]`` that are like the given ones.

    Of each sample some spikes are lost, some are added (no more than the channels' own rate), some
    move by one step, and the whole sample begins a little earlier or later.
    """
    made = spikes * (random.random(spikes.shape) >= _shares(random, spikes, _LOST))
    rate = np.minimum(spikes.mean(axis=(0, 1)), _ADDED)
    made = np.maximum(made, random.random(made.shape) < _shares(random, spikes, 1.0) * rate)
    return _shifted(_jittered(made, random), random).astype(np.uint8)


def _shares(random: np.random.Generator, spikes: np.ndarray, most: float) -> np.ndarray:
    return random.uniform(0.0, most, (1, spikes.shape[1], 1))


def _jittered(spikes: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Move some spikes to the step before or after; those that meet there become one."""
    share = _shares(random, spikes, _MOVED) / 2
    drawn = random.random(spikes.shape)
    later, earlier = (np.where(how, spikes, 0) for how in (drawn < share, drawn > 1 - share))
    made = np.where((drawn < share) | (drawn > 1 - share), 0, spikes)
    made[1:] = np.maximum(made[1:], later[:-1])
    made[:-1] = np.maximum(made[:-1], earlier[1:])
    return np.asarray(made)


def _shifted(spikes: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Let each sample begin up to some steps earlier or later."""
    most = min(_LATE, max(len(spikes) - 1, 0))
    by = random.integers(-most, most + 1, spikes.shape[1])
    at = np.arange(len(spikes))[:, None] - by
    inside = (at >= 0) & (at < len(spikes))
    moved = np.take_along_axis(spikes, np.where(inside, at, 0)[:, :, None], axis=0)
    return np.asarray(moved * inside[:, :, None])
