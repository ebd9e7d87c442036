"""One model, all chips: compiled and run beside floating point, over the same samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nm_backends.deployment import Deployment, DeploymentReport
from nm_backends.errors import UserError
from nm_backends.first_spikes import holds_values
from nm_backends.losses import Tally, findings
from nm_backends.rules import CompileError

if TYPE_CHECKING:
    from nm_backends.discretisation import Discretisation
    from nm_backends.network import Network
    from nm_backends.program import CompileOptions, Program
    from nm_backends.result import Estimate, Result
    from nm_backends.rules import Report
    from nm_backends.system.program import System

__all__ = ["Batch", "accuracy", "compare", "deployment_report", "measured"]

Batch = tuple[Any, "np.ndarray | None"]


def compare(
    model: Any,
    spikes: Any = None,
    labels: Any = None,
    chips: Sequence[str] | None = None,
    discretisation: Discretisation | None = None,
    *,
    calibrate: Any = None,
    sample: Any = None,
    options: CompileOptions | None = None,
    progress: bool | None = None,
) -> DeploymentReport:
    """Set all chips side by side: does the model fit, how well does it do, what does it cost.

    Where one chip is too small it takes several, if the host can connect them.

    Parameters
    ----------
    model
        Whatever `nm_backends.lower` takes.
    spikes
        What is run in floating point and on every chip, in any form that ``program.run`` takes.
        None: only whether the model fits, and what it takes of each chip.
    labels
        The class of each sample ``[batch]``, for accuracies; a dataset that has labels brings them.
    chips
        Chip names; None: all that are registered.
    discretisation, options, sample
        As for `nm_backends.compile`; ``sample`` is by default ``spikes``, where
        they are an array.
    calibrate
        Spikes for `nm_backends.compile`, other ones than ``spikes``.
    progress
        None shows a progress bar on stderr where a person is watching, False none.

    Raises
    ------
    CompileError
        The model cannot be lowered at all; that it does not fit a chip is part of the report.
    UserError
        An unknown chip, spikes that do not belong to the model, or labels that do not belong to
        the spikes.
    """
    network = _lowered(model, discretisation, sample, spikes, calibrate)
    batches = [] if spikes is None else [(spikes, _labels(network, spikes, labels))]
    return _Comparison(
        network, batches, calibrate, options, progress is False, several=True
    ).report(chips)


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
    """Run a classifier in floating point and on single chips, batch by batch; see `compare`.

    Parameters
    ----------
    model
        Whatever `nm_backends.lower` takes; a live model is run on the first batch to read it.
    loader
        Gives ``(spikes, labels)`` batch by batch, such as a ``torch.utils.data.DataLoader``; spikes
        in any form that ``program.run`` takes: ``[time, batch, *input shape]``.
    chips, discretisation, options, calibrate
        As for `compare`.
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
    batches = _batches(loader, encode, samples)
    network = _lowered(model, discretisation, batches[0][0])
    return _Comparison(network, batches, calibrate, options).report(chips)


def _lowered(model: Any, discretisation: Discretisation | None, *samples: Any) -> Network:
    from nm_backends.frontends import as_sample, lower_any

    network, report = lower_any(model, discretisation, as_sample(*samples))
    if network is None:
        raise CompileError(report)
    return network


def _labels(network: Network, spikes: Any, labels: Any) -> np.ndarray | None:
    """Return one label for each sample; None where there are none."""
    from nm_backends.spikes import prepare

    given = prepare(network, spikes)
    found = given.labels if labels is None else labels
    if found is None:
        return None
    array = np.asarray(found)
    if array.shape != (given.samples,):
        raise UserError(
            f"labels: shape {list(array.shape)} for {given.samples} samples",
            "expected one label per sample",
        )
    return array


def _batches(
    loader: Iterable[Any], encode: Callable[[Any], Any] | None, samples: int | None
) -> list[Batch]:
    """Return spikes and labels of every batch, until there are enough."""
    found: list[Batch] = []
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


@dataclass
class _Comparison:
    """A network and the samples that it is run on."""

    network: Network
    batches: list[Batch]
    calibrate: Any
    options: CompileOptions | None
    quiet: bool = True
    several: bool = False

    def report(self, chips: Sequence[str] | None) -> DeploymentReport:
        """Run everything."""
        from nm_backends.registry import chips as all_chips
        from nm_backends.registry import registry
        from nm_backends.run import reference

        every = sorted(all_chips()) if chips is None else chips
        names = [registry().chip(name)[0].name for name in every]
        floats = [reference(self.network, spikes) for spikes, _ in self.batches]
        found = {name: self._deployed(name, floats) for name in dict.fromkeys(names)}
        total = sum(len(result.prediction) for result in floats)
        return DeploymentReport(self.network.source, total, accuracy(floats, self.batches), found)

    def _deployed(self, chip: str, floats: list[Result]) -> Deployment:
        """Compile for one chip and run everything."""
        from nm_backends.progress import progress

        total = sum(len(result.prediction) for result in floats)
        with progress(f"{total:,} samples on {chip}", max(total, 1), quiet=self.quiet) as advance:
            try:
                program = self._compiled(chip)
            except CompileError as refused:
                return Deployment(chip, refused.report)
            try:
                if not floats:
                    return Deployment(program.chip, program.report, program)
                return measured(program, self.batches, floats, progress=advance)
            except UserError as error:  # the float run took the spikes: the chip never came to rest
                return Deployment(chip, program.report, program, stopped=str(error))

    def _compiled(self, chip: str) -> Program | System:
        """Compile for one chip, or for as many as are needed; why one is too small comes first."""
        from nm_backends.compiler import compile_model

        how: dict[str, Any] = {"calibrate": self.calibrate, "options": self.options}
        try:
            program: Program | System = compile_model(self.network, chip, **how)
        except CompileError as too_small:
            if not self.several:
                raise
            try:
                program = compile_model(self.network, chip, chips="auto", **how)
            except (CompileError, UserError):
                raise too_small from None
        return program


def measured(
    program: Program | System,
    batches: Sequence[Batch],
    floats: Sequence[Result] | None,
    *,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Deployment:
    """Run a program on batches of spikes and labels, and say what comes of it.

    Parameters
    ----------
    floats
        What the model does on each batch in floating point; None where nothing is compared with
        it, as after learning on the chip.
    threads, progress
        As for ``program.run``.

    Raises
    ------
    UserError
        The chip cannot run the spikes.
    """
    results = [
        program.run(spikes, record=("losses",), threads=threads, progress=progress)
        for spikes, _ in batches
    ]
    return Deployment(
        program.chip,
        _with_losses(program, results, floats) if floats else program.report,
        program,
        accuracy(results, batches),
        _same_decisions(results, floats) if floats else None,
        _agreements(program, results, floats) if floats else {},
        _means(results),
        sum(int(result.counters["dropped"].sum()) for result in results),
        Tally.of(results).summary(),
        _together([result.energy for result in results]),
        _together([result.latency for result in results]),
    )


def accuracy(results: Sequence[Result], batches: Sequence[Batch]) -> float | None:
    """Return the share of samples that were classified rightly; None without labels."""
    wanted = [labels for _, labels in batches if labels is not None]
    if not wanted:
        return None
    right = [r.prediction == labels for r, labels in zip(results, wanted, strict=True)]
    return float(np.mean(np.concatenate(right)))


def _same_decisions(results: Sequence[Result], floats: Sequence[Result]) -> float:
    same = [r.prediction == f.prediction for r, f in zip(results, floats, strict=True)]
    return float(np.mean(np.concatenate(same)))


def _with_losses(
    program: Program | System, results: Sequence[Result], floats: Sequence[Result]
) -> Report:
    """Return what was found at compilation, and what all runs together lost."""
    report = replace(program.report, diagnostics=list(program.report.diagnostics))
    report.extend(findings(program, results, floats))
    return report


def _agreements(
    program: Program | System, results: Sequence[Result], floats: Sequence[Result]
) -> dict[str, float | None]:
    """Return how far the spikes of each layer agree; None where the chip has none to compare."""
    from nm_backends.agreement import agreement

    layers = [layer for layer in floats[0].layers if layer in results[0].layers]
    if holds_values(program):
        return dict.fromkeys(layers)
    return {layer: agreement(_joined(results, layer), _joined(floats, layer)) for layer in layers}


def _joined(results: Sequence[Result], layer: str) -> np.ndarray:
    """Return the spikes of a layer in all batches, in one row."""
    return np.concatenate([result.layers[layer].reshape(-1) for result in results])


def _means(results: Sequence[Result]) -> dict[str, float]:
    """Return the mean per sample of every counter of the whole chip."""
    return {
        name: float(np.concatenate([r.counters[name] for r in results]).mean())
        for name, values in results[0].counters.items()
        if values.ndim == 1 and ":" not in name
    }


def _together(estimates: list[Estimate | None]) -> Estimate | None:
    """Return the estimate over all batches."""
    there = [e for e in estimates if e is not None]
    if not there:
        return None
    return replace(there[0], value=np.concatenate([np.atleast_1d(e.value) for e in there]))
