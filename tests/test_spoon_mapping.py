"""SPOON: networks recognised, scaled, read back, refused."""

from itertools import pairwise

import nir
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from spoon_models import ASSUMED, images, small_graph

import nm_backends as nmb
from nm_backends.first_spikes import FirstSpikes
from nm_backends.registry import get_backend
from nm_backends.testing import conventions, random_model
from nm_spoon.activations import activations
from nm_spoon.chain import read_chain
from nm_spoon.convolution import as_convolution
from nm_spoon.float_model import float_run
from nm_spoon.graphs import spoon_graph
from nm_spoon.neuron_lines import line_of
from nm_spoon.setup import pack, unpack

SPEC = get_backend("spoon").spec
IMAGES = nmb.latency_code(images(1))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    channels=st.integers(1, 2),
    kernel=st.integers(1, 3).map(lambda side: (side, side)),
    stride=st.integers(1, 3),
    padding=st.integers(0, 1),
)
def test_convolutions_are_found_in_matrices(seed, channels, kernel, stride, padding):
    rng = np.random.default_rng(seed)
    weight = rng.normal(0, 1, (2, channels, *kernel)).astype(np.float32)
    weight *= rng.random(weight.shape) < 0.8
    out = [2, *((n + 2 * padding - k) // stride + 1 for n, k in zip((5, 6), kernel, strict=True))]
    conv = nir.Conv2d((5, 6), weight, stride, padding, 1, 1, np.zeros(2, np.float32))
    nodes = {"input": nir.Input({"input": np.array([channels, 5, 6])}), "conv": conv,
             "output": nir.Output({"output": np.array(out)})}  # fmt: skip
    network = nmb.lower(nir.NIRGraph(nodes, list(pairwise(nodes))), conventions())
    (projection,) = network.projections
    post = network.neurons[0].shape
    found = as_convolution(projection.weights, (channels, 5, 6), post)
    rebuilt = np.zeros(projection.weights.shape)
    for k, v, u in np.ndindex(*post):
        for c, i, j in np.ndindex(*found.kernel.shape[1:]):
            y, x = found.stride * v + i - found.top, found.stride * u + j - found.left
            if 0 <= y < 5 and 0 <= x < 6:
                rebuilt[(c * 5 + y) * 6 + x, (k * post[1] + v) * post[2] + u] = found.kernel[
                    k, c, i, j
                ]
    assert np.allclose(rebuilt, projection.weights.toarray(), rtol=1e-6)
    assert found.kernel[0].size <= weight[0].size


def test_what_is_no_convolution_is_not_found():
    rng = np.random.default_rng(0)
    dense = sp.csr_array(rng.normal(0, 1, (16, 18)))
    assert as_convolution(dense, (1, 4, 4), (2, 3, 3)) is None


@pytest.mark.parametrize("pool", ["max", "mean", "none"])
@pytest.mark.parametrize("signed", [False, True])
def test_programs_compute_what_the_model_means(pool, signed):
    graph = small_graph(3, pool, signed, biases=True)
    program = nmb.compile(graph, "spoon", calibrate=IMAGES)
    assert unpack(program.image).registers["POOL_MODE"] == {"none": 0, "max": 1, "mean": 2}[pool]
    chain = read_chain(program.network, SPEC).chain
    tested = nmb.latency_code(images(2))
    wanted = float_run(chain, activations(tested) / 255.0)
    result = program.run(tested)
    assert np.mean(result.prediction == wanted.output.argmax(axis=1)) > 0.9
    shown = result.membranes["output_values"][-1]
    assert np.abs(shown / 255 - wanted.output).max() < 0.1 * np.abs(wanted.output).max()
    assert program.metadata["snr_hidden_db"] > 25
    assert program.metadata["decisions_agree"] > 0.9
    assert all(fit.weight_snr > 30 for fit in program.fit.populations.values())


def test_the_spiking_model_says_the_same_at_constant_rates():
    graph = small_graph(4, "mean")  # an OR of spikes is their maximum in first spikes only
    program = nmb.compile(graph, "spoon", calibrate=IMAGES)
    tested = nmb.latency_code(images(5))
    rate = activations(tested) / 255.0
    total = np.floor(np.arange(511)[:, None, None] * rate + 1e-9)  # evenly spread spikes
    spiking = nmb.reference(graph, np.diff(total, axis=0).astype(np.uint8))
    assert np.mean(program.run(tested).prediction == spiking.prediction) > 0.9


def test_time_goes_from_the_first_event_to_the_value():
    first = FirstSpikes(np.array([[0, 5, 9, -1]]), 10, np.zeros(1))
    assert activations(first).tolist() == [[255, 128, 26, 0]]
    program = nmb.compile(small_graph(), "spoon", calibrate=IMAGES)
    dense = program.run(IMAGES.held().reshape(255, 40, 1, 6, 6))
    assert np.array_equal(dense.prediction, program.run(IMAGES).prediction)
    assert dense.layers["hidden_values"].shape == (255, 40, 8)
    assert not dense.layers["hidden_values"][:-1].any()
    assert dense.counters["later_events"].sum() == IMAGES.held().sum() - (IMAGES.step >= 0).sum()
    kind = [("t", "f8"), ("x", "i4"), ("y", "i4"), ("p", "i4")]
    events = np.array([(0.5e-3, 4, 3, 0), (1e-3, 1, 0, 0), (2e-3, 1, 0, 0)], kind)
    streamed = program.run([events])
    assert streamed.counters["events_in"].tolist() == [2]
    assert streamed.counters["later_events"].tolist() == [1]


def test_without_calibration_scales_are_guessed():
    report = nmb.compile(small_graph(), "spoon").report
    assert {"SPOON010", "SPOON014"} <= report.codes
    assert "SPOON014" not in nmb.compile(small_graph(), "spoon", calibrate=IMAGES).report.codes


@pytest.mark.parametrize("pool", ["max", "mean"])
def test_weights_come_back_in_the_users_units(pool):
    graph = small_graph(6, pool, biases=True)
    program = nmb.compile(graph, "spoon", calibrate=IMAGES)
    if pool == "max":
        held = program.weights("output")
        wanted = graph.nodes["output"].weight
        assert np.linalg.norm(held - wanted) < 0.02 * np.linalg.norm(wanted)
    held = read_chain(get_backend("spoon").realised(program).network, SPEC).chain
    inputs = activations(IMAGES) / 255.0
    wanted, found = (float_run(c, inputs) for c in (read_chain(program.network, SPEC).chain, held))
    assert np.abs(found.output - wanted.output).max() < 0.05 * np.abs(wanted.output).max()
    assert "hidden_values" in program.to_nir().nodes


def test_images_are_packed_and_unpacked():
    image = nmb.compile(small_graph(biases=True), "spoon").image
    assert not image.differences(pack(unpack(image), SPEC))


def test_energy_is_the_published_one_for_the_published_topology():
    rng = np.random.default_rng(0)
    graph = spoon_graph(rng.normal(0, 0.05, (128, 360)), rng.normal(0, 0.1, (10, 128)),
                        rng.normal(0, 0.15, (10, 1, 5, 5)), shape=(1, 28, 28))  # fmt: skip
    program = nmb.compile(graph, "spoon")
    assert all(r.used == r.available for r in program.resources)
    given = nmb.latency_code(images(0, 2, (28, 28)))
    result = program.run(given)
    assert result.energy.mean == pytest.approx(313e-9)
    assert result.energy.status == "published"
    assert result.latency is None
    assert "no clock" in result.metadata["latency_note"]
    small = nmb.compile(small_graph(), "spoon", assumptions={"clock_hz": 1e8}).run(IMAGES)
    assert small.energy.status == "extrapolated"
    assert small.energy.mean < 313e-9
    assert np.allclose(small.latency.value, small.counters["cycles"] / 1e8)


def test_assumptions_change_memories_and_formats():
    narrow = nmb.compile(small_graph(), "spoon", calibrate=IMAGES,
                         assumptions={**ASSUMED, "weight_bits": 3})  # fmt: skip
    assert narrow.image.memories["hidden_weight"].shape == (40, 8)
    assert set(np.unique(unpack(narrow.image).hidden_weight)) <= set(range(-4, 4))
    wide = nmb.compile(small_graph(), "spoon", calibrate=IMAGES, assumptions=ASSUMED)
    assert wide.metadata["snr_hidden_db"] > narrow.metadata["snr_hidden_db"] + 10
    from nm_backends.errors import UserError

    for bad, message in (({"weight_bits": 9}, "expected 2..8"), ({"rounding": "none"}, "knows")):
        with pytest.raises(UserError, match=message):
            nmb.compile(small_graph(), "spoon", assumptions=bad)


def test_rates_of_neurons_are_lines():
    one = nmb.lower(random_model(0), conventions()).neurons[0]
    from dataclasses import replace

    exact = line_of(replace(one, reset="subtract"))
    assert (exact.off, set(exact.slope), set(exact.offset)) == (0.0, {1.0}, {0.0})
    assert 0.05 < line_of(one).off < 0.2
    leaky = replace(one, reset="subtract", decay=np.full(one.size, 0.95))
    assert line_of(leaky).off < 0.05
    assert line_of(leaky).offset.max() < 0
