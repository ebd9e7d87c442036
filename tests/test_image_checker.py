"""Random networks compile to images that an independent checker accepts, or are refused rightly."""

import csv
import re
import tempfile
from pathlib import Path

import image_checker
import numpy as np
import pytest
from crossbar_networks import bernoulli, inputs, layers, link, network, neurons
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nm_backends as nmb
from nm_backends.compiler import compile_model
from nm_backends.errors import UserError
from nm_backends.network import Population

CHIPS = ("odin", "tinyodin", "reckon")
PREFIX = {"odin": "ODIN", "tinyodin": "TINY", "reckon": "RECKON"}
sizes = st.one_of(st.integers(1, 40), st.integers(1, 300))


def integrators(name, size, decay):
    one, zero = np.ones(size), np.zeros(size)
    return Population(
        name, (size,), "LI", decay=decay * one, gain=one, leak=zero, threshold=np.inf * one,
        v_reset=zero, v0=zero, bias=zero, spiking=False,
    )  # fmt: skip


@st.composite
def networks(draw):
    """A network of random shape and size, feed-forward or recurrent, some with a membrane read."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(1, 3))
    decay = draw(st.sampled_from([1.0, 0.9, 0.5]))
    reset = draw(st.sampled_from(["zero", "zero", "subtract_delayed"]))
    spread, mean = draw(st.sampled_from([0.05, 0.3])), draw(st.sampled_from([0.0, 0.1, 1.0]))
    share = draw(st.sampled_from([1.0, 0.3, 0.02]))
    populations = [inputs(draw(sizes))]
    links = []

    def weights(rows, columns):
        drawn = rng.normal(mean, spread, (rows, columns))
        return drawn * (rng.random((rows, columns)) < share)

    for i in range(count):
        pre = populations[-1]
        post = neurons(f"l{i}", draw(sizes), decay=decay, reset=reset)
        if i == count - 1 and draw(st.integers(0, 5)) == 0:
            post = integrators(f"l{i}", draw(st.integers(1, 20)), decay)
        populations.append(post)
        links.append(link(pre.name, post.name, weights(pre.size, post.size)))
        if post.spiking and draw(st.integers(0, 4)) == 0:
            links.append(link(post.name, post.name, weights(post.size, post.size) * 0.2, delay=1))
    return network(populations, links)


def rightly_refused(net, chip):
    """Return the codes of the errors that a network of `networks` must meet, counted plainly."""
    reads = [p for p in net.neurons if not p.spiking]
    fire = sum(p.size for p in net.neurons if p.spiking)
    dense = [(p.pre, p.post, p.weights.toarray()) for p in net.projections]
    used = next((w != 0).any(axis=1).sum() for pre, _, w in dense if pre == "in")
    if chip == "reckon":
        return reckon_refusals(fire, used, reads, net)
    both = next(((w > 0).any(axis=1), (w < 0).any(axis=1)) for pre, _, w in dense if pre == "in")
    rows = used if chip == "tinyodin" else both[0].sum() + both[1].sum()
    positive, negative, heard = {}, {}, False
    for pre, _, w in dense:
        if pre != "in":
            heard |= bool(w.any())
            positive[pre] = positive.get(pre, False) | (w > 0).any(axis=1)
            negative[pre] = negative.get(pre, False) | (w < 0).any(axis=1)
    copies = sum(int((positive[n] & negative[n]).sum()) for n in positive)
    total = sum(p.size for p in net.neurons)
    stored = total + (copies if chip == "odin" else 0)
    found = {"001"} if total > 256 else set()
    found |= {"020"} if chip == "odin" and total <= 256 < stored else set()
    found |= {"002"} if rows + (stored if heard else 0) > 256 else set()
    return found | ({"003"} if reads else set())


def reckon_refusals(fire, used, reads, net):
    found = {"001"} if used > 256 else set()
    # a membrane that hears the input directly is handed its spikes by neurons
    handed = used if reads and any(p.pre == "in" and p.post == reads[0].name
                                   for p in net.projections) else 0  # fmt: skip
    spiking = [p for p in net.neurons if p.spiking]
    if spiking and spiking[0].decay[0] == 0.5 and spiking[0].reset == "zero":
        # 0.875 ** 6 < 0.5: six ticks per step, five of which recurrent spikes wait in neurons
        loops = [p.weights.toarray() for p in net.projections if p.delay]
        handed += 5 * sum(int((w != 0).any(axis=1).sum()) for w in loops)
    found |= {"002"} if fire + fire % 2 + handed + handed % 2 > 256 else set()
    found |= {"003"} if sum(p.size for p in reads) > 16 else set()
    fast = [p for p in spiking if p.decay[0] < 0.8]
    found |= {"010"} if fast and any(p.reset.startswith("subtract") for p in spiking) else set()
    return found


@pytest.mark.parametrize("chip", CHIPS)
@settings(
    deadline=None, max_examples=12, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(net=networks())
def test_networks_of_any_shape_fit_or_are_refused_for_the_right_reasons(chip, net):
    expected = {PREFIX[chip] + code for code in rightly_refused(net, chip)}
    found = {d.code for d in nmb.check(net, chip).errors}
    if found or expected:
        assert found == expected
        with pytest.raises(nmb.CompileError) as refused:
            compile_model(net, chip)
        assert {d.code for d in refused.value.report.errors} == expected
        return
    program = compile_model(net, chip)
    with tempfile.TemporaryDirectory() as folder:
        try:
            program.export(folder, bernoulli(3, 1, net.input_size, 0.3))
        except UserError:  # recurrent excitation without end: nothing to do with limits
            program.export(folder)
        assert image_checker.check(chip, folder) == []
        signs_are_those_of_the_model(chip, net, Path(folder))


def signs_are_those_of_the_model(chip, net, folder):
    """No synapse of a crossbar has turned round; where the model has none, there is none."""
    if chip == "reckon":
        return
    synapses = image_checker.nibbles(image_checker.memory(folder, "synapse", 8192, 32))
    if chip == "odin":
        negative = image_checker.registers(folder)["SPI_SYN_SIGN"]
        held = np.array(
            [[(s & 7) * (-1) ** (negative >> i & 1) for s in row] for i, row in enumerate(synapses)]
        )
    else:
        held = np.array([[image_checker.signed(s, 4) for s in row] for row in synapses])
    closed = not image_checker.registers(folder)["SPI_OPEN_LOOP"]
    at = {}
    for address, (node, neuron, _) in image_checker.places(folder)[0].items():
        at.setdefault((node, neuron), []).append(address)
    rows = {}
    with (folder / "input_map.csv").open() as file:
        for line in csv.DictReader(file):
            words = [image_checker.row_of(chip, int(w, 16)) for w in line["words"].split()]
            if line["node"]:
                rows.setdefault((line["node"], int(line["neuron"])), []).extend(words)
    for projection in net.projections:
        wanted = np.sign(projection.weights.toarray())
        for pre in range(len(wanted)):
            sources = rows if projection.pre == "in" else at if closed else {}
            mine = held[[r for r in sources.get((projection.pre, pre), []) if r is not None]]
            places = [at[projection.post, post][0] for post in range(wanted.shape[1])]
            got = np.sign(mine[:, places].sum(axis=0)) if len(mine) else 0 * wanted[pre]
            assert ((got == 0) | (got == wanted[pre])).all(), (projection.name, pre)


def exported(chip, folder):
    program = compile_model(layers(10, 12, 4, spread=0.6, decay=0.9), chip)
    program.export(folder, bernoulli(6, 2, 10, 0.5))
    assert image_checker.check(chip, folder) == []
    return folder


def edit(folder, name, pattern, replacement):
    text = (folder / name).read_text()
    changed = re.sub(pattern, replacement, text, count=1, flags=re.MULTILINE)
    assert changed != text
    (folder / name).write_text(changed)


def word(folder, name, index, change):
    """Change one word of a memory."""
    lines = (folder / f"{name}.hex").read_text().split()
    lines[index] = f"{change(int(lines[index], 16)):0{len(lines[index])}x}"
    (folder / f"{name}.hex").write_text("\n".join(lines) + "\n")


def neuron(index, change):
    return lambda folder: word(folder, "neuron", index, change)


def register(name, value):
    return lambda folder: edit(folder, "registers.txt", rf"(SPI_{name} .*) \w+$", rf"\1 {value}")


def event(instead):
    return lambda folder: edit(folder, "aer.txt", r"^(A (?!0007f|001ff)(\w+))$", instead)


def inputs_of(pattern, instead):
    return lambda folder: edit(folder, "input_map.csv", pattern, instead)


def weight(name, index, value):
    return lambda folder: word(folder, name, index, lambda _: value)


BROKEN = {
    "odin": [
        ("Izhikevich", neuron(200, lambda w: w & ~1)),
        ("threshold 0", neuron(0, lambda w: w & ~(0xFF << 9))),
        ("begins at", neuron(0, lambda w: w | 0xFF << 70)),
        ("learns", neuron(0, lambda w: w | 1 << 17)),
        ("disabled", neuron(0, lambda w: w | 1 << 127)),
        ("not in use", weight("synapse", 31, 0xF << 28)),
        ("nobody drives", weight("synapse", 32 * 255, 0xF)),
        ("is not mapped", weight("synapse", 0, 0x7)),
        ("GATE_ACTIVITY", register("GATE_ACTIVITY", 1)),
        ("event 000e1", event("A 000e1")),  # virtual
        ("event 00000", event("A 00000")),  # bistability
        ("event 10107", event("A 10107")),  # a single synapse
        ("one address", lambda folder: edit(folder, "output_map.csv", r"^1,", "0,")),
        ("two inputs", inputs_of(r"^(in,0,0,(\w+).*\nin,1,0,)\w+", r"\g<1>\g<2>")),
    ],
    "tinyodin": [
        ("threshold 0", neuron(0, lambda w: w & ~(0xFFF << 12))),
        ("threshold 4095", neuron(0, lambda w: w | 0xFFF << 12)),
        ("MAX_NEUR", register("MAX_NEUR", "03")),
        ("to an input", inputs_of(r"^in,1,0,\w+", "in,1,0,00003")),
        ("event 00211", event("A 00211")),  # virtual
        ("event 00105", event("A 00105")),  # a time reference of one neuron
    ],
    "reckon": [
        ("threshold", neuron(90, lambda w: w & ~(0xFFFF << 100))),
        ("leak factor", neuron(127, lambda w: w | 1 << 116)),
        ("state", neuron(0, lambda w: w | 1)),
        ("KAPPA", register("KAPPA", "81")),
        ("EPROP", register("DO_EPROP", "4")),
        ("beyond", weight("recurrent_weight", 15, 1)),
        ("beyond", weight("output_weight", 300, 1)),
        ("not in use", event("A 000c0")),
        ("twice", event(r"\1\n\1")),
        ("target", event(r"L \2")),
    ],
}
CASES = [(chip, *case) for chip, cases in BROKEN.items() for case in cases]


@pytest.mark.parametrize(("chip", "says", "breaks"), CASES, ids=[f"{c}: {s}" for c, s, _ in CASES])
def test_the_checker_sees_what_is_wrong(chip, says, breaks, tmp_path):
    folder = exported(chip, tmp_path / "export")
    breaks(folder)
    assert any(says in text for text in image_checker.check(chip, folder))


@pytest.mark.parametrize("chip", ["odin", "tinyodin"])
def test_an_export_of_spikes_that_never_end_says_so(chip, tmp_path):
    loud = network(
        [inputs(2), neurons("a", 4)],
        [link("in", "a", np.ones((2, 4))), link("a", "a", np.ones((4, 4)), delay=1)],
    )
    with pytest.raises(UserError, match=r"at a: the neurons keep each other firing"):
        compile_model(loud, chip).export(tmp_path / "e", np.ones((2, 1, 2), np.uint8))
