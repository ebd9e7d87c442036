"""A network as the chip sees it: inputs, one recurrent block, and outputs, with real weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nm_backends.effective import listed, parameter
from nm_backends.network import Network, Population, Projection
from nm_reckon.schedule import BIAS, START, Schedule, drift, first_charge, rest

__all__ = ["Topology", "topology"]


@dataclass(frozen=True, eq=False)
class Topology:
    """All sources and targets in the user's units.

    Neurons are those of the spiking populations in evaluation order, then the relays.

    Parameters
    ----------
    schedule
        When things happen.
    names, first
        Spiking populations, and the first neuron of each, then the end.
    output_names, output_first
        The same for populations that do not spike.
    w_in, w_rec, w_out
        float64 ``[events, neurons]``, ``[neurons, neurons]``, ``[neurons, outputs]``; nothing of
        what relays hand on.
    height
        Threshold above rest, float64 ``[neurons]``; 1 for relays.
    decay
        Per tick, float64 ``[neurons]``; 1 for relays.
    strict
        Whether a neuron fires above the threshold rather than at it.
    output_decay
        Per tick, float64 ``[outputs]``.
    """

    schedule: Schedule
    names: tuple[str, ...]
    first: np.ndarray
    output_names: tuple[str, ...]
    output_first: np.ndarray
    w_in: np.ndarray
    w_rec: np.ndarray
    w_out: np.ndarray
    height: np.ndarray
    decay: np.ndarray
    strict: np.ndarray
    output_decay: np.ndarray

    @property
    def neurons(self) -> int:
        """Neurons of the network, relays not counted."""
        return int(self.first[-1])

    @property
    def size(self) -> int:
        """All neurons."""
        return int(self.height.size)

    @property
    def outputs(self) -> int:
        """Membranes that are read."""
        return int(self.output_decay.size)

    def spans(self) -> Iterator[tuple[str, slice]]:
        """Go through spiking populations with their neurons."""
        return _spans(self.names, self.first)

    def output_spans(self) -> Iterator[tuple[str, slice]]:
        """Go through the other populations with their outputs."""
        return _spans(self.output_names, self.output_first)

    def sources(self, network: Network, projection: Projection) -> np.ndarray:
        """Return the source of every sender of a projection, int64 ``[pre.size]``, or -1.

        An index into events where inputs act on neurons, otherwise into neurons.
        """
        plan, pre = self.schedule, network.populations[projection.pre]
        post = network.populations[projection.post]
        if pre.is_input:
            channel = _channel(network, pre.name)
            shift = plan.lag[post.name] - (not post.spiking)
            shift += plan.ticks_per_step * projection.delay
            place = {key: i for i, key in enumerate(plan.events)}
            found = [place.get((shift, channel + n), -1) for n in range(pre.size)]
            return np.array([f if post.spiking else self.relay(f) for f in found], np.int64)
        start = int(self.first[self.names.index(pre.name)])
        wait = plan.lag[post.name] - plan.lag[pre.name] - 1 + plan.ticks_per_step * projection.delay
        if not wait:
            return np.arange(start, start + pre.size)
        return np.array([plan.chains.get((pre.name, n, wait), -1) for n in range(pre.size)])

    def relay(self, event: int) -> int:
        """Return the neuron that hands an event on."""
        handed = [r for r, way in enumerate(self.schedule.relays) if way == ("input", event)]
        return self.neurons + handed[0] if handed else -1


def _spans(names: tuple[str, ...], first: np.ndarray) -> Iterator[tuple[str, slice]]:
    ends = first.tolist()
    return ((name, slice(a, b)) for name, a, b in zip(names, ends[:-1], ends[1:], strict=True))


def _channel(network: Network, name: str) -> int:
    names = [p.name for p in network.inputs]
    return sum(p.size for p in network.inputs[: names.index(name)])


def topology(network: Network, plan: Schedule) -> Topology:
    """Build the matrices of a network that is known to fit."""
    fire = [p for p in network.neurons if p.spiking]
    read = [p for p in network.neurons if not p.spiking]
    first, output_first = (
        np.cumsum([0, *(p.size for p in group)], dtype=np.int64) for group in (fire, read)
    )
    count, outputs = int(first[-1]), int(output_first[-1])
    size, ticks = count + len(plan.relays), plan.ticks_per_step

    def joined(
        name: str, group: list[Population], default: float = 1.0, end: int = 0
    ) -> np.ndarray:
        parts = [parameter(p, name) for p in group]
        return np.concatenate([np.zeros(0), *parts, np.full(end, default)])

    with np.errstate(invalid="ignore"):
        decay = joined("decay", fire, end=size - count) ** (1.0 / ticks)
        output_decay = joined("decay", read) ** (1.0 / ticks)
    height = joined("threshold", fire, end=size - count)
    height[:count] -= np.concatenate([np.zeros(0), *map(rest, fire)])
    strict = np.repeat([p.spike_cmp == ">" for p in fire], [p.size for p in fire])
    made = Topology(
        plan, tuple(p.name for p in fire), first, tuple(p.name for p in read), output_first,
        np.zeros((len(plan.events), size)), np.zeros((size, size)), np.zeros((size, outputs)),
        height, decay, np.concatenate([strict, np.zeros(size - count, bool)]).astype(bool),
        output_decay,
    )  # fmt: skip
    _connect(network, made)
    return made


def _connect(network: Network, made: Topology) -> None:
    targets = {**dict(made.spans()), **dict(made.output_spans())}
    for projection in network.projections:
        pre, post, weight = listed(network, projection)
        source = made.sources(network, projection)[pre]
        matrix = _matrix(network, made, projection)
        np.add.at(matrix, (source, post + targets[projection.post].start), weight)
    place = {key: i for i, key in enumerate(made.schedule.events)}
    for population in network.neurons:
        span, lag = targets[population.name], made.schedule.lag[population.name]
        for channel, values in ((BIAS, drift(population)), (START, first_charge(population))):
            if not values.any():
                continue
            if population.spiking:
                made.w_in[place[lag, channel], span] += values
            else:
                made.w_out[made.relay(place[lag - 1, channel]), span] += values


def _matrix(network: Network, made: Topology, projection: Projection) -> np.ndarray:
    if not network.populations[projection.post].spiking:
        return made.w_out
    return made.w_in if network.populations[projection.pre].is_input else made.w_rec
