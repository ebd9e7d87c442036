"""Neurons of any framework as discrete-time parameters, and those as NIR nodes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import nir
import numpy as np

from nm_backends.network import Reset

__all__ = ["Neuron", "Recurrence", "Unfitting", "neuron_node", "spread"]

Shape = tuple[int, ...]
Numbers = float | np.ndarray


class Unfitting(ValueError):
    """A parameter cannot be given the shape of its layer."""


@dataclass(frozen=True)
class Recurrence:
    """Weights from a neuron's spikes to itself, one step late.

    ``module`` is a layer that computes them, ``weight`` a matrix ``[out, in]``, ``scale`` one
    factor per neuron; one of the three is given. ``name`` is appended to the neuron's name.
    """

    name: str = "recurrent"
    module: Any = None
    weight: np.ndarray | None = None
    scale: Numbers | None = None


@dataclass(frozen=True)
class Neuron:
    """One layer of neurons, in discrete time; see `nm_backends.network` for the equations.

    Numbers or arrays that broadcast to the shape of the layer.

    Parameters
    ----------
    decay_syn
        None for neurons without a synaptic current.
    v0
        Initial membrane: a number or array, ``"v_leak"`` or ``"v_reset"``.
    weight
        Input weights ``[out, in]`` that belong to the neuron itself, under ``weight_name``.
    lost
        What the framework's own NIR exporter does not write or writes wrongly.
    """

    decay: Numbers
    gain: Numbers = 1.0
    v_leak: Numbers = 0.0
    threshold: Numbers | None = 1.0
    v_reset: Numbers = 0.0
    decay_syn: Numbers | None = None
    gain_syn: Numbers = 1.0
    reset: Reset = "zero"
    graded: float = 1.0
    v0: Any = 0.0
    recurrence: Recurrence | None = None
    weight: np.ndarray | None = None
    weight_name: str = "input_weights"
    lost: tuple[str, ...] = field(default=(), compare=False)

    @property
    def spiking(self) -> bool:
        """Whether it has a threshold."""
        return self.threshold is not None


def spread(name: str, value: Numbers, shape: Shape) -> np.ndarray:
    """Return a parameter in the shape of its layer, as PyTorch would broadcast it."""
    array = np.asarray(value, dtype=np.float64)
    while array.ndim > len(shape) and array.shape[0] == 1:
        array = array[0]
    if not np.isfinite(array).all():
        raise Unfitting(f"{name} is not finite")
    try:
        return np.array(np.broadcast_to(array, shape))
    except ValueError:
        raise Unfitting(f"{name} has shape {array.shape}, the layer has {shape}") from None


def neuron_node(neuron: Neuron, shape: Shape, dt: float) -> Any:
    """Return the NIR node: continuous time, so that ``1 - dt/tau`` and ``r*dt/tau`` give it back.

    Raises
    ------
    Unfitting
        A parameter does not fit the shape.
    """
    values = {"v_leak": spread("v_leak", neuron.v_leak, shape)}
    decay, gain = spread("decay", neuron.decay, shape), spread("gain", neuron.gain, shape)
    fires: dict[str, np.ndarray] = {}
    if neuron.threshold is not None:
        fires["v_threshold"] = spread("threshold", neuron.threshold, shape)
        fires["v_reset"] = spread("v_reset", neuron.v_reset, shape)
    if neuron.decay_syn is None and (decay == 1.0).all():
        kind = nir.IF if fires else nir.I
        return kind(r=gain / dt, **fires)
    tau, r = _continuous(decay, gain, dt)
    if neuron.decay_syn is None:
        kind = nir.LIF if fires else nir.LI
        return kind(tau=tau, r=r, **values, **fires)
    decay_syn = spread("decay of the current", neuron.decay_syn, shape)
    tau_syn, w_in = _continuous(decay_syn, spread("gain_syn", neuron.gain_syn, shape), dt)
    kind = nir.CubaLIF if fires else nir.CubaLI
    return kind(tau_syn=tau_syn, tau_mem=tau, r=r, w_in=w_in, **values, **fires)


def _continuous(decay: np.ndarray, gain: np.ndarray, dt: float) -> tuple[np.ndarray, np.ndarray]:
    """Return time constant and factor; both infinite for a decay of 1."""
    leaks = 1.0 - decay
    if ((leaks == 0) & (gain != 1.0)).any():
        raise Unfitting("a neuron that does not leak must take its input as it is (gain 1)")
    with np.errstate(divide="ignore"):
        return dt / leaks, np.where(leaks == 0, np.inf, gain / leaks)
