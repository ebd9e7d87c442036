"""What a model becomes on every chip, beside what it is in floating point: one report."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nm_backends.errors import UserError
from nm_backends.rules import CompileError

if TYPE_CHECKING:
    from nm_backends.discretisation import Discretisation
    from nm_backends.network import Network
    from nm_backends.program import CompileOptions, Program
    from nm_backends.result import Estimate, Result
    from nm_backends.rules import Report

__all__ = ["Deployment", "DeploymentReport", "deployment_report"]


@dataclass
class Deployment:
    """One chip's part of a `DeploymentReport`; everything but ``report`` is None if it did not fit.

    Parameters
    ----------
    accuracy
        Share of samples that the chip classifies rightly.
    decisions
        Share of samples for which chip and floating point choose the same class.
    spikes
        Layer to the share of spikes that coincide (same neuron, same step) with those in floating
        point.
    energy, latency
        Per sample, or None where the chip publishes no constants.
    """

    chip: str
    report: Report
    program: Program | None = None
    accuracy: float | None = None
    decisions: float | None = None
    spikes: dict[str, float] = field(default_factory=dict)
    dropped: int | None = None
    energy: Estimate | None = None
    latency: Estimate | None = None

    @property
    def ok(self) -> bool:
        """Whether the model runs on this chip."""
        return self.program is not None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        from nm_backends.cli.output import estimate_dict

        facts: dict[str, Any] = {"chip": self.chip, **self.report.to_dict(), "ok": self.ok}
        if self.program is None:
            return facts
        fits = self.program.fit.populations.values()
        return {
            **facts,
            "accuracy": self.accuracy,
            "decisions_as_in_float": self.decisions,
            "spikes_as_in_float": self.spikes,
            "rounded": {fit.name: _rounded(fit) for fit in fits},
            "resources": {r.name: [r.used, r.available] for r in self.program.resources},
            "dropped": self.dropped,
            "energy": estimate_dict(self.energy),
            "latency": estimate_dict(self.latency),
        }


@dataclass
class DeploymentReport:
    """A model in floating point and on chips; prints as a table.

    Parameters
    ----------
    source
        Name of the model.
    samples
        How many samples were run.
    accuracy
        In floating point: that of the framework itself where the model is a live one.
    chips
        Chip name to `Deployment`.
    """

    source: str
    samples: int
    accuracy: float
    chips: dict[str, Deployment]

    @property
    def ok(self) -> bool:
        """Whether the model runs on all the chips."""
        return all(chip.ok for chip in self.chips.values())

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

    def __str__(self) -> str:
        from nm_backends.tables import table

        fitting = [chip for chip in self.chips.values() if chip.ok]
        lines = [f"{self.source}: {self.samples:,} samples", ""]
        rows = [("accuracy", f"{self.accuracy:.1%}", *(f"{c.accuracy:.1%}" for c in fitting))]
        rows += [(name, "", *cells) for name, cells in _rows(fitting).items()]
        lines += table(("", "float", *(c.chip for c in fitting)), rows)
        for chip in self.chips.values():
            found = chip.report.warnings if chip.ok else list(chip.report)
            lines += ["", *map(str, found)] if found else []
            lines += [] if chip.ok else [str(chip.report).splitlines()[-1]]
        return "\n".join(lines)


def deployment_report(
    model: Any,
    loader: Iterable[tuple[Any, Any]],
    chips: Sequence[str] | None = None,
    discretisation: Discretisation | None = None,
    *,
    calibrate: Any = None,
    encode: Callable[[Any], Any] | None = None,
    samples: int | None = None,
    options: CompileOptions | None = None,
) -> DeploymentReport:
    """Run a classifier in floating point and on chips, over the same samples.

    Parameters
    ----------
    model
        Whatever `nm_backends.lower` takes; a live model is run on the first batch to read it.
    loader
        Gives ``(spikes, labels)`` batch by batch, such as a ``torch.utils.data.DataLoader``; spikes
        in any form that ``program.run`` takes: ``[time, batch, *input shape]``.
    chips
        Chip names; None: all that are registered.
    discretisation, options
        As for `nm_backends.compile`.
    calibrate
        Spikes for `nm_backends.compile`, other ones than those of ``loader``.
    encode
        Turns what the loader gives into spikes, where it does not give spikes.
    samples
        Stop after this many samples.

    Raises
    ------
    CompileError
        The model cannot be lowered at all; that it does not fit a chip is part of the report.
    UserError
        The loader gives nothing, or something else than spikes and labels.
    """
    from nm_backends.frontends import as_sample, lower_any
    from nm_backends.registry import chips as all_chips

    batches = _batches(loader, encode, samples)
    network, report = lower_any(model, discretisation, as_sample(batches[0][0]))
    if network is None:
        raise CompileError(report)
    floats = [_float(network, spikes) for spikes, _ in batches]
    labels = [labels for _, labels in batches]
    names = list(all_chips()) if chips is None else list(chips)
    found = {name: _deployed(network, name, batches, floats, calibrate, options) for name in names}
    total = sum(len(part) for part in labels)
    return DeploymentReport(network.source, total, _accuracy(floats, labels), found)


def _batches(
    loader: Iterable[Any], encode: Callable[[Any], Any] | None, samples: int | None
) -> list[tuple[Any, np.ndarray]]:
    """Return spikes and labels of every batch, until there are enough."""
    found: list[tuple[Any, np.ndarray]] = []
    count = 0
    for batch in loader:
        if not isinstance(batch, Sequence) or len(batch) != 2:
            raise UserError("the loader must give pairs: spikes and labels", "(spikes, labels)")
        spikes, labels = batch[0] if encode is None else encode(batch[0]), np.asarray(batch[1])
        if samples is not None and count + len(labels) > samples:
            labels = labels[: samples - count]
            spikes = spikes[:, : len(labels)]
        if len(labels):
            found.append((spikes, labels))
            count += len(labels)
        if samples is not None and count >= samples:
            break
    if not found:
        raise UserError("the loader gave no samples", "give pairs of spikes and labels")
    return found


def _float(network: Network, spikes: Any) -> Result:
    from nm_backends.run import reference

    return reference(network, spikes)


def _deployed(
    network: Network,
    chip: str,
    batches: list[tuple[Any, np.ndarray]],
    floats: list[Result],
    calibrate: Any,
    options: CompileOptions | None,
) -> Deployment:
    """Compile for one chip and run everything."""
    from nm_backends.agreement import agreement
    from nm_backends.compiler import compile_model

    try:
        program = compile_model(network, chip, calibrate=calibrate, options=options)
    except CompileError as refused:
        return Deployment(chip, refused.report)
    results = [program.run(spikes) for spikes, _ in batches]
    labels = [labels for _, labels in batches]
    wanted = [result.prediction for result in floats]
    return Deployment(
        chip,
        program.report,
        program,
        _accuracy(results, labels),
        _accuracy(results, wanted),
        {
            layer: agreement(_joined(results, layer), _joined(floats, layer))
            for layer in floats[0].layers
            if layer in results[0].layers
        },
        sum(int(result.counters["dropped"].sum()) for result in results),
        _together([result.energy for result in results]),
        _together([result.latency for result in results]),
    )


def _accuracy(results: list[Result], labels: list[np.ndarray]) -> float:
    right = [r.prediction == wanted for r, wanted in zip(results, labels, strict=True)]
    return float(np.mean(np.concatenate(right)))


def _joined(results: list[Result], layer: str) -> np.ndarray:
    """Return the spikes of a layer in all batches, in one row."""
    return np.concatenate([result.layers[layer].reshape(-1) for result in results])


def _together(estimates: list[Estimate | None]) -> Estimate | None:
    """Return the estimate over all batches."""
    there = [e for e in estimates if e is not None]
    if not there:
        return None
    return replace(there[0], value=np.concatenate([np.atleast_1d(e.value) for e in there]))


def _rounded(fit: Any) -> dict[str, Any]:
    """Return what quantisation did to one population."""
    return {
        "weight_error": fit.weight_error,
        "threshold_error": fit.threshold_error,
        "leak_error": fit.leak_error,
        "weights": fit.weights,
        "clipped": fit.clipped,
        "zeroed": fit.zeroed,
    }


def _rows(fitting: list[Deployment]) -> dict[str, list[str]]:
    """Return name of a row to one cell for each chip."""
    from nm_backends.cli.output import estimate_text

    rows = {"decisions as in float": [f"{c.decisions:.1%}" for c in fitting]}
    for layer in dict.fromkeys(name for c in fitting for name in c.spikes):
        rows[f"spikes as in float: {layer}"] = [f"{c.spikes[layer]:.1%}" for c in fitting]
    programs = [c.program for c in fitting if c.program is not None]
    for name in dict.fromkeys(name for p in programs for name in p.fit.populations):
        fits = [p.fit.populations[name] for p in programs]
        rows[f"weights rounded by: {name}"] = [f"{fit.weight_error:.1%}" for fit in fits]
    rows["spikes lost"] = [f"{c.dropped:,}" for c in fitting]
    rows["latency per sample"] = [estimate_text(c.latency) for c in fitting]
    rows["energy per sample"] = [estimate_text(c.energy) for c in fitting]
    return rows
