"""Every rule of MorphIC: tripped once, with its text."""

import numpy as np
import pytest
from crossbar_networks import bernoulli, inputs, layers, link, network, neurons, single
from morphic_cases import chip as image_of
from test_compile_rules import CASES, excited

import nm_backends as nmb
from nm_backends.compiler import check, compile_model
from nm_backends.errors import UserError
from nm_backends.program import CompileOptions
from nm_backends.registry import get_backend
from nm_backends.rules import CompileError
from nm_morphic.routes import Route, encode
from nm_morphic.rules import BY_NAME, RULES

OWN_LIMITS = ("too_many_neurons", "too_many_rows")
NETWORK = [
    *(case for case in CASES if case[0] not in OWN_LIMITS),
    ("too_many_neurons", "error", lambda: single(np.ones((1, 2049))),
     "2,049 neurons do not fit the 2048 of {chip} (a: 2,049)"),
    ("no_place", "error",  # inputs of which no two agree
     lambda: single(np.random.default_rng(0).choice([-1.0, 1.0], (1025, 64))),
     "no place on 4 cores: rows of a core: 1041 needed, 1024 there"),
]  # fmt: skip
NEVER, ALWAYS = CompileOptions(row_pairs="never"), CompileOptions(row_pairs="always")


@pytest.mark.parametrize(("rule", "severity", "make", "text"), NETWORK)
def test_a_rule_of_networks_finds_its_case(rule, severity, make, text):
    report = check(make(), "morphic")
    found = [d for d in report.diagnostics if d.code == BY_NAME[rule].code]
    assert [d.message for d in found] == [text.format(chip="morphic")]
    assert found[0].severity == severity
    if not report.ok:
        with pytest.raises(CompileError) as refused:
            compile_model(make(), "morphic")
        assert refused.value.report.codes == report.codes - {"NMB172", "NMB185"}  # advice


def test_codes_are_numbered_without_gaps_and_explained():
    learning = len(RULES) - 32  # those of layers that learn begin at 040
    numbers = [*range(1, 33), *range(40, 40 + learning)]
    assert [r.code for r in RULES] == [f"MORPH{n:03d}" for n in numbers]
    assert all(rule.title.endswith(".") for rule in RULES)
    assert all(len(rule.explanation.splitlines()) > 2 for rule in RULES)


def found(program, rule):
    return [d for d in program.report.diagnostics if d.code == BY_NAME[rule].code]


def test_weights_of_zero_in_rows_of_both_signs_are_a_loss_that_is_told():
    net = single([[1.0, -1.0], [0.0, 1.0], [1.0, 1.0]])
    (told,) = found(compile_model(net, "morphic", options=NEVER), "no_neutral_weight")
    assert told.message == "1 weights of 0 act as -1 or +1, beside 5 others"
    assert not found(compile_model(net, "morphic", options=ALWAYS), "no_neutral_weight")
    program = compile_model(net, "morphic")
    assert program.metadata["row_pairs"] is True
    assert not found(program, "no_neutral_weight")


def test_weights_of_many_sizes_are_told_before_anything_is_compiled():
    rule = BY_NAME["weights_become_bits"]
    even = single([[0.5, -2.0], [-0.5, 2.0], [0.5, 0.0]])
    assert rule.code not in check(even, "morphic").codes
    (told,) = (d for d in check(single([[1.0], [3.0]]), "morphic").diagnostics
               if d.code == rule.code)  # fmt: skip
    assert told.severity == "warning"
    # worth 2 each: off by 1 of 1 and of 3; or 0 and 3: off by 1
    assert told.message == "weights become one bit each: they are off by 32% of their size"


@pytest.mark.parametrize("options", [NEVER, ALWAYS])
def test_binary_weights_are_held_exactly_and_that_is_told(options):
    rng = np.random.default_rng(0)
    weights = np.where(rng.random((30, 8)) < 0.5, -1, 1) * rng.uniform(0.1, 2, 8)
    program = compile_model(single(weights, threshold=3.0), "morphic", options=options)
    (told,) = found(program, "binary_weights")
    assert told.message == "all 240 weights are held exactly"
    assert program.fit.populations["a"].weight_error < 1e-12
    np.testing.assert_allclose(program.weights("fc"), weights.T, rtol=1e-12)
    rough = compile_model(layers(30, 8), "morphic", options=options)
    assert not found(rough, "binary_weights")


def test_thresholds_beyond_their_bits_make_weights_worth_more():
    net = single(np.full((4, 2), 1e-3), threshold=5.0)
    (told,) = found(compile_model(net, "morphic"), "threshold_limits_scale")
    assert told.limit == "1023"
    assert told.message == "a weight is worth 4.89 times what it should be"


def test_biases_that_rows_of_both_signs_cannot_hold_are_told():
    net = single([[1.0, 1.0]], bias=np.array([2.0, 3.0]), threshold=9.0)
    (told,) = found(compile_model(net, "morphic", options=NEVER), "bias_rounded")
    assert told.place == "a[0]"
    exact = compile_model(net, "morphic", options=ALWAYS)
    assert not found(exact, "bias_rounded")
    spikes = exact.run(np.zeros((9, 1, 1), np.uint8)).spikes[:, 0]
    assert spikes.argmax(axis=0).tolist() == [4, 3]  # strictly above the threshold: 10, 12


def test_copies_are_told():
    net = network(
        [inputs(2), neurons("a", 2), neurons("b", 2)],
        [link("in", "a", np.eye(2)), link("a", "b", [[1, -1], [1, 1]])],
    )
    (told,) = found(compile_model(net, "morphic", options=ALWAYS), "stored_several_times")
    assert told.message == (
        "1 of 2 neurons are stored several times; 1 places of the chip go to copies"
    )
    assert not found(compile_model(net, "morphic", options=NEVER), "stored_several_times")


def test_what_calibration_shows_is_told():
    net = network(
        [inputs(1), neurons("a", 60, threshold=0.5), neurons("b", 2, threshold=50.0, decay=0.0)],
        [link("in", "a", np.ones((1, 60))), link("a", "b", np.ones((60, 2)))],
    )
    spikes = np.ones((5, 2, 1), np.uint8)
    program = compile_model(
        net, "morphic", calibrate=spikes, options=CompileOptions(scale="maxabs")
    )
    (told,) = found(program, "spikes_dropped")
    assert told.limit == "32 waiting spikes"
    assert found(program, "silent_population")
    assert found(program, "low_agreement")
    counters = program.run(spikes).counters
    assert counters["dropped:a"].sum() == counters["dropped"].sum() > 0
    assert found(compile_model(net, "morphic"), "not_calibrated")


def test_most_weights_are_too_small():
    weights = np.full((40, 1), 0.02)
    weights[0] = 5.0
    program = compile_model(single(weights, threshold=0.5), "morphic")
    assert found(program, "coarse_weights")[0].message == "39 of 40 weights become 0"


def test_a_population_that_always_fires_is_told():
    net = single([[1.0], [1.0], [-1.0], [-1.0]], threshold=0.5, decay=0.0)
    options = CompileOptions(order="excitatory_first", scale="maxabs", row_pairs="always")
    spikes = np.ones((6, 1, 4), np.uint8)  # at once they are 0; one after the other 2, then 0
    program = compile_model(net, "morphic", calibrate=spikes, options=options)
    assert found(program, "always_firing")


def test_loops_that_never_end_are_told():
    net, spikes = excited("morphic", 0.5), bernoulli(3, 1, 6, 0.6)
    rough = CompileOptions(scale="maxabs")
    with pytest.raises(UserError, match=r"MORPH020 at a: the neurons keep each other firing"):
        compile_model(net, "morphic").run(spikes)
    with pytest.raises(CompileError) as refused:
        compile_model(net, "morphic", calibrate=spikes, options=rough)
    assert [d.code for d in refused.value.report.errors] == [BY_NAME["never_idle"].code]


def codes(**changes):
    return check_image(image_of(**changes)).codes


def check_image(image):
    return get_backend("morphic").check_setup(image)


def test_images_written_by_hand_are_looked_at():
    routes = np.zeros((4, 512), np.int64)
    assert not codes()
    routes[0, 3] = routes[0, 4] = encode(Route((2,), 7), 0)
    routes[1, 0] = encode(Route(dx=3), 1)
    report = check_image(image_of(routes=routes, seeds=(1, 0, 3, 4), fields={"thr": 0}))
    assert report.codes == {
        BY_NAME[rule].code
        for rule in ("generator_stands_still", "fires_for_ever", "route_leads_nowhere",
                     "sources_share_a_row")
    }  # fmt: skip
    text = str(report)
    assert "core 2, row 519: 2 neurons drive it" in text
    assert "core 1, neuron 0: dx 3, dy 0 leads out of the mesh" in text
    program = compile_model(single([[1.0]]), "morphic")
    assert program.check().ok
    program.image.registers["LFSR_SEED_2"] = 0
    assert not program.check().ok


def test_a_trigger_that_lifts_by_one_is_refused():
    with pytest.raises(UserError, match="settle='always'"):
        compile_model(single([[1.0]]), "morphic", options=CompileOptions(settle="always"))


def test_assumptions_change_the_chip_and_are_reported():
    report = nmb.check(single([[1.0]]), "morphic", assumptions={"threshold_bits": 4})
    assert "threshold_bits=4" in str(report)
    program = nmb.compile(
        single(np.full((4, 2), 1e-3), threshold=5.0), "morphic", assumptions={"threshold_bits": 4}
    )
    assert program.image.memories["neuron"].view("<u2")[0, 1] == 15
    with pytest.raises(UserError, match="threshold_bits: 15, expected"):
        nmb.compile(single([[1.0]]), "morphic", assumptions={"threshold_bits": 15})
