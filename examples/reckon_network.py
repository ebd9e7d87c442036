"""The network that the ReckOn examples share: inputs, one recurrent layer, leaky outputs."""

import nir
import numpy as np

import nm_backends as nmb

LAYERS = ("w_in", "w_rec", "w_out")
_LARGEST = 0.49  # so that weights of all seeds get the same unit


def graph(sizes, seed, constants, gains, dt=1e-3):
    """Return a NIR graph with random weights.

    Parameters
    ----------
    sizes
        Inputs, recurrent neurons, outputs.
    constants
        Time constants of neurons and outputs in seconds, threshold.
    gains
        Input, recurrent and output weights are normal, with gain * sqrt(2 / inputs) as deviation.
    dt
        Seconds per step.
    """
    random = np.random.default_rng(seed)
    inputs, neurons, outputs = sizes
    tau, tau_out, threshold = constants
    pairs = ((inputs, neurons), (neurons, neurons), (neurons, outputs))
    weights = [_drawn(random, pair, gain) for pair, gain in zip(pairs, gains, strict=True)]
    np.fill_diagonal(weights[1], 0)
    one, out = np.ones(neurons), np.ones(outputs)
    leak, leak_out = (t / dt for t in (tau, tau_out))  # so that a weight acts as it is
    nodes = {
        "input": nir.Input({"input": np.array([inputs])}),
        **{name: nir.Linear(w.T) for name, w in zip(LAYERS, weights, strict=True)},
        "rec": nir.LIF(tau * one, leak * one, 0 * one, threshold * one),
        "out": nir.LI(tau_out * out, leak_out * out, 0 * out),
        "output": nir.Output({"output": np.array([outputs])}),
    }
    edges = [
        ("input", "w_in"), ("w_in", "rec"), ("rec", "w_rec"), ("w_rec", "rec"),
        ("rec", "w_out"), ("w_out", "out"), ("out", "output"),
    ]  # fmt: skip
    return nir.NIRGraph(nodes, edges)


def _drawn(random, shape, gain):
    found = random.normal(0, gain * np.sqrt(2 / shape[0]), shape)
    return np.clip(found, -_LARGEST, _LARGEST)


def compiled(sizes, seed, constants, gains, learn=LAYERS, dt=1e-3, votes=None):
    """Return a program for ReckOn in which the layers ``learn`` may change."""
    said = nmb.Discretisation(dt=dt, reset="subtract_delayed", spike_cmp=">=", v0="zero")
    options = nmb.CompileOptions(learn=learn, vote_steps=votes)
    model = graph(sizes, seed, constants, gains, dt)
    return nmb.compile(model, "reckon", discretisation=said, options=options)


def spread(values):
    """Return mean and standard deviation (0 for a single value)."""
    values = np.asarray(values, float)
    return {"mean": float(values.mean()), "sd": float(values.std(ddof=min(1, len(values) - 1)))}
