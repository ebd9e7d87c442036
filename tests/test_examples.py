"""Every example runs, and makes what the package ships."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nm_backends as nmb

ROOT = Path(__file__).parent.parent


@pytest.mark.frameworks
def test_the_digits_network_is_trained_stored_and_deployed(tmp_path):
    script = ROOT / "examples" / "train_digits.py"
    command = [sys.executable, str(script), "--out", str(tmp_path), "--epochs", "3"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    float_accuracy = float(said.split("float model: ")[1].split(" %")[0]) / 100

    files = {name: np.load(tmp_path / f"digits_{name}.npz") for name in ("test", "calibration")}
    spikes, labels = files["test"]["spikes"], files["test"]["labels"]
    reference = nmb.reference(tmp_path / "digits.nir", spikes)
    # The lowered network does exactly what snnTorch did.
    assert np.mean(reference.prediction == labels) == pytest.approx(float_accuracy, abs=1e-4)
    shipped = np.load(ROOT / "nm_backends" / "data" / "digits_test.npz")
    assert np.array_equal(shipped["spikes"], spikes)
    assert np.array_equal(shipped["labels"], labels)

    program = nmb.compile(
        tmp_path / "digits.nir", "tinyodin", calibrate=files["calibration"]["spikes"]
    )
    assert np.mean(program.run(spikes).prediction == labels) > float_accuracy - 0.05


def test_a_network_too_large_for_one_chip_runs_on_two():
    script = ROOT / "examples" / "several_chips.py"
    command = [sys.executable, str(script), "--calibration", "8"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "on 2 chips (odin)" in said
    accuracy = {name: float(said.split(name)[1].split("%")[0]) for name in ("float", "2 x odin")}
    assert accuracy["2 x odin"] > accuracy["float"] - 3
