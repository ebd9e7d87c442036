"""A network, and its spikes, on another time step.

With a factor of ``k`` (a whole number) ``k`` steps become one, with ``1 / k`` one step becomes
``k``. What stays is what has a meaning in seconds or in charge:

* decays act as long as before (``decay ** factor``), and constant input and leaks bring as much
  charge in the same time;
* a spike moves a membrane by as much as before, at once;
* delays keep their length, rounded to steps; between neurons at least one step where it was one;
* input spikes that fall into one step become a count (`rebin`), and the chip gets as many events;
  where one step becomes several, spikes come in the first of them.

What changes is the resolution: a neuron fires at most once per step, and the order of spikes within
a step is lost.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from nm_backends.effective import parameter
from nm_backends.errors import UserError
from nm_backends.network import Network, Population, Projection

__all__ = ["as_factor", "rebin", "retimed"]

_MOST = 255  # spikes of a channel in a step
_LONGEST = 1024


def as_factor(value: Any) -> Fraction:
    """Return how many steps become one: a whole number, or one over a whole number.

    Raises
    ------
    UserError
        When it is something else.
    """
    try:
        exact = Fraction(value)
        found = exact.limit_denominator(_LONGEST)
        whole = found > 0 and 1 in (found.numerator, found.denominator)
        if whole and found <= _LONGEST and abs(found - exact) < 1e-6:
            return found
    except (TypeError, ValueError, OverflowError, ZeroDivisionError):
        pass
    raise UserError(
        f"time step factor {value!r}: expected a whole number or one over a whole number",
        "2 makes one step of two, 0.5 makes two of one",
    )


def rebin(spikes: Any, factor: Any) -> np.ndarray:
    """Return spikes on another time step.

    Parameters
    ----------
    spikes
        Booleans or counts, time first: ``[time, ...]``.
    factor
        See `as_factor`.

    Returns
    -------
    numpy.ndarray
        uint8 counts; a last step that is not full is kept.

    Raises
    ------
    UserError
        More than 255 spikes of a channel come into one step.
    """
    counts, ratio = np.asarray(spikes), as_factor(factor)
    if counts.dtype.kind not in "biuf" or counts.ndim < 1:
        raise UserError("spikes on another time step: expected an array of counts, time first")
    if ratio.denominator > 1:
        finer = np.zeros((len(counts) * ratio.denominator, *counts.shape[1:]), np.uint8)
        finer[:: ratio.denominator] = counts
        return finer
    starts = np.arange(0, len(counts), ratio.numerator)
    summed = np.add.reduceat(counts.astype(np.int64), starts) if starts.size else counts
    if summed.size and int(summed.max()) > _MOST:
        raise UserError(
            f"{int(summed.max())} spikes of a channel in a step of {ratio} steps",
            f"at most {_MOST}: a smaller factor",
        )
    return np.asarray(summed, np.uint8)


def retimed(network: Network, factor: Any) -> Network:
    """Return a network whose time step is ``factor`` times as long.

    Raises
    ------
    UserError
        A membrane or current changes its sign in a step, so that no other step is equivalent.
    """
    ratio = as_factor(factor)
    if ratio == 1:
        return network
    populations = {
        name: p if p.is_input else _population(p, float(ratio))
        for name, p in network.populations.items()
    }
    dt = network.discretisation.dt
    return replace(
        network,
        populations=populations,
        projections=[_projection(network, p, ratio) for p in network.projections],
        discretisation=replace(
            network.discretisation, dt=None if dt is None else dt * float(ratio)
        ),
    )


def _population(population: Population, factor: float) -> Population:
    decay, slow = parameter(population, "decay"), population.decay_syn
    if (decay < 0).any() or (slow is not None and (slow < 0).any()):
        raise UserError(
            f"{population.name}: multiplied by less than 0 in a step; no other step is equivalent",
            "a model with a time step shorter than its time constants",
        )
    summed = _summed(decay, factor)
    made = replace(
        population,
        decay=decay**factor,
        leak=parameter(population, "leak") * summed,
        bias=parameter(population, "bias") * summed,
    )
    if slow is not None:
        made.decay_syn = slow**factor
        made.gain_syn = parameter(population, "gain_syn") * _summed(slow, factor)
    return made


def _summed(decay: np.ndarray, factor: float) -> np.ndarray:
    """Return what a charge of 1 per step comes to over ``factor`` steps, leaks included."""
    lost = 1.0 - decay
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(lost == 0, factor, (1.0 - decay**factor) / lost)


def _projection(network: Network, projection: Projection, ratio: Fraction) -> Projection:
    if not projection.delay:
        return projection
    least = 0 if network.populations[projection.pre].is_input else 1
    return replace(projection, delay=max(least, round(projection.delay / ratio)))
