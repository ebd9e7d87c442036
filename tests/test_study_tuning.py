"""Tuning: Optuna chooses, bad learning curves are given up, and it all happens again the same."""

import json

import numpy as np
import pytest
from study_cases import learnable, write_study

import nm_backends as nmb
from nm_backends.study.tuning import rungs


@pytest.fixture(scope="module")
def study():
    graph, spikes, labels = learnable()
    return {
        "name": "tuned",
        "models": {"net": graph},
        "chips": ["odin"],
        "seeds": [0, 1],
        "data": {"test": (spikes, labels), "train": (spikes, labels)},
        "discretisation": {"dt": 1e-3, "reset": "zero"},
        "learn": {
            "layers": ["fc"],
            "epochs": 6,
            "odin": {"thetamem": {"low": 5, "high": 60}, "ca_theta3": [5, 6, 7]},
        },
        "tune": {"trials": 16, "maximise": "accuracy"},
    }


@pytest.fixture(scope="module")
def tuned(study, tmp_path_factory):
    return nmb.sweep(study, tmp_path_factory.mktemp("tune") / "a.sqlite", engine="here")


def test_it_tries_what_is_asked_and_prunes_by_the_curve(tuned):
    assert len(tuned.rows) == 2 * 16
    pruned = [row for row in tuned.rows if row["pruned"]]
    assert 0 < len(pruned) < 32
    for row in tuned.rows:
        assert row["status"] == "ok"
        assert len(json.loads(row["curve"])) == row["learn.epochs"] + 1
        assert (row["learn.epochs"] < 6) == bool(row["pruned"])
        assert 5 <= row["learn.odin.thetamem"] <= 60


def test_it_finds_better_than_it_began_with(tuned):
    accuracy = np.array([row["accuracy"] for row in tuned.rows])
    assert accuracy[16:].max() > accuracy[:8].mean()
    assert tuned.best()["accuracy"] == accuracy.max()


def test_stopped_on_the_way_it_goes_on_to_the_same_table(study, tuned, tmp_path, monkeypatch):
    from nm_backends.study.store import Store

    put, left = Store.put, [25]

    def stopping(self, trial, outcome):
        put(self, trial, outcome)
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt

    monkeypatch.setattr(Store, "put", stopping)
    with pytest.raises(KeyboardInterrupt):
        nmb.sweep(study, tmp_path / "b.sqlite", engine="here")
    results = nmb.sweep(study, tmp_path / "b.sqlite", engine="here")
    assert results.rows == tuned.rows
    assert results.sessions[1] == 25
    assert nmb.sweep(study, tmp_path / "b.sqlite", engine="here").sessions == results.sessions


def test_quantisation_is_tuned_without_learning(nmb, tmp_path):
    text = """
models = ["small.nir"]
chips = ["tinyodin", "odin"]
[data]
test = "test.npz"
calibrate = "test.npz"
[discretisation]
dt = {low = 5e-4, high = 5e-3, log = true}
[compile]
scale = ["maxabs", "calibrated"]
[tune]
trials = 5
minimise = "latency"
"""
    path = write_study(tmp_path, text)
    done = nmb("sweep", path, "--engine", "here", "--json")
    found = json.loads(done.stdout)
    assert found["states"] == {"ok": 5}
    assert not any(row["pruned"] for row in found["rows"])
    assert nmb("sweep", path, "--show", "3").exit_code == 0
    assert nmb("sweep", path, "--only", "3").exit_code == 0


def test_rungs_double():
    assert list(rungs(1)) == [1]
    assert list(rungs(6)) == [1, 2, 4, 6]
    assert list(rungs(8)) == [1, 2, 4, 8]
