"""The examples of MorphIC run, small: binary weights on the chip do what they did in training."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mnist_files import mnist_like

EXAMPLES = Path(__file__).parent.parent / "examples"


def said(script, *options):
    command = [sys.executable, str(EXAMPLES / script), *options, "--json"]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.frameworks
def test_a_binary_network_reaches_the_chip_as_it_was_trained():
    options = ("--seeds", "1", "--epochs", "2", "--hidden", "24", "--samples", "128")
    (found,) = said("morphic_digits_qat.py", *options)
    assert found["counts_that_differ"] == 0  # so few neurons overflow no FIFO
    assert found["chip"] == found["binary"]
    assert found["energy_uJ"] > found["dynamic_uJ"] > 0


def in_torch(weights, events, stop, threshold):
    """How often neurons have fired, by torch's own operations; whole numbers pass gradients."""
    torch = pytest.importorskip("torch")
    heard = torch.cat([weights, torch.zeros(1, weights.shape[1])])[torch.from_numpy(events)]
    counts = torch.from_numpy(np.arange(len(events))[:, None] < stop)[:, :, None]
    sums = torch.cat([torch.zeros(1, *heard.shape[1:]), (heard * counts).cumsum(0)])
    first_highest = torch.from_numpy(sums.detach().numpy().argmax(axis=0)[None])
    fired = sums.gather(0, first_highest)[0] / threshold
    return fired + (fired.floor() - fired).detach()


@pytest.mark.frameworks
@pytest.mark.parametrize("both", [True, False])
def test_training_counts_spikes_as_the_chip_does(both, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.syspath_prepend(EXAMPLES)
    import binary_networks as binary

    torch.manual_seed(1)
    random = np.random.default_rng(0)
    layers = binary.Layers((20, 16, 3), 2, both)
    spikes = random.poisson(0.2, (12, 5, 20)).astype(np.uint8)
    events = binary.events_of(spikes)
    first, second = layers.held()
    plain = torch.tensor(first, dtype=torch.float32, requires_grad=True)
    for stop in (np.full(5, len(events)), random.integers(0, len(events), 5)):
        scores = layers(events, stop)
        wanted = in_torch(plain, events, stop, 2) @ torch.tensor(second, dtype=torch.float32)
        assert torch.equal(scores, wanted)
        (found,) = torch.autograd.grad(scores.square().sum(), layers.parts[0])
        (expected,) = torch.autograd.grad(wanted.square().sum(), plain)
        torch.testing.assert_close(found, expected)
    chip = binary.compiled([(first, second)], (2, 1), (20,))
    result = chip.run(spikes)
    fired = in_torch(plain, events, np.full(5, len(events)), 2).detach()
    assert np.array_equal(result.layers["hidden0"].sum(axis=0), fired.numpy())
    assert np.array_equal(binary.spikes_of(events, 20).sum(axis=0), spikes.sum(axis=0))


@pytest.mark.frameworks
def test_gestures_run_on_four_cores():
    found = said("morphic_gestures.py", "--samples", "30", "--epochs", "1")
    assert found["dropped"] == 0
    assert found["dynamic_uJ"] == pytest.approx(30e-6 * found["sops"])


@pytest.mark.frameworks
def test_digits_run_in_both_codes_also_from_files_of_ones_own(tmp_path):
    mnist_like(tmp_path, train=60, test=8)
    options = ("--mnist", str(tmp_path), "--seeds", "1", "--epochs", "1", "--samples", "60")
    (found,) = said("morphic_digits_codes.py", *options)
    assert 0 < found["rank"]["events_in"] <= 2 * 112 + 54  # two rows per pixel, then the ramp
    for code in (found["rate"], found["rank"]):
        assert code["latency_ms"] > 0
        assert code["energy_uJ"] > 30e-6 * code["sops"]
