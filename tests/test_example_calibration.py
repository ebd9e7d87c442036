"""The table of what compilation costs: one line per method, and fine-tuning that ends."""

import sys
from pathlib import Path

import numpy as np
import pytest
from crossbar_networks import bernoulli, layers, link

import nm_backends as nmb

pytestmark = pytest.mark.frameworks


@pytest.fixture
def examples(monkeypatch):
    """Import the example and its tasks."""
    monkeypatch.setattr(sys, "path", [str(Path(__file__).parent.parent / "examples"), *sys.path])
    import calibration_models
    import calibration_table

    yield calibration_models, calibration_table
    for name in ("calibration_models", "calibration_table"):
        del sys.modules[name]


def small(models):
    """Return a network and its own decisions on spikes as data."""
    net, made = layers(8, 6, 3, decay=0.9, seed=3), []
    for samples in (64, 40, 40):
        spikes = bernoulli(12, samples, 8, 0.3)
        made.append(models.Spikes(spikes, nmb.reference(net, spikes).prediction))
    return net, models.Data(made[0], *made)


@pytest.mark.parametrize("chip", ["odin", "reckon"])
def test_every_method_has_a_line(examples, chip):
    models, example = examples
    net, data = small(models)
    found = [
        {"task": "digits", "chip": chip, "method": method, **numbers}
        for method, numbers in example.entries_of(net, data, chip, 1)
    ]
    rows = list(example.rows_of(found, ["digits"], [chip]))
    assert [row[2] for row in rows] == ["maxabs", "calibrated", "fine-tuned"]
    assert all(len(row) == len(example.HEAD) for row in rows)
    assert rows[-1][6].startswith("0.5 ")


def test_neurons_that_keep_each_other_firing_are_made_calmer(examples):
    import torch

    from nm_backends.torch import ChipModule

    net = layers(8, 6, 3, decay=0.9, seed=3)
    net.projections.append(link("l1", "l1", np.full((6, 6), 1.5), 1))
    chip = ChipModule(nmb.compile(net, "tinyodin"), gradients="chip")
    before = chip.values.threshold.detach().clone()
    wanted = (torch.tensor([0, 1]),)
    optimiser = torch.optim.Adam(chip.parameters())
    _, example = examples
    example.step(chip, optimiser, torch.from_numpy(bernoulli(12, 2, 8, 0.5)), wanted)
    assert (chip.values.threshold > before).all()


def test_fine_tuning_is_taken_where_it_is_surer_of_what_is_right(examples):
    models, example = examples
    _, data = small(models)
    sure = np.eye(3)[data.validation.labels]

    class Program:
        """Counts and nothing else."""

        def __init__(self, counts):
            self.counts = counts

        def run(self, spikes):
            return type("Result", (), {"spikes": self.counts[None]})

    first, surer, wrong = Program(sure), Program(9 * sure), Program(9 * (1 - sure))
    assert example.better(first, surer, data.validation) is surer
    assert example.better(first, wrong, data.validation) is first
    assert example.better(first, Program(sure), data.validation) is first
