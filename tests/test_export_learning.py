"""Exports for learning on the chip itself: what a lab would see is what ``program.learn`` does."""

import csv
import json

import numpy as np
import pytest
from spi_model import SpiModel
from test_odin_learn_program import RULE, compiled, samples
from test_stream import expect_programmed

import nm_backends as nmb
from nm_backends.artifact import ArtifactError
from nm_backends.errors import UserError
from nm_backends.export import read_events, read_export, read_learned
from nm_backends.stream import parse_spi
from nm_odin.simulator import OdinSimulator
from nm_odin.training import Trainer

OPTIONS = [
    {"excite": 2},
    {"excite": 2, "inhibit": 1, "bistability": 2},
    {"ca_leak": 0, "leak_str": None},  # no time reference: flags as the restored words leave them
    {"teacher": "rows", "excite": 1, "ca_theta3": 7},
]


def rows(folder, name):
    with open(folder / name, newline="") as file:
        return list(csv.reader(file))[1:]


def replayed(folder):
    """Send spi.txt and aer.txt; return the outputs and the synapse memory in the end.

    An own model of the SPI slave takes every transaction, those between samples too.
    """
    image, model = read_export(folder), SpiModel("odin", seed=1)
    model.send(parse_spi((folder / "spi.txt").read_text()))
    expect_programmed(model, "odin", image)
    seen = []
    for sample in read_events(folder):
        model.send(sample.restore)
        stored = [list(word.to_bytes(16, "little")) for word in model.neuron]
        image.memories["neuron"] = np.array(stored, np.uint8)
        assert model.flags_from == model.neuron
        simulator = OdinSimulator(image)
        log = simulator.send(sample.words)
        after = simulator.image().memories
        image.memories["synapse"] = after["synapse"]
        model.neuron = [int.from_bytes(word.tobytes(), "little") for word in after["neuron"]]
        step = np.repeat(np.arange(len(sample.steps)), [len(w) for w in sample.steps])
        for event, address in zip(log.out_event.tolist(), log.out_addr.tolist(), strict=True):
            seen.append((sample.number, event, int(step[event]), address))
    assert model.pushed == []
    return seen, image.memories["synapse"]


@pytest.mark.parametrize("options", OPTIONS)
def test_a_lab_learns_what_the_program_learns(options, tmp_path):
    program, (spikes, labels) = compiled(), samples(9)
    before = program.image.copy()
    program.export(tmp_path / "build", spikes, labels, RULE | options)
    assert program.image.differences(before) == []
    assert read_export(tmp_path / "build").differences(_image(RULE | options)) == []

    seen, synapses = replayed(tmp_path / "build")
    assert seen == [tuple(map(int, row[:4])) for row in rows(tmp_path / "build", "expected.csv")]
    assert len(seen) > 5
    learned = read_learned(tmp_path / "build")
    assert np.array_equal(synapses, learned.memories["synapse"])
    assert {d.partition("[")[0] for d in learned.differences(_image(RULE | options))} == {"synapse"}
    program.learn(spikes, labels, options=RULE | options)
    plastic = before.memories["synapse"] >= 8
    assert np.array_equal(synapses[plastic], program.image.memories["synapse"][plastic])
    assert (synapses[plastic] != before.memories["synapse"][plastic]).any()


def _image(options):
    from nm_odin.learning_options import OdinLearning

    return Trainer(compiled(), OdinLearning.of(options)).image()


@pytest.mark.parametrize("options", OPTIONS[:3])
def test_the_input_map_makes_the_events(options, tmp_path):
    program, (spikes, labels) = compiled(), samples(4)
    program.export(tmp_path / "build", spikes, labels, RULE | options)
    lines = rows(tmp_path / "build", "input_map.csv")
    period = options.get("bistability", 0)
    for sample in read_events(tmp_path / "build"):
        for step, words in enumerate(sample.steps):
            expected = []
            for node, neuron, _, line, _ in lines:
                times = 1 if not node else int(spikes[step, sample.number, int(neuron)])
                if node.startswith("teacher"):
                    right = int(neuron) == labels[sample.number]
                    times = int(right != node.endswith("not fire"))
                expected += [int(word, 16) for word in line.split()] * times
            due = period and (sample.number + 1) % period == 0
            expected += [0] * bool(due and step == len(sample.steps) - 1)
            assert words.tolist() == expected


def test_the_readme_says_how(tmp_path):
    program, (spikes, labels) = compiled(), samples(3)
    program.export(tmp_path / "build", spikes, labels, RULE)
    text = (tmp_path / "build" / "README.txt").read_text()
    assert "synapse_learned.hex" in text
    assert "Learning\n--------\n" in text
    program.export(tmp_path / "build", spikes)
    assert "Learning" not in (tmp_path / "build" / "README.txt").read_text()
    assert not (tmp_path / "build" / "synapse_learned.hex").exists()
    with pytest.raises(ArtifactError, match="this export is not one for learning"):
        read_learned(tmp_path / "build")


def test_what_does_not_go_together(tmp_path):
    program, (spikes, labels) = compiled(), samples(3)
    with pytest.raises(UserError, match=r"^export: targets without spikes$"):
        program.export(tmp_path / "build", targets=labels)
    with pytest.raises(UserError, match=r"^export: learning options without targets$"):
        program.export(tmp_path / "build", spikes, learning=RULE)
    assert not (tmp_path / "build").exists()


def test_from_the_command_line(nmb, tmp_path):
    program, (spikes, labels) = compiled(), samples(5)
    program.save(tmp_path / "p.nmb")
    np.savez(tmp_path / "s.npz", spikes=spikes, labels=labels)
    chosen = [part for name, value in RULE.items() for part in ("--option", f"{name}={value}")]
    command = ("export", "p.nmb", "-o", "build", "--input", "s.npz")
    result = nmb(*command, "--learn", *chosen, "--json")
    assert result.exit_code == 0, result.output
    assert "synapse_learned.hex" in json.loads(result.stdout)["files"]
    program.learn(spikes, labels, options=RULE)
    plastic = program.image.memories["synapse"] >= 8
    learned = read_learned(tmp_path / "build").memories["synapse"]
    assert np.array_equal(learned[plastic], program.image.memories["synapse"][plastic])
    assert "need --learn" in nmb(*command, "--option", "thetamem=3").output
    assert "--learn needs --input" in nmb("export", "p.nmb", "-o", "b", "--learn").output


def test_chips_that_do_not_learn(tmp_path):
    from nm_backends.testing import random_model, random_spikes

    conventions = nmb.Discretisation(dt=1e-3, reset="zero", spike_cmp=">", v0="zero", if_gain="r")
    program = nmb.compile(random_model(1, (8, 4)), "tinyodin", conventions)
    spikes = random_spikes(1, steps=3, batch=2, inputs=8)
    with pytest.raises(UserError, match="on-chip learning on 'tinyodin' is not there"):
        program.export(tmp_path / "build", spikes, [0, 1])
