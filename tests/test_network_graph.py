"""Networks and programs as NIR graphs that lower to themselves."""

from itertools import pairwise

import nir
import numpy as np
import pytest
from crossbar_networks import (
    CHIPS,
    bernoulli,
    inputs,
    layers,
    link,
    network,
    neurons,
    one_at_a_time,
    single,
)

import nm_backends as nmb
from nm_backends.errors import UserError
from nm_backends.network_graph import graph_of
from nm_backends.readback import realised

FIELDS = (
    "decay", "gain", "leak", "decay_syn", "gain_syn", "threshold", "v_reset", "v0", "bias",
    "reset", "spike_cmp", "graded", "spiking",
)  # fmt: skip


def through_file(graph, path):
    nir.write(path / "graph.nir", graph)
    return nmb.lower(path / "graph.nir")


def same(value, other):
    if isinstance(value, np.ndarray):
        return other is not None and np.array_equal(value, other)
    return value == other


def assert_same_network(found, wanted):
    assert list(found.populations) == list(wanted.populations)
    for p in wanted.neurons:
        got = found.populations[p.name]
        assert not [f for f in FIELDS if not same(getattr(p, f), getattr(got, f))]
    assert [(p.pre, p.post, p.delay) for p in found.projections] == [
        (p.pre, p.post, p.delay) for p in wanted.projections
    ]
    for p, q in zip(found.projections, wanted.projections, strict=True):
        assert np.array_equal(p.weights.toarray(), q.weights.toarray())


def busy(**changes):
    """Neurons with values that no table of decimals holds."""
    rng = np.random.default_rng(5)
    values = {
        "decay": rng.uniform(0.3, 0.99, 4), "gain": rng.uniform(0.1, 2, 4),
        "threshold": rng.uniform(0.5, 2, 4), "v_reset": rng.uniform(-1, 0, 4),
        "v0": rng.uniform(-1, 0, 4), "bias": rng.uniform(-1, 1, 4),
    }  # fmt: skip
    return neurons("n", 4, **(values | changes))


def cuba():
    made = busy(node_type="CubaLIF", reset="subtract", spike_cmp=">=", graded=2.0)
    made.decay_syn, made.gain_syn = np.full(4, 0.81), np.full(4, 0.37)
    return made


WEIGHTS = np.random.default_rng(6).normal(0, 1, (3, 4))


def recurrent(delay):
    rng = np.random.default_rng(7)
    links = [
        link("in", "n", WEIGHTS),
        link("n", "n", rng.normal(0, 1, (4, 4)), delay),
        link("n", "m", rng.normal(0, 1, (4, 2))),
    ]
    links[1].nodes, links[2].nodes = ("w_rec",), ("out",)
    return network([inputs(3), busy(), neurons("m", 2, node_type="IF")], links)


@pytest.mark.parametrize(
    "given",
    [
        network([inputs(3), busy()], [link("in", "n", WEIGHTS)]),
        network([inputs(3), busy(reset="subtract_delayed")], [link("in", "n", WEIGHTS, 2)]),
        network([inputs(3), cuba()], [link("in", "n", WEIGHTS)]),
        network([inputs(3), neurons("n", 4, node_type="IF", gain=0.7)], [link("in", "n", WEIGHTS)]),
        recurrent(1),
        recurrent(3),
    ],
    ids=["lif", "delay", "cuba", "if", "loop", "slow loop"],
)
def test_a_network_lowers_to_itself(given, tmp_path):
    found = through_file(graph_of(given), tmp_path)
    assert_same_network(found, given)
    assert found.report.warnings == []
    spikes = bernoulli(40, 3, 3, rate=0.5)
    expected, got = (nmb.reference(n, spikes, record=("membrane",)) for n in (given, found))
    assert np.array_equal(expected.spikes, got.spikes)
    assert np.array_equal(expected.membranes["n"], got.membranes["n"])


def test_outputs_that_only_show_sums_and_inputs_with_axes(tmp_path):
    kernel = np.random.default_rng(8).normal(0, 1, (1, 2, 3, 3))
    one = np.ones((1, 2, 2))
    nodes = {
        "input": nir.Input({"input": np.array([2, 4, 4])}),
        "conv": nir.Conv2d((4, 4), kernel, 1, 0, 1, 1, np.ones(1)),
        "lif": nir.IF(r=one, v_threshold=one),
        "flat": nir.Flatten({"input": np.array([1, 2, 2])}, 0),
        "sum": nir.Affine(np.ones((2, 4)), np.array([0.5, 1.0])),
        "output": nir.Output({"output": np.array([2])}),
    }
    names = list(nodes)
    graph = nir.NIRGraph(nodes, list(pairwise(names)))
    conventions = nmb.Discretisation(dt=1e-3, if_gain="r", reset="zero", spike_cmp=">")
    given = nmb.lower(graph, conventions)
    found = through_file(graph_of(given), tmp_path)
    spikes = bernoulli(20, 2, 32, rate=0.4).reshape(20, 2, 2, 4, 4)
    expected, got = nmb.reference(given, spikes), nmb.reference(found, spikes)
    assert np.array_equal(expected.spikes, got.spikes)
    assert np.array_equal(expected.layers["lif"].reshape(20, 2, 4), got.layers["lif"])
    assert graph_of(given).nodes["lif"].metadata["shape"].tolist() == [1, 2, 2]


def test_what_nir_cannot_say_is_refused():
    mixed = neurons("n", 2, decay=np.array([1.0, 0.5]), gain=0.3)
    with pytest.raises(UserError, match="n: NIR cannot say"):
        graph_of(network([inputs(3), mixed], [link("in", "n", WEIGHTS[:, :2])]))
    with pytest.raises(UserError, match="reader is 'brian', expected nir"):
        graph_of(recurrent(1), "brian")


@pytest.mark.parametrize("chip", CHIPS)
def test_whole_numbers_on_the_chip_come_back_as_they_were(chip, tmp_path):
    """Without a leak, and one event per step, chip and graph do the same, spike for spike."""
    rng = np.random.default_rng(1)
    weights = rng.integers(0, 8, (20, 6)).astype(float)
    weights[0] = 7
    given = single(weights, threshold=40.0)
    program = nmb.compile(given, chip)
    found = through_file(program.to_nir(), tmp_path)
    assert np.allclose(found.projections[0].weights.toarray(), weights)
    spikes = one_at_a_time(60, 4, 20)
    result = program.run(spikes)
    assert result.spikes.any()
    assert np.array_equal(nmb.reference(found, spikes).spikes, result.spikes)
    biased = nmb.compile(single(weights, threshold=40.0, bias=9.0), chip).to_nir()
    assert np.allclose(nmb.lower(biased).populations["a"].bias, 9.0)


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("reader", ["nir", "snntorch", "norse"])
def test_the_graph_is_the_quantised_network_for_every_reader(chip, reader, tmp_path):
    given = layers(12, 8, 4, mean=0.3, spread=0.4, decay=0.9, threshold=1.0, bias=0.05)
    spikes = bernoulli(40, 6, 12, rate=0.3)
    program = nmb.compile(given, chip, calibrate=spikes)
    found = through_file(program.to_nir(reader=reader), tmp_path)
    wanted = realised(program).network
    if reader == "nir":
        assert_same_network(found, wanted)
    else:
        assert all(np.allclose(p.threshold, 1.0) for p in found.neurons)
    expected = nmb.reference(wanted, spikes)
    assert expected.spikes.any()
    got = nmb.reference(found, spikes)
    for name, layer in expected.layers.items():
        assert np.array_equal(layer, got.layers[name])


def test_the_placement_is_in_the_metadata(tmp_path):
    given = layers(12, 8, 4, mean=0.0, spread=0.4, decay=0.9)
    program = nmb.compile(given, "odin", calibrate=bernoulli(20, 4, 12))
    nir.write(tmp_path / "p.nir", program.to_nir())
    graph = nir.read(tmp_path / "p.nir")
    said = graph.metadata["nm_backends_program"]
    assert said["chip"] == "odin"
    assert said["order"] == program.metadata["order"]
    assert said["resources"]["rows"].tolist()[1] == 256
    held = graph.nodes["l1"].metadata["nm_backends_placement"]
    assert np.array_equal(held["neuron"], program.layout["address"][:8])
    assert np.array_equal(held["second_neuron"], program.layout["copy"][:8])
    fit = program.fit.populations["l1"]
    assert np.allclose(held["threshold"] / held["scale"], fit.threshold)


def test_a_learned_program_gives_back_what_it_learned():
    weight = np.full((4, 20), 7.0)
    given = single(weight.T, threshold=60.0)
    program = nmb.compile(given, "odin", options=nmb.CompileOptions(learn=("fc",)))
    program.image.memories["synapse"][program.layout["row_source"] == 3, 2] ^= 5
    held = program.to_nir().nodes["fc"].weight
    assert np.argwhere(held != weight).tolist() == [[2, 3]]


def test_a_backend_without_the_capability_is_named(monkeypatch):
    from nm_backends.crossbar.backend import CrossbarBackend

    program = nmb.compile(single([[7.0]], threshold=5.0), "odin")
    monkeypatch.delattr(CrossbarBackend, "realised")
    with pytest.raises(UserError, match="'odin' does not give its network back"):
        program.to_nir()
