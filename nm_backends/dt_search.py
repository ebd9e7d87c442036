"""Which time step suits a chip: the model on several, compiled and run, side by side.

See `nm_backends.timestep` for what another time step means. Candidates are compiled with some of
the samples as calibration, and compared on others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from nm_backends.errors import UserError
from nm_backends.fit_rules import other_time_step
from nm_backends.rules import CompileError
from nm_backends.timestep import as_factor, rebin, retimed

if TYPE_CHECKING:
    from nm_backends.discretisation import Discretisation
    from nm_backends.network import Network
    from nm_backends.program import CompileOptions, Program
    from nm_backends.result import Estimate, Result

__all__ = ["FACTORS", "DtSearch", "DtTrial", "search_dt"]

FACTORS = (1, 2, 4, Fraction(1, 2))
_HELD = 4  # every fourth sample chooses
_NEAR = 0.005  # shares that close are equal


@dataclass
class DtTrial:
    """A time step that was tried.

    Parameters
    ----------
    factor, dt
        Times the model's time step; seconds, or None where the model has no time.
    program
        None where it cannot be compiled.
    stopped
        Codes of the rules that it breaks, or why it does not run.
    float_accuracy, accuracy
        Of the model with this time step in floating point, and of the chip; None without labels.
    decisions
        Share of samples that the chip decides as the model does at its own time step.
    counts
        Layer to how far spike counts per neuron and sample agree with the model's, 0 to 1.
    """

    factor: Fraction
    dt: float | None
    program: Program | None = None
    stopped: str = ""
    float_accuracy: float | None = None
    accuracy: float | None = None
    decisions: float | None = None
    counts: dict[str, float] = field(default_factory=dict)
    events: float | None = None
    latency: Estimate | None = None
    energy: Estimate | None = None

    @property
    def rank(self) -> tuple[float, float, float]:
        """The more, the better: right decisions, spike counts, few events."""
        right = self.decisions if self.accuracy is None else self.accuracy
        if right is None:
            return (-1.0, 0.0, 0.0)
        counts = float(np.mean(list(self.counts.values()) or [0.0]))
        return (round(right / _NEAR), round(counts / _NEAR), -(self.events or 0.0))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        from nm_backends.cli.output import estimate_dict

        plain = {name: value for name, value in vars(self).items() if name != "program"}
        return {
            **plain,
            "factor": float(self.factor),
            "latency": estimate_dict(self.latency),
            "energy": estimate_dict(self.energy),
        }


@dataclass
class DtSearch:
    """What `search_dt` found; prints as a table.

    Parameters
    ----------
    accuracy
        Of the model at its own time step, in floating point; None without labels.
    samples
        How many samples compared the candidates.
    """

    chip: str
    trials: list[DtTrial]
    samples: int
    accuracy: float | None = None

    @property
    def best(self) -> DtTrial:
        """The best that runs; of equal ones the first."""
        return max(self.trials, key=lambda trial: trial.rank)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "chip": self.chip,
            "samples": self.samples,
            "float_accuracy": self.accuracy,
            "best_factor": float(self.best.factor),
            "trials": [trial.to_dict() for trial in self.trials],
        }

    def __str__(self) -> str:
        from nm_backends.tables import table

        layers = list(dict.fromkeys(name for trial in self.trials for name in trial.counts))
        head = ("factor", "dt", "float", "chip", "decisions", *(f"counts {n}" for n in layers),
                "events", "latency", "energy", "")  # fmt: skip
        rows = [_row(trial, layers, trial is self.best) for trial in self.trials]
        title = f"time steps on {self.chip}, compared on {self.samples:,} samples"
        return "\n".join([title, "", *table(head, rows)])


def search_dt(
    model: Any,
    chip: str,
    spikes: Any,
    targets: Any = None,
    factors: Sequence[Any] = FACTORS,
    discretisation: Discretisation | None = None,
    *,
    validation: tuple[Any, Any] | None = None,
    options: CompileOptions | None = None,
    sample: Any = None,
) -> DtSearch:
    """Compile a model with several time steps, run them and compare.

    Parameters
    ----------
    model, chip, discretisation, options, sample
        As for `nm_backends.compile`.
    spikes, targets
        Typical input on the model's own time step, and the label of each sample (or None).
    factors
        Time steps to try, times the model's: whole numbers, or one over a whole number.
    validation
        Spikes and labels (or None) that compare the candidates; by default every fourth sample of
        ``spikes``, which then does not calibrate.

    Raises
    ------
    CompileError
        The model cannot be lowered, or does not fit the chip with any of the time steps.
    UserError
        A factor is none, or spikes or labels do not belong to the model.
    """
    from nm_backends.frontends import as_sample, lower_any

    network, report = lower_any(
        model, discretisation, as_sample(spikes) if sample is None else sample
    )
    if network is None:
        raise CompileError(report)
    ratios = list(dict.fromkeys(map(as_factor, factors)))
    if not ratios:
        raise UserError("search_dt: no time step to try", "give factors=(1, 2, 4)")
    typical, judges = _split(network, spikes, targets, validation)
    search = _Search(network, chip, options, typical, judges)
    found = DtSearch(chip, [search.trial(ratio) for ratio in ratios], judges[0].shape[1])
    found.accuracy = search.accuracy(search.exact)
    if found.best.program is None:
        assert search.refused is not None
        raise search.refused
    return found


Judges = tuple["np.ndarray", "np.ndarray | None"]


def _split(
    network: Network, spikes: Any, targets: Any, validation: tuple[Any, Any] | None
) -> tuple[np.ndarray, Judges]:
    """Return calibration counts, and counts and labels that compare candidates."""
    counts, labels = _read(network, spikes, targets)
    if validation is not None:
        return counts, _read(network, *validation)
    if counts.shape[1] < _HELD:
        return counts, (counts, labels)
    held = np.arange(counts.shape[1]) % _HELD == _HELD - 1
    return counts[:, ~held], (counts[:, held], None if labels is None else labels[held])


def _read(network: Network, spikes: Any, targets: Any) -> Judges:
    from nm_backends.spikes import prepare

    given = prepare(network, spikes)
    labels = given.labels if targets is None else np.asarray(targets)
    if labels is not None and labels.shape != (given.samples,):
        raise UserError(
            f"targets: shape {list(labels.shape)} for {given.samples} samples",
            "expected one label per sample",
        )
    return given.counts, labels


class _Search:
    """A network with the samples that candidates are compared on."""

    def __init__(
        self,
        network: Network,
        chip: str,
        options: CompileOptions | None,
        typical: np.ndarray,
        judges: Judges,
    ) -> None:
        from nm_backends.lowering.reference import reference

        self.network, self.chip, self.options, self.typical = network, chip, options, typical
        self.counts, self.labels = judges
        self.exact = reference(network, self.counts)
        self.refused: CompileError | UserError | None = None

    def trial(self, factor: Fraction) -> DtTrial:
        """Compile and run with one time step."""
        from nm_backends.compiler import compile_model

        dt = self.network.discretisation.dt
        found = DtTrial(factor, None if dt is None else dt * float(factor))
        try:
            network = retimed(self.network, factor)
            found.program = compile_model(
                network, self.chip, calibrate=rebin(self.typical, factor), options=self.options
            )
            self._measure(found, network)
        except CompileError as refused:
            self.refused = self.refused or refused
            found.stopped = " ".join(sorted({d.code for d in refused.report.errors}))
        except UserError as refused:
            self.refused, found.program = self.refused or refused, None
            found.stopped = str(refused)
        return found

    def _measure(self, found: DtTrial, network: Network) -> None:
        from nm_backends.lowering.reference import reference

        assert found.program is not None
        spikes = rebin(self.counts, found.factor)
        result = found.program.run(spikes)
        found.float_accuracy = self.accuracy(reference(network, spikes))
        found.accuracy = self.accuracy(result)
        found.decisions = float(np.mean(result.prediction == self.exact.prediction))
        found.counts = dict(_count_agreements(result, self.exact))
        found.events = float(result.counters["events_in"].mean())
        found.latency, found.energy = result.latency, result.energy
        if found.factor != 1:
            found.program.report.add(_said(found))

    def accuracy(self, result: Result) -> float | None:
        """Return the share of right decisions, where there are labels."""
        return None if self.labels is None else float(np.mean(result.prediction == self.labels))


def _count_agreements(result: Result, exact: Result) -> Iterator[tuple[str, float]]:
    for name, layer in exact.layers.items():
        if name in result.layers:
            mine, yours = (x.sum(axis=0, dtype=np.int64) for x in (result.layers[name], layer))
            both = float(mine.sum() + yours.sum())
            yield name, 2.0 * float(np.minimum(mine, yours).sum()) / both if both else 1.0


def _said(found: DtTrial) -> Any:
    length = "" if found.dt is None else f" ({found.dt:g} s)"
    right = "" if found.accuracy is None else f", accuracy {found.accuracy:.1%}"
    return other_time_step.at(
        f"a step is {found.factor} steps of the model{length}: {found.decisions:.1%} of the "
        f"decisions are the model's{right}",
        found=f"{found.factor} times the model's step",
        hint=f"give spikes that are on the model's grid as nmb.rebin(spikes, {found.factor}) "
        f"(nmb run --rebin {found.factor}); event lists are binned as they are",
    )


def _row(trial: DtTrial, layers: list[str], best: bool) -> tuple[str, ...]:
    from nm_backends.cli.output import estimate_text

    dt = "-" if trial.dt is None else f"{trial.dt:g} s"
    if trial.program is None:
        return (str(trial.factor), dt, *("-" for _ in range(len(layers) + 6)), trial.stopped)
    shares = (trial.float_accuracy, trial.accuracy, trial.decisions, *map(trial.counts.get, layers))
    return (
        str(trial.factor),
        dt,
        *("-" if share is None else f"{share:.1%}" for share in shares),
        f"{trial.events:,.0f}",
        estimate_text(trial.latency),
        estimate_text(trial.energy),
        "best" if best else "",
    )
