"""Labels of the calibration samples: the fit report says how often chip and model are right."""

import numpy as np
import pytest
from click.testing import CliRunner
from crossbar_networks import bernoulli, layers

import nm_backends as nmb
from nm_backends.cli import cli
from nm_backends.errors import UserError
from nm_backends.lowering.reference import reference

QUICK = nmb.CompileOptions(order="ascending", scale="maxabs", settle="never")


@pytest.fixture(scope="module")
def labelled():
    net = layers(12, 10, 4, seed=3)
    spikes = bernoulli(20, 24, 12, 0.3, seed=5)
    labels = reference(net, spikes).prediction
    labels[:3] = (labels[:3] + 1) % 4  # wrong in floating point, too
    return net, spikes, labels


@pytest.mark.parametrize("chip", ["reckon", "tinyodin"])
def test_accuracies_are_those_of_a_run(labelled, chip, tmp_path):
    net, spikes, labels = labelled
    program = nmb.compile(net, chip, calibrate=spikes, targets=labels, options=QUICK)
    right = program.run(spikes).prediction == labels
    assert program.fit.float_accuracy == pytest.approx(21 / 24)
    assert program.fit.accuracy == pytest.approx(right.mean())
    assert program.fit.judged_samples == 24
    assert "on 24 calibration samples: " in str(program)
    program.save(tmp_path / "p.nmb")
    assert nmb.load(tmp_path / "p.nmb").fit.accuracy == program.fit.accuracy


def test_labels_decide_nothing(labelled):
    net, spikes, labels = labelled
    one, other = (
        nmb.compile(net, "tinyodin", calibrate=spikes, targets=t, options=QUICK)
        for t in (labels, None)
    )
    assert other.fit.accuracy is None
    assert "calibration samples:" not in str(other).split("calibrated")[0]
    for name, memory in one.image.memories.items():
        np.testing.assert_array_equal(memory, other.image.memories[name])


def test_several_chips_have_accuracies_and_a_dataset_brings_labels(labelled):
    net, spikes, labels = labelled
    samples = [(spikes[:, n], int(label)) for n, label in enumerate(labels)]
    system = nmb.compile(net, "tinyodin", calibrate=samples, chips=2, options=QUICK)
    assert system.fit.float_accuracy == pytest.approx(21 / 24)
    assert system.fit.accuracy == np.mean(system.run(spikes).prediction == labels)
    assert "on 24 calibration samples: " in str(system)


def test_what_costs_accuracy_is_a_warning_with_a_way_out(labelled):
    net, spikes, _ = labelled
    exact = reference(net, spikes).prediction
    program = nmb.compile(net, "odin", calibrate=spikes, targets=exact, options=QUICK)
    assert program.fit.accuracy < 0.98
    (found,) = [d for d in program.report if d.code == "NMB181"]
    assert found.node in net.populations
    assert "100.0% in floating point" in found.message
    assert "nmb compare" in found.hint


@pytest.mark.parametrize(
    ("targets", "text"),
    [
        (np.zeros(3, int), "for 24 calibration samples"),
        (np.zeros(24), "float64"),
        (np.full(24, 4), "l2 has 4 neurons"),
    ],
)
def test_targets_that_are_no_labels_are_refused(labelled, targets, text):
    net, spikes, _ = labelled
    with pytest.raises(UserError, match="targets") as error:
        nmb.compile(net, "tinyodin", calibrate=spikes, targets=targets)
    assert text in str(error.value)


def test_targets_need_spikes(labelled):
    net, _, labels = labelled
    with pytest.raises(UserError, match="targets without calibration spikes"):
        nmb.compile(net, "tinyodin", targets=labels)
    done = CliRunner().invoke(
        cli, ["compile", "x.nir", "--chip", "odin", "-o", "p.nmb", "--targets", "y.npz"]
    )
    assert done.exit_code == 2
