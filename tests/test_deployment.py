"""The deployment report: float and chips over the same samples, in print, in JSON, in a test."""

import json

import numpy as np
import pytest

import nm_backends as nmb
from nm_backends.demo import demo_data
from nm_backends.errors import UserError
from nm_backends.study.metrics import of_deployment

pytest_plugins = ["pytester"]
DATA = demo_data(60)


def loader(size=25, labels=True):
    for start in range(0, DATA.spikes.shape[1], size):
        part = slice(start, start + size)
        yield (DATA.spikes[:, part], DATA.labels[part] if labels else 0)


@pytest.fixture(scope="module")
def found():
    return nmb.deployment_report(
        DATA.model, loader(), ["odin", "tinyodin"], calibrate=DATA.calibration
    )


def test_it_agrees_with_single_runs(found):
    whole = nmb.reference(DATA.model, DATA.spikes)
    assert found.samples == 60
    assert found.accuracy == np.mean(whole.prediction == DATA.labels)
    program = nmb.compile(DATA.model, "tinyodin", calibrate=DATA.calibration)
    result = program.run(DATA.spikes)
    chip = found["tinyodin"]
    assert chip.accuracy == np.mean(result.prediction == DATA.labels)
    assert chip.decisions == np.mean(result.prediction == whole.prediction)
    assert set(chip.spikes) == set(whole.layers)
    last = list(whole.layers)[-1]
    coincide = np.minimum(result.layers[last], whole.layers[last]).sum()
    every = result.layers[last].sum() + whole.layers[last].sum()
    assert chip.spikes[last] == pytest.approx(2 * coincide / every)
    assert chip.latency.mean == pytest.approx(result.latency.mean)
    assert chip.energy is None
    assert found["odin"].energy.value.shape == (60,)


def test_it_prints_and_is_json(found):
    text = str(found)
    for words in ("60 samples", "decisions as in float", "spikes as in float", "weights rounded"):
        assert words in text
    assert "not published" in text
    data = json.loads(found.to_json())
    assert data["ok"] is True
    assert [c["chip"] for c in data["chips"]] == ["odin", "tinyodin"]
    assert data["chips"][1]["rounded"].keys() == found["tinyodin"].program.fit.populations.keys()
    assert data["chips"][0]["energy"]["mean"] > 0


def test_values_are_not_compared_with_spikes():
    """SPOON computes a value per neuron and sample: there is no spike to agree with the model's."""
    few = DATA.spikes[:, :8]
    found = nmb.compare(DATA.model, few, DATA.labels[:8], ["spoon", "tinyodin"], progress=False)
    assert set(found["spoon"].spikes.values()) == {None}
    assert all(share > 0 for share in found["tinyodin"].spikes.values())
    assert found["spoon"].decisions > 0
    data = {chip["chip"]: chip for chip in json.loads(found.to_json())["chips"]}
    assert set(data["spoon"]["spikes_as_in_float"].values()) == {None}
    said = "spoon computes values instead of spikes: compare decisions"
    assert data["spoon"]["spikes_note"] == said
    assert "spikes_note" not in data["tinyodin"]
    row = next(line for line in str(found).splitlines() if line.startswith("spikes as in float"))
    assert row.count("no spikes") == 1
    assert said in str(found)
    assert said in found._repr_html_()
    assert of_deployment(found["spoon"])["spikes"] is None
    assert of_deployment(found["tinyodin"])["spikes"] > 0


def test_a_chip_that_is_too_small_is_part_of_the_report():
    from nm_backends.testing import random_model

    graph = random_model(0, sizes=(16, 300, 4))
    graph.metadata["nm_backends"] = {"dt": 1e-3, "framework": "snntorch", "reset": "zero"}
    spikes = (np.random.default_rng(0).random((10, 4, 16)) < 0.3).astype(np.uint8)
    found = nmb.deployment_report(graph, [(spikes, [0, 1, 2, 3])], ["odin"])
    assert not found.ok
    assert found["odin"].accuracy is None
    assert "odin: does not fit" in str(found)
    assert json.loads(found.to_json())["chips"][0]["ok"] is False


def test_encoding_and_a_limit():
    doubled = [(DATA.spikes[:, :8].astype(float) / 2, DATA.labels[:8])] * 3
    found = nmb.deployment_report(
        DATA.model, doubled, ["tinyodin"], encode=lambda x: (2 * x).astype(np.uint8), samples=11
    )
    assert found.samples == 11


@pytest.mark.parametrize("given", [[], [DATA.spikes], [(DATA.spikes, DATA.labels, 1)]])
def test_loaders_that_give_something_else(given):
    with pytest.raises(UserError, match="loader"):
        nmb.deployment_report(DATA.model, given, ["tinyodin"])


def test_fixtures_for_the_users_own_tests(pytester):
    pytester.makepyfile(
        """
        from nm_backends.demo import demo_data

        data = demo_data(20)

        def test_fits(nmb_fits):
            assert nmb_fits(data.model, "tinyodin").chip == "tinyodin"

        def test_warns(nmb_fits):
            nmb_fits(data.model, "odin", warnings=False)

        def test_warns_as_expected(nmb_fits):
            codes = tuple(nmb_fits(data.model, "odin").codes)
            nmb_fits(data.model, "odin", warnings=False, allowed=codes)

        def test_is_good_enough(nmb_deploys):
            pairs = [(data.spikes, data.labels)]
            nmb_deploys(data.model, pairs, ["tinyodin"], calibrate=data.calibration, loss=0.5)

        def test_is_not_good_enough(nmb_deploys):
            nmb_deploys(data.model, [(data.spikes, data.labels + 1)], ["tinyodin"], accuracy=0.9)
        """
    )
    plugin = "nm_backends.pytest_plugin"
    loaded = [*pytester.plugins, "-p", plugin] if not _installed() else []
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-q", *loaded)
    outcomes = result.parseoutcomes()
    assert (outcomes["passed"], outcomes["failed"]) == (3, 2), result.stdout.str()
    result.stdout.fnmatch_lines(["*below 90.0% on tinyodin*"])


def _installed():
    from importlib.metadata import entry_points

    return any(p.value == "nm_backends.pytest_plugin" for p in entry_points(group="pytest11"))
