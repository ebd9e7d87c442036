"""``nmb compare``: all chips side by side, in print, in JSON, as a picture."""

import json
import sys

import numpy as np
import pytest

import nm_backends as nmb
from nm_backends.demo import demo_data
from nm_backends.errors import UserError
from nm_backends.pareto import draw_pareto
from nm_backends.testing import random_model

CHIPS = ["odin", "reckon", "tinyodin"]
PNG = b"\x89PNG\r\n\x1a\n"
CONVENTIONS = {"dt": 1e-3, "framework": "snntorch", "reset": "zero"}


def too_large(hidden=300):
    graph = random_model(0, sizes=(16, hidden, 4))
    graph.metadata["nm_backends"] = CONVENTIONS
    return graph


@pytest.fixture(scope="module")
def found():
    data = demo_data(20)
    return nmb.compare(
        data.model, data.spikes, data.labels, CHIPS, calibrate=data.calibration, progress=False
    )


def test_every_chip_does_what_it_does_alone(found):
    data = demo_data(20)
    result = nmb.compile(data.model, "odin", calibrate=data.calibration).run(data.spikes)
    chip = found["odin"]
    assert chip.accuracy == np.mean(result.prediction == data.labels)
    assert chip.counters["sops"] == result.counters["sops"].mean()
    assert chip.counters["cycles"] == result.counters["cycles"].mean()
    assert chip.dropped == result.counters["dropped"].sum()
    assert chip.energy.mean == result.energy.mean
    assert chip.chips_needed == 1
    assert list(found.chips) == CHIPS


def test_the_table_says_everything(found):
    from nm_backends.deployment_table import head, rows

    titles = head(found)
    assert titles == ("", "float", *CHIPS)
    table = {row[0]: dict(zip(titles[1:], row[1:], strict=True)) for row in rows(found)}
    assert table["fits"] == {"float": "", "odin": "yes", "reckon": "yes", "tinyodin": "yes"}
    assert table["accuracy"]["float"] == f"{found.accuracy:.1%}"
    assert table["inputs"]["odin"] == "-"
    assert table["inputs"]["reckon"] == "64 / 256 (25 %)"
    assert table["energy per sample"]["tinyodin"] == "not published"
    assert "published" in table["latency per sample"]["odin"]
    assert table["spikes as in float: lif2"]["reckon"].endswith("%")
    brief = [row[0] for row in rows(found, brief=True)]
    assert brief[0] == "accuracy"
    assert "decisions as in float" not in brief


def test_it_is_json(found):
    said = json.loads(found.to_json())
    chips = {chip["chip"]: chip for chip in said["chips"]}
    assert list(chips) == CHIPS
    assert chips["odin"]["energy"]["source"]
    assert chips["odin"]["chips_needed"] == 1
    assert chips["reckon"]["sops_per_sample"] == found["reckon"].counters["sops"]


def test_without_labels_there_is_no_accuracy():
    data = demo_data(5)
    found = nmb.compare(data.model, data.spikes, chips=["tinyodin"], calibrate=data.calibration)
    assert found.accuracy is found["tinyodin"].accuracy is None
    assert 0 <= found["tinyodin"].decisions <= 1
    assert "accuracy" not in str(found)


def test_without_spikes_it_says_what_fits():
    model = too_large()
    found = nmb.compare(model, chips=CHIPS)
    assert found["reckon"].chips_needed is None
    assert found["reckon"].refused_by == ["RECKON002"]
    assert "no: RECKON002" in str(found)
    assert found.samples == 0
    assert found["tinyodin"].chips_needed == 3  # 300 neurons on two, the output on another


def test_several_chips_where_one_is_too_small():
    spikes = (np.random.default_rng(0).random((8, 3, 16)) < 0.4).astype(np.uint8)
    found = nmb.compare(too_large(), spikes, [0, 1, 2], ["tinyodin"], progress=False)["tinyodin"]
    assert found.ok
    assert found.program.chips == found.chips_needed
    result = found.program.run(spikes)
    assert found.accuracy == np.mean(result.prediction == [0, 1, 2])
    used = {r.name: (r.used, r.available) for r in found.resources}
    assert used["neurons"] == (304, 256 * found.chips_needed)
    assert set(found.weight_errors) == {p.name for p in found.program.network.neurons}
    assert found.to_dict()["losses"]["dropped"] == 0


@pytest.mark.parametrize("labels", [[1, 2], np.zeros((3, 2))])
def test_labels_that_do_not_belong_to_the_spikes(labels):
    with pytest.raises(UserError, match="labels"):
        nmb.compare(demo_data(3).model, demo_data(3).spikes, labels, ["tinyodin"])


def test_a_chip_that_never_comes_to_rest_is_part_of_the_report():
    from crossbar_networks import inputs, link, network, neurons

    loud = network(
        [inputs(2), neurons("a", 4)],
        [link("in", "a", np.ones((2, 4))), link("a", "a", np.ones((4, 4)), delay=1)],
    )
    found = nmb.compare(loud, np.ones((3, 2, 2), np.uint8), chips=["tinyodin", "reckon"])
    assert not found["tinyodin"].ok
    assert "keep each other firing" in found["tinyodin"].stopped
    assert found["reckon"].ok
    assert "does not run" in str(found)
    assert "keep each other firing" in found.to_json()


def test_the_command(nmb, tmp_path):
    data = demo_data(6)
    np.savez(tmp_path / "s.npz", spikes=data.spikes, labels=data.labels)
    chips = ("--chip", "tinyodin", "--chip", "odin")
    result = nmb("compare", data.model, "--spikes", "s.npz", *chips, "--plot", "p.png")
    assert result.exit_code == 0, result.output
    for text in ("accuracy", "chips needed", "energy on odin: ", "written: p.png", "6 samples"):
        assert text in result.stdout
    assert (tmp_path / "p.png").read_bytes().startswith(PNG)
    said = json.loads(nmb("compare", data.model, "--spikes", "s.npz", *chips, "--json").stdout)
    assert [chip["chip"] for chip in said["chips"]] == ["tinyodin", "odin"]


def test_it_fails_when_the_model_fits_no_chip(nmb, tmp_path):
    import nir

    nir.write(tmp_path / "large.nir", too_large())
    np.savez(tmp_path / "s.npz", spikes=np.ones((5, 2, 16), np.uint8))
    only = ("--chip", "reckon")  # the others become several chips
    result = nmb("compare", "large.nir", "--spikes", "s.npz", "--plot", "p.png", *only)
    assert result.exit_code == 1
    assert "RECKON002 error" in result.stdout
    assert not (tmp_path / "p.png").exists()


def test_wrong_use(nmb, model_file, spike_file):
    assert nmb("compare", model_file, "--plot", "p.png").exit_code == 2
    assert nmb("compare", model_file, "--chip", "odn").exit_code == 2
    wrong = nmb("compare", model_file, "--spikes", model_file)
    assert wrong.exit_code == 2


def test_the_picture_names_chips_and_what_is_not_published(found):
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    draw_pareto(axes, found, "energy", "J")
    texts = " ".join(text.get_text() for text in axes.texts)
    for words in ("odin\n", "reckon\n", "no energy published: tinyodin", "floating point"):
        assert words in texts
    assert axes.get_xscale() == "log"
    assert axes.get_xlabel() == "energy per sample"


def test_no_picture_without_runs_or_without_matplotlib(found, tmp_path, monkeypatch):
    with pytest.raises(UserError, match="nothing to plot"):
        nmb.compare(too_large(), chips=["reckon"]).plot(tmp_path / "p.png")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    with pytest.raises(UserError, match="matplotlib is not installed"):
        found.plot(tmp_path / "p.png")


def test_warnings_of_the_model_stand_once_and_those_of_chips_with_them(found):
    common = found.common
    for chip in found.chips.values():
        own = found.warnings_of(chip)
        assert [d for d in chip.report.warnings if d in common or d in own] == chip.report.warnings
        assert not any(d in own for d in common)
    assert all(d.code.startswith("NMB") for d in common)
