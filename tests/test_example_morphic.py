"""The examples of MorphIC run, small: binary weights on the chip do what they did in training."""

import json
import subprocess
import sys
from pathlib import Path

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
    assert 0 < found["rank"]["events_in"] <= 112  # the brightest once each, until it is decided
    for code in found.values():
        assert code["latency_ms"] > 0
        assert code["energy_uJ"] > 30e-6 * code["sops"]
