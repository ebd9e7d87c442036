"""A `DeploymentReport` as the rows of a table: the model in floating point, then chip by chip."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nm_backends.deployment import Deployment, DeploymentReport

__all__ = ["head", "rows"]

Cell = Callable[["Deployment"], str]
_NOTHING = "-"
_LOSSES = {
    "merged": "input spikes merged",
    "saturated_low": "membranes stopped at lower limit",
    "saturated_high": "membranes stopped at upper limit",
    "silent_neurons": "neurons that never fire",
    "tireless_neurons": "neurons that always fire",
}


def head(report: DeploymentReport) -> tuple[str, ...]:
    """Return the titles of the columns."""
    return ("", "float", *report.chips)


def rows(report: DeploymentReport, *, brief: bool = False) -> list[tuple[str, ...]]:
    """Return rows with a cell for each title.

    Parameters
    ----------
    brief
        Only what it costs: not how near it is to floating point.
    """
    chips = list(report.chips.values())
    fit = [chip for chip in chips if chip.program is not None]
    found = []
    if not brief or len(fit) < len(chips):
        found.append(("fits", "", *(_verdict(chip) for chip in chips)))
        found.append(("chips needed", "", *(_count(chip.chips_needed) for chip in chips)))
    if not brief:
        found.append(("warnings", "", *(_warnings(report, chip) for chip in chips)))
    if report.accuracy is not None:
        found.append(("accuracy", f"{report.accuracy:.1%}", *(_share(c.accuracy) for c in chips)))
    lines = [*([] if brief else _nearness(report, fit)), *_resources(fit)]
    lines += _costs(report) if report.samples else []
    for name, cell in lines:
        found.append((name, "", *(cell(c) if c in fit else _NOTHING for c in chips)))
    return found


def _verdict(chip: Deployment) -> str:
    if chip.stopped:
        return "does not run"
    return "yes" if chip.ok else "no: " + " ".join(chip.refused_by)


def _warnings(report: DeploymentReport, chip: Deployment) -> str:
    """Return the codes of warnings, those of the chip first."""
    codes = sorted({one.code for one in report.warnings_of(chip)}, key=_of_the_core)
    if not codes:
        return "none"
    return " ".join(codes) if len(codes) < 4 else f"{' '.join(codes[:2])} and {len(codes) - 2} more"


def _of_the_core(code: str) -> tuple[bool, str]:
    return code.startswith("NMB"), code


def _count(value: int | None) -> str:
    return _NOTHING if value is None else f"{value:,}"


def _share(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:.1%}"


def _nearness(report: DeploymentReport, fit: list[Deployment]) -> Iterator[tuple[str, Cell]]:
    """Yield rows that compare chips with floating point."""
    if report.samples:
        yield "decisions as in float", lambda c: _share(c.decisions)
    for layer in dict.fromkeys(name for c in fit for name in c.spikes):
        yield (
            f"spikes as in float: {layer}",
            lambda c, layer=layer: _agreed(c, layer),  # type: ignore[misc]
        )
    for kind, words in _LOSSES.items():
        if any(kind in c.losses for c in fit):
            yield words, lambda c, kind=kind: _count(c.losses.get(kind))  # type: ignore[misc]
    for name in dict.fromkeys(name for c in fit for name in c.weight_errors):
        yield f"weights rounded by: {name}", lambda c, name=name: _rounded(c, name)  # type: ignore[misc]


def _agreed(chip: Deployment, layer: str) -> str:
    """Return how far spikes agree; chips that have none say so."""
    share = chip.spikes.get(layer)
    return "no spikes" if share is None and layer in chip.spikes else _share(share)


def _rounded(chip: Deployment, name: str) -> str:
    return _share(chip.weight_errors.get(name))


def _resources(fit: list[Deployment]) -> Iterator[tuple[str, Cell]]:
    for name in dict.fromkeys(r.name for c in fit for r in c.resources):
        yield name, lambda c, name=name: _resource(c, name)  # type: ignore[misc]


def _resource(chip: Deployment, name: str) -> str:
    for r in chip.resources:
        if r.name == name:
            return f"{r.used:,} / {r.available:,} ({r.percent:.0f} %)"
    return _NOTHING


def _costs(report: DeploymentReport) -> Iterator[tuple[str, Cell]]:
    from nm_backends.cli.output import estimate_text

    yield "synaptic operations per sample", lambda c: _mean(c, "sops")
    yield "clock cycles per sample", lambda c: _mean(c, "cycles")
    yield "spikes lost, all samples", lambda c: _count(c.dropped)
    yield "latency per sample", lambda c: estimate_text(c.latency) if c.ok else _NOTHING
    yield "energy per sample", lambda c: estimate_text(c.energy) if c.ok else _NOTHING


def _mean(chip: Deployment, counter: str) -> str:
    return f"{round(chip.counters[counter]):,}" if counter in chip.counters else _NOTHING
