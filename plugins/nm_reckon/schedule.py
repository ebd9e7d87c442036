"""When each population takes its step on the chip: ticks per step, lags, and who has to wait.

A spike fired in a tick acts in that tick's propagation and is tested in the next one: each
projection takes one tick. A population with lag L has gathered the input of model step ``t`` after
the propagation of tick ``k t + L`` (``k`` ticks per step) and fires in the next tick. A projection
with ``d`` steps of delay asks for ``L[post] = L[pre] + 1 - k d``; where ``L[post]`` is larger,
relay neurons hand the spikes on, one tick each. The host sends inputs when they are wanted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nm_backends.effective import gain_of, learning, parameter
from nm_reckon.spec import ALPHA_LEAST

if TYPE_CHECKING:
    from nm_backends.network import Network, Population, Projection

__all__ = [
    "BIAS", "MOST_TICKS", "START", "LoopError", "Schedule", "drift", "first_charge", "rest",
    "schedule", "schedule_ticks",
]  # fmt: skip

BIAS, START = -1, -2
"""Input channels of their own: what is added in every step, and what is there before the first."""

MOST_TICKS = 16
"""Of a step of the model."""


class LoopError(ValueError):
    """Spikes come back sooner than the chip can carry them round; ``names`` are the populations."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(", ".join(names))
        self.names = names


@dataclass(frozen=True)
class Schedule:
    """Where and when, without any weights.

    Parameters
    ----------
    ticks_per_step
        Ticks of the chip per step of the model.
    lag
        Population (neurons, and outputs that do not spike) to its lag in ticks.
    events
        Inputs that the host sends, ``(shift, channel)``: the event of model step ``t`` goes out in
        tick ``k t + shift``. `BIAS` is sent in every step, `START` in the first only.
    relays
        Neurons that hand on: ``("input", place in events)`` or ``("neuron", source)``, the source
        counted over neurons, then relays.
    chains
        ``(population, neuron, stage)`` to the source that shows its spikes ``stage`` ticks later.
    """

    ticks_per_step: int
    lag: dict[str, int]
    events: tuple[tuple[int, int], ...]
    relays: tuple[tuple[str, int], ...]
    chains: dict[tuple[str, int, int], int]

    @property
    def deepest(self) -> int:
        """The largest lag."""
        return max(self.lag.values(), default=0)

    def ticks(self, steps: int, after: int = 0) -> int:
        """Ticks of a sample of so many steps; ``after`` more for a readout of spikes."""
        return max(2, self.ticks_per_step * (steps - 1) + self.deepest + after + 2)


def schedule(network: Network, learn: Sequence[str] = ()) -> Schedule:
    """Place every population in time.

    Parameters
    ----------
    learn
        NIR nodes whose weights may change: what is 0 there is wired too, so that it can learn.

    Raises
    ------
    LoopError
        A loop has fewer steps of delay than populations.
    """
    each, learned = schedule_ticks(network), learning(network, learn)
    lag = _lags(network, each, learned)
    found = _Relays(network, each, lag, learned)
    return Schedule(each, lag, found.events, tuple(found.relays), found.chains)


def rest(population: Population) -> np.ndarray:
    """Return the membrane that the chip's 0 stands for: the one after a reset."""
    if population.spiking and population.reset == "zero":
        return parameter(population, "v_reset")
    return np.zeros(population.size)


def drift(population: Population) -> np.ndarray:
    """Return what is added to the membrane, measured from `rest`, in every step."""
    pull = (1.0 - parameter(population, "decay")) * rest(population)
    bias = gain_of(population) * parameter(population, "bias")
    return np.asarray(bias + parameter(population, "leak") - pull)


def first_charge(population: Population) -> np.ndarray:
    """Return what the state before the first step leaves for it, measured from `rest`."""
    before = parameter(population, "v0") - rest(population)
    left = parameter(population, "decay") * before
    if not population.spiking or population.reset not in ("subtract_delayed", "zero_dropinput"):
        return np.asarray(left)
    height = parameter(population, "threshold")
    over = before > height if population.spike_cmp == ">" else before >= height
    after = left - height if population.reset == "subtract_delayed" else 0.0
    return np.where(over, after, left)


def schedule_ticks(network: Network) -> int:
    """Return the fewest ticks in which the chip's leak factors reach the fastest decay.

    Between the ticks of a step nothing arrives, so that only neurons that are set to zero (and do
    not fire again of themselves) may wait.
    """
    neurons = [p for p in network.neurons if p.spiking]
    if not neurons or any(p.reset != "zero" for p in neurons):
        return 1
    least = min(float(parameter(p, "decay").min()) for p in neurons)
    if not 0 < least < ALPHA_LEAST:
        return 1
    needed = int(np.ceil(np.log(least) / np.log(ALPHA_LEAST) - 1e-9))
    return needed if needed <= MOST_TICKS else 1


def _linked(network: Network, learned: list[Projection]) -> Iterator[Projection]:
    """Go through projections that carry, or may learn to, from neurons to neurons or outputs."""
    inputs = {p.name for p in network.inputs}
    for projection in network.projections:
        spiking = projection.pre not in inputs and network.populations[projection.pre].spiking
        if spiking and senders(projection, learned).size:
            yield projection


def _lags(network: Network, each: int, learned: list[Projection]) -> dict[str, int]:
    lag = {p.name: 0 if p.spiking else 1 for p in network.neurons}
    links = [(p.pre, p.post, 1 - each * p.delay) for p in _linked(network, learned)]
    for _ in range(len(lag) + 1):
        late = [(post, lag[pre] + more) for pre, post, more in links if lag[pre] + more > lag[post]]
        if not late:
            return _later(network, lag, links)
        for post, at_least in late:
            lag[post] = max(lag[post], at_least)
    raise LoopError(tuple(dict.fromkeys(post for post, _ in late)))


def _later(
    network: Network, lag: dict[str, int], links: list[tuple[str, str, int]]
) -> dict[str, int]:
    """Let populations that only the host drives wait for the others: it costs no relays."""
    driven = {post for pre, post, _ in links if pre != post}
    for name in reversed(lag):
        to = [lag[post] - more for pre, post, more in links if pre == name and post != name]
        if name not in driven and to and network.populations[name].spiking:
            lag[name] = max(lag[name], min(to))
    return lag


class _Relays:
    """Collects the events of the host and the neurons that hand on."""

    def __init__(
        self, network: Network, each: int, lag: dict[str, int], learned: list[Projection]
    ) -> None:
        self.network, self.each, self.lag, self.learned = network, each, lag, learned
        self.first, self.size = _offsets([p for p in network.neurons if p.spiking])
        self.relays: list[tuple[str, int]] = []
        self.chains: dict[tuple[str, int, int], int] = {}
        direct, handed = self._wanted()
        keys = direct | handed
        self.events = tuple(sorted(keys, key=lambda k: (k[1] < 0, k)))
        place = {key: i for i, key in enumerate(self.events)}
        self.relays += [("input", place[key]) for key in self.events if key in handed]
        for projection in _linked(network, learned):
            self._chain(projection)

    def _wanted(self) -> tuple[set[tuple[int, int]], set[tuple[int, int]]]:
        """Return events that act on neurons, and those that a relay hands on to outputs."""
        channel, _ = _offsets(self.network.inputs)
        direct: set[tuple[int, int]] = set()
        handed: set[tuple[int, int]] = set()
        for p in self.network.neurons:
            keys, at = (direct, self.lag[p.name]) if p.spiking else (handed, self.lag[p.name] - 1)
            if drift(p).any():
                keys.add((at, BIAS))
            if first_charge(p).any():
                keys.add((at, START))
            for projection in self.network.into(p.name):
                if projection.pre in channel:
                    shift = at + self.each * projection.delay
                    used = channel[projection.pre] + senders(projection, self.learned)
                    keys |= {(shift, c) for c in used.tolist()}
        return direct, handed

    def _chain(self, projection: Projection) -> None:
        """Add the relays that a projection needs and that are not there yet."""
        pre = projection.pre
        wait = self.lag[projection.post] - (self.lag[pre] + 1 - self.each * projection.delay)
        for n in senders(projection, self.learned).tolist() if wait else ():
            source = self.first[pre] + n
            for stage in range(1, wait + 1):
                key = (pre, n, stage)
                if key not in self.chains:
                    self.chains[key] = self.size + len(self.relays)
                    self.relays.append(("neuron", source))
                source = self.chains[key]


def senders(projection: Projection, learned: Sequence[Projection] = ()) -> np.ndarray:
    """Return the neurons of ``pre`` that have synapses; all where synapses may grow."""
    fan_out = np.diff(projection.weights.indptr)
    if any(projection is one for one in learned):
        return np.arange(fan_out.size)
    return np.flatnonzero(fan_out)


def _offsets(populations: list[Population]) -> tuple[dict[str, int], int]:
    ends = np.cumsum([0, *(p.size for p in populations)]).tolist()
    return {p.name: first for p, first in zip(populations, ends, strict=False)}, ends[-1]
