"""The ReckOn examples: what they learn, what they read, and that they repeat to the bit."""

import json
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from test_reckon_test_bench import release as release

from nm_backends.errors import UserError

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))
import event_data
import reckon_cue_accumulation
import reckon_event_classification
import reckon_pattern_generation


def results(capsys, example, *options):
    example.main(["--json", *options])
    return json.loads(capsys.readouterr().out)


def test_cue_accumulation_is_learned_and_repeats_to_the_bit(capsys, tmp_path):
    picture = tmp_path / "cues.png"
    options = ("--seeds", "2", "--train", "80", "--epochs", "1", "--test", "40")
    first = results(capsys, reckon_cue_accumulation, *options, "--out", str(picture))
    assert first["accuracy"]["mean"] > 0.7
    assert first["curve"][0]["mean"] < 0.7
    assert [run["seed"] for run in first["seeds"]] == [0, 1]
    assert picture.read_bytes()[:4] == b"\x89PNG"
    one = results(capsys, reckon_cue_accumulation, *options, "--seeds", "1", "--first", "1")
    assert one["seeds"][0] == first["seeds"][1]
    assert "published, silicon: 96.4%" in reckon_cue_accumulation.table(first)


def test_the_public_test_bench_is_compared_with_the_counts_of_the_rtl(release, capsys):
    found = results(
        capsys, reckon_cue_accumulation, "--published", "--data", str(release), "--epochs", "1"
    )
    assert found["rtl_train"] == [32]
    assert found["rtl_test"] == [45]
    assert not found["same"]  # these are not the published files
    assert "NOT THE SAME" in reckon_cue_accumulation.counts_table(found)


def test_patterns_are_learned(capsys, tmp_path):
    picture = tmp_path / "patterns.png"
    found = results(
        capsys, reckon_pattern_generation, "--seeds", "1", "--epochs", "3", "--out", str(picture)
    )
    assert found["after"]["mean"] < 0.5 * found["silence"]["mean"] < found["before"]["mean"]
    assert len(found["loss"][0]) == 4
    assert picture.read_bytes()[:4] == b"\x89PNG"
    again = results(capsys, reckon_pattern_generation, "--seeds", "1", "--epochs", "3")
    assert again == found


def test_gestures_are_learned(capsys, tmp_path):
    picture = tmp_path / "gestures.png"
    options = ("--seeds", "1", "--epochs", "4", "--train", "160", "--test", "80")
    found = results(capsys, reckon_event_classification, *options, "--out", str(picture))
    assert found["chance"] == pytest.approx(1 / 8)
    assert found["learned"]["mean"] > 2.4 * found["chance"]
    assert found["classes"] == list(event_data.GESTURES)
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert "all weights learned" in reckon_event_classification.table(found)


def test_made_up_gestures_depend_on_their_seed_and_place_only():
    few, many = event_data.gestures(9, 1), event_data.gestures(16, 1)
    assert many.labels.tolist() == [*range(8), *range(8)]
    for a, b in zip(few.samples, many.samples, strict=False):
        assert np.array_equal(a, b)
    assert not np.array_equal(event_data.gestures(1, 2).samples[0], few.samples[0])
    spikes = event_data.binned(many, 3e-3, 100)
    assert spikes.shape == (100, 16, 256)
    assert spikes.max() == 1
    right = spikes[:, 1].reshape(100, 16, 16).sum(axis=1)  # columns over time
    middle = (right * np.arange(16)).sum(axis=1) / np.maximum(1, right.sum(axis=1))
    assert middle[70:].mean() > middle[:30].mean() + 3


def shd_file(path, labels=(0, 3, 11, 3)):
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        file["labels"] = np.array(labels)
        kinds = {"times": (h5py.vlen_dtype(np.float16), 1.0), "units": (h5py.vlen_dtype(int), 700)}
        group = file.create_group("spikes")
        for name, (kind, top) in kinds.items():
            data = group.create_dataset(name, (len(labels),), dtype=kind)
            for i in range(len(labels)):
                values = rng.random(50) * top
                data[i] = values.astype(np.float16 if name == "times" else int)
        file.create_group("extra")["keys"] = np.array([f"digit {i}".encode() for i in range(20)])


def test_shd_is_read_and_brought_to_256_channels(tmp_path):
    shd_file(tmp_path / "shd_train.h5")
    found = event_data.shd(tmp_path / "shd_train.h5")
    assert found.labels.tolist() == [0, 3, 3]
    assert found.names[3] == "digit 3"
    assert all(0 <= s["x"].min() <= s["x"].max() < 256 for s in found.samples)
    assert all((np.diff(s["t"]) >= 0).all() and s["t"].max() < 1_000_001 for s in found.samples)
    few = event_data.shd(tmp_path / "shd_train.h5", classes=(11, 3), limit=2)
    assert few.labels.tolist() == [1, 0]
    with pytest.raises(UserError, match="no samples of the classes"):
        event_data.shd(tmp_path / "shd_train.h5", classes=(7,))
    with pytest.raises(UserError, match="no SHD file"):
        event_data.shd(tmp_path / "none.h5")


def event_folder(root, number=6):
    rng = np.random.default_rng(0)
    for label, name in enumerate(("clap", "wave")):
        (root / name).mkdir(parents=True)
        for i in range(number):
            kind = [("x", np.int16), ("y", np.int16), ("p", bool), ("t", np.int64)]
            events = np.zeros(300, kind)
            events["t"] = 5_000_000 + np.sort(rng.integers(0, 300_000, 300))
            events["x"], events["y"] = rng.integers(0, 128, (2, 300))
            events["x"] = events["x"] // 2 + 64 * label
            if i % 2:
                np.save(root / name / f"{i}.npy", events)
            else:
                np.savez(root / name / f"{i}.npz", **{n: events[n] for n in ("t", "x", "y", "p")})


def test_a_folder_of_event_files_is_learned_from(tmp_path, capsys):
    event_folder(tmp_path / "gestures")
    found = event_data.folder(tmp_path / "gestures")
    assert found.names == ("clap", "wave")
    assert found.labels.tolist() == [0] * 6 + [1] * 6
    assert all(s["t"].min() == 0 for s in found.samples)
    assert all((s["x"] % 16 < 8).all() for s in found.samples[:6])
    learned = results(
        capsys, reckon_event_classification, "--events", str(tmp_path / "gestures"), "--seeds",
        "1", "--epochs", "1",
    )  # fmt: skip
    assert learned["classes"] == ["clap", "wave"]
    assert learned["train"] + learned["test"] == 12
    np.save(tmp_path / "gestures" / "clap" / "bad.npy", np.zeros(3))
    with pytest.raises(UserError, match=r"bad\.npy: no events with fields t, x, y"):
        event_data.folder(tmp_path / "gestures")
    with pytest.raises(UserError, match="no folders of classes"):
        event_data.folder(tmp_path / "gestures" / "clap")


@pytest.mark.parametrize(
    ("example", "line", "words"),
    [
        (reckon_cue_accumulation, ["--published"], "needs --data DIR"),
        (reckon_cue_accumulation, ["--published", "--data", "none"], "No such file"),
        (reckon_cue_accumulation, ["--seeds", "0"], "--seeds 0: expected 1 or more"),
        (reckon_pattern_generation, ["--epochs", "0"], "--epochs 0: expected 1 or more"),
        (reckon_event_classification, ["--shd", "none.h5"], "no SHD file"),
        (reckon_event_classification, ["--events", "none"], "no folders of classes"),
    ],
)
def test_a_wrong_command_line_says_what_is_wrong(example, line, words, capsys):
    with pytest.raises(SystemExit) as stopped:
        example.main(line)
    assert stopped.value.code == 2
    assert words in capsys.readouterr().err
