"""A program as text: resources in use, and what was asked for and realised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from nm_backends.program import Fit, PopulationFit, Program
    from nm_backends.result import Result

__all__ = [
    "FIT_HEAD",
    "accuracy_text",
    "counted",
    "fit_row",
    "program_text",
    "result_text",
    "table",
]

FIT_HEAD = (
    "population", "neurons", "scale", "weight error", "weight SNR", "threshold error",
    "leak error", "clipped", "zeroed", "spike agreement",
)  # fmt: skip


def counted(number: int, what: str) -> str:
    """Return a number of things, ``1 chip`` or ``2 chips``."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return lines of a table: the first column to the left, numbers to the right."""
    cells = [list(head), *map(list, rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    return [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]


def program_text(program: Program) -> str:
    """Return the resources and the fit report of a program as tables."""
    resources = [
        (r.name, f"{r.used:,}", f"{r.available:,}", f"{r.percent:.1f} %") for r in program.resources
    ]
    lines = [f"{program.network.source} on {program.chip}"]
    lines += ["", *table(("resource", "used", "available", "share"), resources)]
    fits = [fit_row(fit) for fit in program.fit.populations.values()]
    lines += ["", *table(FIT_HEAD, fits)]
    lines += accuracy_text(program.fit)
    chosen = {k: v for k, v in program.metadata.items() if isinstance(v, (str, bool, int, float))}
    if chosen:
        lines += ["", "; ".join(f"{name.replace('_', ' ')}: {v}" for name, v in chosen.items())]
    return "\n".join(lines)


def result_text(result: Result) -> str:
    """Return what a run gave, a line each: shapes, spikes, means of counters, estimates, losses."""
    kept = hasattr(result, "spikes")
    shape = " x ".join(map(str, result.spikes.shape)) if kept else "not kept"
    lines = [f"Result: {len(result.prediction):,} samples, spikes {shape}"]
    for name, counts in result.losses.get("fired", {}).items():
        lines.append(f"  {name}: {int(counts.sum()):,} spikes")
    for name, counts in result.counters.items():
        if ":" not in name:
            lines.append(f"  {name}: {np.mean(counts):,.1f} on average")
    estimates = (("energy", result.energy), ("latency", result.latency))
    lines += [f"  {name}: {estimate}" for name, estimate in estimates if estimate is not None]
    return "\n".join(lines)


def accuracy_text(fit: Fit) -> list[str]:
    """Return how often chip and model are right on labelled calibration samples, if it is known."""
    if fit.accuracy is None or fit.float_accuracy is None:
        return []
    return [
        "",
        f"accuracy on {fit.judged_samples:,} calibration samples: {fit.accuracy:.1%} "
        f"(floating point {fit.float_accuracy:.1%})",
    ]


def fit_row(fit: PopulationFit) -> tuple[str, ...]:
    """Return a row of the fit report as text, see `FIT_HEAD`."""
    known = fit.spike_agreement is not None
    return (
        fit.name,
        f"{fit.threshold.size:,}",
        f"{fit.scale:.4g}",
        f"{fit.weight_error:.1%}",
        f"{fit.weight_snr:.1f} dB" if fit.weight_error else "exact",
        f"{fit.threshold_error:.1%}",
        f"{fit.leak_error:.1%}",
        f"{fit.clipped:,} of {fit.weights:,}",
        f"{fit.zeroed:,}",
        f"{fit.spike_agreement:.1%}" if known else "not measured",
    )
