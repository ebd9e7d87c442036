"""Networks on several chips do what one large crossbar does, bit for bit."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
from crossbar_networks import bernoulli, chip, inputs, layers, link, network, neurons
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_models.layered import Layered
from test_session import same as same_steps
from test_session import stepped

import nm_backends as nmb
from nm_backends.artifact import ArtifactError
from nm_backends.crossbar import hosted
from nm_backends.crossbar.choose import by_weights
from nm_backends.crossbar.wiring import wire
from nm_backends.errors import UserError
from nm_backends.export import read_events, read_export
from nm_backends.partition import levels
from nm_backends.registry import get_backend
from nm_backends.rules import CompileError, Report
from nm_backends.system.compiling import compile_system
from nm_backends.system.exporting import read_routes
from nm_backends.system.pieces import piece, source_of

PLAIN = nmb.CompileOptions(order="ascending", scale="maxabs", row_pairs="never", settle="never")
each_chip = pytest.mark.parametrize("name", ["odin", "tinyodin"])


class Small:
    """A backend whose chips are full with fewer neurons."""

    def __init__(self, name, neurons):
        self._backend, self._neurons = get_backend(name), neurons

    def __getattr__(self, name):
        return getattr(self._backend, name)

    def check_part(self, part):
        found = self._backend.check_part(part)
        if sum(p.size for p in part.neurons) > self._neurons:
            found.append(self._backend.chip.rules["too_many_neurons"].at("full"))
        return found


def small_system(net, name, size, chips="auto", options=PLAIN, calibration=None):
    return compile_system(net, Report(name), Small(name, size), options, calibration, chips)


def unpartitioned(net, name, spikes):
    """Run all levels on one crossbar without limits, with integers chosen for it as a whole."""
    spec = chip(name).spec
    large = replace(chip(name), spec=replace(spec, rows=10**6, neurons=10**6))
    stages = []
    for names in levels(net):
        whole = piece(net, {n: np.arange(net.populations[n].size) for n in names})
        wiring = wire(whole)
        held = by_weights(large, wiring, PLAIN).integers
        model = [
            Layered(
                name,
                held.weights,
                held.bias,
                held.threshold,
                held.leak,
                held.start,
                spec.sign == "row",
            )
            for _ in range(spikes.shape[1])
        ]
        stages.append((whole, wiring, model))
    sent = {p.name: np.zeros((*spikes.shape[:2], p.size), np.int64) for p in net.neurons}
    sent |= {p.name: x for p, x in zip(net.inputs, _split(net, spikes), strict=True)}
    for t in range(len(spikes)):
        for whole, wiring, models in stages:
            for sample, model in enumerate(models):
                fired = model.step(_heard(net, whole, wiring, sent, t, sample))
                for n, span in wiring.spans():
                    sent[n][t, sample] = fired[span]
    return {p.name: sent[p.name] for p in net.neurons}


def _split(net, spikes):
    return np.split(spikes.astype(np.int64), np.cumsum([p.size for p in net.inputs])[:-1], axis=2)


def _heard(net, whole, wiring, sent, t, sample):
    """Return the counts of every source of a level at time ``t``, delays applied."""
    channels = [(*source_of(p.name, net), n) for p in whole.inputs for n in range(p.size)]
    counts = np.zeros(wiring.inputs, np.int64)
    for i, (channel, delay) in enumerate(zip(wiring.channel, wiring.delay, strict=True)):
        source, late, n = channels[channel]
        at = t - late - delay
        counts[i] = sent[source][at, sample, n] if at >= 0 else 0
    return counts


def same(result, wanted):
    for name, spikes in wanted.items():
        np.testing.assert_array_equal(result.layers[name].reshape(spikes.shape), spikes, name)


def recurrent(seed=0, size=9, spread=0.4):
    """Return two layers, the first with a loop, a skip, and delays of several steps."""
    rng = np.random.default_rng(seed)

    def drawn(*shape):
        return rng.normal(0.1, spread, shape) * (rng.random(shape) < 0.6)

    a, b = neurons("a", size, decay=0.9), neurons("b", 5, decay=0.8, bias=0.05)
    return network(
        [inputs(12), a, b],
        [
            link("in", "a", drawn(12, size)),
            link("in", "b", drawn(12, 5), 2),
            link("a", "a", drawn(size, size), 1),
            link("a", "b", drawn(size, 5)),
            link("b", "a", drawn(5, size), 3),
        ],
    )


@given(data=st.data())
@settings(max_examples=12, deadline=None)
def test_any_cut_equals_one_large_crossbar(data):
    name = data.draw(st.sampled_from(("odin", "tinyodin")))
    seed, size = data.draw(st.integers(0, 99)), data.draw(st.integers(1, 6))
    room = data.draw(st.sampled_from((2, 7, 250)))
    if data.draw(st.booleans()):
        net = recurrent(seed, data.draw(st.integers(2, 14)))
    else:
        sizes = data.draw(st.lists(st.integers(1, 14), min_size=1, max_size=3))
        net = layers(data.draw(st.integers(1, 30)), *sizes, seed=seed, decay=0.9)
    spikes = bernoulli(6, 2, net.input_size, 0.4, seed) * np.uint8(2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hosted, "room_for_inputs", lambda *_: room)
        system = small_system(net, name, size)
    assert all(sum(map(len, part.neurons.values())) <= size for part in system.parts)
    same(system.run(spikes), unpartitioned(net, name, spikes))


@each_chip
def test_a_large_network_equals_one_large_crossbar(name):
    """784 inputs are more than the 256 rows of a chip."""
    net = layers(784, 256, 10, mean=0.02, spread=0.1, decay=0.9)
    spikes = bernoulli(3, 1, 784, 0.1)
    with pytest.raises(CompileError) as refused:
        nmb.compile(net, name)
    assert {f"{'ODIN' if name == 'odin' else 'TINY'}002"} <= refused.value.report.codes
    system = nmb.compile(net, name, options=PLAIN, chips="auto")
    assert system.chips == (2 if name == "odin" else 17)
    result = system.run(spikes)
    assert result.layers["l1"].any()
    assert result.layers["l2"].any()
    same(result, unpartitioned(net, name, spikes))
    again = nmb.compile(net, name, options=PLAIN, chips=system.chips + 2)
    assert again.chips == system.chips + 2
    same(again.run(spikes), result.layers)


@each_chip
def test_every_limit_is_kept(name):
    net = layers(300, 300, 12, mean=0.02, spread=0.1)
    system = nmb.compile(net, name, options=PLAIN, chips="auto")
    assert all(r.used <= r.available for r in system.resources)


@each_chip
def test_steps_are_the_run(name):
    """A loop over chips, a skip, delays: step by step as at once, links counted."""
    net, spikes = recurrent(3), bernoulli(12, 2, 12, 0.4)
    system = small_system(net, name, 4)
    session = system.session(2)
    for _ in range(2):
        same_steps(session, system.run(spikes, record=("membrane",)), stepped(session, spikes))
        session.reset()


@each_chip
def test_saved_and_loaded_it_is_the_same(name, tmp_path):
    net, spikes = recurrent(3), bernoulli(8, 2, 12, 0.4)
    system = small_system(net, name, 4)
    system.save(tmp_path / "a.nmb")
    again = nmb.load(tmp_path / "a.nmb")
    again.save(tmp_path / "b.nmb")
    assert (tmp_path / "a.nmb").read_bytes() == (tmp_path / "b.nmb").read_bytes()
    first, second = system.run(spikes), again.run(spikes)
    same(second, first.layers)
    assert first.counters.keys() == second.counters.keys()
    assert str(again) == str(system)
    assert again.check().ok


def test_a_damaged_system_is_refused(tmp_path):
    system = small_system(recurrent(3), "odin", 4)
    path = tmp_path / "a.nmb"
    for change in (
        lambda s: s.parts.pop(),
        lambda s: s.parts[0].neurons.update(a=s.parts[0].neurons["a"][::-1].copy()),
        lambda s: setattr(s.parts[0], "level", -1),
        lambda s: setattr(s.parts[-1], "level", 0),
    ):
        broken = replace(system, parts=[replace(p, neurons=dict(p.neurons)) for p in system.parts])
        change(broken)
        with pytest.raises(ArtifactError):
            broken.save(path)
    assert not path.exists()


@each_chip
def test_an_export_is_read_back_and_its_routes_carry_every_spike(name, tmp_path):
    net, spikes = recurrent(5), bernoulli(8, 2, 12, 0.5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hosted, "room_for_inputs", lambda *_: 6)
        system = small_system(net, name, 4)
    files = system.export(tmp_path / "build", spikes)
    system.export(tmp_path / "build", spikes)  # over the earlier one
    assert all(path.exists() for path in files)
    result = system.run(spikes)
    routes = read_routes(tmp_path / "build")
    for i, part in enumerate(system.parts):
        assert part.program.image.differences(read_export(tmp_path / "build" / f"chip{i}")) == []
        sent = sum(len(w) for s in read_events(tmp_path / "build" / f"chip{i}") for w in s.steps)
        assert sent == result.counters[f"chip{i}:events_in"].sum()
    for key, spikes_sent in result.counters.items():
        if key.startswith("link:") and not key.startswith("link:in"):
            p, q = map(int, key.removeprefix("link:").split("->"))
            addresses = {r[1] for r in routes if (r[0], r[2]) == (p, q)}
            assert spikes_sent.sum() == _outputs(tmp_path / "build" / f"chip{p}", addresses)


def _outputs(folder, addresses):
    lines = (folder / "expected.csv").read_text().splitlines()
    at = lines[0].split(",").index("address")
    return sum(int(line.split(",")[at]) in addresses for line in lines[1:])


def test_foreign_directories_are_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ArtifactError, match=r"thesis\.txt"):
        small_system(recurrent(), "odin", 4).export(tmp_path)


@each_chip
def test_the_partitioner_keeps_spikes_at_home(name):
    """Two groups of neurons, interleaved, each with inputs of its own."""
    weights = np.zeros((8, 8))
    weights[:4, ::2] = 0.5
    weights[4:, 1::2] = 0.5
    net = network([inputs(8), neurons("a", 8)], [link("in", "a", weights)])
    system = small_system(net, name, 4)
    assert [part.neurons["a"].tolist() for part in system.parts] == [[0, 2, 4, 6], [1, 3, 5, 7]]
    spikes = bernoulli(5, 2, 8, 0.5)
    result = system.run(spikes)
    assert result.metadata["links"] == {
        "in->0": int(spikes[:, :, :4].sum()),
        "in->1": int(spikes[:, :, 4:].sum()),
    }


def test_without_the_partitioner_layers_are_cut_in_order_and_that_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymetis", None)  # as if it were not installed
    system = small_system(recurrent(), "odin", 4)
    found = next(d for d in system.report if d.code == "NMB170")
    assert found.node == "a"
    data = bernoulli(9, 2, 12, 0.3)
    same(system.run(data), unpartitioned(recurrent(), "odin", data))


def test_results_do_not_depend_on_threads_or_progress():
    system, spikes = small_system(recurrent(2), "odin", 3), bernoulli(6, 40, 12, 0.4)
    plain, told = system.run(spikes, threads=1), []
    pieces = system.run(spikes, threads=2, progress=told.append)
    same(pieces, plain.layers)
    assert sum(told) == 40
    for key, values in plain.counters.items():
        np.testing.assert_array_equal(values, pieces.counters[key], key)
    single = system.run(spikes[:, 0])
    np.testing.assert_array_equal(single.spikes, plain.spikes[:, 0])
    streamed = system.stream(spikes, batch=16, threads=1).totals()
    np.testing.assert_array_equal(streamed.prediction, plain.prediction)
    for key, values in plain.counters.items():
        assert streamed.counters[key] == values.sum(), key


@each_chip
def test_membranes_of_all_chips_are_recorded(name):
    for net in (layers(6, 8, 4), recurrent(4)):
        spikes = bernoulli(6, 2, net.input_size, 0.4)
        whole = small_system(net, name, 100).run(spikes, record=("membrane",))
        cut = small_system(net, name, 3).run(spikes, record=("membrane",))
        for key, values in whole.membranes.items():
            np.testing.assert_array_equal(values, cut.membranes[key])


def test_one_chip_in_turn_is_the_same_and_says_what_programming_costs():
    net, spikes = layers(10, 8, 4, decay=0.9), bernoulli(6, 2, 10, 0.4)
    system = small_system(net, "tinyodin", 8, "time")
    assert system.chips == 1
    result = system.run(spikes)
    same(result, small_system(net, "tinyodin", 8).run(spikes).layers)
    words = sum(
        len(sent.words)
        for part in system.parts
        for sent in get_backend("tinyodin").write_stream(part.program.image)
    )
    assert result.metadata["reprogramming"] == {"spi_words": words, "spi_bits": 20 * words}
    odin = small_system(net, "odin", 8, "time").run(spikes).metadata["reprogramming"]
    assert odin["seconds"] == odin["spi_bits"] * 4 / 75e6
    with pytest.raises(CompileError) as refused:
        small_system(recurrent(), "tinyodin", 4, "time")
    assert "NMB062" in refused.value.report.codes


def test_what_cannot_be_is_refused_with_its_rule():
    wide = layers(300, 300, 12, mean=0.02, spread=0.1)
    for net, name, chips, code in (
        (wide, "spoon", "auto", "NMB060"),
        (wide, "reckon", "auto", "NMB063"),
        (wide, "odin", 2, "NMB061"),
        (replace(wide, outputs={"output": "in"}), "odin", "auto", "ODIN011"),
    ):
        with pytest.raises(CompileError) as refused:
            nmb.compile(net, name, chips=chips)
        assert code in refused.value.report.codes
    for chips in (0, True, "many", 2.0):
        with pytest.raises(UserError, match="chips is"):
            nmb.compile(wide, "odin", chips=chips)
    system = small_system(layers(5, 4), "odin", 2)
    with pytest.raises(UserError):
        system.learn()


def test_a_network_that_fits_is_a_program():
    assert isinstance(nmb.compile(layers(5, 4), "odin", chips="auto"), nmb.Program)
    assert isinstance(nmb.compile(layers(5, 4), "odin", chips=1), nmb.Program)
    assert isinstance(nmb.compile(layers(5, 4), "odin", chips=3), nmb.System)


def test_calibrated_systems_say_what_they_measured():
    net, spikes = recurrent(1), bernoulli(12, 6, 12, 0.3)
    system = small_system(net, "tinyodin", 4, options=nmb.CompileOptions(), calibration=spikes)
    assert 0.0 < system.metadata["readout_agreement"] <= 1.0
    assert any(d.code == "NMB171" and "one step later" in d.message for d in system.report)


def test_the_command_line_compiles_runs_and_exports(nmb, model_file, spike_file, tmp_path):
    made = nmb("compile", model_file, "--chip", "odin", "--chips", "3", "-o", tmp_path / "s.nmb")
    assert made.exit_code == 0, made.output
    assert "on 3 chips" in made.stdout
    ran = nmb("run", tmp_path / "s.nmb", "--input", spike_file)
    assert ran.exit_code == 0, ran.output
    assert nmb("check", tmp_path / "s.nmb").exit_code == 0
    assert nmb("export", tmp_path / "s.nmb", "-o", tmp_path / "build").exit_code == 0
    assert (tmp_path / "build" / "chip2" / "spi.txt").exists()
    learned = nmb("learn", tmp_path / "s.nmb", "--input", spike_file, "-o", tmp_path / "l.nmb")
    assert learned.exit_code == 2
