"""Runs: spikes in the user's form, executed, and given back on the user's axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nm_backends.errors import UserError
from nm_backends.losses import activity, total
from nm_backends.real_time import real_time, step_cycles
from nm_backends.result import RawRun, Result
from nm_backends.spikes import Prepared, prepare

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
    progress: Callable[[int], None] | None = None,
    driving: str = "idle",
    backend: Any = None,
) -> Result:
    """Run a program; see `nm_backends.program.Program.run`.

    Parameters
    ----------
    backend
        What executes it, if not the backend of its chip.
    """
    from nm_backends.assumptions import backend_of

    _check_record(record)
    if threads is not None and threads < 1:
        raise UserError(f"threads is {threads}, expected 1 or more")
    backend = backend or backend_of(program)
    _check_driving(driving, backend, record)
    given = prepare(program.network, spikes)
    raw, cycles = _executed(backend, program, given, record, threads, progress, driving)
    estimates = backend.estimate(raw.counters)
    if driving == "back_to_back" and estimates.get("latency") is not None:
        counted = "cycles / f_clk; cycles of the cycle-accurate engine"
        estimates["latency"] = replace(estimates["latency"], formula=counted)
    result = _result(program, raw, estimates, given.batched)
    result.metadata |= given.metadata
    result.real_time = real_time(
        backend.spec,
        program.network.discretisation.dt,
        len(result.spikes),
        result.latency,
        None if hasattr(program, "parts") else raw.counters["sops"],
        cycles,
    )
    return result


def _executed(
    backend: Any,
    program: Program,
    given: Prepared,
    record: Sequence[str],
    threads: int | None,
    progress: Callable[[int], None] | None,
    driving: str,
) -> tuple[RawRun, np.ndarray | None]:
    """Return what the backend gives, in parts where that helps, and the cycles of each step."""
    how = {} if driving == "idle" else {"driving": driving}
    first_only = getattr(backend, "first_spikes", False)
    whole = driving == "continuous" or not (progress or (given.streamed and not first_only))
    size = max(given.samples, 1) if whole else _AT_ONCE
    parts, cycles = [], []
    kept = [name for name in record if name != "ticks"]
    for first in range(0, max(given.samples, 1), size):
        part: Any = (given.first if first_only else given.part)(first, first + size)
        parts.append(backend.execute(program, part, kept, threads, **how))
        if "ticks" in record:
            cycles.append(step_cycles(backend, program, part))
        if progress:
            progress(part.shape[1])
    raw = parts[0] if len(parts) == 1 else _joined(parts)
    return raw, np.concatenate(cycles, axis=1) if cycles else None


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
