"""Typical input, as given to the compiler: spikes, their labels, and how well a chip does on them.

The figures are of the samples by which the compiler chose; others can turn out less well.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nm_backends.errors import UserError
from nm_backends.fit_rules import ALTERNATIVES, accuracy_lost
from nm_backends.network import Network

if TYPE_CHECKING:
    from nm_backends.chip import Backend
    from nm_backends.program import CompileOptions, Program
    from nm_backends.spikes import Prepared
    from nm_backends.system.program import System

__all__ = ["Typical", "judge", "typical_input"]

_LOST = 0.02
_AT_ONCE = 128


@dataclass(frozen=True)
class Typical:
    """Input spikes: as they were read, and as the backend takes them; labels int64 ``[batch]``.

    All are None where no spikes were given, or none is in them.
    """

    prepared: Prepared | None = None
    spikes: Any = None
    labels: np.ndarray | None = None


def typical_input(
    network: Network, spikes: Any, targets: Any, options: CompileOptions, backend: Backend
) -> Typical:
    """Read calibration spikes and their labels; a dataset brings its own labels.

    Raises
    ------
    UserError
        When they do not belong to the network or to each other.
    """
    if spikes is None and targets is not None:
        raise UserError("targets without calibration spikes", "give calibrate=spikes, too")
    found = Typical() if spikes is None else _read(network, spikes, targets, backend)
    if options.scale == "calibrated" and found.spikes is None:
        raise UserError(
            "scale='calibrated' needs calibration spikes", "give calibrate=spikes, or scale='auto'"
        )
    return found


def _read(network: Network, spikes: Any, targets: Any, backend: Backend) -> Typical:
    from nm_backends.spikes import prepare

    try:
        given = prepare(network, spikes)
        taken = _taken(given, backend)
    except UserError as error:
        raise UserError(f"calibration: {error}", error.hint) from error
    if taken is None:
        return Typical()
    labels = given.labels if targets is None else targets
    found = None if labels is None else _labels(network, labels, given.samples)
    return Typical(given, taken, found)


def _taken(given: Prepared, backend: Backend) -> Any:
    """Return spikes as the backend takes them, or None where there are none."""
    if getattr(backend, "first_spikes", False):
        first = given.first()
        return first if (first.step >= 0).any() else None
    counts = given.counts
    return counts if counts.size and counts.any() else None


def _labels(network: Network, labels: Any, samples: int) -> np.ndarray:
    array, classes = np.asarray(labels), network.output.size
    if array.shape != (samples,) or array.dtype.kind not in "iu":
        raise UserError(
            f"targets: {array.dtype}{list(array.shape)} for {samples} calibration samples",
            "expected one label per sample, integers",
        )
    if samples and not 0 <= int(array.min()) <= int(array.max()) < classes:
        raise UserError(
            f"targets: labels {array.min()} to {array.max()}, but {network.output.name} has "
            f"{classes} neurons",
            "a label is the index of the neuron that should win",
        )
    return array.astype(np.int64)


def judge(program: Program | System, model: Network, given: Typical) -> None:
    """Add to a program how often it and the model decide rightly, where there are labels."""
    if given.labels is None or given.prepared is None:
        return
    exact = _predictions(model, given.prepared) == given.labels
    try:
        right = program.run(given.spikes).prediction == given.labels
    except UserError:  # it never comes to rest, which the mapper has said
        return
    found: dict[str, Any] = {
        "accuracy": float(np.mean(right)),
        "float_accuracy": float(np.mean(exact)),
        "judged_samples": int(given.labels.size),
    }
    if hasattr(program, "parts"):
        program.metadata |= found
    else:
        program.fit = replace(program.fit, **found)
    if found["float_accuracy"] - found["accuracy"] >= _LOST:
        program.report.add(_finding(program, found))


def _predictions(model: Network, given: Prepared) -> np.ndarray:
    """Run the model, some samples at a time."""
    from nm_backends.lowering.reference import reference

    starts = range(0, given.samples, _AT_ONCE)
    return np.concatenate(
        [reference(model, given.part(n, n + _AT_ONCE)).prediction for n in starts]
    )


def _finding(program: Program | System, found: dict[str, Any]) -> Any:
    chip, exact = found["accuracy"], found["float_accuracy"]
    fits = [f for f in program.fit.populations.values() if f.spike_agreement is not None]
    worst = min(fits, key=lambda f: f.spike_agreement, default=None)  # type: ignore[arg-type, return-value]
    where = f"; {worst.name} differs most" if worst is not None else ""
    return accuracy_lost.at(
        f"{chip:.1%} of {found['judged_samples']:,} labelled calibration samples are decided "
        f"rightly, {exact:.1%} in floating point{where}",
        node="" if worst is None else worst.name,
        found=f"{100 * (exact - chip):.1f} points less",
        limit=f"{100 * _LOST:.0f} points",
        hint=ALTERNATIVES,
    )
