"""Files written by snnTorch, Norse and SpikingJelly, against the spikes those models produced."""

import json
from pathlib import Path

import numpy as np
import pytest

from nm_backends.discretisation import Discretisation
from nm_backends.lowering import lower, lower_collect
from nm_backends.lowering.reference import run_network

RECORDED = Path(__file__).parent / "nir" / "recorded"
MODELS = json.loads((RECORDED / "manifest.json").read_text())["models"]
REFUSED = "norse_lifbox_zero_defaultdt.nir"

EXACT = [m for m in MODELS if m["file"] != REFUSED]


def said_by(model):
    """Everything about a recorded model that its file does not say."""
    layers = model["layers"]
    graded = {n: v.get("graded_spikes_factor") for n, v in layers.items()}
    v_reset = {n: v.get("v_reset") for n, v in layers.items()}
    return Discretisation(
        framework=model["framework"],
        dt=model["simulation_dt"],
        reset={name: layer["rule"] for name, layer in layers.items()},
        graded={n: f for n, f in graded.items() if f not in (None, 1.0)} or None,
        v_reset={n: v for n, v in v_reset.items() if v is not None} or None,
    )


def wrong_spikes(model, network):
    """Count spikes that differ, by layer."""
    with np.load((RECORDED / model["file"]).with_suffix(".npz")) as recorded:
        x = recorded["x"]
        layers, _ = run_network(network, x.reshape(len(x), 1, -1))
        return {
            name: int((layers[name][:, 0] != recorded[f"spikes__{name}"].reshape(len(x), -1)).sum())
            for name in model["layers"]
        }


@pytest.mark.parametrize("model", EXACT, ids=lambda m: m["file"])
def test_spikes_of_the_framework_are_reproduced_exactly(model):
    network = lower(RECORDED / model["file"], said_by(model))
    assert wrong_spikes(model, network) == dict.fromkeys(model["layers"], 0)


def test_norse_export_with_default_dt_is_refused_with_the_reason():
    model = next(m for m in MODELS if m["file"] == REFUSED)
    network, report = lower_collect(RECORDED / REFUSED, said_by(model))
    assert network is None
    assert [d.code for d in report.errors] == ["NMB015", "NMB015"]
    assert report.errors[0].node == "1"
    assert "dt/tau = 100 " in report.errors[0].message
    assert "Norse" in report.errors[0].hint


def test_norse_export_with_default_dt_is_refused_without_being_told_anything():
    network, report = lower_collect(RECORDED / REFUSED)
    assert network is None
    assert {d.code for d in report.errors} == {"NMB015"}


@pytest.mark.parametrize("model", EXACT, ids=lambda m: m["file"])
def test_framework_alone_settles_all_but_the_reset(model):
    """With the framework's name, only what its exporter loses is left to assume."""
    network = lower(RECORDED / model["file"], Discretisation(framework=model["framework"]))
    lost = {"snntorch": {"NMB121"}, "norse": {"NMB121", "NMB129"}, "spikingjelly": set()}
    assert network.report.codes - {"NMB125"} == lost[model["framework"]]
    assert network.discretisation.dt == model["simulation_dt"]
    rules = {layer["rule"] for layer in model["layers"].values()}
    told = {layer.get("v_reset") for layer in model["layers"].values()} <= {None, 0.0}
    if rules == {"zero"} and "graded" not in model["file"]:
        told = told or model["framework"] == "spikingjelly"
        assert not told or not any(wrong_spikes(model, network).values())


def test_reading_the_default_snntorch_model_with_the_wrong_reset_costs_spikes():
    model = next(m for m in MODELS if m["file"] == "snntorch_leaky_subtract_delay.nir")
    network = lower(RECORDED / model["file"], Discretisation(framework="snntorch"))
    assert wrong_spikes(model, network) == model["mismatches_reading_NIR_text_only"]


def test_lowering_again_with_the_resolved_discretisation_assumes_nothing():
    for model in MODELS:
        if model["file"] == REFUSED:
            continue
        first = lower(RECORDED / model["file"])
        again = lower(RECORDED / model["file"], first.discretisation)
        assert again.report.codes == set(), model["file"]
        assert again.discretisation == first.discretisation
        for name, population in first.populations.items():
            if not population.is_input:
                np.testing.assert_array_equal(population.gain, again.populations[name].gain)
                np.testing.assert_array_equal(population.v0, again.populations[name].v0)
