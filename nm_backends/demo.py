"""The digits classifier of ``nmb demo`` and its spikes."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["DemoData", "demo_data"]


@dataclass(frozen=True)
class DemoData:
    """The stored network with its test and calibration spikes ``[time, batch, 64]``."""

    model: Path
    spikes: np.ndarray
    labels: np.ndarray
    calibration: np.ndarray


def demo_data(samples: int | None = None) -> DemoData:
    """Load the digits network and its spikes, which are part of the package."""
    folder = files("nm_backends") / "data"
    test = _arrays(folder / "digits_test.npz")
    calibration = _arrays(folder / "digits_calibration.npz")
    model = Path(str(folder / "digits.nir"))
    return DemoData(
        model, test["spikes"][:, :samples], test["labels"][:samples], calibration["spikes"]
    )


def _arrays(resource: Any) -> dict[str, np.ndarray]:
    with resource.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}
