"""Exports of compiled networks: what a lab would see is what ``program.run`` says."""

from __future__ import annotations

import csv
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from spi_model import SpiModel
from test_stream import expect_programmed

import nm_backends as nmb
from nm_backends import artifact
from nm_backends.demo import demo_data
from nm_backends.export import read_events, read_export
from nm_backends.registry import get_backend
from nm_backends.stream import parse_spi
from nm_backends.testing import random_model, random_spikes
from nm_odin.simulator import OdinSimulator
from nm_tinyodin.simulator import TinyOdinSimulator

SIMULATORS = {"odin": OdinSimulator, "tinyodin": TinyOdinSimulator}
CONVENTIONS = nmb.Discretisation(dt=1e-3, reset="zero", spike_cmp=">", v0="zero", if_gain="r")
each_chip = pytest.mark.parametrize("chip", SIMULATORS)


@cache
def digits(chip):
    data = demo_data()  # few samples to calibrate with: accuracy does not matter here
    return nmb.compile(data.model, chip, calibrate=data.calibration[:, :8]), data.spikes[:, :6]


@cache
def compiled_layers(chip):
    spikes = random_spikes(5, steps=15, batch=3, inputs=40, rate=0.5) * np.uint8(2)
    return nmb.compile(random_model(1, (40, 30, 20)), chip, CONVENTIONS, spikes), spikes


def layers(chip):
    program, spikes = compiled_layers(chip)
    return replace(program, layout=dict(program.layout)), spikes


@each_chip
@pytest.mark.parametrize("make", [digits, layers])
def test_a_lab_sees_what_run_says(chip, make, tmp_path):
    program, spikes = make(chip)
    program.save(tmp_path / "p.nmb")
    nmb.load(tmp_path / "p.nmb").export(tmp_path / "build", spikes)
    image = read_export(tmp_path / "build")
    assert program.image.differences(image) == []

    model = SpiModel(chip, seed=1)
    model.send(parse_spi((tmp_path / "build" / "spi.txt").read_text()))
    expect_programmed(model, chip, image)
    seen = sent(chip, image, model, read_events(tmp_path / "build"))

    assert seen == [tuple(map(int, row[:4])) for row in rows(tmp_path, "expected.csv")]
    assert len(seen) > 100
    result = program.run(spikes)
    for node, counts in decoded(seen, rows(tmp_path, "output_map.csv"), result.layers).items():
        np.testing.assert_array_equal(counts, result.layers[node], err_msg=node)
    assert model.pushed == []
    assert model.ignored == 0


def rows(tmp_path, name):
    with open(tmp_path / "build" / name, newline="") as file:
        return list(csv.reader(file))[1:]


def sent(chip, image, model, samples):
    """Send the samples one after the other to one chip; the P lines alone restore its state."""
    words = image.memories["neuron"].copy()
    seen = []
    for sample in samples:
        model.neuron = [int.from_bytes(row.tobytes(), "little") for row in words]
        model.send(sample.restore)
        words = np.array([list(w.to_bytes(words.shape[1], "little")) for w in model.neuron])
        image.memories["neuron"][:] = words
        simulator = SIMULATORS[chip](image)
        log = simulator.send(sample.words)
        words = simulator.image().memories["neuron"]
        step = np.repeat(np.arange(len(sample.steps)), [len(w) for w in sample.steps])
        for event, address in zip(log.out_event.tolist(), log.out_addr.tolist(), strict=True):
            seen.append((sample.number, event, int(step[event]), address))
    return seen


def decoded(seen, output_map, like):
    found = {node: np.zeros_like(counts) for node, counts in like.items()}
    meaning = {int(a): (node, int(n)) for a, node, n, counts in output_map if counts == "1"}
    for sample, _, step, address in seen:
        if address in meaning:
            node, neuron = meaning[address]
            found[node].reshape(*found[node].shape[:2], -1)[step, sample, neuron] += 1
    return found


@each_chip
def test_a_program_comes_back_from_its_file(chip, tmp_path):
    program, _ = digits(chip)
    program.save(tmp_path / "a.nmb")
    nmb.load(tmp_path / "a.nmb").save(tmp_path / "b.nmb")
    assert (tmp_path / "a.nmb").read_bytes() == (tmp_path / "b.nmb").read_bytes()


@each_chip
def test_the_input_map_makes_the_events(chip, tmp_path):
    program, spikes = layers(chip)
    program.export(tmp_path / "build", spikes)
    lines = rows(tmp_path, "input_map.csv")
    for sample in read_events(tmp_path / "build"):
        for step, words in enumerate(sample.steps):
            expected = []
            for node, neuron, delay, line, _ in lines:
                assert delay == "0"
                times = spikes[step, sample.number, int(neuron)] if node else 1
                expected += [int(word, 16) for word in line.split()] * int(times)
            assert words.tolist() == expected


LAYOUTS = {
    "slot_word": [0x102, 1 << 31],
    "slot_channel": [-2, 40],
    "slot_count": [-1, 1 << 40],
    "slot_delay": [-1, 1 << 40],
    "address": [-1, 256, 3],
    "copy": [-2, 256, 3],
    "row_sign": [-2, 2],
}


@each_chip
@pytest.mark.parametrize(("name", "value"), [(n, v) for n in LAYOUTS for v in LAYOUTS[n]])
def test_a_layout_that_leads_astray_is_refused(chip, name, value, tmp_path, monkeypatch):
    program, _ = layers(chip)
    program.layout[name] = np.full_like(program.layout[name], value)
    with monkeypatch.context() as patch:
        patch.setattr(artifact, "check_program", lambda *_: None)
        program.save(tmp_path / "p.nmb")
    with pytest.raises(artifact.ArtifactError, match=r"p\.nmb: layout: "):
        nmb.load(tmp_path / "p.nmb")


@each_chip
@pytest.mark.parametrize("change", [lambda a: a[:-1], lambda a: a[None], lambda a: a * 1.0])
@pytest.mark.parametrize("name", [*LAYOUTS, "row_source"])
def test_a_layout_of_another_form_is_refused(chip, name, change):
    program, _ = layers(chip)
    program.layout[name] = change(program.layout[name])
    with pytest.raises(artifact.ArtifactError, match=r"layout: "):
        artifact.check_program(program, get_backend(chip), "x")
