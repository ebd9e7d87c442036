"""Chips without public RTL: random networks fit or are refused, and exports keep all limits."""

import tempfile
from pathlib import Path

import image_checker
import numpy as np
import pytest
from crossbar_networks import bernoulli, layers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_image_checker import edit, event, inputs_of, networks, weight, word

import nm_backends as nmb
from nm_backends.compiler import compile_model

SLOW = [HealthCheck.too_slow]


def test_every_chip_has_a_checker():
    assert set(nmb.chips()) <= set(image_checker.checks())


def exports_rightly(chip, net):
    """Compile, export and check a network that fits; return the codes of what refuses it."""
    report = nmb.check(net, chip)
    codes = {d.code for d in report.errors}
    if codes:
        with pytest.raises(nmb.CompileError) as refused:
            compile_model(net, chip)
        assert {d.code for d in refused.value.report.errors} == codes
        return codes
    program = compile_model(net, chip)
    with tempfile.TemporaryDirectory() as folder:
        program.export(folder, bernoulli(3, 1, net.input_size, 0.3))
        assert image_checker.check(chip, folder) == []
    return codes


@settings(deadline=None, max_examples=8, suppress_health_check=SLOW, derandomize=True)
@given(net=networks())
def test_networks_on_morphic(net):
    fire = sum(p.size for p in net.neurons)
    small = net.input_size <= 40 and fire <= 100 and all(p.spiking for p in net.neurons)
    loop = any(p.delay for p in net.projections)
    if loop:  # may never end: what an export then says is tested elsewhere
        assert not small or nmb.check(net, "morphic").ok
        return
    codes = exports_rightly("morphic", net)
    assert not (small and codes)
    assert ("MORPH003" in codes) == any(not p.spiking for p in net.neurons)


@settings(deadline=None, max_examples=8, suppress_health_check=SLOW, derandomize=True)
@given(
    st.integers(1, 400), st.one_of(st.integers(1, 40), st.integers(1, 160)), st.integers(1, 12),
    st.integers(0, 99),
)  # fmt: skip
def test_chains_on_spoon(channels, hidden, outputs, seed):
    net = layers(channels, hidden, outputs, seed=seed, reset="subtract")
    large = channels > 360 or hidden > 128 or outputs > 10
    assert exports_rightly("spoon", net) == ({"SPOON004"} if large else set())


def register(name, value):
    return lambda folder: edit(folder, "registers.txt", rf"^({name} .*) \w+$", rf"\1 {value}")


def of_neuron(index, change):
    return lambda folder: word(folder, "neuron", index, change)


def of_expected(pattern, instead):
    return lambda folder: edit(folder, "expected.csv", pattern, instead)


BROKEN = {
    "morphic": [
        ("threshold 0", of_neuron(0, lambda w: w & ~(0xFFFF << 16))),
        ("threshold 65535", of_neuron(0, lambda w: w | 0xFFFF << 16)),
        ("leak", of_neuron(0, lambda w: w | 0x80 << 32)),
        ("learns", of_neuron(0, lambda w: w | 1 << 112)),
        ("disabled", of_neuron(0, lambda w: w | 1 << 120)),
        ("not in use", of_neuron(2047, lambda w: w & ~(1 << 120))),
        ("not in use", weight("synapse_row", 0, 1 << 511)),
        ("another chip", lambda f: word(f, "route", 0, lambda w: w | 1 << 12)),
        ("a route and not", lambda f: word(f, "route", 2000, lambda w: 1)),
        ("nobody drives", register("ROW_ENABLE_3", "1" + "0" * 255)),
        ("core 1 learns", register("PLASTIC_1", 1)),
        ("seed 0", register("LFSR_SEED_2", "00000")),
        ("event", event("A 00fff")),
    ],
    "spoon": [
        ("hidden neurons 129", register("HIDDEN_NEURONS", "0081")),
        ("LEARN", register("LEARN", 1)),
        ("beyond", lambda f: word(f, "hidden_weight", 359, lambda w: 1)),
        ("beyond", lambda f: word(f, "output_bias", 9, lambda w: 1)),
        ("not in use", event("A 00300")),
        ("twice", event(r"\1\n\1")),
        ("a target", event(r"L \2")),
        ("one address", inputs_of(r"^(in,0,0,(\w+).*\nin,1,0,)\w+", r"\g<1>\g<2>")),
        ("outputs", lambda f: edit(f, "output_map.csv", r"^1,", "7,")),
        ("decisions", of_expected(r"^0,0,\d+,(\d)", r"0,0,0,9")),
    ],
}
CASES = [(chip, *case) for chip, cases in BROKEN.items() for case in cases]


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    made = {}
    for chip, reset in (("morphic", "zero"), ("spoon", "subtract")):
        made[chip] = tmp_path_factory.mktemp(chip)
        program = compile_model(layers(10, 12, 4, spread=0.6, reset=reset), chip)
        program.export(made[chip], bernoulli(6, 2, 10, 0.5))
    return made


@pytest.mark.parametrize(("chip", "says", "breaks"), CASES, ids=[f"{c}: {s}" for c, s, _ in CASES])
def test_the_checker_sees_what_is_wrong(exports, chip, says, breaks, tmp_path):
    for file in Path(exports[chip]).iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert image_checker.check(chip, tmp_path) == []
    breaks(tmp_path)
    assert any(says in text for text in image_checker.check(chip, tmp_path))


def test_a_network_over_several_cores_is_checked_too(tmp_path):
    random = np.random.default_rng(0)
    net = layers(20, 200, 400)
    for p in net.projections:
        p.weights.data[:] = random.random(p.weights.nnz) * (random.random(p.weights.nnz) < 0.05)
        p.weights.eliminate_zeros()
    compile_model(net, "morphic").export(tmp_path, bernoulli(3, 1, 20, 0.3))
    assert image_checker.check("morphic", tmp_path) == []
    assert any(int(line, 16) for line in (tmp_path / "route.hex").read_text().split())
