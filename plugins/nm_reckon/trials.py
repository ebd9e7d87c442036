"""How good a set of integers is: runs on the chip's own engine, compared with the float model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nm_backends.agreement import agreement, count_error, divergence
from nm_backends.effective import gain_of, parameter
from nm_backends.image import Image
from nm_backends.lowering.reference import run_network
from nm_backends.network import Network, Population
from nm_reckon.execute import Outcome, run_image
from nm_reckon.scaling import Peaks
from nm_reckon.schedule import drift, first_charge, rest
from nm_reckon.topology import Topology

__all__ = ["Target", "readout_error"]

_ROOM = 1.1  # membranes go a little further on other spikes


@dataclass(frozen=True, eq=False)
class Target:
    """What the float model does on the calibration spikes.

    Parameters
    ----------
    spikes
        Input counts uint8 ``[time, batch, channels]``.
    fired
        Spikes uint8 ``[time, batch, neurons]``.
    potentials
        Membranes that do not spike, float64 ``[time, batch, outputs]``.
    peaks
        How far membranes go within steps.
    """

    spikes: np.ndarray
    fired: np.ndarray
    potentials: np.ndarray
    peaks: Peaks

    @classmethod
    def of(cls, network: Network, wired: Topology, spikes: np.ndarray) -> Target:
        """Run the float model."""
        layers, membranes = run_network(network.model, spikes, membrane=True)
        reach = {
            p.name: _reach(network, p, spikes, layers, membranes[p.name]) for p in network.neurons
        }
        shape = spikes.shape[:2]
        fired = _joined([layers[n] for n in wired.names], shape, np.uint8)
        extra = np.ones(wired.size - wired.neurons)
        membrane = np.concatenate([np.zeros(0), *(reach[n] for n in wired.names), extra])
        rates = fired.mean(axis=(0, 1)) if fired.size else np.zeros(wired.neurons)
        channels = (spikes > 0).mean(axis=(0, 1)) if spikes.size else np.zeros(spikes.shape[2])
        events = [1.0 if c < 0 else float(channels[c]) for _, c in wired.schedule.events]
        ticks = wired.schedule.ticks_per_step
        peaks = Peaks(
            np.maximum(1.0, _ROOM * membrane / wired.height),
            _ROOM * np.concatenate([np.zeros(0), *(reach[n] for n in wired.output_names)]),
            np.array(events) / ticks,
            np.concatenate([rates, extra]) / ticks,
        )
        potentials = _joined([membranes[n] for n in wired.output_names], shape, np.float64)
        return cls(spikes, fired, potentials, peaks)

    def run(self, image: Image, layout: dict[str, np.ndarray], network: Network) -> Outcome:
        """Run the calibration spikes on the chip's engine."""
        return run_image(image, layout, network, self.spikes)

    def score(self, wired: Topology, done: Outcome) -> float:
        """Return one number, less is better: what the output is off, then all spikes."""
        apart = 0.5 * (1.0 - agreement(done.fired, self.fired))
        if wired.outputs:
            return readout_error(done.potentials, self.potentials) + apart
        *_, (_, span) = wired.spans()
        fired, wanted = done.fired[:, :, span], self.fired[:, :, span]
        off = count_error(fired, wanted).sum() / max(1.0, float(wanted.sum(dtype=np.int64)))
        return 0.5 * float(off) + divergence(fired, wanted) + apart


def readout_error(found: np.ndarray, wanted: np.ndarray) -> float:
    """Return the norm of the difference over the norm of what was wanted."""
    norm = float(np.linalg.norm(wanted))
    return (
        float(np.linalg.norm(found - wanted)) / norm
        if norm
        else float(np.abs(found).max(initial=0.0))
    )


def _joined(parts: list[np.ndarray], shape: tuple[int, ...], kind: type) -> np.ndarray:
    return np.asarray(np.concatenate([np.zeros((*shape, 0), kind), *parts], axis=2))


def _reach(
    network: Network, population: Population, spikes: np.ndarray,
    layers: dict[str, np.ndarray], membrane: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Return how far from rest each membrane can be while the charge of a step arrives."""
    before = np.zeros_like(membrane)
    decay = parameter(population, "decay")
    before[1:] = decay * (membrane[:-1] - rest(population))
    before[:1] = first_charge(population)
    constant = drift(population)
    up, down = (np.zeros_like(membrane) + f(constant, 0) for f in (np.maximum, np.minimum))
    for projection in network.into(population.name):
        sent = _sent(network, projection.pre, spikes, layers)
        if projection.delay >= len(sent) or sent.size == 0:
            continue
        weights = projection.weights.multiply(
            gain_of(population)[None, :] * network.populations[projection.pre].graded
        ).tocsr()
        early = sent[: len(sent) - projection.delay].reshape(-1, sent.shape[2]).astype(np.float64)
        for reach, sign in ((up, 1), (down, -1)):
            one = weights.multiply(weights * sign > 0).tocsr()
            reach[projection.delay :] += (early @ one).reshape(-1, *reach.shape[1:])
    far = np.maximum(np.abs(before + up), np.abs(before + down))
    return np.asarray(far.max(axis=(0, 1), initial=0.0))


def _sent(
    network: Network, name: str, spikes: np.ndarray, layers: dict[str, np.ndarray]
) -> np.ndarray:
    if name in layers:
        return layers[name]
    first = 0
    for population in network.inputs:
        if population.name == name:
            return np.asarray(np.minimum(spikes[:, :, first : first + population.size], 1))
        first += population.size
    raise KeyError(name)
