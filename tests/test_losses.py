"""Where spikes and charge are lost: counted as slow plain models count, found at their nodes."""

import json

import numpy as np
import pytest
from crossbar_networks import bernoulli, inputs, layers, link, network, neurons, single
from engine_cases import seed, thorough
from hypothesis import assume, given
from hypothesis import strategies as st
from reckon_cases import runs
from reference_models.reckon import ReckonReference
from test_odin_engine import events as odin_events
from test_odin_engine import images as odin_images
from test_odin_engine import reference as odin_reference
from test_tinyodin_engine import events as tiny_events
from test_tinyodin_engine import images as tiny_images
from test_tinyodin_engine import reference as tiny_reference

import nm_backends as nmb
from nm_backends.errors import UserError
from nm_backends.eventcore.errors import LivelockError
from nm_backends.eventcore.words import insert
from nm_backends.losses import Tally
from nm_backends.program import CompileOptions
from nm_odin import simulator as odin
from nm_odin.spec import NEURON_FIELDS as ODIN_FIELDS
from nm_reckon.simulator import ReckonSimulator, run_batch
from nm_tinyodin import simulator as tinyodin
from nm_tinyodin.spec import NEURON_FIELDS as TINY_FIELDS

CHIPS = {
    "odin": (odin, odin_images, odin_events, odin_reference),
    "tinyodin": (tinyodin, tiny_images, tiny_events, tiny_reference),
}
PLAIN = CompileOptions(order="ascending", settle="never")


@thorough
@given(st.sampled_from(sorted(CHIPS)), st.data(), seed)
def test_cores_count_saturations_as_the_plain_models_do(name, data, number):
    chip, images, events, reference = CHIPS[name]
    start, words = data.draw(images), np.array(data.draw(events), np.uint32)
    _near_the_limits(name, start, number)
    offsets = np.array([0, words.size, 2 * words.size])
    try:
        log = chip.run_batch(start, np.tile(words, 2), offsets, saturations=True, max_pops=60)
    except LivelockError:
        assume(False)
    plain = reference(start)
    plain.run(words)
    wanted = [plain.below, plain.above]
    np.testing.assert_array_equal(log.saturated, [wanted, wanted])
    without = chip.run_batch(start, np.tile(words, 2), offsets)
    np.testing.assert_array_equal(log.out_addr, without.out_addr)
    assert without.saturated is None


def _near_the_limits(name, image, number):
    """Let membranes begin where they stop soon."""
    rng = np.random.default_rng(number)
    fields = ODIN_FIELDS if name == "odin" else TINY_FIELDS
    core = next(field for field in fields if field.name == "core")
    ends = np.array([0, 2, 253, 255] if name == "odin" else [-2048, -2045, 2044, 2047])
    insert(image.memories["neuron"], core, rng.choice(ends, 256))


@thorough
@given(runs())
def test_reckon_counts_saturations_as_the_plain_model_does(run):
    image, dirty, listed, _ = run
    plain, chip = (made(image.copy(), dirty=dirty) for made in (ReckonReference, ReckonSimulator))
    for sample in listed:
        before = np.array([plain.below, plain.above])
        plain.sample(sample)
        log = chip.sample(sample, record=("losses",))
        np.testing.assert_array_equal(log.saturated, np.array([plain.below, plain.above]) - before)
    logs = run_batch(image, [listed[0]], ("losses",))
    assert run_batch(image, [listed[0]])[0].saturated.sum() == 0
    assert logs[0].saturated.shape == (2, 272)


def codes(report):
    return {d.code: d for d in report if d.code.startswith("NMB16")}


@pytest.mark.parametrize(("name", "size"), [("odin", 40), ("tinyodin", 200)])
def test_dropped_spikes_are_found_at_their_node(name, size):
    net = network(
        [inputs(1), neurons("h", size, threshold=0.9), neurons("o", 2, threshold=0.9)],
        [link("in", "h", np.ones((1, size))), link("h", "o", np.ones((size, 2)))],
    )
    spikes = np.ones((2, 3, 1), np.uint8)
    program = nmb.compile(net, name, options=PLAIN)
    result = program.run(spikes)
    depth = {"odin": 32, "tinyodin": 128}[name] - 1  # the row that is served keeps its place
    assert result.losses["dropped"]["h"].tolist() == [0] * depth + [6] * (size - depth)
    every = sum(counts.sum() for counts in result.losses["dropped"].values())
    assert every == result.counters["dropped"].sum()
    found, *others = [d for d in program.check(spikes) if d.code == "NMB160"]
    assert not others  # spikes of the outputs reach nobody anyway
    assert (found.node, found.neurons) == ("h", (depth, size - 1))
    assert found.severity == "warning"
    assert found.found.startswith(f"{6 * (size - depth):,}, most (6)")


def test_negative_charge_is_lost_on_odin():
    net = single([[2.0, 2.0, 2.0], [0.0, -1.0, 0.0]], threshold=50.0, spike_cmp=">=")
    spikes = np.zeros((4, 2, 2), np.uint8)
    spikes[1:, :, 1] = 1
    program = nmb.compile(net, "odin", options=PLAIN)
    result = program.run(spikes, record=("losses",))
    assert result.losses["saturated_low"]["a"].tolist() == [0, 6, 0]
    assert "saturated_low" not in program.run(spikes).losses
    found = codes(program.check(spikes))["NMB162"]
    assert found.place == "a[1]"
    assert "6 times in 1 of 3" in found.message
    assert "NMB162" not in codes(nmb.check(net, "tinyodin", spikes=spikes))


def test_a_signed_membrane_stops_at_its_lower_limit():
    net = single([[7.0, -7.0]], threshold=7 * 250.0, spike_cmp=">=")
    program = nmb.compile(net, "tinyodin", options=PLAIN)
    spikes = np.full((2, 1, 1), 200, np.uint8)
    result = program.run(spikes, record=("losses", "membrane"))
    low = result.losses["saturated_low"]["a"]
    assert low[0] == 0
    assert low[1] > 0
    assert result.membranes["a"][-1, 0, 1] == -2048
    assert codes(program.check(spikes))["NMB162"].place == "a[1]"


def test_stored_twice_counts_once():
    net = layers(6, 8, 4, seed=2, spread=1.0)
    program = nmb.compile(net, "odin", options=PLAIN)
    spikes = bernoulli(20, 4, 6, 0.4)
    assert (program.layout["copy"] >= 0).any()
    counts = program.run(spikes, record=("losses",)).losses["saturated_low"]
    singles = [program.run(spikes[:, [b]], record=("losses",)) for b in range(4)]
    for name in counts:
        each = [one.losses["saturated_low"][name] for one in singles]
        np.testing.assert_array_equal(counts[name], np.sum(each, axis=0))
        assert counts[name].shape == program.network.populations[name].shape


def test_input_spikes_merge_on_reckon():
    net = single(np.ones((3, 2)), threshold=5.0, spike_cmp=">=")
    spikes = np.zeros((4, 2, 3), np.uint8)
    spikes[0, 0, 2], spikes[1, 1, 1] = 4, 2
    program = nmb.compile(net, "reckon")
    result = program.run(spikes)
    assert result.losses["merged"]["in"].tolist() == [0, 1, 3]
    assert result.counters["dropped"].tolist() == [3, 1]
    found = codes(program.check(spikes))["NMB161"]
    assert found.place == "in[1..2]"


def test_reckon_membranes_and_outputs_stop_at_their_limits():
    net = network(
        [inputs(2), neurons("h", 4, threshold=3.0), _integrators("o", 2)],
        [link("in", "h", [[1.0, 1, 1, 1], [1, 1, 1, -1]]), link("h", "o", np.ones((4, 2)))],
    )
    program = nmb.compile(net, "reckon")
    program.image.registers["SPI_FP_LOC_WINP"] = program.image.registers["SPI_FP_LOC_WOUT"] = 7
    spikes = np.ones((60, 2, 2), np.uint8)
    spikes[:, :, 0] = 0
    found = [d for d in program.check(spikes) if d.code in ("NMB162", "NMB163")]
    assert {(d.code, d.node) for d in found} == {("NMB162", "h"), ("NMB163", "o")}
    assert next(d for d in found if d.node == "h").place == "h[3]"


def _integrators(name, size):
    from nm_backends.network import Population

    one, zero = np.ones(size), np.zeros(size)
    return Population(
        name, (size,), "I", decay=one, gain=one, leak=zero, threshold=np.inf * one,
        v_reset=zero, v0=zero, bias=zero, spiking=False,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["odin", "tinyodin"])
def test_dead_and_tireless_neurons_are_found(name):
    net = single(np.ones((1, 5)), threshold=3.0, spike_cmp=">=")
    program = nmb.compile(net, name, options=PLAIN)
    fields = ODIN_FIELDS if name == "odin" else TINY_FIELDS
    height = next(field for field in fields if field.name == "thr")
    values = np.full(256, 255)
    places = program.layout["address"]
    weight = int(program.fit.populations["a"].scale)
    values[places] = [3 * weight, 200, 3 * weight, 1, 1]
    insert(program.image.memories["neuron"], height, values)
    spikes = np.ones((20, 2, 1), np.uint8)
    found = codes(program.check(spikes))
    assert found["NMB164"].place == "a[1]"
    assert found["NMB164"].limit == "12 spikes of these 1 in the model"
    assert found["NMB165"].place == "a[3..4]"
    result = program.run(spikes)
    tally = Tally.of([result])
    assert tally.silent["a"].tolist() == [False, True, False, False, False]
    assert tally.tireless["a"].tolist() == [False, False, False, True, True]
    assert tally.summary() == {"dropped": 0, "silent_neurons": 1, "tireless_neurons": 2}


def test_neurons_that_are_silent_in_the_model_are_no_finding():
    net = single([[1.0, 0.0]], threshold=1.0, spike_cmp=">=")
    report = nmb.check(net, "tinyodin", spikes=np.ones((5, 1, 1), np.uint8))
    assert "NMB164" not in report.codes
    assert "NMB165" not in report.codes  # it fires in every step in the model, too


def test_a_chip_that_is_too_slow_for_its_sensor():
    net = layers(20, 10, 4)
    net.discretisation = nmb.Discretisation(dt=1e-7)
    found = codes(nmb.check(net, "odin", spikes=bernoulli(5, 3, 20, 0.5)))["NMB166"]
    assert found.severity == "info"
    assert "3 of 3 samples" in found.message


def test_a_chip_that_never_comes_to_rest():
    loud = network(
        [inputs(2), neurons("a", 4)],
        [link("in", "a", np.ones((2, 4))), link("a", "a", np.ones((4, 4)), delay=1)],
    )
    report = nmb.check(loud, "tinyodin", spikes=np.ones((3, 2, 2), np.uint8))
    assert not report.ok
    assert "keep each other firing" in codes(report)["NMB167"].message


def test_the_float_run_tells_activity_too():
    net = single([[1.0, 0.1]], threshold=1.0, spike_cmp=">=")
    result = nmb.reference(net, np.ones((4, 3, 1), np.uint8))
    assert result.losses["fired"]["a"].tolist() == [12, 0]
    assert nmb.reference(net, np.ones((4, 1), np.uint8)).losses["active"]["a"].tolist() == [4, 0]


def test_what_cannot_be_recorded():
    net = single([[1.0]])
    program = nmb.compile(net, "odin")
    spikes = np.ones((2, 1, 1), np.uint8)
    with pytest.raises(UserError, match="records nothing besides spikes"):
        program.run(spikes, record=("losses",), driving="back_to_back")
    with pytest.raises(UserError, match="out of membrane"):
        nmb.reference(net, spikes, record=("losses",))


@pytest.mark.parametrize("name", ["odin", "tinyodin", "reckon"])
def test_parts_of_a_batch_add_up(name):
    net = layers(12, 10, 4, spread=1.0)
    program = nmb.compile(net, name)
    spikes = bernoulli(10, 70, 12, 0.5)
    whole = program.run(spikes, record=("losses",))
    parts = program.run(spikes, record=("losses",), progress=lambda _: None, threads=1)
    for kind, nodes in whole.losses.items():
        for node, counts in nodes.items():
            np.testing.assert_array_equal(counts, parts.losses[kind][node], err_msg=kind)
    np.testing.assert_array_equal(whole.spikes, program.run(spikes).spikes)


def test_commands(nmb, model_file, spike_file, tmp_path):
    found = nmb("check", model_file, "--chip", "odin", "--spikes", spike_file, "--json")
    assert found.exit_code == 0, found.output
    listed = {d["code"]: d for d in json.loads(found.stdout)["diagnostics"]}
    assert listed["NMB162"]["severity"] == "warning"
    assert listed["NMB162"]["node"]
    for code in ("NMB160", "NMB167"):
        assert nmb("explain", code).exit_code == 0
    program = tmp_path / "p.nmb"
    assert nmb("compile", model_file, "--chip", "odin", "-o", program).exit_code == 0
    text = nmb("check", program, "--spikes", spike_file).stdout
    assert "NMB162 warning at " in text
    ran = nmb("run", program, "--input", spike_file, "--record", "losses", "-o", "r.npz", "--json")
    assert json.loads(ran.stdout)["saturated_low"] > 0
    with np.load(tmp_path / "r.npz") as stored:
        assert any(name.startswith("losses/saturated_low/") for name in stored.files)
    wrong = nmb("check", program, "--calibrate", spike_file)
    assert wrong.exit_code == 2
