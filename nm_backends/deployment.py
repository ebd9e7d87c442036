"""What a model becomes on every chip, beside what it is in floating point: one report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nm_backends.program import Program, Resource
    from nm_backends.result import Estimate
    from nm_backends.rules import Diagnostic, Report
    from nm_backends.system.program import System

__all__ = ["Deployment", "DeploymentReport"]


@dataclass
class Deployment:
    """One chip's part of a `DeploymentReport`; without a program the model does not fit the chip.

    Parameters
    ----------
    report
        Everything that was found.
    accuracy
        Share of samples that the chip classifies rightly; None without labels.
    decisions
        Share of samples for which chip and floating point choose the same class.
    spikes
        Layer to the share of spikes that coincide (same neuron, same step) with those in floating
        point; None where the chip computes values instead of spikes: compare `decisions`.
    counters
        Name to the mean per sample.
    dropped
        Spikes lost in all samples.
    losses
        Kind of loss to what it comes to in all samples, see `nm_backends.losses.Tally`; the
        findings in ``report`` say where.
    energy, latency
        Per sample, or None where the chip publishes no constants.
    stopped
        Why the chip could not run the samples, or ``""``.
    """

    chip: str
    report: Report
    program: Program | System | None = None
    accuracy: float | None = None
    decisions: float | None = None
    spikes: dict[str, float | None] = field(default_factory=dict)
    counters: Mapping[str, float] = field(default_factory=dict)
    dropped: int | None = None
    losses: Mapping[str, int] = field(default_factory=dict)
    energy: Estimate | None = None
    latency: Estimate | None = None
    stopped: str = ""

    @property
    def ok(self) -> bool:
        """Whether the model runs on this chip."""
        return self.program is not None and not self.stopped

    @property
    def chips_needed(self) -> int | None:
        """How many of these chips the model takes; None where it does not fit even several."""
        return None if self.program is None else getattr(self.program, "chips", 1)

    @property
    def spikes_note(self) -> str:
        """Why spikes cannot be compared with floating point, or ``""``."""
        if None not in self.spikes.values():
            return ""
        return f"{self.chip} computes values instead of spikes: compare decisions"

    @property
    def refused_by(self) -> list[str]:
        """Codes of the rules that the model breaks."""
        return sorted({finding.code for finding in self.report.errors})

    @property
    def resources(self) -> list[Resource]:
        """Resources in use, those of several chips added up."""
        from nm_backends.program import Resource

        total: dict[str, tuple[int, int]] = {}
        for part in self._parts:
            for r in part.resources:
                used, available = total.get(r.name, (0, 0))
                total[r.name] = used + r.used, available + r.available
        return [Resource(name, *both) for name, both in total.items()]

    @property
    def weight_errors(self) -> dict[str, float]:
        """Population to the relative error of its weights; of pieces on several chips the worst."""
        errors: dict[str, float] = {}
        for part in self._parts:
            for name, fit in part.fit.populations.items():
                errors[name] = max(errors.get(name, 0.0), fit.weight_error)
        return errors

    @property
    def _parts(self) -> list[Program]:
        """The program of each chip."""
        if self.program is None:
            return []
        parts = getattr(self.program, "parts", None)
        return [self.program] if parts is None else [part.program for part in parts]  # type: ignore[list-item]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        from nm_backends.cli.output import estimate_dict

        facts: dict[str, Any] = {"chip": self.chip, **self.report.to_dict(), "ok": self.ok}
        facts |= {"chips_needed": self.chips_needed, "refused_by": self.refused_by}
        facts |= {"stopped": self.stopped} if self.stopped else {}
        if self.program is None:
            return facts
        fits = self.program.fit.populations.values()
        return {
            **facts,
            "accuracy": self.accuracy,
            "decisions_as_in_float": self.decisions,
            "spikes_as_in_float": self.spikes,
            **({"spikes_note": self.spikes_note} if self.spikes_note else {}),
            "rounded": {fit.name: _rounded(fit) for fit in fits},
            "resources": {r.name: [r.used, r.available] for r in self.resources},
            **{f"{name}_per_sample": mean for name, mean in self.counters.items()},
            "dropped": self.dropped,
            "losses": self.losses,
            "energy": estimate_dict(self.energy),
            "latency": estimate_dict(self.latency),
        }


def _rounded(fit: Any) -> dict[str, Any]:
    """Return what quantisation did to one population."""
    names = ("weight_error", "threshold_error", "leak_error", "weights", "clipped", "zeroed")
    return {name: getattr(fit, name) for name in names}


@dataclass
class DeploymentReport:
    """A model in floating point and on chips; prints as a table.

    Parameters
    ----------
    source
        Name of the model.
    samples
        How many samples were run; 0: none were given, and nothing was run.
    accuracy
        In floating point, or None without labels.
    chips
        Chip name to `Deployment`.
    """

    source: str
    samples: int
    accuracy: float | None
    chips: dict[str, Deployment]

    @property
    def ok(self) -> bool:
        """Whether the model runs on all the chips."""
        return all(chip.ok for chip in self.chips.values())

    @property
    def fits_somewhere(self) -> bool:
        """Whether the model runs on one of the chips at least."""
        return any(chip.ok for chip in self.chips.values())

    @property
    def common(self) -> list[Diagnostic]:
        """Warnings about the model that are the same on all chips."""
        first, *others = [chip.report.warnings for chip in self.chips.values()] or [[]]
        return [one for one in first if all(one in other for other in others)] if others else []

    def warnings_of(self, chip: Deployment) -> list[Diagnostic]:
        """Return the warnings about a model on one chip that are not `common`."""
        common = self.common
        return [one for one in chip.report.warnings if one not in common]

    def __getitem__(self, chip: str) -> Deployment:
        return self.chips[chip]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        chips = [chip.to_dict() for chip in self.chips.values()]
        facts = {"source": self.source, "samples": self.samples, "float_accuracy": self.accuracy}
        return {"ok": self.ok, **facts, "chips": chips}

    def to_json(self) -> str:
        """Return the same as a JSON object."""
        from nm_backends.cli.output import plain

        return json.dumps(plain(self.to_dict()), indent=2)

    def plot(self, path: str) -> None:
        """Draw accuracy over energy and over latency into a PNG file."""
        from nm_backends.pareto import save_pareto

        save_pareto(self, path)

    def _repr_html_(self) -> str:
        from nm_backends.html import comparison_html

        return comparison_html(self)

    def __str__(self) -> str:
        from nm_backends.deployment_table import head, rows
        from nm_backends.tables import table

        lines = [f"{self.source}: {self.samples:,} samples", "", *table(head(self), rows(self))]
        lines += [chip.spikes_note for chip in self.chips.values() if chip.spikes_note]
        lines += ["", *map(str, self.common)] if self.common else []
        for chip in self.chips.values():
            found = self.warnings_of(chip) if chip.ok else list(chip.report)
            lines += ["", *map(str, found)] if found else []
            lines += [] if chip.ok else [chip.stopped or str(chip.report).splitlines()[-1]]
        return "\n".join(lines)
