"""``nmb run`` and ``nmb export``."""

import json

import numpy as np
import pytest

from nm_backends.testing import random_spikes


@pytest.fixture
def program(nmb, model_file):
    """Compile the small model: a file name."""
    result = nmb("compile", model_file, "--chip", "tinyodin", "-o", "small.nmb")
    assert result.exit_code == 0, result.output
    return "small.nmb"


def test_run(nmb, program, spike_file):
    result = nmb("run", program, "--input", spike_file)
    assert result.exit_code == 0, result.output
    assert "sops per sample" in result.stdout
    assert "written" not in result.stdout


def test_run_writes_everything(nmb, program, spike_file, tmp_path):
    command = ("run", program, "--input", spike_file, "-o", "out.npz", "--record", "membrane")
    assert "written: out.npz" in nmb(*command).stdout
    with np.load(tmp_path / "out.npz", allow_pickle=False) as out:
        assert {"spikes", "readout", "layers/if1", "membranes/if2", "counters/sops"} <= set(out)
        assert out["spikes"].shape == (20, 5, 4)
        assert out["counters/dropped"].shape == (5,)
    assert [p.name for p in tmp_path.glob(".*")] == []


def test_run_json(nmb, program, spike_file):
    said = json.loads(nmb("run", program, "--input", spike_file, "--json").stdout)
    assert said["samples"] == 5
    assert len(said["prediction"]) == 5
    assert said["sops_per_sample"] > 0


def test_labels_give_the_accuracy(nmb, program, spike_file, tmp_path):
    predicted = json.loads(nmb("run", program, "--input", spike_file, "--json").stdout)
    labels = np.array(predicted["prediction"])
    labels[0] += 1
    np.savez(tmp_path / "labelled.npz", spikes=random_spikes(1), labels=labels)
    said = json.loads(nmb("run", program, "--input", "labelled.npz", "--json").stdout)
    assert said["accuracy"] == pytest.approx(0.8)


@pytest.mark.parametrize("form", ["npy", "one array", "without batch"])
def test_input_files(nmb, program, tmp_path, form):
    spikes = random_spikes(1)
    path = tmp_path / ("in.npy" if form == "npy" else "in.npz")
    if form == "npy":
        np.save(path, np.asfortranarray(spikes.astype(bool)))
    elif form == "one array":
        np.savez_compressed(path, anything=spikes.astype(np.float32))
    else:
        np.savez(path, spikes=spikes[:, 0])
    assert nmb("run", program, "--input", path, "-o", "out.npz").exit_code == 0
    with np.load(tmp_path / "out.npz") as out:
        assert out["spikes"].shape == ((20, 4) if form == "without batch" else (20, 5, 4))


def test_reference(nmb, model_file, spike_file):
    result = nmb("run", model_file, "--reference", "--input", spike_file, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["samples"] == 5


def test_discretisation_needs_a_model(nmb, program, spike_file):
    result = nmb("run", program, "--input", spike_file, "--dt", "1e-3")
    assert result.exit_code == 2
    assert "--reference" in result.output


def test_export(nmb, program, spike_file, tmp_path):
    result = nmb("export", program, "-o", "build", "--input", spike_file, "--json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert said["directory"] == "build"
    assert sorted(said["files"]) == sorted(p.name for p in (tmp_path / "build").iterdir())
    assert any("aer" in name for name in said["files"])
    assert "build" in nmb("export", program, "-o", "build").stdout


def test_labels_must_fit_the_samples(nmb, program, tmp_path):
    for labels, text in ((np.zeros(4, int), "4 labels for 5 samples"), (np.zeros(5), "float64[5]")):
        np.savez(tmp_path / "labelled.npz", spikes=random_spikes(1), labels=labels)
        result = nmb("run", program, "--input", "labelled.npz")
        assert result.exit_code == 2
        assert text in result.output


def test_no_output_overwrites_an_input(nmb, program, model_file, spike_file, tmp_path):
    commands = (
        ("compile", model_file, "--chip", "tinyodin", "-o", model_file),
        ("compile", model_file, "--chip", "odin", "--calibrate", spike_file, "-o", spike_file),
        ("run", program, "--input", spike_file, "-o", program),
        ("run", program, "--input", spike_file, "-o", f"../{tmp_path.name}/{spike_file.name}"),
    )
    before = {name: (tmp_path / name).read_bytes() for name in (model_file, program, spike_file)}
    for command in commands:
        result = nmb(*map(str, command))
        assert result.exit_code == 2
        assert "would overwrite the input" in result.output
    assert {name: (tmp_path / name).read_bytes() for name in before} == before


def test_what_is_on_disk_is_read_in_parts(nmb, program, tmp_path, monkeypatch):
    from nm_backends import summary
    from nm_backends.cli import spikes

    np.save(tmp_path / "in.npy", random_spikes(1).astype(np.float32))
    whole = json.loads(nmb("run", program, "--input", "in.npy", "--json").stdout)
    monkeypatch.setattr(spikes, "MAPPED", 0)
    monkeypatch.setattr(summary, "_SPIKES", 0)
    said = nmb("run", program, "--input", "in.npy", "-o", "out.npz", "--json")
    assert json.loads(said.stdout) == whole | {"output": "out.npz"}
    with np.load(tmp_path / "out.npz") as out:
        assert {"readout", "counters/sops", "losses/fired/if1"} <= set(out)
        assert "spikes" not in out
    (tmp_path / "bad.npy").write_bytes(b"\x93NUMPY no header")
    np.save(tmp_path / "flat.npy", np.zeros((3, 4)))
    for name, words in (("bad.npy", "not a readable array"), ("flat.npy", "float64 [3, 4]")):
        failed = nmb("run", program, "--input", name)
        assert failed.exit_code == 2
        assert words in failed.stderr


def test_a_folder_of_recordings_is_input(nmb, model_file, tmp_path):
    from nm_backends.recordings import Recordings

    nmb("compile", model_file, "--chip", "tinyodin", "--dt", "1e-3", "-o", "timed.nmb")
    events = np.zeros(30, [("t", "i8"), ("x", "i2")])
    events["t"] = np.arange(30) * 500
    Recordings.write(tmp_path / "events", [(events, 0), (events[:9], 1)])
    said = json.loads(nmb("run", "timed.nmb", "--input", "events", "--json").stdout)
    assert said["samples"] == 2
    assert 0 <= said["accuracy"] <= 1
    (tmp_path / "events" / "events.bin").unlink()
    assert "do not belong together" in nmb("run", "timed.nmb", "--input", "events").stderr
