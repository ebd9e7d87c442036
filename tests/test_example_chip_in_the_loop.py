"""``examples/chip_in_the_loop.py``: digits, fine-tuned with the chip's own spikes."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nm_backends as nmb

SCRIPT = Path(__file__).parent.parent / "examples" / "chip_in_the_loop.py"


@pytest.mark.frameworks
@pytest.mark.parametrize("chip", ["odin", "reckon", "tinyodin"])
def test_fine_tuning_on_the_chip_helps_on_digits_that_decided_nothing(chip, tmp_path):
    command = [sys.executable, SCRIPT, "--chip", chip, "--epochs", "8", "--json"]
    command += ["--out", tmp_path]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert max(found["validation"]) > found["validation"][0]
    assert found["after"] >= found["before"]
    assert found["after"] > found["float"] - 0.02
    for name in nmb.chips():
        assert nmb.check(tmp_path / "fine_tuned.nir", name).ok, name
    loaded = nmb.load(tmp_path / "fine_tuned.nmb")
    spikes = (np.random.default_rng(0).random((24, 8, 64)) < 0.3).astype(np.uint8)
    held = nmb.reference(tmp_path / "on_chip.nir", spikes)
    assert held.spikes.shape == loaded.run(spikes).spikes.shape == (24, 8, 10)
    tuned = nmb.lower(tmp_path / "fine_tuned.nir")
    for mine, theirs in zip(loaded.network.projections, tuned.projections, strict=True):
        assert np.allclose(mine.weights.toarray(), theirs.weights.toarray(), atol=1e-6)
