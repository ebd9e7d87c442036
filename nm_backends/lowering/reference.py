"""The float run of a `Network`: the yardstick for every chip, and itself on no chip.

Populations are computed one after another over the whole time, so that everything that is not in
a loop is one sparse product for all steps; only loops are computed step by step.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from nm_backends.lowering.cycles import groups
from nm_backends.lowering.neuron_step import Stepper
from nm_backends.network import Network, Population, Projection
from nm_backends.result import Result

__all__ = ["reference", "run_network"]

_CHUNK_BYTES = 2**26


def reference(
    network: Network, spikes: np.ndarray | Mapping[str, np.ndarray], record: Collection[str] = ()
) -> Result:
    """Run a network in float64: what the model does before any chip changes it.

    Parameters
    ----------
    network
        The lowered model.
    spikes
        ``[time, batch, *input shape]`` or flat ``[time, batch, channels]``, without the batch axis
        for one sample; ``{Input node: array}`` for several inputs.
    record
        ``"membrane"`` to keep the membranes of spiking populations too.

    Returns
    -------
    Result
        Spikes as counts, with the axes of the input. ``counters["sops"]`` is the number of synaptic
        operations per sample.
    """
    flat, batched = _arranged(network, spikes)
    layers, membranes = run_network(network, flat, "membrane" in record)
    shown = network.output
    out = layers if shown.spiking else membranes
    last = out[shown.name]
    readout = last.sum(axis=0, dtype=np.int64) if shown.spiking else last[-1:].sum(axis=0)
    counters = {"sops": _operations(network, flat, layers)}
    layers = {n: _shaped(a, network.populations[n], batched) for n, a in layers.items()}
    membranes = {n: _shaped(a, network.populations[n], batched) for n, a in membranes.items()}
    return Result(
        spikes=(layers if shown.spiking else membranes)[shown.name],
        layers=layers,
        readout=readout.reshape(-1, *shown.shape),
        membranes=membranes,
        counters=counters,
    )


def _arranged(
    network: Network, spikes: np.ndarray | Mapping[str, np.ndarray]
) -> tuple[np.ndarray, bool]:
    """Return spikes as ``[time, batch, all channels]``, and whether there was a batch axis."""
    if not isinstance(spikes, Mapping):
        inputs = network.inputs
        if len(inputs) == 1:
            return _flat(np.asarray(spikes), inputs[0].shape, inputs[0].name)
        return _flat(np.asarray(spikes), (network.input_size,), "all inputs")
    missing = [p.name for p in network.inputs if p.name not in spikes]
    if missing or len(spikes) != len(network.inputs):
        names = ", ".join(p.name for p in network.inputs)
        raise ValueError(f"spikes are given for {', '.join(spikes)}; the inputs are {names}")
    parts = [_flat(np.asarray(spikes[p.name]), p.shape, p.name) for p in network.inputs]
    if len({(a.shape[:2], batched) for a, batched in parts}) != 1:
        raise ValueError("the inputs differ in time steps or batch size")
    return np.concatenate([a for a, _ in parts], axis=2), parts[0][1]


def _flat(spikes: np.ndarray, shape: tuple[int, ...], name: str) -> tuple[np.ndarray, bool]:
    size = int(np.prod(shape, dtype=np.int64))
    for form in dict.fromkeys([shape, (size,)]):
        axes = spikes.ndim - len(form)
        if axes in (1, 2) and spikes.shape[axes:] == form:
            batch = spikes.shape[1] if axes == 2 else 1
            return spikes.reshape(len(spikes), batch, size), axes == 2
    wanted = f"[time, batch, {', '.join(map(str, shape))}]"
    raise ValueError(f"spikes for {name} have shape {spikes.shape}; wanted {wanted}")


def _shaped(array: np.ndarray, population: Population, batched: bool) -> np.ndarray:
    shaped = array.reshape(*array.shape[:2], *population.shape)
    return shaped if batched else shaped[:, 0]


def _operations(
    network: Network, spikes: np.ndarray, layers: Mapping[str, np.ndarray]
) -> np.ndarray:
    """Count spikes times listeners, per sample."""
    total = np.zeros(spikes.shape[1], dtype=np.int64)
    sources, first = dict(layers), 0
    for population in network.inputs:
        sources[population.name] = spikes[:, :, first : first + population.size]
        first += population.size
    for projection in network.projections:
        if projection.pre in sources:
            fan_out = np.diff(projection.weights.indptr).astype(np.int64)
            total += sources[projection.pre].sum(axis=0, dtype=np.int64) @ fan_out
    return total


def run_network(
    network: Network, spikes: np.ndarray, membrane: bool = False
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Run a network in float64.

    Parameters
    ----------
    network
        The lowered model.
    spikes
        Counts ``[time, batch, input channels]``, all inputs one after another.
    membrane
        Whether to keep the membranes of spiking populations too.

    Returns
    -------
    layers
        Population name to spikes, uint8 ``[time, batch, size]``, for every spiking population.
    membranes
        Population name to the membrane at the end of each step, float64; always for populations
        that do not spike.
    """
    spikes = np.asarray(spikes)
    if spikes.ndim != 3 or spikes.shape[2] != network.input_size:
        raise ValueError(
            f"spikes have shape {spikes.shape}; wanted [time, batch, {network.input_size}]"
        )
    steps, batch, _ = spikes.shape
    kept = {p.name for p in network.neurons if membrane or not p.spiking}
    layers = {
        p.name: np.zeros((steps, batch, p.size), np.uint8) for p in network.neurons if p.spiking
    }
    membranes = {
        p.name: np.zeros((steps, batch, p.size)) for p in network.neurons if p.name in kept
    }
    widest = max((p.size for p in network.populations.values()), default=1)
    samples = max(1, _CHUNK_BYTES // (8 * max(1, steps) * widest))
    for start in range(0, batch, samples):
        part = slice(start, min(start + samples, batch))
        run = _Run(network, spikes[:, part], kept)
        for name, array in run.fired.items():
            layers[name][:, part] = array
        for name, array in run.membranes.items():
            membranes[name][:, part] = array
    return layers, membranes


class _Run:
    """One run over some samples."""

    def __init__(self, network: Network, spikes: np.ndarray, kept: Collection[str]) -> None:
        self.network, self.kept = network, kept
        self.steps, self.batch, _ = spikes.shape
        self.outputs: dict[str, np.ndarray] = {}
        self.fired: dict[str, np.ndarray] = {}
        self.membranes: dict[str, np.ndarray] = {}
        first = 0
        for population in network.inputs:
            end = first + population.size
            self.outputs[population.name] = spikes[:, :, first:end].astype(np.float64)
            first = end
        for names in groups(network):
            self._group([network.populations[name] for name in names])

    def _group(self, members: list[Population]) -> None:
        """Run populations that listen to each other (or a single one) over the whole time."""
        names = {p.name for p in members}
        drives, inner = {}, {}
        for population in members:
            arriving = list(self.network.into(population.name))
            drives[population.name] = self._drive(
                population, [p for p in arriving if p.pre not in names]
            )
            inner[population.name] = [p for p in arriving if p.pre in names]
            self.outputs[population.name] = np.zeros((self.steps, self.batch, population.size))
            if population.spiking:
                fired = np.zeros((self.steps, self.batch, population.size), np.uint8)
                self.fired[population.name] = fired
            if population.name in self.kept:
                self.membranes[population.name] = np.zeros(drives[population.name].shape)
        steppers = {p.name: Stepper(p, self.batch) for p in members}
        for t in range(self.steps):
            for population in members:
                name = population.name
                arriving_now = drives[name][t]
                for projection in inner[name]:
                    arriving_now = self._listen(arriving_now, projection, t)
                self._store(population, t, *steppers[name].step(arriving_now))

    def _drive(self, population: Population, projections: list[Projection]) -> np.ndarray:
        """Return bias plus everything that comes from outside the loop, for all steps."""
        drive = np.empty((self.steps, self.batch, population.size))
        drive[:] = 0.0 if population.bias is None else population.bias
        for projection in projections:
            length = self.steps - projection.delay
            if length <= 0:
                continue
            source = self.outputs[projection.pre][:length].reshape(length * self.batch, -1)
            product = source @ projection.weights
            drive[projection.delay :] += product.reshape(length, self.batch, -1)
        return drive

    def _listen(self, drive: np.ndarray, projection: Projection, t: int) -> np.ndarray:
        if t < projection.delay:
            return drive
        source = self.outputs[projection.pre][t - projection.delay]
        return np.asarray(drive + source @ projection.weights)

    def _store(self, population: Population, t: int, spikes: np.ndarray, v: np.ndarray) -> None:
        name = population.name
        if population.spiking:
            self.fired[name][t] = spikes
            self.outputs[name][t] = spikes * population.graded
        else:
            self.outputs[name][t] = v
        if name in self.membranes:
            self.membranes[name][t] = v
