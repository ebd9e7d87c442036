"""Run a program's image on first spikes: what a backend's ``execute`` does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nm_backends.effective import parameter
from nm_backends.first_spikes import FirstSpikes
from nm_backends.result import RawRun
from nm_spoon.activations import activations
from nm_spoon.cost import dense_macs
from nm_spoon.engine import Seen, plan_of, run
from nm_spoon.setup import Setup, unpack

if TYPE_CHECKING:
    from nm_backends.network import Population
    from nm_backends.program import Program
    from nm_spoon.assumptions import Assumptions

__all__ = ["execute", "values_of"]


def execute(
    program: Program,
    spikes: np.ndarray | FirstSpikes,
    record: Sequence[str],
    threads: int | None,
    assumed: Assumptions,
) -> RawRun:
    """Compute all samples; values stand in the last step of their layers.

    ``record=("membrane",)`` keeps the accumulators of the dense layers, in the last step too.
    """
    first = FirstSpikes.of(spikes)
    setup = unpack(program.image)
    seen = run(plan_of(setup, assumed), activations(first), threads)
    found = values_of(program, seen)
    layers, potentials = {}, {}
    steps = 1 if first.timeless else first.steps
    for population in program.network.neurons:
        if population.spiking:
            layers[population.name] = _in_last_step(found[population.name], steps, np.uint8)
        else:
            at = list(program.network.populations).index(population.name)
            drive = _drive(program, population, found[population.name], at)
            potentials[population.name] = _course(population, drive, first.steps)[-steps:]
    membranes = _sums(program, seen, setup, steps) if "membrane" in record else {}
    chosen = seen.outputs.argmax(axis=1).astype(np.int64)
    return RawRun(layers, membranes, _counters(seen, first, setup, assumed), potentials,
                  {"label": chosen, "outputs": seen.outputs.astype(np.int64)})  # fmt: skip


def values_of(program: Program, seen: Seen) -> dict[str, np.ndarray]:
    """Return the values of all populations, int32 ``[batch, size]``."""
    layers = program.network.neurons
    batch = len(seen.outputs)
    found = {layers[-1].name: seen.outputs, layers[-2].name: seen.hidden}
    if len(layers) > 2:
        found[layers[0].name] = seen.maps.transpose(0, 3, 1, 2).reshape(batch, -1)
    if len(layers) == 4:
        found[layers[1].name] = seen.features
    return found


def _in_last_step(values: np.ndarray, steps: int, kind: type) -> np.ndarray:
    placed = np.zeros((steps, *values.shape), kind)
    placed[-1:] = values
    return placed


def _drive(program: Program, population: Population, values: np.ndarray, place: int) -> np.ndarray:
    """Return what drives neurons that do not spike, per step, in the user's units."""
    last = place == len(program.network.populations) - 1
    mid = int(program.image.registers["OUTPUT_MID"]) if last else 0
    gain = parameter(population, "gain")
    worth = (values - mid) / program.layout["unit"][int(last)]
    return np.asarray(np.divide(worth, gain, out=np.zeros(worth.shape), where=gain != 0))


def _course(population: Population, drive: np.ndarray, steps: int) -> np.ndarray:
    """Return the membranes of neurons under a constant drive, ``[time, batch, size]``."""
    decay, gain = parameter(population, "decay"), parameter(population, "gain")
    weight = np.cumsum(decay ** np.arange(steps)[:, None], axis=0) * gain
    return np.asarray(weight[:, None, :] * drive)


def _sums(program: Program, seen: Seen, setup: Setup, steps: int) -> dict[str, np.ndarray]:
    hidden, output = program.network.neurons[-2:]
    parts = np.split(seen.accumulators, [setup.hidden_bias.size], axis=1)
    pairs = zip((hidden, output), parts, strict=True)
    return {p.name: _in_last_step(part, steps, np.int32) for p, part in pairs if p.spiking}


def _counters(
    seen: Seen, first: FirstSpikes, setup: Setup, assumed: Assumptions
) -> dict[str, np.ndarray]:
    events, macs, saturated = seen.counts.T
    return {
        "events_in": events.copy(),
        "events_out": np.ones(len(events), np.int64),
        "sops": macs.copy(),
        "cycles": -(-macs // assumed.macs_per_cycle),
        "dropped": np.zeros(len(events), np.int64),
        "later_events": first.later.copy(),
        "saturated": saturated.copy(),
        "products": np.full(len(events), dense_macs(setup)),
    }
