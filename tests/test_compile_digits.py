"""What compilation costs in accuracy, on the digits and on networks drawn at random."""

import numpy as np
import pytest
from crossbar_networks import CHIPS, bernoulli, chip, layers

from nm_backends.agreement import agreement, count_error, divergence
from nm_backends.compiler import compile_model
from nm_backends.demo import demo_data
from nm_backends.program import CompileOptions
from nm_backends.run import reference


@pytest.fixture(scope="module")
def digits():
    data = demo_data()
    return data, reference(data.model, data.spikes)


@pytest.fixture(scope="module")
def programs(digits):
    data, _ = digits
    return {name: compile_model(data.model, name, calibrate=data.calibration) for name in CHIPS}


@pytest.mark.parametrize(("name", "points"), [("tinyodin", 2.0), ("odin", 4.0)])
def test_accuracy_lost_on_the_digits(digits, programs, name, points):
    data, expected = digits
    result = programs[name].run(data.spikes)
    accurate = [100 * np.mean(r.prediction == data.labels) for r in (expected, result)]
    assert accurate[0] - accurate[1] <= points, accurate


@pytest.mark.parametrize("name", CHIPS)
def test_rates_stay_those_of_the_model(digits, programs, name):
    data, expected = digits
    result = programs[name].run(data.spikes)
    for layer, spikes in result.layers.items():
        assert spikes.mean() == pytest.approx(expected.layers[layer].mean(), rel=0.15)
    assert not result.counters["dropped"].any()


@pytest.mark.parametrize("name", CHIPS)
def test_the_fit_report_is_about_what_is_in_the_image(programs, name):
    program = programs[name]
    fits = program.fit.populations
    assert list(fits) == ["lif1", "lif2"]
    for fit in fits.values():
        assert fit.weights > 0
        assert 0 < fit.weight_error < 0.3
        assert 0 <= fit.clipped < 0.1 * fit.weights
        assert 0 < fit.spike_agreement <= 1
        assert fit.threshold.shape == fit.threshold_asked.shape == fit.leak.shape
        np.testing.assert_allclose(fit.threshold_asked, 1.0)
    assert program.metadata["readout_agreement"] > 0.9


@pytest.mark.parametrize("name", CHIPS)
def test_calibration_is_deterministic_and_beats_the_range_of_weights(name):
    net = layers(16, 12, 6, decay=0.9, seed=4)
    spikes, others = bernoulli(25, 24, 16, 0.25), bernoulli(25, 40, 16, 0.25, seed=1)
    one, two = (compile_model(net, name, calibrate=spikes) for _ in range(2))
    assert one.image.differences(two.image) == []
    assert one.fit.populations["l2"].spike_agreement == two.fit.populations["l2"].spike_agreement
    plain = compile_model(net, name, options=CompileOptions(order="ascending", settle="never"))
    wanted = reference(net, others).spikes
    off = [count_error(p.run(others).spikes, wanted).sum() for p in (one, plain)]
    assert off[0] < off[1]


@pytest.mark.parametrize("name", CHIPS)
@pytest.mark.parametrize(
    ("options", "metadata"),
    [
        (CompileOptions(order="ascending"), {"order": "ascending"}),
        (CompileOptions(settle="never"), {"trigger_events_per_step": 0}),
        (CompileOptions(row_pairs="never"), {"row_pairs": False}),
        (CompileOptions(scale="maxabs"), {"calibrated": True}),
    ],
)
def test_options_are_obeyed(name, options, metadata):
    net = layers(8, 6, 3, decay=0.9)
    program = compile_model(net, name, calibrate=bernoulli(15, 6, 8, 0.3), options=options)
    assert {key: program.metadata[key] for key in metadata} == metadata


@pytest.mark.parametrize("name", CHIPS)
def test_settling_can_be_asked_for(name):
    net = layers(8, 6, 3, decay=0.9)
    for calibrate in (None, bernoulli(15, 6, 8, 0.3)):
        options = CompileOptions(settle="always")
        program = compile_model(net, name, calibrate=calibrate, options=options)
        assert program.metadata["trigger_events_per_step"] > 0
        assert (program.layout["row_source"] == -3).sum() == 2


@pytest.mark.parametrize("name", CHIPS)
def test_settling_needs_rows(name):
    full = chip(name).spec.rows // (2 if name == "odin" else 1)
    net = layers(full, 4, seed=0)
    net.projections[0].weights.data[:] = np.tile([-1.0, 1.0], 2 * full)
    program = compile_model(net, name, options=CompileOptions(settle="always"))
    assert program.metadata["trigger_events_per_step"] == 0


def test_measures():
    a = np.zeros((4, 1, 2), np.uint8)
    b = a.copy()
    assert agreement(a, b) == 1.0
    a[0, 0, 0], b[1, 0, 0] = 1, 1
    assert agreement(a, b) == 0.0
    assert count_error(a, b).tolist() == [1.0, 0.0]  # same count, other time
    assert divergence(a, b) == pytest.approx(0.0, abs=1e-12)
    b[2:, 0, 1] = 1
    assert divergence(a, b) > 0.1
