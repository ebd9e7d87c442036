"""A network as one real matrix: every source of events against every neuron.

Populations are shifted so that every reset goes to zero: with ``z = v - v_reset``

    z[t] = decay * z[t-1] + gain * u[t] + (gain * bias + leak - (1 - decay) * v_reset)

fires at ``threshold - v_reset`` and starts at ``v0 - v_reset``. What a spike is worth (``graded``)
and the gain of the listener are folded into the weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from nm_backends.errors import UserError
from nm_backends.network import Network, Population, Projection

__all__ = [
    "Wiring",
    "constant",
    "fired_sources",
    "gain_of",
    "learning",
    "listed",
    "parameter",
    "wire",
]

_DEFAULT = {"decay": 1.0, "gain": 1.0, "gain_syn": 1.0, "threshold": 1.0}


@dataclass
class Wiring:
    """All sources and all neurons, in the user's units.

    A source is an input channel with a delay, or a neuron. Neurons come last, in order, so that
    neuron ``n`` is source ``inputs + n``.

    Parameters
    ----------
    names
        Populations of neurons, in evaluation order.
    first
        First neuron of each population, and the total: int64 ``[populations + 1]``.
    channel, delay
        Input channel and delay in steps of the sources that are inputs, int64 ``[inputs]``.
    weights
        float64 ``[sources, neurons]``, effect of one spike on the membrane.
    bias, threshold, decay, start
        float64 ``[neurons]``; bias is added in every step, start is the membrane before the first.
    strict
        Whether a neuron fires above the threshold rather than at it, bool ``[neurons]``.
    plastic
        Synapses that learn on the chip, bool ``[sources, neurons]``: all between the two
        populations of a learning projection, also those of weight 0.
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

    @property
    def inputs(self) -> int:
        """Number of sources that are inputs."""
        return int(self.channel.size)

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return int(self.threshold.size)

    @property
    def closed(self) -> bool:
        """Whether a neuron drives another one."""
        return bool(self.weights[self.inputs :].any())

    def of(self, name: str) -> slice:
        """Return the neurons of a population."""
        i = self.names.index(name)
        return slice(int(self.first[i]), int(self.first[i + 1]))

    def spans(self) -> Iterator[tuple[str, slice]]:
        """Go through populations with their neurons, in evaluation order."""
        return ((name, self.of(name)) for name in self.names)


def parameter(population: Population, name: str) -> np.ndarray:
    """Return a parameter of a population, or what its absence means."""
    value = getattr(population, name)
    if value is None:
        return np.full(population.size, _DEFAULT.get(name, 0.0))
    return np.asarray(value, np.float64)


def gain_of(population: Population) -> np.ndarray:
    """Return by how much one unit of input moves the membrane."""
    gain = parameter(population, "gain")
    return gain if population.decay_syn is None else gain * parameter(population, "gain_syn")


def constant(population: Population) -> np.ndarray:
    """Return what is added to the shifted membrane in every step."""
    pull = (1.0 - parameter(population, "decay")) * parameter(population, "v_reset")
    bias = gain_of(population) * parameter(population, "bias")
    return np.asarray(bias + parameter(population, "leak") - pull)


def listed(network: Network, projection: Projection) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a projection's effective synapses that are not zero: pre, post, weight."""
    matrix = projection.weights.tocoo()
    gain = gain_of(network.populations[projection.post])
    data = matrix.data * gain[matrix.col] * network.populations[projection.pre].graded
    there = data != 0
    return (
        matrix.row[there].astype(np.int64),
        matrix.col[there].astype(np.int64),
        np.asarray(data[there], np.float64),
    )


def learning(network: Network, nodes: Sequence[str]) -> list[Projection]:
    """Return the projections that the NIR nodes ``nodes`` became.

    Raises
    ------
    UserError
        A name is no weight node of the network, or shares a projection with other nodes: what is
        learned could not be given back to it.
    """
    found = []
    for name in nodes:
        into = [p for p in network.projections if name in p.nodes]
        if not into:
            known = sorted({node for p in network.projections for node in p.nodes})
            raise UserError(
                f"node {name!r}: no such weight node in {network.source}",
                f"it has {', '.join(known) or 'none'}",
            )
        if len(into) > 1 or into[0].nodes != (name,):
            raise UserError(
                f"node {name!r} became {', '.join(p.name for p in into)} together with "
                f"{', '.join(sorted({n for p in into for n in p.nodes} - {name})) or 'nothing'}",
                "to learn or be read back, a layer is one Linear or Affine node by itself",
            )
        found += into
    return found


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
            sent[delay:, :, of] = spikes[: steps - delay, :, wiring.channel[of]]
    for name, span in wiring.spans():
        sent[:, :, wiring.inputs + span.start : wiring.inputs + span.stop] = layers[name]
    return sent
