"""Each rule of ReckOn: a network that trips it, with the words that are printed."""

import numpy as np
import pytest
from crossbar_networks import bernoulli, inputs, layers, link, network, neurons, single
from test_reckon_mapping import membranes

from nm_backends.compiler import check, compile_model
from nm_backends.program import CompileOptions
from nm_backends.rules import CompileError
from nm_reckon.rules import BY_NAME, RULES

ONES = np.ones((3, 2))


def readout(size=2, decay=0.9, pre=2, **changes):
    layer = neurons("a", pre)
    return network(
        [inputs(3), layer, membranes("y", size, decay, **changes)],
        [link("in", "a", np.ones((3, pre))), link("a", "y", np.ones((pre, size)))],
    )


def loop():
    a, b = neurons("a", 2), neurons("b", 2)
    links = [link("in", "a", ONES), link("a", "b", np.eye(2)), link("b", "a", np.eye(2), 1)]
    return network([inputs(3), a, b], links)


def mixed():
    a, b = neurons("a", 2), neurons("b", 2, reset="subtract_delayed")
    return network([inputs(3), a, b], [link("in", "a", ONES), link("a", "b", np.eye(2))])


def driving():
    net = readout()
    net.populations["b"] = neurons("b", 2)
    net.projections.append(link("y", "b", np.eye(2)))
    return net


def two_depths():
    a, b = neurons("a", 2), neurons("b", 2)
    links = [link("in", "a", np.ones((150, 2))), link("a", "b", np.eye(2))]
    return network([inputs(150), a, b], [*links, link("in", "b", np.ones((150, 2)))])


CASES = [
    ("too_many_inputs", layers(257, 2), "257 input addresses are needed: 257 channels, 0 repeated"),
    (
        "too_many_inputs",
        layers(256, 2, bias=0.1),
        "257 input addresses are needed: 256 channels, 0 repeated for other delays, 1 for biases",
    ),
    ("too_many_inputs", two_depths(), "300 input addresses are needed: 150 channels, 150 repeated"),
    ("too_many_neurons", layers(3, 200, 57), "257 neurons and 0 that hand spikes on do not fit"),
    (
        "too_many_neurons",
        layers(3, 256, bias=0, decay=1.0),
        None,
    ),
    ("too_many_outputs", readout(17), "17 membranes of y are read"),
    ("too_many_outputs", readout(16), None),
    ("membrane_drives", driving(), "LI does not spike and drives b"),
    ("synaptic_current", single(ONES, decay_syn=np.full(2, -0.5)), "multiplied by -0.5 in"),
    ("loop_too_short", loop(), "the loop through"),
    ("mixed_resets", mixed(), "neurons reset by subtraction and neurons reset to zero"),
    ("other_reset", single(ONES, decay=0.9, reset="subtract"), "0.1 of a threshold more goes"),
    ("other_reset", single(ONES, reset="subtract"), None),
    ("other_reset", single(ONES, decay=0.9, reset="subtract_delayed"), None),
    ("other_reset", single(ONES, decay=0.9, reset="zero_dropinput"), "the input of the step after"),
    ("no_reset", single(ONES, decay=0.9, reset="none"), "LIF is not reset when it fires"),
    ("leak_out_of_range", single(ONES, decay=0.1), "multiplied by 0.1 in each step"),
    ("leak_out_of_range", single(ONES, decay=0.0), "multiplied by 0 in each step"),
    ("leak_out_of_range", single(ONES, decay=1.01), "multiplied by 1.01 in each step"),
    ("leak_out_of_range", single(ONES, decay=0.12), None),
    (
        "leak_out_of_range",
        single(ONES, decay=0.8, reset="subtract_delayed"),
        "multiplied by 0.8 in each step",
    ),
    ("output_leak", readout(decay=np.array([0.9, 0.8])), "outputs keep 0.8 to 0.9"),
    ("output_leak", readout(decay=1.1), "outputs keep 1.1 to 1.1"),
    ("threshold_not_positive", single(ONES, threshold=0.0), "threshold minus reset potential is 0"),
    (
        "threshold_not_positive",
        single(ONES, threshold=0.5, v_reset=0.5, reset="subtract_delayed"),
        None,
    ),
    ("output_is_input", network([inputs(3), neurons("a", 2)], [link("in", "a", ONES)], "in"), "in"),
    (
        "several_ticks",
        single(ONES, decay=0.8),
        "a step takes 2 ticks: decay 0.8 per step is 0.8944",
    ),
    ("deeper_layers", layers(3, 2, 2), "runs 1 ticks behind the input"),
    ("relay_neurons", readout(bias=0.5), "1 neurons hand spikes on: 0 delay spikes of neurons, 1"),
    ("bias_events", single(ONES, bias=0.25), "the bias is sent as an input event in every step"),
    ("rounded_output_leak", readout(decay=0.9), "becomes 0.898438 instead of 0.9"),
    ("rounded_output_leak", readout(decay=115 / 128), None),
    ("unseen_spikes", layers(3, 17), "the spikes of l1 are not to be seen at the pins"),
    ("unseen_spikes", layers(3, 16), None),
    ("fires_at_threshold", single(ONES, reset="subtract_delayed"), "meets its threshold exactly"),
    ("fires_at_threshold", single(ONES, reset="subtract_delayed", spike_cmp=">="), None),
    ("fires_at_threshold", single(ONES), None),
]


@pytest.mark.parametrize(
    ("name", "net", "message"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)]
)
def test_rule(name, net, message):
    rule = BY_NAME[name]
    found = [d for d in check(net, "reckon").diagnostics if d.code == rule.code]
    if message is None:
        assert not found
        return
    assert found, f"{rule.code} not among the findings"
    assert message in found[0].message
    assert found[0].severity == rule.severity
    if rule.severity == "error":
        with pytest.raises(CompileError):
            compile_model(net, "reckon")


def test_the_full_chip_fits():
    net = layers(256, 240, 16, mean=0.0, spread=0.1)
    assert check(net, "reckon").ok
    program = compile_model(net, "reckon")
    assert {r.name: r.used for r in program.resources}["neurons"] == 256
    assert program.check().ok


def measured(net, spikes, **options):
    program = compile_model(net, "reckon", calibrate=spikes, options=CompileOptions(**options))
    return {d.code: d.message for d in program.report.diagnostics}


def test_measured_findings():
    spikes = bernoulli(20, 3, 3, 0.5)
    quiet = np.full((3, 2), 1e-3)
    quiet[0] = 3.0
    assert "RECKON025" in measured(single(quiet), spikes)  # most weights become 0
    assert "RECKON027" in {d.code for d in compile_model(single(ONES), "reckon").report.warnings}


def test_membranes_that_go_too_far_are_named():
    from types import SimpleNamespace

    from nm_reckon.measured import _saturated

    held = SimpleNamespace(threshold=np.array([8000, 8000, 4000]))
    (said,) = _saturated("a", held, 1.1 * np.array([4.0, 5.0, 5.0]), slice(0, 3))
    assert said.code == "RECKON022"
    assert str(said).startswith("RECKON022 warning at a[1]: 1 membranes go beyond what 16 bits")
    assert (said.found, said.limit) == ("5 thresholds", "4.1 thresholds")


def test_codes_do_not_move():
    assert [rule.code for rule in RULES] == [f"RECKON{n:03d}" for n in range(1, len(RULES) + 1)]
    assert list(BY_NAME)[:4] == [
        "too_many_inputs",
        "too_many_neurons",
        "too_many_outputs",
        "membrane_drives",
    ]
