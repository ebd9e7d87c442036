"""Exports for learning on ReckOn itself: what a lab would see is what ``program.learn`` does."""

import csv
import json

import numpy as np
import pytest
from reckon_bench import sent_as_sample
from reference_models.reckon import ReckonReference
from test_reckon_learning import FAST, OUTPUTS, compiled, curves, memories, samples

from nm_backends.export import read_events, read_export, read_learned
from nm_backends.stream import parse_spi
from nm_reckon.learning_options import ReckonLearning
from nm_reckon.simulator import ReckonSimulator
from nm_reckon.stream import read_stream
from nm_reckon.training import Trainer

SIMULATORS = {"engine": ReckonSimulator, "plain model": ReckonReference}
TASKS = {
    "labels": (samples, {}),
    "labels, a window": (samples, {"window": (4, 18), "regularisation": "both"}),
    "labels, always": (samples, {"always": True, "regularisation": "additive"}),
    "curves": (curves, {}),
    "curves, a window": (curves, {"window": 5}),
    "curves, always": (curves, {"window": 7, "always": True, "regularisation": "additive"}),
}


def rows(folder, name):
    with (folder / name).open(newline="") as file:
        return list(csv.DictReader(file))


def replayed(folder, simulator):
    """Program a chip with spi.txt and do what aer.txt says; return the chip and its bytes."""
    image = read_stream(parse_spi((folder / "spi.txt").read_text(), bits=32))
    chip, seen = simulator(image), []
    for stream in read_events(folder):
        assert stream.restore == []
        log = chip.sample(sent_as_sample(stream))
        pairs = zip(log.out_tick.tolist(), log.out_data.tolist(), strict=True)
        seen += [(str(stream.number), str(tick), f"{byte:02x}") for tick, byte in pairs]
    return chip, seen


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("simulator", SIMULATORS)
def test_a_lab_learns_what_the_program_learns(task, simulator, tmp_path):
    program, (make, more) = compiled(), TASKS[task]
    spikes, targets = make(5)
    before, options = program.image.copy(), FAST | more
    program.export(tmp_path, spikes, targets, options)
    assert not program.image.differences(before)
    wanted = Trainer(program, ReckonLearning.of(options)).image(regression=targets.ndim == 3)
    assert not read_export(tmp_path).differences(wanted)

    chip, seen = replayed(tmp_path, SIMULATORS[simulator])
    expected = rows(tmp_path, "expected.csv")
    assert seen == [(row["sample"], row["tick"], row["byte"]) for row in expected]
    assert len(seen) == 5 * (1 if targets.ndim == 1 else 2 * OUTPUTS)
    learned, now = read_learned(tmp_path), chip.image()
    program.learn(spikes, targets, options=options, progress=False)
    for name, memory in memories(program).items():
        assert np.array_equal(memory, now.memories[name]), name
        assert np.array_equal(memory, learned.memories[name]), name
        assert (memory != before.memories[name]).any(), name
    seeds = [name for name in now.registers if name.startswith("SPI_SEED")]
    for name in seeds:
        assert program.image.registers[name] == now.registers[name] == learned.registers[name]
    moved = [name for name in seeds if now.registers[name] != wanted.registers[name]]
    assert len(moved) == 8  # all but the noise


@pytest.mark.parametrize("task", ["curves", "curves, a window", "curves, always"])
def test_answers_stand_where_the_chip_asks(task, tmp_path):
    program, options = compiled(), FAST | TASKS[task][1]
    program.export(tmp_path, *curves(2), options)
    assert read_export(tmp_path).registers["SPI_GET_TAR_REQ_OUT"] == 1
    for stream in read_events(tmp_path):
        valid = sent_as_sample(stream).target_valid
        inner = range(1, len(stream.steps) - 1)  # the first propagates only, the last steps only
        asks = [tick for tick in inner if valid[tick] or options.get("always")]
        assert sorted(stream.answers) == asks
        assert {len(words) for words in stream.answers.values()} == {2 * OUTPUTS}
        assert stream.targets == {}


def test_what_may_not_change_has_no_file_of_what_was_learned(tmp_path):
    program = compiled(("w_rec",))
    program.export(tmp_path, *samples(3), FAST)
    assert [path.name for path in sorted(tmp_path.glob("*_learned*"))] == [
        "recurrent_weight_learned.hex", "registers_learned.txt",
    ]  # fmt: skip
    learned, programmed = read_learned(tmp_path), read_export(tmp_path)
    for name in ("neuron", "input_weight", "output_weight"):
        assert np.array_equal(learned.memories[name], programmed.memories[name])
    assert np.array_equal(
        learned.registers["SPI_ALPHA_CONF"], programmed.registers["SPI_ALPHA_CONF"]
    )


def test_a_second_pass_goes_on_where_the_first_ended(tmp_path):
    program, data = compiled(), samples(3)
    program.learn(*data, options=FAST, progress=False)
    program.export(tmp_path, *data, FAST)
    chip, _ = replayed(tmp_path, ReckonSimulator)
    program.learn(*data, options=FAST, progress=False)
    for name, memory in memories(program).items():
        assert np.array_equal(memory, chip.image().memories[name])


@pytest.mark.parametrize("kind", ["labels", "curves"])
def test_the_readme_says_how(kind, tmp_path):
    program = compiled()
    data = samples(2) if kind == "labels" else curves(2)
    program.export(tmp_path, *data, FAST)
    text = (tmp_path / "README.txt").read_text()
    for word in ("Learning\n--------\n", "TARGET_VALID", "AERIN_TAR_EN", "registers_learned.txt"):
        assert word in text
    assert "{" not in text
    assert max(map(len, text.splitlines())) <= 100
    program.export(tmp_path, data[0])
    text = (tmp_path / "README.txt").read_text()
    assert "does not learn" in text
    assert "registers_learned.txt" not in text
    assert not list(tmp_path.glob("*_learned*"))


@pytest.mark.parametrize("kind", ["labels", "curves"])
def test_from_the_command_line(nmb, kind, tmp_path):
    program = compiled()
    spikes, targets = samples(4) if kind == "labels" else curves(4)
    program.save(tmp_path / "p.nmb")
    np.savez(tmp_path / "s.npz", spikes=spikes, **({"labels": targets} if kind == "labels" else {}))
    np.save(tmp_path / "t.npy", targets)
    chosen = [part for name, value in FAST.items() for part in ("--option", f"{name}={value}")]
    given = () if kind == "labels" else ("--targets", "t.npy")
    result = nmb(
        "export", "p.nmb", "-o", "build", "--input", "s.npz", "--learn", *given, *chosen, "--json"
    )
    assert result.exit_code == 0, result.output
    names = json.loads(result.stdout)["files"]
    assert {"input_weight_learned.hex", "output_weight_learned.hex", "aer.txt"} <= set(names)
    program.learn(spikes, targets, options=FAST, progress=False)
    learned = read_learned(tmp_path / "build")
    for name, memory in memories(program).items():
        assert np.array_equal(memory, learned.memories[name])
