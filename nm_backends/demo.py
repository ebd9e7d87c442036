"""``nmb demo``: a digits classifier, checked, compiled and run on every chip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from nm_backends.program import Program, Resource
    from nm_backends.result import Result
    from nm_backends.rules import Report

__all__ = ["ChipRun", "Demo", "DemoData", "demo_data", "run_chip", "run_float"]


@dataclass(frozen=True)
class DemoData:
    """The stored network with its test and calibration spikes ``[time, batch, 64]``."""

    model: Path
    spikes: np.ndarray
    labels: np.ndarray
    calibration: np.ndarray


@dataclass
class ChipRun:
    """What one chip made of the network; ``program`` and ``result`` are None if it did not fit."""

    chip: str
    report: Report
    program: Program | None = None
    result: Result | None = None
    accuracy: float | None = None

    @property
    def resources(self) -> list[Resource]:
        """Resources in use."""
        return self.program.resources if self.program else []

    def per_sample(self, counter: str) -> float | None:
        """Mean of a counter over the samples."""
        if self.result is None:
            return None
        counts = self.result.counters[counter]
        return float(counts.reshape(len(counts), -1).sum(axis=1).mean())

    def total(self, counter: str) -> int | None:
        """Sum of a counter over the samples."""
        return None if self.result is None else int(self.result.counters[counter].sum())


@dataclass
class Demo:
    """Everything that the demo found out."""

    samples: int
    accuracy: float
    chips: list[ChipRun] = field(default_factory=list)


def demo_data(samples: int | None = None) -> DemoData:
    """Load the digits network and its spikes, which are part of the package."""
    folder = files("nm_backends") / "data"
    test = _arrays(folder / "digits_test.npz")
    calibration = _arrays(folder / "digits_calibration.npz")
    model = Path(str(folder / "digits.nir"))
    return DemoData(
        model, test["spikes"][:, :samples], test["labels"][:samples], calibration["spikes"]
    )


def run_float(data: DemoData) -> float:
    """Return the accuracy of the model in floating point."""
    from nm_backends.run import reference

    return _accuracy(reference(data.model, data.spikes), data.labels)


def run_chip(data: DemoData, chip: str, advance: Callable[[int], None]) -> ChipRun:
    """Check, compile and run the digits on one chip."""
    from nm_backends.compiler import check, compile_model

    report = check(data.model, chip)
    if not report.ok:
        advance(len(data.labels))
        return ChipRun(chip, report)
    program = compile_model(data.model, chip, calibrate=data.calibration)
    result = program.run(data.spikes, progress=advance)
    return ChipRun(chip, program.report, program, result, _accuracy(result, data.labels))


def _accuracy(result: Result, labels: np.ndarray) -> float:
    return float(np.mean(result.prediction == labels))


def _arrays(resource: Any) -> dict[str, np.ndarray]:
    with resource.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}
