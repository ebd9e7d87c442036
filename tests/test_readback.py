"""Weights read back from images, in the user's units."""

import nir
import numpy as np
import pytest
from crossbar_networks import inputs, layers, link, network, neurons, single

import nm_backends as nmb
from nm_backends.errors import UserError
from nm_backends.program import CompileOptions

LEARN = CompileOptions(learn=("fc",))


@pytest.mark.parametrize("chip", ["odin", "reckon", "tinyodin"])
def test_whole_weights_come_back_as_they_were(chip):
    low = 0 if chip == "odin" else -7
    weights = np.random.default_rng(0).integers(low, 8, (30, 5)).astype(float)
    weights[0] = 7
    program = nmb.compile(single(weights, threshold=100.0), chip)
    assert np.allclose(program.weights("fc"), weights.T)


def test_weights_of_both_signs_are_the_sum_of_two_rows():
    weights = np.random.default_rng(1).integers(-7, 8, (20, 4)).astype(float)
    weights[0] = 7
    program = nmb.compile(single(weights, threshold=100.0), "odin")
    assert np.allclose(program.weights("fc"), weights.T)


@pytest.mark.parametrize("chip", ["odin", "reckon", "tinyodin"])
def test_real_weights_come_back_rounded_in_every_layer(chip):
    net = layers(12, 6, 4, mean=0.5, spread=0.1)
    for i, projection in enumerate(net.projections):
        projection.nodes = (f"fc{i}",)
    program = nmb.compile(net, chip)
    for i, projection in enumerate(net.projections):
        found, wanted = program.weights(f"fc{i}"), projection.weights.toarray().T
        scale = program.fit.populations[projection.post].scale
        assert np.abs(found - wanted).max() <= 0.6 / scale


def test_several_inputs_delays_gains_and_graded_spikes():
    rng = np.random.default_rng(2)
    a, b = rng.integers(1, 8, (2, 3, 4)).astype(float)
    a[0] = b[0] = 7
    both = [inputs(3, "x"), inputs(3, "y"), neurons("n", 4, threshold=100.0, gain=2.0)]
    both[1].graded = 0.5
    net = network(both, [link("x", "n", a), link("y", "n", 2 * b, delay=2)])
    net.projections[0].nodes, net.projections[1].nodes = ("fa",), ("fb",)
    program = nmb.compile(net, "odin")
    assert np.allclose(program.weights("fa"), a.T)
    assert np.allclose(program.weights("fb"), 2 * b.T)


def test_neurons_that_learn_share_one_scale():
    weights = np.random.default_rng(3).random((20, 4)) * [1.0, 0.5, 0.25, 0.9]
    program = nmb.compile(single(weights, threshold=5.0), "odin", options=LEARN)
    assert np.ptp(program.layout["scale"]) == 0
    assert np.ptp(nmb.compile(single(weights, threshold=5.0), "odin").layout["scale"]) > 0


def graph(weight, name="fc"):
    one = np.ones(len(weight))
    nodes = {
        "input": nir.Input({"input": np.array([weight.shape[1]])}),
        name: nir.Linear(weight.astype(np.float32)),
        "a": nir.IF(r=one, v_threshold=60 * one),
        "output": nir.Output({"output": np.array([len(weight)])}),
    }
    made = nir.NIRGraph(nodes, list(zip(list(nodes)[:-1], list(nodes)[1:], strict=True)))
    made.metadata["nm_backends"] = {"dt": 1e-3, "if_gain": "r", "reset": "zero"}
    return made


def test_a_graph_comes_back_with_what_was_learned_and_the_model_stays():
    weight = np.random.default_rng(0).integers(0, 8, (4, 20)).astype(np.float32)
    weight[:, 0] = 7
    model = graph(weight)
    program = nmb.compile(model, "odin", options=LEARN)
    assert np.array_equal(program.to_nir(model).nodes["fc"].weight, weight)
    program.image.memories["synapse"][program.layout["row_source"] == 3, 2] ^= 5
    found = program.to_nir(model).nodes["fc"].weight
    assert found.dtype == np.float32
    assert np.argwhere(found != weight).tolist() == [[2, 3]]
    assert np.array_equal(model.nodes["fc"].weight, weight)
    for other, message in (
        (graph(weight, "fd"), "no node 'fc'"),
        (graph(weight[:, 1:]), "shape|weight"),
    ):
        with pytest.raises(UserError, match=message):
            program.to_nir(other)
    with pytest.raises(UserError, match="no layer of this program learned"):
        nmb.compile(model, "odin").to_nir(model)
    with pytest.raises(UserError, match="no such weight node"):
        program.weights("nobody")
