"""The columns of a study's table: what one trial comes to, in numbers and texts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nm_backends.deployment import Deployment
    from nm_backends.history import History
    from nm_backends.rules import Report

__all__ = ["COLUMNS", "NUMBERS", "Row", "learned", "of_deployment", "of_report", "row"]

Row = dict[str, Any]
"""Column to text, whole number, float or None."""

_LOSSES = (
    "merged", "saturated_low", "saturated_high", "silent_neurons", "tireless_neurons",
)  # fmt: skip
_COUNTERS = ("sops", "cycles", "events_in", "events_out")
COLUMNS: dict[str, str] = {
    "status": "TEXT",  # ok, refused, stopped, pruned, crashed, died
    "codes": "TEXT",  # of all findings
    "refused_by": "TEXT",  # codes of the errors
    "message": "TEXT",  # why it has no result
    "accuracy": "REAL",
    "float_accuracy": "REAL",
    "decisions": "REAL",  # share of samples decided as in floating point
    "spikes": "REAL",  # share as in floating point, mean of the layers; none on chips of values
    "layers": "TEXT",  # the same by layer, JSON
    "dropped": "INTEGER",
    **dict.fromkeys(_LOSSES, "INTEGER"),
    "energy": "REAL",  # joules per sample
    "energy_status": "TEXT",
    "latency": "REAL",  # seconds per sample
    "latency_status": "TEXT",
    **dict.fromkeys(_COUNTERS, "REAL"),  # per sample
    "chips_used": "INTEGER",
    "weight_error": "REAL",  # the worst population's
    "resources": "TEXT",  # name to [used, available], JSON
    "epochs": "INTEGER",  # passes learned
    "curve": "TEXT",  # accuracy (or loss) before the first pass and after each, JSON
}
"""Name to SQLite type."""
NUMBERS = tuple(name for name, kind in COLUMNS.items() if kind != "TEXT")


def row(status: str, **found: Any) -> Row:
    """Return a row, None wherever nothing was found."""
    return {**dict.fromkeys(COLUMNS), "status": status, **found}


def of_report(report: Report) -> Row:
    """Return what a report says."""
    return {
        "codes": _listed(report.codes),
        "refused_by": _listed({finding.code for finding in report.errors}),
    }


def of_deployment(found: Deployment) -> Row:
    """Return what came of a program that was run."""
    errors = found.weight_errors.values()
    agreed = {name: share for name, share in found.spikes.items() if share is not None}
    return {
        **of_report(found.report),
        "accuracy": found.accuracy,
        "decisions": found.decisions,
        "spikes": sum(agreed.values()) / len(agreed) if agreed else None,
        "layers": _json(agreed) if agreed else None,
        "dropped": found.dropped,
        **{name: found.losses.get(name) for name in _LOSSES},
        **_estimate("energy", found.energy),
        **_estimate("latency", found.latency),
        **{name: found.counters.get(name) for name in _COUNTERS},
        "chips_used": found.chips_needed,
        "weight_error": max(errors, default=None),
        "resources": _json({r.name: [r.used, r.available] for r in found.resources}),
    }


def learned(history: History) -> Row:
    """Return how learning went."""
    curve = [e.accuracy if e.loss is None else e.loss for e in history.epochs]
    return {"epochs": len(history.epochs) - 1, "curve": _json(curve)}


def _estimate(name: str, estimate: Any) -> Row:
    if estimate is None:
        return {name: None, f"{name}_status": None}
    return {name: estimate.mean, f"{name}_status": estimate.status}


def _listed(codes: Iterable[str]) -> str:
    return " ".join(sorted(codes))


def _json(value: Mapping[str, Any] | list[Any]) -> str:
    from nm_backends.cli.output import plain

    return json.dumps(plain(value))
