"""The float run against a plain loop over the definition, and its axes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nir_graphs import affine, chain, cuba, graph, inp, integrator, li, lif, linear, node, out

from nm_backends.discretisation import RESETS, Discretisation
from nm_backends.lowering import lower
from nm_backends.lowering.reference import reference, run_network

RULES = [r for r in RESETS if r != "none"] + ["none"]


def slow(network, spikes):
    """Run a network neuron by neuron for one sample: the text of `nm_backends.network` as code."""
    pops = network.populations
    steps = len(spikes)
    given = {p.name: np.zeros((steps, p.size)) for p in pops.values()}
    fired = {p.name: np.zeros((steps, p.size), int) for p in pops.values()}
    first = 0
    for p in network.inputs:
        given[p.name] = spikes[:, first : first + p.size].astype(float)
        first += p.size
    v = {p.name: list(p.v0) for p in network.neurons}
    i = {p.name: [0.0] * p.size for p in network.neurons}
    for t in range(steps):
        for p in network.neurons:
            for n in range(p.size):
                u = p.bias[n]
                for q in network.into(p.name):
                    if t >= q.delay:
                        u += given[q.pre][t - q.delay] @ q.weights.toarray()[:, n]
                if p.decay_syn is not None:
                    u = i[p.name][n] = p.decay_syn[n] * i[p.name][n] + p.gain_syn[n] * u
                old = v[p.name][n]
                new, s = update(p, n, old, p.decay[n] * old + p.gain[n] * u + p.leak[n])
                v[p.name][n] = new
                fired[p.name][t, n] = s
                given[p.name][t, n] = s * p.graded if p.spiking else new
    return fired, given


def update(p, n, old, new):
    if not p.spiking:
        return new, 0
    thr = p.threshold[n]

    def above(x):
        return x >= thr if p.spike_cmp == ">=" else x > thr

    q = above(old)
    if p.reset in ("subtract_delayed", "subtract_nodelay_snntorch"):
        new -= q * thr
    if p.reset == "zero_dropinput" and q:
        new = 0.0
    s = above(new)
    if p.reset == "subtract_nodelay_snntorch":
        new -= (int(s) - int(q)) * thr
    if p.reset == "subtract" and s:
        new -= thr
    if p.reset == "zero" and s:
        new = p.v_reset[n]
    return new, int(s)


def network_of(seed, rule, cmp, graded):
    """Two layers with a loop, delays, a current-based layer, a leaky readout; weights on a grid."""
    rng = np.random.default_rng(seed)

    def grid(*shape):
        return rng.integers(-8, 17, shape) / 8

    nodes = {
        "input": inp(4),
        "fc1": affine(grid(3, 4), grid(3)),
        "a": lif(3, tau=4e-3, r=4.0, v_leak=0.25, v_threshold=1.0, v_reset=-0.25),
        "rec": affine(grid(3, 3) / 2, grid(3) / 4),
        "late": node("Delay", delay=np.array([0.0, 1e-3, 3e-3])),
        "fc2": linear(grid(2, 3)),
        "b": cuba(2, tau_syn=2e-3, tau_mem=4e-3, w_in=2.0),
        "back": linear(grid(3, 2) / 4),
        "c": integrator(2),
        "read": li(2, tau=4e-3),
        "output": out(2),
        "spikes": out(2),
    }
    edges = [
        ("input", "fc1"), ("fc1", "a"), ("a", "rec"), ("rec", "a"), ("a", "late"), ("late", "fc2"),
        ("fc2", "b"), ("b", "back"), ("back", "a"), ("b", "c"), ("c", "read"), ("b", "read"),
        ("read", "output"), ("c", "spikes"),
    ]  # fmt: skip
    said = Discretisation(
        dt=1e-3, reset=rule, spike_cmp=cmp, v0="v_leak", if_gain="r", graded={"a": graded}
    )
    return lower(graph(nodes, edges), said)


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=6, deadline=None)
@given(st.integers(0, 2**16), st.sampled_from([">", ">="]), st.sampled_from([1.0, 2.0]))
def test_same_as_a_loop_over_the_definition(rule, seed, cmp, graded):
    network = network_of(seed, rule, cmp, graded)
    x = np.random.default_rng(seed).integers(0, 3, (25, 2, 4)).astype(np.uint8)
    layers, membranes = run_network(network, x)
    for sample in range(2):
        fired, given = slow(network, x[:, sample])
        for name, spikes in layers.items():
            np.testing.assert_array_equal(spikes[:, sample], fired[name], err_msg=name)
        np.testing.assert_allclose(membranes["read"][:, sample], given["read"], atol=1e-12)


def test_the_test_network_fires():
    network = network_of(1, "zero", ">", 1.0)
    x = np.random.default_rng(1).integers(0, 3, (25, 2, 4)).astype(np.uint8)
    assert all(0.05 < s.mean() < 0.95 for s in run_network(network, x)[0].values())


def test_batches_in_pieces_equal_one_batch(monkeypatch):
    network = network_of(3, "zero", ">", 1.0)
    x = np.random.default_rng(3).integers(0, 2, (20, 7, 4)).astype(np.uint8)
    whole = run_network(network, x, membrane=True)
    monkeypatch.setattr("nm_backends.lowering.reference._CHUNK_BYTES", 1)
    pieces = run_network(network, x, membrane=True)
    for first, second in zip(whole, pieces, strict=True):
        for name in first:
            np.testing.assert_array_equal(first[name], second[name])


def test_result_has_the_axes_of_the_input():
    made = graph({"input": inp(1, 2, 2), "lif": lif(1, 2, 2, r=100.0), "o": out(1, 2, 2)})
    network = lower(made, Discretisation(framework="nir", dt=1e-3))
    x = np.ones((5, 3, 1, 2, 2), np.uint8)
    result = reference(network, x, record=("membrane",))
    assert result.spikes.shape == (5, 3, 1, 2, 2)
    assert result.layers["lif"].shape == result.membranes["lif"].shape == (5, 3, 1, 2, 2)
    assert result.readout.shape == (3, 1, 2, 2)
    assert result.readout.tolist() == np.full((3, 1, 2, 2), 5).tolist()
    assert result.counters["sops"].tolist() == [20, 20, 20]
    single = reference(network, x[:, 0])
    assert single.spikes.shape == (5, 1, 2, 2)
    flat = reference(network, x.reshape(5, 3, 4))
    np.testing.assert_array_equal(flat.spikes, result.spikes)


def test_readout_of_a_leaky_integrator_is_its_last_membrane():
    network = lower(chain(li(2)), Discretisation(framework="nir", dt=1e-3))
    x = np.ones((3, 1, 2), np.uint8)
    result = reference(network, x)
    np.testing.assert_allclose(result.spikes[:, 0, 0], [0.1, 0.19, 0.271])
    np.testing.assert_allclose(result.readout, [[0.271, 0.271]])


def test_output_of_a_linear_node():
    network = lower(chain(affine([[1, 2], [0, 1]], [0.5, 0])))
    x = np.array([[[1, 1]], [[0, 0]]], np.uint8)
    assert reference(network, x).spikes[:, 0].tolist() == [[3.5, 1.0], [0.5, 0.0]]


def test_several_inputs_by_name():
    nodes = {
        "l": inp(2),
        "r": inp(1),
        "w": linear(np.ones((2, 1))),
        "n": integrator(2),
        "o": out(2),
    }
    edges = [("l", "n"), ("r", "w"), ("w", "n"), ("n", "o")]
    network = lower(graph(nodes, edges), Discretisation(framework="nir", dt=1e-3, if_gain="r"))
    left, right = np.ones((4, 1, 2), np.uint8), np.ones((4, 1, 1), np.uint8)
    by_name = reference(network, {"l": left, "r": right})
    joined = reference(network, np.concatenate([left, right], axis=2))
    np.testing.assert_array_equal(by_name.spikes, joined.spikes)
    with pytest.raises(ValueError, match=r"^spikes are given for l; the inputs are l, r$"):
        reference(network, {"l": left})
    with pytest.raises(ValueError, match="differ in time steps or batch size"):
        reference(network, {"l": left, "r": right[:2]})


def test_wrong_axes_say_what_is_wanted():
    network = lower(chain(li(2)), Discretisation(framework="nir", dt=1e-3))
    with pytest.raises(ValueError, match=r"have shape \(4, 3\); wanted \[time, batch, 2\]"):
        reference(network, np.zeros((4, 3)))
    with pytest.raises(ValueError, match=r"wanted \[time, batch, 2\]"):
        run_network(network, np.zeros((4, 2)))


def test_no_time_and_no_samples():
    network = lower(chain(li(2)), Discretisation(framework="nir", dt=1e-3))
    assert run_network(network, np.zeros((0, 3, 2)))[1]["1"].shape == (0, 3, 2)
    assert run_network(network, np.zeros((3, 0, 2)))[1]["1"].shape == (3, 0, 2)
