"""Exponential decay as a constant leak, and the report of what was asked for and realised."""

from __future__ import annotations

import numpy as np

from nm_backends.chip import IntFormat
from nm_backends.program import PopulationFit

__all__ = ["even_leaks", "fitted_leaks", "population_fit", "relative_error"]

_ROWS = 4096  # membranes looked at


def fitted_leaks(
    decay: np.ndarray, scale: np.ndarray, membranes: np.ndarray, form: IntFormat, signed: bool
) -> np.ndarray:
    """Return the constant leaks nearest to the exponential ones over given membranes.

    A membrane ``v`` should lose ``(1 - decay) * v`` and loses ``min(leak, v)``, towards zero. The
    leak with the least sum of squared differences is taken, for each neuron by itself.

    Parameters
    ----------
    membranes
        Real membranes ``[samples, neurons]``.
    signed
        Whether the chip's membrane can be negative; otherwise negative ones do not count.
    """
    step = max(1, len(membranes) // _ROWS)
    seen = membranes[::step] * scale
    size = np.abs(seen) if signed else np.maximum(seen, 0.0)
    wanted = (1.0 - decay) * size
    best, best_loss = np.zeros(len(decay), np.int64), np.full(len(decay), np.inf)
    ceiling = int(min(form.maximum, np.ceil(wanted.max(initial=0.0))))
    for leak in range(ceiling + 1):
        loss = ((wanted - np.minimum(leak, size)) ** 2).sum(axis=0)
        best = np.where(loss < best_loss, leak, best)
        best_loss = np.minimum(loss, best_loss)
    # A neuron without memory must lose everything, whatever was seen.
    return np.where(decay == 0, form.maximum, np.where(decay == 1, 0, best)).astype(np.int64)


def even_leaks(
    decay: np.ndarray, scale: np.ndarray, threshold: np.ndarray, form: IntFormat
) -> np.ndarray:
    """Return leaks for membranes that are anywhere from rest to threshold equally often."""
    levels = np.linspace(0.0, 1.0, 129)[1:, None] * threshold
    return fitted_leaks(decay, scale, levels, form, True)


def population_fit(
    name: str,
    *,
    weights: tuple[np.ndarray, np.ndarray],
    scale: np.ndarray,
    threshold: tuple[np.ndarray, np.ndarray],
    leak: tuple[np.ndarray, np.ndarray],
    clip: IntFormat,
    agreement: float | None = None,
) -> PopulationFit:
    """Compare what was asked for with what the chip holds.

    Parameters
    ----------
    weights, threshold, leak
        Asked (real) and realised (integers of the chip); weights are ``[sources, neurons]``.
    scale
        Chip units per user unit of each neuron.
    clip
        Format of the weights, whose ends count as clipped where more was asked for.
    """
    asked, integers = weights
    there = asked != 0
    realised = integers / scale
    beyond = (asked * scale > clip.maximum + 0.5) | (asked * scale < clip.minimum - 0.5)
    return PopulationFit(
        name,
        float(np.median(scale)) if scale.size else 1.0,
        threshold[0].copy(),
        threshold[1] / scale,
        leak[0].copy(),
        leak[1] / scale,
        relative_error(asked, realised),
        relative_error(threshold[0], threshold[1] / scale),
        relative_error(leak[0], leak[1] / scale),
        int(there.sum()),
        int(beyond.sum()),
        int((there & (integers == 0)).sum()),
        agreement,
    )


def relative_error(asked: np.ndarray, realised: np.ndarray) -> float:
    """Return the norm of the difference over the norm of what was asked for."""
    norm = float(np.linalg.norm(asked))
    return float(np.linalg.norm(asked - realised)) / norm if norm else 0.0
