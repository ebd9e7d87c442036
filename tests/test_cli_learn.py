"""``nmb compile --learn`` and ``nmb learn``: from a model file to a learned one."""

import json

import nir
import numpy as np
import pytest
from click.testing import CliRunner

import nm_backends as nmb
from nm_backends.cli import cli

INPUTS, NEURONS = 20, 4
OPTIONS = ("thetamem=12", "ca_theta2=3", "ca_theta3=5", "ca_leak=3", "thr=40")


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    weight = rng.integers(0, 8, (NEURONS, INPUTS)).astype(np.float32)
    weight[:, 0] = 7
    one = np.ones(NEURONS)
    graph = nir.NIRGraph.from_list(
        nir.Input({"input": np.array([INPUTS])}),
        nir.Linear(weight),
        nir.IF(r=one, v_threshold=60 * one),
        nir.Output({"output": np.array([NEURONS])}),
    )
    graph.metadata["nm_backends"] = {"dt": 1e-3, "if_gain": "r", "reset": "zero"}
    nir.write(tmp_path / "m.nir", graph)
    spikes = (rng.random((5, 30, INPUTS)) < 0.3).astype(np.uint8)
    np.savez(tmp_path / "s.npz", spikes=spikes, labels=rng.integers(0, NEURONS, 30))
    np.savez(tmp_path / "bare.npz", spikes=spikes)
    result = invoke("compile", tmp_path / "m.nir", "--chip", "odin", "--learn", "linear",
                    "-o", tmp_path / "p.nmb")  # fmt: skip
    assert result.exit_code == 0, result.output
    return tmp_path


def invoke(*arguments):
    return CliRunner().invoke(cli, [str(a) for a in arguments])


def learn(files, *more, options=OPTIONS):
    given = [part for option in options for part in ("--option", option)]
    spikes = () if "--input" in more else ("--input", files / "s.npz")
    return invoke("learn", files / "p.nmb", *spikes, "-o", files / "q.nmb", *given, *more)


def test_a_model_learns_and_comes_back_as_a_model(files):
    pytest.importorskip("matplotlib")
    result = learn(
        files, "--epochs", 2, "--history", files / "h.json", "--plot", files / "c.png",
        "--to-nir", files / "m.nir", files / "n.nir", "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert len(said["epochs"]) == 3
    assert said["options"]["thetamem"] == 12
    assert json.loads((files / "h.json").read_text())["epochs"] == said["epochs"]
    assert (files / "c.png").read_bytes().startswith(b"\x89PNG")
    learned, before = nmb.load(files / "q.nmb"), nmb.load(files / "p.nmb")
    assert (learned.image.memories["synapse"] != before.image.memories["synapse"]).any()
    graph, old = nir.read(files / "n.nir"), nir.read(files / "m.nir")
    assert np.allclose(graph.nodes["linear"].weight, learned.weights("linear"))
    assert (graph.nodes["linear"].weight != old.nodes["linear"].weight).any()
    again = nmb.compile(files / "n.nir", "odin", options=nmb.CompileOptions(learn=("linear",)))
    spikes = np.load(files / "s.npz")["spikes"]
    assert np.array_equal(again.run(spikes).spikes, learned.run(spikes).spikes)


def test_text_says_how_it_went(files):
    result = learn(files, "--validation", files / "s.npz", "--readout", "first", "--shuffle", 1)
    assert result.exit_code == 0, result.output
    assert "validation samples, first" in result.stdout
    assert "written:" in result.stdout


def test_labels_may_lie_in_a_file_of_their_own(files):
    np.save(files / "y.npy", np.load(files / "s.npz")["labels"])
    assert learn(files).exit_code == 0
    first = nmb.load(files / "q.nmb").image.memories["synapse"]
    result = learn(files, "--input", files / "bare.npz", "--targets", files / "y.npy")
    assert result.exit_code == 0, result.output
    assert np.array_equal(first, nmb.load(files / "q.nmb").image.memories["synapse"])


def test_what_should_come_out_may_lie_beside_the_spikes(files):
    data = np.load(files / "s.npz")
    wanted = np.zeros((5, 30, NEURONS), np.uint8)
    wanted[:, np.arange(30), data["labels"]] = 1
    np.savez(files / "t.npz", spikes=data["spikes"], targets=wanted)
    assert learn(files).exit_code == 0
    first = nmb.load(files / "q.nmb").image.memories["synapse"]
    for more in (("--input", files / "t.npz"),
                 ("--input", files / "bare.npz", "--targets", files / "t.npz")):  # fmt: skip
        result = learn(files, *more)
        assert result.exit_code == 0, result.output
        assert np.array_equal(first, nmb.load(files / "q.nmb").image.memories["synapse"])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--option", "thetamen=1"), "thetamen"),
        (("--option", "thetamem"), "expected NAME=VALUE"),
        (("--option", "thetamem=1.5"), "expected 0 to 255"),
        (("--input", "bare.npz"), "no array 'labels'"),
        (("--plot", "m.nir"), "overwrite"),
        (("--to-nir", "other.nir", "n.nir"), "other.nir"),
    ],
)
def test_mistakes_are_named_and_nothing_is_overwritten(files, monkeypatch, more, message):
    monkeypatch.chdir(files)
    if more[0] == "--plot":
        more = ("--plot", files / "p.nmb")
    result = learn(files, *more)
    assert result.exit_code != 0
    assert message in result.output + result.stderr
    assert nmb.load(files / "p.nmb").options.learn == ("linear",)


def test_a_program_that_does_not_learn_says_what_to_do(files):
    invoke("compile", files / "m.nir", "--chip", "odin", "-o", files / "p.nmb")
    result = learn(files)
    assert result.exit_code != 0
    assert "nmb compile --learn" in result.output + result.stderr


@pytest.mark.parametrize("kind", ["labels", "targets"])
def test_reckon_learns_labels_and_curves_from_files(tmp_path, kind):
    rng = np.random.default_rng(0)
    one, two = np.ones(8), np.ones(2)
    graph = nir.NIRGraph.from_list(
        nir.Input({"input": np.array([5])}),
        nir.Linear(rng.normal(0, 0.3, (8, 5))),
        nir.LIF(0.02 * one, 20 * one, 0 * one, 0.6 * one),
        nir.Linear(rng.normal(0, 0.2, (2, 8))),
        nir.LI(0.02 * two, 20 * two, 0 * two),
        nir.Output({"output": np.array([2])}),
    )
    graph.metadata["nm_backends"] = {"dt": 1e-3, "reset": "zero"}
    nir.write(tmp_path / "m.nir", graph)
    spikes = (rng.random((20, 6, 5)) < 0.4).astype(np.uint8)
    wanted = {"labels": rng.integers(0, 2, 6), "targets": 0.3 * np.ones((20, 6, 2))}[kind]
    np.savez(tmp_path / "s.npz", spikes=spikes, **{kind: wanted})
    names = [name for name, node in graph.nodes.items() if isinstance(node, nir.Linear)]
    learn = [part for name in names for part in ("--learn", name)]
    made = invoke("compile", tmp_path / "m.nir", "--chip", "reckon", *learn, "-o",
                  tmp_path / "p.nmb")  # fmt: skip
    assert made.exit_code == 0, made.output
    result = invoke(
        "learn", tmp_path / "p.nmb", "--input", tmp_path / "s.npz", "-o", tmp_path / "q.nmb",
        "--option", "rate_output=0.05", "--option", "SPI_SEED_OUT=77",
        "--option", "regularisation=none", "--epochs", 2, "--shuffle", 1,
        "--plot", tmp_path / "c.png", "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert said["options"]["registers"] == {"SPI_SEED_OUT": 77}
    judged = "accuracy" if kind == "labels" else "loss"
    assert all(epoch[judged] is not None for epoch in said["epochs"])
    assert sum(epoch["changed"] for epoch in said["epochs"]) > 0
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    before, after = (nmb.load(tmp_path / name).image for name in ("p.nmb", "q.nmb"))
    assert (before.memories["output_weight"] != after.memories["output_weight"]).any()
