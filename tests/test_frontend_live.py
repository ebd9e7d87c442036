"""Live models equal to every recorded one: our float reference makes the framework's own spikes."""

import json
from pathlib import Path

import numpy as np
import pytest

import nm_backends as nmb

pytestmark = pytest.mark.frameworks
for package in ("snntorch", "norse", "spikingjelly"):
    pytest.importorskip(package)

from frontend_models import MODELS, input_of, make, spikes_of  # noqa: E402

RECORDED = Path(__file__).parent / "nir" / "recorded"
NAMES = {
    Path(m["file"]).stem: m for m in json.loads((RECORDED / "manifest.json").read_text())["models"]
}


def test_every_recorded_model_is_rebuilt():
    assert set(MODELS) == set(NAMES)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", MODELS)
def test_the_reference_makes_the_frameworks_own_spikes(name, seed):
    model, x = make(name, seed), input_of(name, seed)
    theirs = spikes_of(model, x)
    network = nmb.lower(model, sample=x)
    ours = nmb.reference(network, x.numpy()).layers
    assert list(ours) == list(theirs)
    for layer, spikes in theirs.items():
        assert 0.005 < (spikes > 0).mean() < 0.95, "a layer is silent or fires always"
        graded = network.populations[layer].graded
        np.testing.assert_array_equal(ours[layer] * graded, spikes, err_msg=layer)
    assert network.report.ok
    assert not network.report.warnings


@pytest.mark.parametrize("name", MODELS)
def test_the_rules_are_those_that_were_recorded(name):
    network = nmb.lower(make(name), sample=input_of(name))
    said = [layer["rule"] for layer in NAMES[name]["layers"].values()]
    found = [p.reset for p in network.neurons]
    assert found == (said or ["zero", "zero"])


@pytest.mark.parametrize("name", MODELS)
def test_a_written_file_says_the_same(name, tmp_path):
    import nir

    model, x = make(name), input_of(name)
    live = nmb.lower(model, sample=x)
    nir.write(tmp_path / "model.nir", nmb.to_nir(model, x))
    read = nmb.lower(tmp_path / "model.nir")
    assert read.report.codes == set()
    for population in live.neurons:
        other = read.populations[population.name]
        assert (other.reset, other.graded, other.spike_cmp) == (
            population.reset,
            population.graded,
            population.spike_cmp,
        )
        for field in ("decay", "gain", "leak", "threshold", "v_reset", "v0", "bias", "decay_syn"):
            ours, theirs = getattr(population, field), getattr(other, field)
            assert ours is theirs is None or np.array_equal(ours, theirs), field
    for mine, yours in zip(live.projections, read.projections, strict=True):
        assert (mine.name, mine.delay) == (yours.name, yours.delay)
        np.testing.assert_array_equal(mine.weights.toarray(), yours.weights.toarray())


def test_a_model_without_a_sample_is_read_when_its_first_layer_is_linear():
    network = nmb.lower(make("snntorch_leaky_subtract_delay"))
    assert network.input_size == 16


def test_a_convolution_needs_a_sample():
    report = nmb.check(make("snntorch_conv_avgpool_zero"), "odin")
    assert [d.code for d in report.errors] == ["NMB043"]
    assert "sample=batch" in report.errors[0].hint


def test_check_compile_and_run_a_live_model():
    model, x = make("snntorch_leaky_zero_grid"), input_of("snntorch_leaky_zero_grid")
    report = nmb.check(model, "tinyodin", sample=x)
    assert report.ok
    assert report.source == "Sequential"
    program = nmb.compile(model, "tinyodin", calibrate=x.numpy())  # which are the sample too
    assert program.run(x.numpy()).spikes.shape == (100, 3, 10)


def test_spikes_to_be_run_are_the_sample_where_none_is_given():
    model, x = make("snntorch_conv_avgpool_zero"), input_of("snntorch_conv_avgpool_zero")
    assert nmb.reference(model, x).spikes.shape == (100, 3, 10)
    report = nmb.check(model, "odin", sample=["no", "array"])
    assert [d.code for d in report.errors] == ["NMB044"]


def test_the_report_on_a_live_model():
    name = "snntorch_leaky_zero_grid"
    model, x = make(name), input_of(name)
    labels = spikes_of(model, x)["3"].sum(0).argmax(1)
    report = nmb.deployment_report(model, [(x, labels)], ["tinyodin"], calibrate=x)
    assert report.accuracy == 1.0
    assert report["tinyodin"].spikes.keys() == {"1", "3"}


def test_the_model_and_its_states_are_left_as_they_were():
    model, x = make("snntorch_leaky_subtract_delay"), input_of("snntorch_leaky_subtract_delay")
    for step in x[:10]:
        out = model(step)
    assert out.requires_grad  # its states hang on the graph of a training step
    before = {name: value.clone() for name, value in model.named_buffers()}
    nmb.lower(model, sample=x)
    assert model.training
    for name, value in model.named_buffers():
        assert bool((value == before[name]).all()), name


def test_what_the_user_says_wins():
    model, x = make("snntorch_leaky_subtract_delay"), input_of("snntorch_leaky_subtract_delay")
    network = nmb.lower(model, nmb.Discretisation(reset={"1": "zero"}), sample=x)
    assert [p.reset for p in network.neurons] == ["zero", "subtract_delayed"]


def test_a_model_without_spiking_neurons_is_claimed_by_nobody():
    import torch

    with pytest.raises(TypeError, match="holds no neurons of snnTorch, Norse or SpikingJelly"):
        nmb.lower(torch.nn.Linear(3, 2))
