"""Neurons with a synaptic current as neurons without: one time constant fitted to two.

A population with ``i[t] = ds * i[t-1] + gs * u[t]``, ``v[t] = d * v[t-1] + g * i[t]`` answers one
unit of input with a charge of ``g * gs / ((1 - ds) * (1 - d))`` in all, on average
``ds / (1 - ds) + d / (1 - d)`` steps late. The population without a current that brings the same
charge equally late is where the search begins; it goes over the mean delay and the charge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from nm_backends.agreement import agreement, count_error
from nm_backends.effective import parameter
from nm_backends.fit import relative_error
from nm_backends.fit_rules import ALTERNATIVES, one_state
from nm_backends.lowering.neuron_step import Stepper
from nm_backends.network import Network, Population

if TYPE_CHECKING:
    from nm_backends.chip import ChipSpec
    from nm_backends.rules import Diagnostic
    from nm_backends.spikes import Prepared

__all__ = ["first_order", "has_current", "single_state"]

_SEEN = 400_000  # time steps of neurons that a candidate is judged by
_LATER = np.array([0.12, 0.25, 0.5, 0.75, 1.0, 1.4])  # times the mean delay
_MORE = np.array([0.35, 0.5, 0.7, 0.85, 1.0, 1.2, 1.5])  # times the charge
_CLOSER = np.array([0.92, 1.0, 1.08])  # around the best, in a second round


@dataclass(frozen=True)
class _Seen:
    """What a population gets and does in the model: ``[time, batch, size]``."""

    drive: np.ndarray
    fired: np.ndarray
    membrane: np.ndarray


def has_current(population: Population) -> bool:
    """Return whether a population has a synaptic current with a memory."""
    return population.decay_syn is not None and bool(population.decay_syn.any())


def first_order(
    network: Network, spec: ChipSpec, given: Prepared | None = None
) -> tuple[Network, list[Diagnostic]]:
    """Return the network without synaptic currents, where the chip has none, and what that costs.

    Parameters
    ----------
    given
        Typical input, or None; of many samples only the first are looked at.

    Returns
    -------
    network
        The same object where nothing had to be fitted; otherwise ``asked`` of the new one is the
        network as it was.
    findings
        One for each population that was fitted.
    """
    wanted = [p for p in network.neurons if has_current(p) and _possible(p, spec)]
    if not wanted:
        return network, []
    seen = {} if given is None else _seen(network, given, [p.name for p in wanted])
    populations, found = dict(network.populations), []
    for population in wanted:
        made = _fitted(population, seen.get(population.name))
        populations[population.name] = made
        found.append(_finding(population, made, seen.get(population.name)))
    fitted = replace(network, populations=populations)
    fitted.asked = network
    return fitted, found


def _possible(population: Population, spec: ChipSpec) -> bool:
    """Whether the chip lacks the current, and one time constant can stand for two."""
    lacks = "CubaLIF" not in spec.node_types and "LIF" in spec.node_types
    slow, decay = parameter(population, "decay_syn"), parameter(population, "decay")
    return lacks and bool(((slow >= 0) & (slow < 1) & (decay >= 0) & (decay <= 1)).all())


def single_state(population: Population, later: float = 1.0, more: float = 1.0) -> Population:
    """Return a population with a current as one without.

    Parameters
    ----------
    later, more
        Mean delay and charge, times those of the population.
    """
    slow, decay = parameter(population, "decay_syn"), parameter(population, "decay")
    lost = 1.0 - decay
    delay = later * (slow / (1.0 - slow) * lost + decay)  # times (1 - decay): finite without a leak
    gain = parameter(population, "gain") * parameter(population, "gain_syn") / (1.0 - slow)
    kept = delay / (lost + delay)
    with np.errstate(divide="ignore", invalid="ignore"):
        pull = np.where(lost > 0, (1.0 - kept) / lost, 0.0)
    return replace(
        population,
        node_type=population.node_type.removeprefix("Cuba"),
        decay=kept,
        gain=more * gain / (lost + delay),
        leak=parameter(population, "leak") * pull,
        decay_syn=None,
        gain_syn=None,
    )


def _fitted(population: Population, seen: _Seen | None) -> Population:
    if seen is None or not seen.drive.any():
        return single_state(population)
    best = min(((x, y) for x in _LATER for y in _MORE), key=_judge(population, seen))
    near = [(best[0] * x, best[1] * y) for x in _CLOSER for y in _CLOSER]
    return single_state(population, *min(near, key=_judge(population, seen)))


def _judge(population: Population, seen: _Seen) -> Callable[[tuple[float, float]], float]:
    """Return how far a candidate is from the model, a function of ``(later, more)``."""

    def judged(way: tuple[float, float]) -> float:
        done = _run(single_state(population, *way), seen)
        if not population.spiking:
            return relative_error(seen.membrane.ravel(), done.membrane.ravel())
        return float(count_error(done.fired, seen.fired).sum())

    return judged


def _run(population: Population, seen: _Seen) -> _Seen:
    """Run a population by itself on what it gets in the model."""
    stepper = Stepper(population, seen.drive.shape[1])
    fired, membrane = np.zeros(seen.drive.shape, np.uint8), np.zeros(seen.drive.shape)
    for t, drive in enumerate(seen.drive):
        spikes, membrane[t] = stepper.step(drive)
        if population.spiking:
            fired[t] = spikes
    return _Seen(seen.drive, fired, membrane)


def _seen(network: Network, given: Prepared, names: list[str]) -> dict[str, _Seen]:
    """Run the model, and return what arrives at some of its populations."""
    from nm_backends.lowering.reference import run_network

    widest = max(p.size for p in network.neurons)
    some = given.part(0, max(1, _SEEN // max(1, given.source.shape[0] * widest)))
    layers, membranes = run_network(network, some, membrane=True)
    sent = dict(layers)
    first = 0
    for p in network.inputs:
        sent[p.name] = some[:, :, first : first + p.size]
        first += p.size
    return {
        name: _Seen(
            _drive(network, network.populations[name], sent | _read(network, membranes)),
            layers.get(name, np.zeros(0, np.uint8)),
            membranes[name],
        )
        for name in names
    }


def _read(network: Network, membranes: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return what populations that do not spike send: their membranes."""
    return {p.name: membranes[p.name] for p in network.neurons if not p.spiking}


def _drive(network: Network, population: Population, sent: dict[str, np.ndarray]) -> np.ndarray:
    steps, batch = next(iter(sent.values())).shape[:2]
    drive = np.empty((steps, batch, population.size))
    drive[:] = parameter(population, "bias")
    for projection in network.into(population.name):
        length = max(0, steps - projection.delay)
        pre = network.populations[projection.pre]
        source = sent[projection.pre][:length].reshape(length * batch, pre.size) * pre.graded
        heard = np.asarray(source @ projection.weights).reshape(length, batch, -1)
        drive[steps - length :] += heard
    return drive


def _finding(asked: Population, made: Population, seen: _Seen | None) -> Diagnostic:
    slow, decay, kept = (
        float(np.median(x))
        for x in (
            parameter(asked, "decay_syn"),
            parameter(asked, "decay"),
            parameter(made, "decay"),
        )
    )
    measured = "not measured: give typical input (calibrate=spikes)"
    if seen is not None:
        measured = _measured(asked, seen, _run(made, seen))
    return one_state.at(
        f"keeps {slow:.3g} of its current and {decay:.3g} of its membrane per step; is compiled "
        f"to keep {kept:.3g} of its membrane: {measured}",
        node=asked.name,
        found=f"{asked.node_type}, two time constants",
        limit="one state per neuron",
        hint=f"train with LIF (snnTorch: Leaky); {ALTERNATIVES}",
    )


def _measured(asked: Population, seen: _Seen, done: _Seen) -> str:
    if not asked.spiking:
        error = relative_error(seen.membrane.ravel(), done.membrane.ravel())
        return f"membranes are off by {error:.0%} of the model's (calibration spikes)"
    due, fired = (int(x.sum(dtype=np.int64)) for x in (seen.fired, done.fired))
    return (
        f"given the model's own input, {agreement(done.fired, seen.fired):.0%} of its spikes "
        f"coincide with the model's, {fired:,} instead of {due:,} (calibration spikes)"
    )
