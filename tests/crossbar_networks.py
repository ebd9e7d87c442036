"""Networks built by hand, for the mapper's tests."""

import numpy as np
import scipy.sparse as sp

from nm_backends.discretisation import Discretisation
from nm_backends.network import Network, Population, Projection
from nm_backends.registry import get_backend
from nm_backends.rules import Report

CHIPS = ("tinyodin", "odin")


def chip(name):
    return get_backend(name).chip


def neurons(name, size, decay=1.0, threshold=1.0, **changes):
    """Return LIF neurons that reset to zero; any field can be given."""
    one, zero = np.ones(size), np.zeros(size)
    fields = {
        "decay": decay * one, "gain": one, "leak": zero, "threshold": threshold * one,
        "v_reset": zero, "v0": zero, "bias": zero,
    }  # fmt: skip
    for key in [key for key in changes if key in fields]:
        fields[key] = changes.pop(key) * one
    return Population(name, (size,), changes.pop("node_type", "LIF"), **fields, **changes)


def inputs(size, name="in", shape=None):
    return Population(name, shape or (size,), "Input")


def link(pre, post, weights, delay=0):
    return Projection(pre, post, sp.csr_array(np.asarray(weights, float)), delay, ("fc",))


def network(populations, projections, output=None):
    named = {p.name: p for p in populations}
    outputs = {"output": output or populations[-1].name}
    return Network(named, projections, outputs, Discretisation(dt=1e-3), Report())


def single(weights, **changes):
    """Return a network of one layer: weights ``[inputs, neurons]``."""
    weights = np.atleast_2d(np.asarray(weights, float))
    layer = neurons("a", weights.shape[1], **changes)
    return network([inputs(weights.shape[0]), layer], [link("in", "a", weights)])


def layers(*sizes, seed=0, mean=0.1, spread=0.4, **changes):
    """Return a feed-forward network with random weights of both signs."""
    rng = np.random.default_rng(seed)
    populations, projections = [inputs(sizes[0])], []
    for i, size in enumerate(sizes[1:], start=1):
        pre, post = populations[-1], neurons(f"l{i}", size, **changes)
        populations.append(post)
        projections.append(
            link(pre.name, post.name, rng.normal(mean, spread, (pre.size, post.size)))
        )
    return network(populations, projections)


def bernoulli(steps, batch, channels, rate=0.2, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.random((steps, batch, channels)) < rate).astype(np.uint8)


def one_at_a_time(steps, batch, channels, seed=0):
    """Return spikes with at most one event per step: the order of events cannot matter."""
    rng = np.random.default_rng(seed)
    spikes = np.zeros((steps, batch, channels), np.uint8)
    t, b = np.meshgrid(np.arange(steps), np.arange(batch), indexing="ij")
    spikes[t, b, rng.integers(0, channels, (steps, batch))] = 1
    return spikes
