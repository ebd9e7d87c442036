"""What a neuron's rate is to its drive: the clipped line that SPOON can compute in its place."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nm_backends.lowering.neuron_step import Stepper
from nm_backends.network import Population

__all__ = ["Line", "line_of"]

_STEPS = 512
_DRIVES = 129
_SLOPES = np.linspace(0.4, 2.0, 81)
_OFFSETS = np.linspace(-0.5, 0.0, 51)  # what hears nothing says nothing
_ARRAYS = ("decay", "gain", "leak", "decay_syn", "gain_syn", "threshold", "v_reset", "v0")
_MOST = 4096  # neurons remembered
_FOUND: dict[tuple[str, str, bytes], tuple[float, float, float]] = {}


@dataclass(frozen=True)
class Line:
    """``value = slope * drive + offset``, then cut, for each neuron of a population.

    Parameters
    ----------
    slope, offset
        float64 ``[size]``; drives are weighted sums of values, before the neuron's gain.
    off
        Distance between the line and the rate, root mean square over drives from none to half as
        much again as full rate needs, in spikes per step; 0 where they are the same.
    signed
        Whether values are -1 to 1 rather than 0 to 1.
    """

    slope: np.ndarray
    offset: np.ndarray
    off: float
    signed: bool = False


def line_of(population: Population) -> Line:
    """Return the line of a population; the neuron is driven by constants to find it.

    A neuron that integrates, fires and subtracts its threshold fires in proportion to its drive,
    which is found exactly; what leaks or resets otherwise is fitted.
    """
    gain = _or(population.gain, 1.0, population.size)
    if not population.spiking:
        return Line(gain, np.zeros(population.size), 0.0, signed=True)
    columns = [_or(getattr(population, name), np.nan, population.size) for name in _ARRAYS]
    kinds, which = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
    first = [int(np.argmax(which.ravel() == i)) for i in range(len(kinds))]
    fits = np.array([_known(population, n, kind) for n, kind in zip(first, kinds, strict=True)])
    slope, offset, off = fits[which.ravel()].T
    return Line(slope, offset, float(off.max(initial=0.0)))


def _or(values: np.ndarray | None, default: float, size: int) -> np.ndarray:
    return np.full(size, default) if values is None else values


def _exact(p: Population) -> bool:
    """Return whether a neuron integrates, fires and subtracts, and does nothing else."""
    plain = p.decay_syn is None and p.reset.startswith("subtract")
    decay, leak = _or(p.decay, 1.0, 1), _or(p.leak, 0.0, 1)
    return bool(plain and (decay == 1).all() and not leak.any())


def _known(population: Population, neuron: int, kind: np.ndarray) -> tuple[float, float, float]:
    """Return `_fitted`; check and compilation ask for the same neurons."""
    key = (population.reset, population.spike_cmp, kind.tobytes())
    if key not in _FOUND:
        if len(_FOUND) >= _MOST:
            _FOUND.clear()
        _FOUND[key] = _fitted(population, neuron)
    return _FOUND[key]


def _fitted(population: Population, neuron: int) -> tuple[float, float, float]:
    """Return slope, offset and distance of one neuron."""
    one = replace(
        population,
        shape=(1,),
        **{n: v[neuron : neuron + 1] for n in _ARRAYS if (v := getattr(population, n)) is not None},
    )
    gain, threshold = _or(one.gain, 1.0, 1)[0], _or(one.threshold, 1.0, 1)[0]
    if not (gain > 0 and threshold > 0):
        return 0.0, 0.0, 1.0
    if _exact(one):
        return gain / threshold, 0.0, 0.0
    unit = threshold / gain * _needed(one)
    drive = np.linspace(0.0, 1.5, _DRIVES) * unit
    rate = _rates(one, drive)
    slope, offset = _SLOPES[:, None, None], _OFFSETS[:, None]
    lines = np.clip(slope * drive / unit + offset, 0, 1)
    off = np.sqrt(np.mean((lines - rate) ** 2, axis=2))
    best, other = np.unravel_index(off.argmin(), off.shape)
    return float(_SLOPES[best] / unit), float(_OFFSETS[other]), float(off[best, other])


def _needed(one: Population) -> float:
    """Return how much less drive a neuron with a slow synapse needs."""
    if one.decay_syn is None or one.gain_syn is None:
        return 1.0
    return float((1.0 - one.decay_syn[0]) / one.gain_syn[0]) if one.gain_syn[0] > 0 else 1.0


def _rates(one: Population, drive: np.ndarray) -> np.ndarray:
    """Return spikes per step under constant drives, after the neuron has settled."""
    stepper, fired = Stepper(one, drive.size), np.zeros(drive.size)
    for step in range(_STEPS):
        spikes, _ = stepper.step(drive[:, None])
        if step >= _STEPS // 2:
            fired += spikes[:, 0]
    return fired / (_STEPS - _STEPS // 2)
