"""Every rule of the crossbar chips: tripped once, silent otherwise, and its text."""

from itertools import pairwise

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
    single,
)  # fmt: skip

from nm_backends.compiler import check, compile_model
from nm_backends.errors import UserError
from nm_backends.program import CompileOptions
from nm_backends.rules import CompileError


def wide(inputs_=10, hidden=10, out=5, seed=0):
    return layers(inputs_, hidden, out, seed=seed)


def mixed(*sizes):
    """Return layers in which every source has weights of both signs, and others than the rest."""
    populations = [inputs(sizes[0]), *(neurons(f"l{i}", n) for i, n in enumerate(sizes[1:], 1))]
    return network(
        populations,
        [
            link(a.name, b.name, np.arange(1.0, a.size + 1)[:, None] * (-1.0) ** np.arange(b.size))
            for a, b in pairwise(populations)
        ],
    )


def loop(delay):
    return network(
        [inputs(2), neurons("a", 2)],
        [link("in", "a", np.eye(2)), link("a", "a", [[0, 0.5], [0.5, 0]], delay=delay)],
    )


def shown_input():
    return network([inputs(2), neurons("a", 2)], [link("in", "a", np.eye(2))], output="in")


LI = {"spiking": False, "threshold": None, "v_reset": None, "reset": "none", "node_type": "LI"}
# rule, severity, network, text
CASES = [
    ("too_many_neurons", "error", lambda: single(np.ones((1, 257))),
     "257 neurons do not fit the 256 of {chip} (a: 257)"),
    ("too_many_rows", "error", lambda: single(np.arange(1.0, 258.0)[:, None]),
     "257 rows are needed: 257 for 257 input channels"),
    ("unsupported_neuron", "error", lambda: _not_spiking(), "LI does not spike"),
    ("synaptic_current", "error",
     lambda: single([[1.0]], node_type="CubaLIF", decay_syn=np.array([1.0]), gain_syn=np.ones(1)),
     "the current is multiplied by 1 in each step"),
    ("delay_too_long", "error", lambda: loop(2), "a -> a has a delay of 2 steps"),
    ("immediate_recurrence", "warning", lambda: loop(1),
     "a -> a: spikes act in the same step instead of the next"),
    ("other_reset", "warning", lambda: single([[1.0]], reset="subtract"),
     "reset rule 'subtract' is executed as reset to zero at once"),
    ("no_reset", "error", lambda: single([[1.0]], reset="none"),
     "LIF is not reset when it fires"),
    ("impossible_decay", "error", lambda: single([[1.0]], decay=1.25),
     "the membrane is multiplied by 1.25 in each step"),
    ("impossible_decay", "error", lambda: single([[1.0]], decay=-0.5),
     "the membrane is multiplied by -0.5 in each step"),
    ("threshold_not_positive", "error", lambda: single([[1.0]], threshold=0.5, v_reset=0.5),
     "threshold minus reset potential is 0"),
    ("output_is_input", "error", shown_input,
     "output 'output' shows the input 'in', no neuron is behind it"),
    ("linear_leak", "info", lambda: single([[1.0]], decay=0.9),
     "decay 0.9 per step is executed as a constant leak"),
    ("bias_events", "warning", lambda: single([[1.0]], bias=0.1),
     "the bias is sent as row events in every step"),
]  # fmt: skip
ODIN_CASES = [
    ("too_many_copies", "error", lambda: mixed(1, 129, 4),
     "133 neurons and 129 second copies do not fit 256 neurons"),
    ("too_many_rows", "error", lambda: mixed(64, 60, 10),
     "258 rows are needed: 128 for 64 input channels, 70 for neurons, 60 for second copies of "
     "neurons"),
    ("stored_twice", "warning", lambda: mixed(10, 10, 5),
     "10 neurons are stored twice; each of their spikes costs two row events"),
    ("first_state_lost", "warning", lambda: single([[1.0]], v0=-0.5),
     "the first membrane is below the reset potential and becomes 0"),
]  # fmt: skip


def _not_spiking():
    net = single([[1.0]])
    population = net.populations["a"]
    for name, value in LI.items():
        setattr(population, name, value)
    return net


ALL = [
    pytest.param(name, *case, id=f"{name}-{case[0]}")
    for name in CHIPS
    for case in CASES + (ODIN_CASES if name == "odin" else [])
]


@pytest.mark.parametrize(("name", "rule", "severity", "make", "text"), ALL)
def test_a_rule_finds_its_case(name, rule, severity, make, text):
    bound = chip(name).rules[rule]
    found = [d for d in check(make(), name).diagnostics if d.code == bound.code]
    assert [d.message for d in found] == [text.format(chip=name)]
    assert found[0].severity == severity == bound.severity
    assert found[0].hint or severity == "info"


@pytest.mark.parametrize(("name", "rule", "severity", "make", "text"), ALL)
def test_check_and_compile_agree(name, rule, severity, make, text):
    report = check(make(), name)
    if report.ok:
        assert compile_model(make(), name).report.codes >= report.codes
    else:
        with pytest.raises(CompileError) as caught:
            compile_model(make(), name)
        advice = {"NMB172", "NMB185"}  # what would hold it, which only a check looks for
        assert caught.value.report.codes == report.codes - advice


@pytest.mark.parametrize("name", CHIPS)
def test_a_plain_network_is_accepted_in_silence(name):
    assert len(check(single([[1.0, 0.5]]), name)) == 0


@pytest.mark.parametrize("name", CHIPS)
def test_all_findings_come_at_once(name):
    net = single(np.ones((300, 300)), decay=1.5, reset="none", threshold=-1.0, bias=1.0)
    codes = check(net, name).codes
    rules = chip(name).rules
    wanted = ("too_many_neurons", "impossible_decay", "no_reset", "threshold_not_positive")
    assert {rules[w].code for w in wanted} <= codes


@pytest.mark.parametrize("name", CHIPS)
def test_the_place_is_named(name):
    decay = np.array([1.0, 1.5, 0.5, 1.5])
    report = check(single(np.ones((1, 4)), decay=decay), name)
    assert report.errors[0].place == "a[1..3]"


@pytest.mark.parametrize("name", CHIPS)
def test_codes_are_numbered_without_gaps_and_explained(name):
    rules = list(chip(name).rules.values())
    prefix = {"odin": "ODIN", "tinyodin": "TINY"}[name]
    assert [r.code for r in rules] == [f"{prefix}{n:03d}" for n in range(1, len(rules) + 1)]
    for rule in rules:
        assert rule.title.endswith(".")
        assert len(rule.explanation.splitlines()) > 2


@pytest.mark.parametrize("name", CHIPS)
@pytest.mark.parametrize("reset", ["none", "subtract"])
def test_neurons_without_memory_need_no_reset(name, reset):
    net = single([[1.0, 0.4]], decay=0.0, reset=reset, threshold=0.9)
    assert check(net, name).ok
    spikes = bernoulli(20, 2, 1, 0.5)
    np.testing.assert_array_equal(
        compile_model(net, name).run(spikes).spikes[:, :, 0], spikes[:, :, 0]
    )


@pytest.mark.parametrize("name", CHIPS)
def test_millions_of_neurons_are_refused_without_building_them(name):
    size = 5_000_000
    net = network([inputs(1), neurons("a", size)], [])
    report = check(net, name)
    assert [d.code for d in report.errors] == [chip(name).rules["too_many_neurons"].code]


def test_a_current_that_is_gone_after_a_step_is_accepted():
    net = single([[1.0]], decay_syn=np.zeros(1), gain_syn=np.full(1, 2.0), threshold=1.5)
    spikes = bernoulli(10, 1, 1, 0.5)
    for name in CHIPS:
        np.testing.assert_array_equal(compile_model(net, name).run(spikes).spikes, spikes)


# What only the mapper finds -------------------------------------------------------------------


@pytest.mark.parametrize("name", CHIPS)
def test_a_population_that_falls_silent_is_told(name):
    # one large weight fills the format, the many small ones become 0
    weights = np.full((40, 1), 0.02)
    weights[0] = 5.0
    net = single(weights, threshold=0.5)
    spikes = np.ones((20, 2, 40), np.uint8)
    spikes[:, :, 0] = 0
    program = compile_model(
        net, name, calibrate=spikes, options=CompileOptions(scale="maxabs", settle="never")
    )
    rules = chip(name).rules
    found = {d.code: d for d in program.report.warnings}
    silent = found[rules["silent_population"].code]
    assert silent.node == "a"
    assert silent.message.endswith("times in the model and never on the chip (calibration spikes)")
    assert found[rules["coarse_weights"].code].message == "39 of 40 weights become 0"


@pytest.mark.parametrize("name", CHIPS)
def test_calibration_does_not_let_it_fall_silent(name):
    weights = np.full((40, 1), 0.02)
    weights[0] = 5.0
    spikes = np.ones((20, 2, 40), np.uint8)
    spikes[:, :, 0] = 0
    program = compile_model(single(weights, threshold=0.5), name, calibrate=spikes)
    assert program.run(spikes).spikes.any()
    assert chip(name).rules["silent_population"].code not in program.report.codes


@pytest.mark.parametrize("name", CHIPS)
def test_without_calibration_that_is_said(name):
    rules = chip(name).rules
    codes = compile_model(wide(), name).report.codes
    assert rules["not_calibrated"].code in codes
    codes = compile_model(wide(), name, calibrate=bernoulli(10, 4, 10)).report.codes
    assert rules["not_calibrated"].code not in codes


def test_lost_negative_charge_is_measured_on_odin():
    net = wide()
    program = compile_model(net, "odin", calibrate=bernoulli(20, 8, 10))
    code = chip("odin").rules["negative_charge_lost"].code
    found = [d for d in program.report.warnings if d.code == code]
    assert found
    assert "of the model's membranes are below zero, the chip's stop there" in found[0].message


def test_dropped_spikes_are_told():
    # 60 neurons fire at once: each has two places and the scheduler holds 32
    rng = np.random.default_rng(0)
    net = network(
        [inputs(1), neurons("a", 60, threshold=0.5), neurons("b", 2)],
        [link("in", "a", np.ones((1, 60))), link("a", "b", rng.normal(0, 1, (60, 2)))],
    )
    spikes = np.ones((5, 2, 1), np.uint8)
    program = compile_model(net, "odin", calibrate=spikes)
    code = chip("odin").rules["spikes_dropped"].code
    found = [d for d in program.report.warnings if d.code == code]
    assert found[0].limit == "32 waiting spikes"
    counters = program.run(spikes).counters
    assert counters["dropped:a"].sum() == counters["dropped"].sum() > 0


@pytest.mark.parametrize("name", CHIPS)
def test_calibration_spikes_must_belong_to_the_model(name):
    with pytest.raises(UserError, match=r"^calibration: spikes for 'in' have shape"):
        compile_model(wide(), name, calibrate=np.zeros((5, 2, 11)))
    with pytest.raises(UserError, match="needs calibration spikes"):
        compile_model(wide(), name, options=CompileOptions(scale="calibrated"))
    silent = compile_model(wide(), name, calibrate=np.zeros((5, 2, 10)))
    assert chip(name).rules["not_calibrated"].code in silent.report.codes


def excited(name, strength):
    """Return neurons that excite each other."""
    rng = np.random.default_rng(0)
    drive, loop = np.abs(rng.normal(0, 0.6, (6, 10))), np.abs(rng.normal(0, strength, (10, 10)))
    layer = neurons("a", 10, decay=0.9)
    return network([inputs(6), layer], [link("in", "a", drive), link("a", "a", loop, delay=1)])


@pytest.mark.parametrize("name", CHIPS)
def test_loops_that_never_end_within_a_step_are_told_in_the_words_of_the_model(name):
    net, spikes = excited(name, 0.5), bernoulli(20, 5, 6, 0.3)
    options = CompileOptions(settle="never")
    program = compile_model(net, name, options=options)
    with pytest.raises(UserError, match=r"\w+02\d at a: the neurons keep each other firing"):
        program.run(spikes)
    with pytest.raises(CompileError) as refused:
        compile_model(net, name, calibrate=spikes, options=options)
    code = chip(name).rules["never_idle"].code
    assert [d.code for d in refused.value.report.errors] == [code]
    assert "never became idle" in str(refused.value)


@pytest.mark.parametrize("name", CHIPS)
def test_calibration_ends_loops_by_testing_thresholds_once_per_step(name):
    net, spikes = excited(name, 0.5), bernoulli(20, 5, 6, 0.3)
    program = compile_model(net, name, calibrate=spikes)
    assert program.metadata["trigger_events_per_step"] > 0
    assert program.run(spikes).spikes.any()


@pytest.mark.parametrize("name", CHIPS)
def test_too_many_neurons_do_not_hide_too_many_rows(name):
    report = check(layers(784, 300, 10), name)
    prefix = chip(name).rules["never_idle"].code[:-3]
    assert {f"{prefix}001", f"{prefix}002"} <= {d.code for d in report.errors}
