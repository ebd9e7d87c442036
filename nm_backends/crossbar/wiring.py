"""A network as one real matrix: every source of events against every neuron.

Populations are shifted so that every reset goes to zero: with ``z = v - v_reset``

    z[t] = decay * z[t-1] + gain * u[t] + (gain * bias + leak - (1 - decay) * v_reset)

fires at ``threshold - v_reset`` and starts at ``v0 - v_reset``. What a spike is worth (``graded``)
and the gain of the listener are folded into the weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nm_backends.effective import constant, gain_of, learning, listed, parameter
from nm_backends.network import Network, Projection

__all__ = ["Wiring", "fired_sources", "wire"]


@dataclass
class Wiring:
    """All sources and all neurons, in the user's units.

    A source is an input channel with a delay, or a neuron. Neurons come last, in order, so that
    neuron ``n`` is source ``inputs + n``. Input channels with the same weights may be one source
    (`nm_backends.crossbar.sharing`): each is a *line* of it.

    Parameters
    ----------
    names
        Populations of neurons, in evaluation order.
    first
        First neuron of each population, and the total: int64 ``[populations + 1]``.
    channel, delay
        Input channel and delay in steps of every line, int64 ``[lines]``.
    weights
        float64 ``[sources, neurons]``, effect of one spike on the membrane.
    bias, threshold, decay, start
        float64 ``[neurons]``; bias is added in every step, start is the membrane before the first.
    strict
        Whether a neuron fires above the threshold rather than at it, bool ``[neurons]``.
    plastic
        Synapses that learn on the chip, bool ``[sources, neurons]``: all between the two
        populations of a learning projection, also those of weight 0.
    hosted
        Inputs without a row, bool ``[inputs]``: the host sends one virtual event per synapse.
    source
        The source of every line, int64 ``[lines]``; by default each line is one.
    """

    names: tuple[str, ...]
    first: np.ndarray
    channel: np.ndarray
    delay: np.ndarray
    weights: np.ndarray
    bias: np.ndarray
    threshold: np.ndarray
    decay: np.ndarray
    start: np.ndarray
    strict: np.ndarray
    plastic: np.ndarray
    hosted: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    source: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    def __post_init__(self) -> None:
        if not self.source.size:
            self.source = np.arange(self.channel.size)
        if not self.hosted.size:
            self.hosted = np.zeros(self.inputs, bool)

    @property
    def inputs(self) -> int:
        """Number of sources that are inputs."""
        return int(self.weights.shape[0] - self.threshold.size)

    @property
    def shares(self) -> bool:
        """Whether some lines are one source."""
        return self.inputs < self.source.size

    @property
    def leaders(self) -> np.ndarray:
        """The first line of every source that is an input, int64 ``[inputs]``."""
        return np.unique(self.source, return_index=True)[1]

    def lines_of(self, sources: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return line and place in ``sources`` of each line of each of them, line by line.

        Parameters
        ----------
        sources
            Ascending; a source that stands twice has each of its lines twice.
        """
        first, end = (np.searchsorted(sources, self.source, side) for side in ("left", "right"))
        times = end - first
        line = np.repeat(np.arange(self.source.size), times)
        begin = np.cumsum(times) - times
        return line, np.repeat(first - begin, times) + np.arange(line.size)

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return int(self.threshold.size)

    @property
    def closed(self) -> bool:
        """Whether a neuron drives another one."""
        return bool(self.weights[self.inputs :].any())

    @property
    def loops(self) -> bool:
        """Whether neurons of a population drive each other."""
        return any(self.weights[self.inputs :][span, span].any() for _, span in self.spans())

    def of(self, name: str) -> slice:
        """Return the neurons of a population."""
        i = self.names.index(name)
        return slice(int(self.first[i]), int(self.first[i + 1]))

    def spans(self) -> Iterator[tuple[str, slice]]:
        """Go through populations with their neurons, in evaluation order."""
        return ((name, self.of(name)) for name in self.names)


def wire(network: Network, learn: Sequence[str] = ()) -> Wiring:
    """Build the matrix of a network that is known to fit (see `demand`).

    Parameters
    ----------
    learn
        NIR nodes whose synapses learn on the chip, see `learning`.
    """
    plastic = learning(network, learn)
    populations = network.neurons
    first = np.concatenate([[0], np.cumsum([p.size for p in populations])]).astype(np.int64)
    start_of = {p.name: int(n) for p, n in zip(populations, first, strict=False)}
    channels = np.concatenate([[0], np.cumsum([p.size for p in network.inputs])]).astype(np.int64)
    channel_of = {p.name: int(n) for p, n in zip(network.inputs, channels, strict=False)}
    pres, posts, values, learns = [], [], [], []
    for projection in network.projections:
        every = any(projection is one for one in plastic)
        pre, post, value = (_dense if every else listed)(network, projection)
        learns.append(np.full(pre.size, every))
        if projection.pre in channel_of:  # inputs: (channel, delay) as one number, not negative
            pre = (pre + channel_of[projection.pre]) * _DELAYS + projection.delay
        else:
            pre = -1 - (pre + start_of[projection.pre])
        pres.append(pre)
        posts.append(post + start_of[projection.post])
        values.append(value)
    pre, post = (np.concatenate([np.zeros(0, np.int64), *part]) for part in (pres, posts))
    keys = np.unique(pre[pre >= 0])
    weights = np.zeros((keys.size + int(first[-1]), int(first[-1])))
    source = np.where(pre >= 0, np.searchsorted(keys, pre), keys.size - 1 - pre)
    np.add.at(weights, (source, post), np.concatenate([np.zeros(0), *values]))
    changing = np.zeros(weights.shape, bool)
    changing[source, post] = np.concatenate([np.zeros(0, bool), *learns])

    def joined(part: list[np.ndarray]) -> np.ndarray:
        return np.concatenate([np.zeros(0), *part])

    reset = joined([parameter(p, "v_reset") for p in populations])
    return Wiring(
        tuple(p.name for p in populations),
        first,
        keys // _DELAYS,
        keys % _DELAYS,
        weights,
        joined([constant(p) for p in populations]),
        joined([parameter(p, "threshold") for p in populations]) - reset,
        joined([parameter(p, "decay") for p in populations]),
        joined([parameter(p, "v0") for p in populations]) - reset,
        np.repeat([p.spike_cmp == ">" for p in populations], [p.size for p in populations]),
        changing,
    )


def _dense(network: Network, projection: Projection) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return all synapses of a projection, those of weight 0 too."""
    gain = gain_of(network.populations[projection.post])
    graded = network.populations[projection.pre].graded
    weights = projection.weights.toarray() * gain * graded
    pre, post = np.indices(weights.shape, dtype=np.int64).reshape(2, -1)
    return pre, post, np.asarray(weights.ravel(), np.float64)


_DELAYS = 1 << 20  # more steps of delay than anybody has


def fired_sources(wiring: Wiring, spikes: np.ndarray, layers: dict[str, np.ndarray]) -> np.ndarray:
    """Return what every source sent, float64 ``[time, batch, sources]``.

    Parameters
    ----------
    spikes
        Input counts ``[time, batch, channels]``.
    layers
        Population name to counts ``[time, batch, size]``.
    """
    steps, batch = spikes.shape[:2]
    sent = np.zeros((steps, batch, wiring.weights.shape[0]))
    for delay in np.unique(wiring.delay):
        if delay < steps:
            of = np.flatnonzero(wiring.delay == delay)
            heard = spikes[: steps - delay, :, wiring.channel[of]]
            where: Any = (slice(delay, None), slice(None), wiring.source[of])
            if wiring.shares:
                np.add.at(sent, where, heard)
            else:
                sent[where] = heard
    for name, span in wiring.spans():
        sent[:, :, wiring.inputs + span.start : wiring.inputs + span.stop] = layers[name]
    return sent
