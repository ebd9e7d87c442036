"""``nmb demo`` and the pictures."""

import json
import sys

import numpy as np
import pytest

BOTH = ("--chip", "odin", "--chip", "tinyodin")  # test_readme.py runs it on all
PNG = b"\x89PNG\r\n\x1a\n"


def test_demo(nmb, tmp_path):
    result = nmb("demo", *BOTH, "--samples", "20", "-o", "out")
    assert result.exit_code == 0, result.output
    for text in (
        "accuracy",
        "odin",
        "tinyodin",
        "synaptic operations per sample",
        "clock cycles per sample",
        "spikes lost",
        "latency on tinyodin: ",
        "energy on odin: ",
        "neurons",
    ):
        assert text in result.stdout
    picture = tmp_path / "out" / "digits.png"
    assert "written: out/digits.png" in result.stdout
    assert picture.read_bytes().startswith(PNG)
    assert (tmp_path / "out" / "digits-odin.nmb").exists()


def test_demo_of_the_whole_test_set(nmb):
    """The figures that the README promises: what quantisation costs, and that it costs no more."""
    result = nmb("demo", *BOTH, "--json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    chips = {run["chip"]: run for run in said["chips"]}
    assert said["samples"] == 360
    assert said["float"] > 0.95
    assert said["float"] - chips["tinyodin"]["accuracy"] <= 0.02
    assert said["float"] - chips["odin"]["accuracy"] <= 0.04
    for name in ("odin", "tinyodin"):
        assert all(used <= there for used, there in chips[name]["resources"].values())
        assert chips[name]["latency"]["source"]
    assert chips["odin"]["energy"]["status"]


def test_one_chip_and_few_samples(nmb, tmp_path):
    said = json.loads(nmb("demo", "--chip", "tinyodin", "--samples", "5", "--json").stdout)
    assert [run["chip"] for run in said["chips"]] == ["tinyodin"]
    assert said["samples"] == 5
    assert set(said["files"]) == {"nmb-demo/digits-tinyodin.nmb", "nmb-demo/digits.png"}
    assert all((tmp_path / name).exists() for name in said["files"])


def test_without_matplotlib_only_the_picture_is_missing(nmb, monkeypatch, tmp_path):
    for name in ("matplotlib", "matplotlib.figure", "matplotlib.backends.backend_agg"):
        monkeypatch.setitem(sys.modules, name, None)
    result = nmb("demo", "--chip", "tinyodin", "--samples", "5")
    assert result.exit_code == 0
    assert 'pip install "nm-backends[plot]"' in result.stderr
    assert [p.name for p in (tmp_path / "nmb-demo").iterdir()] == ["digits-tinyodin.nmb"]


def test_unknown_chip(nmb, tmp_path):
    assert nmb("demo", "--chip", "odn").exit_code == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("chip", ["odin", "tinyodin"])
def test_the_crossbar_shows_weights(chip):
    from nm_backends.compiler import compile_model
    from nm_backends.plot_weights import crossbar
    from nm_backends.registry import get_backend
    from nm_backends.testing import conventions, random_model

    weights = crossbar(compile_model(random_model(0), chip, conventions()))
    form = get_backend(chip).spec.weights
    assert weights.shape == (256, 256)
    assert np.count_nonzero(weights) >= 100
    assert form.minimum <= weights.min() <= weights.max() <= form.maximum


def test_no_crossbar_no_picture_of_it():
    from nm_backends.image import Image
    from nm_backends.plot_weights import crossbar

    class Program:
        image = Image()
        chip = "odin"

    assert crossbar(Program()) is None
