import numpy as np
import pytest
from crossbar_networks import (
    CHIPS,
    bernoulli,
    chip,
    inputs,
    layers,
    link,
    network,
    neurons,
    one_at_a_time,
    single,
)  # fmt: skip
from hypothesis import given, settings
from hypothesis import strategies as st

from nm_backends.compiler import compile_model
from nm_backends.crossbar import execute
from nm_backends.errors import UserError
from nm_backends.program import CompileOptions
from nm_backends.run import reference

PLAIN = CompileOptions(order="ascending", settle="never")


@pytest.mark.parametrize("name", CHIPS)
@pytest.mark.parametrize("settle", ["never", "always"])
@given(seed=st.integers(0, 2**16), compare=st.sampled_from([">", ">="]))
@settings(deadline=None, max_examples=25)
def test_small_integer_networks_are_exact(name, settle, seed, compare):
    """Integer weights above zero, no leak, an event per step: nothing is left to approximate."""
    rng = np.random.default_rng(seed)
    hidden, out = int(rng.integers(1, 8)), int(rng.integers(1, 5))
    populations = [
        inputs(5),
        neurons("h", hidden, threshold=rng.integers(1, 20, hidden), spike_cmp=compare),
        neurons("o", out, threshold=rng.integers(1, 20, out), spike_cmp=compare),
    ]
    net = network(
        populations,
        [
            link("in", "h", rng.integers(0, 8, (5, hidden))),
            # one listener-neuron pair each, so that no two spikes meet in a step
            link("h", "o", np.eye(hidden, out) * rng.integers(1, 8)),
        ],
    )
    program = compile_model(net, name, options=CompileOptions(settle=settle))
    spikes = one_at_a_time(30, 3, 5, seed)
    result, expected = program.run(spikes), reference(net, spikes)
    np.testing.assert_array_equal(result.layers["h"], expected.layers["h"])
    np.testing.assert_array_equal(result.spikes, expected.spikes)


@given(seed=st.integers(0, 2**16), rate=st.floats(0.05, 0.6))
@settings(deadline=None, max_examples=25)
def test_settling_tests_thresholds_once_per_step(seed, rate):
    """Any number of events, charge of both signs: exact while no membrane ends below zero."""
    rng = np.random.default_rng(seed)
    weights = rng.integers(-3, 8, (6, 5))
    # within a step excitation always outweighs inhibition: a strong input that is always there
    weights[0] = 7
    net = single(weights, threshold=rng.integers(10, 25, 5), spike_cmp=">=")
    spikes = bernoulli(20, 4, 6, rate, seed)
    spikes[:, :, 0] = 2
    options = CompileOptions(order="ascending", settle="always")
    program = compile_model(net, "tinyodin", options=options)
    expected = reference(net, spikes, record=("membrane",))
    if (expected.membranes["a"] < 0).any():
        return
    peak = np.clip(weights, 0, None).T @ spikes.reshape(-1, 6).T + 25
    lift = int(program.layout["lift"].max())
    if peak.max() >= 10 + lift:  # charge beyond the lift may fire early
        return
    np.testing.assert_array_equal(program.run(spikes).spikes, expected.spikes)


@pytest.mark.parametrize("name", CHIPS)
def test_membranes_are_those_of_the_model_in_chip_units(name):
    net = single(np.array([[1.0, 2.0], [3.0, 1.0]]), threshold=100.0, spike_cmp=">=")
    program = compile_model(net, name, options=PLAIN)
    spikes = bernoulli(10, 2, 2, 0.5)
    result = program.run(spikes, record=("membrane",))
    expected = reference(net, spikes, record=("membrane",))
    scale = 2  # the largest at which 3 and 1 are whole, and 1 and 2 (3) for the other neuron
    np.testing.assert_array_equal(
        result.membranes["a"], expected.membranes["a"] * [scale, 3 if name == "tinyodin" else 2]
    )
    assert result.membranes["a"].shape == (10, 2, 2)


@pytest.mark.parametrize("name", CHIPS)
def test_delays_of_inputs_are_exact(name):
    net = network(
        [inputs(2), neurons("a", 2, threshold=0.5)],
        [link("in", "a", [[1, 0], [0, 0]]), link("in", "a", [[0, 0], [0, 1]], delay=3)],
    )
    spikes = bernoulli(12, 2, 2, 0.4)
    result = compile_model(net, name).run(spikes)
    np.testing.assert_array_equal(result.spikes, reference(net, spikes).spikes)


@pytest.mark.parametrize("name", CHIPS)
def test_first_membranes_and_other_reset_potentials_are_exact(name):
    net = single([[1.0]], threshold=5.0, v_reset=2.0, v0=4.0, spike_cmp=">=")
    spikes = np.ones((10, 1, 1), np.uint8)
    program = compile_model(net, name, options=CompileOptions(settle="never"))
    np.testing.assert_array_equal(program.run(spikes).spikes, reference(net, spikes).spikes)


@pytest.mark.parametrize("name", CHIPS)
def test_biases_fire_without_input(name):
    net = single([[7.0]], threshold=10.0, bias=3.0, spike_cmp=">=")
    program = compile_model(net, name)
    result = program.run(np.zeros((12, 1, 1), np.uint8))
    assert result.spikes[:, 0, 0].tolist() == [0, 0, 0, 1] * 3
    assert "TINY013" in program.report.codes or "ODIN013" in program.report.codes


@pytest.mark.parametrize("name", CHIPS)
def test_counts_are_adjacent_events(name):
    net = single([[1.0]], threshold=4.0, spike_cmp=">=")
    program = compile_model(net, name, options=PLAIN)
    spikes = np.array([3, 0, 2, 4], np.uint8).reshape(4, 1, 1)
    scale = int(program.fit.populations["a"].scale)
    assert program.run(spikes).counters["events_in"].tolist() == [9]
    assert scale == 7
    assert program.run(spikes).spikes.ravel().tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("name", CHIPS)
def test_feedback_acts_and_is_warned_about(name):
    net = network(
        [inputs(1), neurons("a", 2, threshold=0.9)],
        [link("in", "a", [[1, 0]]), link("a", "a", [[0, 1], [0, 0]], delay=1)],
    )
    spikes = np.array([1, 0, 0], np.uint8).reshape(3, 1, 1)
    program = compile_model(net, name, calibrate=spikes)
    assert program.run(spikes).spikes[:, 0].tolist() == [[1, 1], [0, 0], [0, 0]]
    found = [d for d in program.report.warnings if d.code in ("TINY006", "ODIN006")]
    assert len(found) == 1
    assert "of the spikes coincide" in found[0].message


def test_copies_stay_together_in_a_loop():
    rng = np.random.default_rng(3)
    net = network(
        [inputs(10), neurons("a", 20, decay=0.9)],
        [
            link("in", "a", rng.normal(0.3, 0.4, (10, 20))),
            link("a", "a", rng.normal(0, 0.2, (20, 20)), delay=1),
        ],
    )
    program = compile_model(net, "odin")
    spikes = bernoulli(30, 4, 10, 0.3)
    core = chip("odin")
    swapped = dict(program.layout)
    twice = swapped["copy"] >= 0
    swapped["address"] = np.where(twice, swapped["copy"], swapped["address"])
    assert twice.any()
    one = execute.run_core(core, program.image, program.layout, spikes, membrane=True)
    two = execute.run_core(core, program.image, swapped, spikes, membrane=True)
    np.testing.assert_array_equal(one.spikes, two.spikes)
    np.testing.assert_array_equal(one.membranes, two.membranes)


@pytest.mark.parametrize("name", CHIPS)
def test_slices_of_a_large_batch_do_not_change_anything(name, monkeypatch):
    program = compile_model(layers(10, 8, 4, decay=0.9), name)
    spikes = bernoulli(20, 30, 10)
    whole = program.run(spikes, record=("membrane",))
    monkeypatch.setattr(execute, "_EVENTS_AT_ONCE", 500)
    cut = program.run(spikes, record=("membrane",))
    np.testing.assert_array_equal(whole.spikes, cut.spikes)
    np.testing.assert_array_equal(whole.membranes["l1"], cut.membranes["l1"])
    for counter in whole.counters:
        np.testing.assert_array_equal(whole.counters[counter], cut.counters[counter])


@pytest.mark.parametrize("name", CHIPS)
def test_cycles_follow_the_traces(name):
    """REQ to REQ of an event: work, stalls, one cycle per served event, 13 of handshake."""
    net = single([[1.0]], threshold=100.0)
    program = compile_model(net, name, options=PLAIN)
    result = program.run(np.ones((5, 1, 1), np.uint8))
    per_event = 1 + 512 + 1 + 13 if name == "odin" else 1 + 2 + 1 + 1 + 13
    assert result.counters["cycles"].tolist() == [5 * per_event]
    assert result.counters["sops"].tolist() == [5 * (256 if name == "odin" else 1)]
    assert result.latency.value[0] == 5 * per_event / chip(name).spec.quantities["f_clk"].value


def test_energy_is_estimated_where_constants_are_known():
    spikes = bernoulli(20, 3, 10)
    odin = compile_model(layers(10, 8, 4), "odin").run(spikes)
    tiny = compile_model(layers(10, 8, 4), "tinyodin").run(spikes)
    seconds, sops = odin.latency.value, odin.counters["sops"]
    np.testing.assert_allclose(odin.energy.value, 8.43e-12 * sops + (27.3e-6 + 133.5e-6) * seconds)
    assert odin.energy.status == "unconfirmed"
    assert odin.latency.status == "published"
    assert tiny.energy is None
    assert tiny.metadata["energy_note"] == "no energy figures are published for tinyodin"
    assert tiny.latency.status == "unconfirmed"


def test_the_published_energies_of_odin_come_out():
    from nm_backends.cost import energy

    spec, cycles = chip("odin").spec, np.array([75_000_000])
    total = energy(spec, cycles, cycles / 2)
    assert total.mean / 37.5e6 == pytest.approx(12.7e-12, rel=2e-3)


@pytest.mark.parametrize("name", CHIPS)
def test_wrong_use_is_refused(name):
    program = compile_model(layers(4, 3), name)
    spikes = bernoulli(5, 2, 4)
    for record in ("membrane", ("current",)):
        with pytest.raises(UserError, match="record="):
            program.run(spikes, record=record)
    with pytest.raises(UserError, match="threads is 0"):
        program.run(spikes, threads=0)
    says = {"odin": "no synapse of this program", "tinyodin": "on-chip learning"}[name]
    with pytest.raises(UserError, match=says):
        program.learn(spikes, [0, 1])


@pytest.mark.parametrize("name", CHIPS)
def test_progress_counts_samples(name):
    program, seen = compile_model(layers(4, 3), name), []
    spikes = bernoulli(5, 70, 4)
    result = program.run(spikes, progress=seen.append)
    assert sum(seen) == 70
    np.testing.assert_array_equal(result.spikes, program.run(spikes).spikes)


@pytest.mark.parametrize("name", CHIPS)
def test_empty_batches_and_no_steps(name):
    program = compile_model(layers(4, 3), name)
    assert program.run(np.zeros((5, 0, 4))).spikes.shape == (5, 0, 3)
    assert program.run(np.zeros((0, 2, 4))).readout.tolist() == [[0, 0, 0]] * 2


@pytest.mark.parametrize("name", CHIPS)
def test_a_program_prints_its_resources_and_fit(name):
    program = compile_model(layers(4, 3), name, calibrate=bernoulli(10, 4, 4, 0.5))
    text = str(program)
    assert "resource" in text
    assert "l1" in text
    assert f"neurons {'':7}3" in text.replace("  ", " ") or "neurons" in text
    assert str(program.resources[0]) == "neurons: 3 of 256 (1.2 %)"
