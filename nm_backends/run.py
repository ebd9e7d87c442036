"""Runs: spikes in the user's form, executed, and given back on the user's axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nm_backends.errors import UserError
from nm_backends.first_spikes import FirstSpikes
from nm_backends.losses import activity, total
from nm_backends.progress import shown
from nm_backends.real_time import real_time, step_cycles
from nm_backends.result import RawRun, Result
from nm_backends.spikes import Prepared, prepare
from nm_backends.streaming import samples_in

if TYPE_CHECKING:
    from nm_backends.chip import Backend
    from nm_backends.discretisation import Discretisation
    from nm_backends.network import Population
    from nm_backends.program import Program

__all__ = ["reference", "refuse_learning", "run_program"]

RECORDABLE = ("membrane", "losses", "ticks")
_AT_ONCE = 32  # samples between two calls of progress


def reference(
    model: Any,
    spikes: Any,
    discretisation: Discretisation | None = None,
    record: Sequence[str] = (),
    *,
    sample: Any = None,
) -> Result:
    """Run a model in floating point: the yardstick for every chip.

    Parameters
    ----------
    model
        A `Network`, a path, or whatever `nm_backends.lower` takes.
    spikes
        As for ``program.run``.
    record
        ``"membrane"`` keeps the membranes of spiking populations too.
    sample
        One batch of input, for models of a framework; see `nm_backends.lower`. None: ``spikes``.
    """
    from nm_backends.api import lower
    from nm_backends.frontends import as_sample
    from nm_backends.lowering.reference import reference as run_float

    _check_record(record, ("membrane",))
    network = lower(model, discretisation, as_sample(sample, spikes))
    given = prepare(network, spikes)
    result = run_float(network, given.counts, record)
    result.metadata |= given.metadata
    result.losses = activity(result.layers)
    return result if given.batched else _single(result)


def _single(result: Result) -> Result:
    """Drop the batch axis of a single sample."""
    result.spikes = result.spikes[:, 0]
    result.layers = {name: array[:, 0] for name, array in result.layers.items()}
    result.membranes = {name: array[:, 0] for name, array in result.membranes.items()}
    return result


def run_program(
    program: Program,
    spikes: Any,
    record: Sequence[str] = (),
    threads: int | None = None,
    progress: Callable[[int], None] | bool | None = None,
    driving: str = "idle",
    backend: Any = None,
    keep: str = "auto",
) -> Result:
    """Run a program; see `nm_backends.program.Program.run`.

    Parameters
    ----------
    backend
        What executes it, if not the backend of its chip.
    """
    from nm_backends.assumptions import backend_of
    from nm_backends.summary import HELD, too_large

    _check_record(record)
    _check_keep(keep, record, driving)
    if threads is not None and threads < 1:
        raise UserError(f"threads is {threads}, expected 1 or more")
    job = _Job(backend or backend_of(program), program, record, threads, driving)
    _check_driving(driving, job.backend, record)
    whole = keep == "spikes" or driving == "continuous" or len(program.network.inputs) > 1
    whole |= keep == "auto" and bool(set(record) - {"losses"})
    given = prepare(program.network, spikes, None if whole else HELD)
    summary = keep == "readout" or (not whole and too_large(given, program.network))
    with _shown(progress, given, spikes, summary) as advance:
        return job.summary(given, advance or _quiet) if summary else job.all(given, advance)


def _quiet(_: int) -> None:
    """Tell nobody."""


def _shown(
    progress: Callable[[int], None] | bool | None, given: Prepared, spikes: Any, summary: bool
) -> AbstractContextManager[Callable[[int], None] | None]:
    """Return what is told how many samples were run: a bar only for datasets and files."""
    if callable(progress):
        return nullcontext(progress)
    listed = given.streamed and not isinstance(given.source, FirstSpikes)
    if progress is False or not (listed or summary):
        return nullcontext(None)
    total = given.samples if given.rest is None else samples_in(spikes)
    return shown(progress, "running", total)


@dataclass(frozen=True)
class _Job:
    """How a program is run."""

    backend: Any
    program: Program
    record: Sequence[str]
    threads: int | None
    driving: str

    def all(self, given: Prepared, advance: Callable[[int], None] | None) -> Result:
        """Return the result of all samples, with their spikes."""
        raw, cycles = self._executed(given, advance)
        result = self._finished(raw, given.batched, cycles)
        result.metadata |= given.metadata
        return result

    def summary(self, given: Prepared, advance: Callable[[int], None]) -> Result:
        """Return the result of all samples without their spikes, and hold some at a time."""
        from nm_backends.summary import summarised

        if not given.batched:
            raise UserError("keep='readout' is for several samples", "leave it out for one")

        def ran(part: Any) -> Result:
            return self._finished(self._raw(part), True, None)

        return summarised(self.program.network, given, ran, self._taken, advance)

    @property
    def _first_only(self) -> bool:
        """Whether the backend takes `FirstSpikes`."""
        return bool(getattr(self.backend, "first_spikes", False))

    def _taken(self, given: Prepared, first: int, end: int) -> Any:
        """Return some samples in the form that the backend takes."""
        return (given.first if self._first_only else given.part)(first, end)

    def _raw(self, part: Any) -> RawRun:
        kept = [name for name in self.record if name != "ticks"]
        how = {} if self.driving == "idle" else {"driving": self.driving}
        found: RawRun = self.backend.execute(self.program, part, kept, self.threads, **how)
        return found

    def _executed(
        self, given: Prepared, advance: Callable[[int], None] | None
    ) -> tuple[RawRun, np.ndarray | None]:
        """Return what the backend gives, in parts where that helps, and the cycles of each step."""
        in_parts = advance or (given.streamed and not self._first_only)
        whole = self.driving == "continuous" or not in_parts
        size = max(given.samples, 1) if whole else _AT_ONCE
        parts, cycles = [], []
        for first in range(0, max(given.samples, 1), size):
            part = self._taken(given, first, first + size)
            parts.append(self._raw(part))
            if "ticks" in self.record:
                cycles.append(step_cycles(self.backend, self.program, part))
            if advance:
                advance(part.shape[1])
        raw = parts[0] if len(parts) == 1 else _joined(parts)
        return raw, np.concatenate(cycles, axis=1) if cycles else None

    def _finished(self, raw: RawRun, batched: bool, cycles: np.ndarray | None) -> Result:
        """Return a result on the user's axes, with what it costs."""
        program, estimates = self.program, self.backend.estimate(raw.counters)
        if self.driving == "back_to_back" and estimates.get("latency") is not None:
            clock = getattr(self.backend, "clock", "the cycle-accurate engine")
            counted = f"cycles / f_clk; cycles of {clock}"
            estimates["latency"] = replace(estimates["latency"], formula=counted)
        result = _result(program, raw, estimates, batched)
        result.real_time = real_time(
            self.backend.spec,
            program.network.discretisation.dt,
            len(result.spikes),
            result.latency,
            None if hasattr(program, "parts") else raw.counters["sops"],
            cycles,
        )
        return result


def _check_keep(keep: str, record: Sequence[str], driving: str) -> None:
    from nm_backends.summary import KEEP

    if keep not in KEEP:
        raise UserError(f"keep is {keep!r}, expected {', '.join(KEEP)}")
    if keep == "readout" and (set(record) - {"losses"} or driving == "continuous"):
        raise UserError(
            f"keep='readout' with record={tuple(record)!r}, driving={driving!r}: what is recorded "
            "of each step is not kept, and samples are run some at a time",
            "go through program.stream(data), which gives all of it batch by batch",
        )


def _check_driving(driving: str, backend: Backend, record: Sequence[str]) -> None:
    known = getattr(backend, "drivings", ("idle",))
    if driving not in known:
        raise UserError(
            f"driving is {driving!r}, expected {' or '.join(known)} for {backend.spec.name}"
        )
    if driving == "back_to_back" and record:
        raise UserError(
            f"driving={driving!r} records nothing besides spikes: steps overlap on the chip",
            "leave record out, or driving",
        )
    if driving == "continuous" and "ticks" in record:
        raise UserError(
            f"driving={driving!r} does not record ticks: they are those of samples on their own",
            "leave 'ticks' out of record, or driving",
        )


def refuse_learning(program: Program) -> UserError:
    """Return the error that says that this program cannot learn."""
    return UserError(
        f"program.learn: on-chip learning on {program.chip!r} is not there; "
        "the synapses of a program are frozen",
        "train the model in its framework and compile it again, or use a chip that learns",
    )


def _check_record(record: Sequence[str], known: Sequence[str] = RECORDABLE) -> None:
    names = (record,) if isinstance(record, str) else tuple(record)
    unknown = [name for name in names if name not in known]
    if isinstance(record, str) or unknown:
        raise UserError(f"record={record!r}: expected a tuple of names, out of {', '.join(known)}")


def _joined(parts: list[RawRun]) -> RawRun:
    def along(axis: int, dicts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        return {name: np.concatenate([d[name] for d in dicts], axis=axis) for name in dicts[0]}

    return RawRun(
        along(1, [p.layers for p in parts]),
        along(1, [p.membranes for p in parts]),
        along(0, [p.counters for p in parts]),
        along(1, [p.potentials for p in parts]),
        along(0, [p.decisions for p in parts]),
        {
            kind: {n: np.sum([p.losses[kind][n] for p in parts], axis=0) for n in nodes}
            for kind, nodes in parts[0].losses.items()
        },
    )


def _result(program: Program, raw: RawRun, estimates: dict[str, Any], batched: bool) -> Result:
    network = program.network
    layers = {n: _shaped(a, network.populations[n], batched) for n, a in raw.layers.items()}
    recorded = {**raw.potentials, **raw.membranes}
    membranes = {n: _shaped(a, network.populations[n], batched) for n, a in recorded.items()}
    shown = network.output
    estimates = dict(estimates)
    return Result(
        spikes=(layers if shown.spiking else membranes)[shown.name],
        layers=layers,
        readout=_readout(raw, shown).reshape(-1, *shown.shape),
        membranes=membranes,
        counters=raw.counters,
        energy=estimates.pop("energy", None),
        latency=estimates.pop("latency", None),
        metadata={"chip": program.chip, **raw.decisions, **estimates},
        losses={
            kind: {n: counts.reshape(network.populations[n].shape) for n, counts in nodes.items()}
            for kind, nodes in (raw.losses | activity(raw.layers)).items()
        },
    )


def _readout(raw: RawRun, shown: Population) -> np.ndarray:
    """Return spike counts, or the membrane of the last step (0 where there was no step)."""
    if shown.spiking:
        return total(raw.layers[shown.name])
    return np.asarray(raw.potentials[shown.name][-1:].sum(axis=0))


def _shaped(values: np.ndarray, population: Population, batched: bool) -> np.ndarray:
    """Give ``[time, batch, size]`` the axes of the population, and of the user's spikes."""
    shaped = values.reshape(*values.shape[:2], *population.shape)
    return shaped if batched else shaped[:, 0]
