"""Many independent samples on the transaction engine, spread over threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from nm_backends.cores import usable_cores
from nm_backends.errors import UserError
from nm_backends.eventcore.fast import LIVELOCK, compile_fast
from nm_backends.eventcore.logs import BatchLog
from nm_backends.eventcore.machine import (
    CORE,
    DROPS,
    EVENT_COUNTS,
    NEURONS,
    OUTPUTS,
    POPS,
    SOPS,
    STALL,
    TALLY,
    WORK,
)
from nm_backends.eventcore.requests import Driving
from nm_backends.eventcore.simulator import MAX_POPS, EventSimulator

__all__ = ["check_offsets", "run_batch"]

_CHUNKS_PER_THREAD = 4  # samples differ in length


def run_batch(
    simulator: EventSimulator,
    words: np.ndarray,
    offsets: np.ndarray,
    marks: np.ndarray | None = None,
    mark_offsets: np.ndarray | None = None,
    *,
    threads: int | None = None,
    max_pops: int = MAX_POPS,
    keep_synapses: bool = False,
    driving: Driving = "idle",
    present: np.ndarray | None = None,
    saturations: bool = False,
) -> BatchLog:
    """Run samples, each from the present state of ``simulator``, which does not change.

    Parameters
    ----------
    words
        Input events of all samples, one after the other.
    offsets
        Sample ``s`` owns ``words[offsets[s] : offsets[s + 1]]``; ``[S + 1]``.
    marks
        Indices of events within their sample, ascending per sample, after which all membranes are
        recorded; -1 records those before the first event.
    mark_offsets
        Sample ``s`` owns ``marks[mark_offsets[s] : mark_offsets[s + 1]]``.
    threads
        Threads to use; by default one per usable core. The result does not depend on it.
    max_pops
        As for `EventSimulator.send`.
    keep_synapses
        What one sample learned is there for the next, and in ``simulator`` in the end; neurons
        begin every sample anew. Samples then follow each other on one thread.
    driving
        ``idle``: the host waits until the chip is idle, and no clock is needed. Others are as for
        `EventSimulator.send_timed`, and run on that engine.
    present
        Samples go on from here instead: one record of ``simulator.neurons`` each, which changes.
        After a `LivelockError` they are of no use.
    saturations
        Count how often each membrane stopped at a limit (`BatchLog.saturated`), which takes longer.
    """
    if driving != "idle":
        from nm_backends.eventcore.driven import run_driven

        return run_driven(simulator, words, offsets, driving)
    operations = simulator.decode(words)
    bounds = check_offsets("offsets", offsets, operations.size)
    marked = _check_marks(marks, mark_offsets, bounds)
    if refused := simulator.needs_clock():
        raise refused
    simulator.prepare(operations, max_pops)
    if saturations:
        present = np.repeat(simulator.neurons, bounds.size - 1)
    logs = _Logs.empty(bounds.size - 1, marked[0].size)
    work = _worker(simulator, operations, bounds, marked, logs, present, keep_synapses, saturations)
    results = _spread(work, bounds, 1 if keep_synapses else threads)
    for _, status in results:
        if status[0] == LIVELOCK:
            raise simulator.stopped(status, int(status[2]), max_pops)
    return _log([out for out, _ in results], logs, present if saturations else None)


@dataclass(frozen=True)
class _Logs:
    """What the kernels fill, one row per sample (membranes: per mark)."""

    tally: np.ndarray
    dropped: np.ndarray
    membranes: np.ndarray

    @classmethod
    def empty(cls, samples: int, marks: int) -> _Logs:
        return cls(
            np.zeros((samples, TALLY), np.int64),
            np.zeros((samples, NEURONS), np.int64),
            np.zeros((marks, NEURONS), np.int16),
        )


def _worker(
    simulator: EventSimulator,
    operations: Any,
    bounds: np.ndarray,
    marked: tuple[np.ndarray, np.ndarray],
    logs: _Logs,
    present: np.ndarray | None,
    keep_synapses: bool,
    saturations: bool,
) -> Callable[[tuple[int, int]], tuple[np.ndarray, np.ndarray]]:
    """Return what runs the samples of a chunk: outputs and status of the kernel."""
    run = compile_fast(simulator.model)
    execute = simulator.model.counting if saturations else simulator.model.execute
    plastic = bool(simulator.config["plastic"][0]) and not keep_synapses
    config = simulator.config.copy()
    config["plastic"] = plastic
    no_log = np.zeros((0, EVENT_COUNTS), np.int32)
    rest = simulator.neurons if present is None else simulator.neurons[:0]

    def work(chunk: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        status = np.zeros(4, np.int64)
        synapses = simulator.synapses.copy() if plastic else simulator.synapses
        out, used = run(
            execute, config, np.zeros(1, WORK), rest,
            simulator.neurons.copy() if present is None else present,
            simulator.synapses, synapses, operations, bounds, *chunk,
            *marked, logs.membranes, no_log, logs.tally, logs.dropped, status,
        )  # fmt: skip
        return out[:used], status

    return work


def _log(outputs: list[np.ndarray], logs: _Logs, counted: np.ndarray | None) -> BatchLog:
    counts: Any = {n: logs.tally[:, c] for n, c in _COUNTERS.items()}
    return BatchLog(
        _joined([out.astype(np.uint8) for out in outputs], np.uint8),
        _joined([(out >> 8).astype(np.int32) for out in outputs], np.int32),
        np.concatenate([[0], np.cumsum(counts["outputs"])]),
        drops_by_neuron=logs.dropped, membranes=logs.membranes, **counts,
        saturated=None if counted is None else _counted(counted),
    )  # fmt: skip


_COUNTERS = {
    "core_cycles": CORE, "stall_cycles": STALL, "pops": POPS,
    "drops": DROPS, "sops": SOPS, "outputs": OUTPUTS,
}  # fmt: skip


def _counted(present: np.ndarray) -> np.ndarray:
    """Return what was counted; membranes of other neuron models are none of ours."""
    counts = np.array(present["saturated"], np.int64)
    if "izhikevich" in (present.dtype.names or ()):
        counts[np.broadcast_to(present["izhikevich"][:, None] != 0, counts.shape)] = 0
    return counts


def _joined(parts: list[np.ndarray], dtype: type) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.concatenate([np.zeros(0, dtype), *parts])


def _spread(work: Any, bounds: np.ndarray, threads: int | None) -> list[Any]:
    """Call ``work`` on contiguous groups of samples of about the same number of events."""
    samples = bounds.size - 1
    if threads is not None and threads < 1:
        raise UserError(f"threads {threads}: expected 1 or more")
    threads = threads or usable_cores()
    if threads == 1:
        return [work((0, samples))] if samples else []
    wanted = min(samples, threads * _CHUNKS_PER_THREAD)
    cuts = np.searchsorted(bounds, np.linspace(0, bounds[-1], wanted + 1)[1:-1], side="left")
    edges = np.unique(np.concatenate([[0], cuts, [samples]]))
    chunks = [(int(a), int(b)) for a, b in pairwise(edges)]
    if len(chunks) < 2:
        return [work(chunk) for chunk in chunks]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, chunks))


def check_offsets(name: str, offsets: np.ndarray, total: int) -> np.ndarray:
    """Return the bounds of samples, int64 ``[S + 1]``; refuse what does not go from 0 to total."""
    bounds = np.asarray(offsets)
    if bounds.ndim != 1 or bounds.size < 1 or bounds.dtype.kind not in "ui":
        raise UserError(f"{name}: {bounds.dtype}{list(bounds.shape)}, expected integers [S + 1]")
    bounds = np.ascontiguousarray(bounds, np.int64)
    if bounds[0] != 0 or bounds[-1] != total or (np.diff(bounds) < 0).any():
        raise UserError(f"{name}: expected to ascend from 0 to {total}")
    return bounds


def _check_marks(
    marks: np.ndarray | None, mark_offsets: np.ndarray | None, bounds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    if marks is None:
        return np.zeros(0, np.int64), np.zeros(bounds.size, np.int64)
    found = np.asarray(marks)
    if found.ndim != 1 or (found.dtype.kind not in "ui" and found.size):
        raise UserError(f"marks: {found.dtype}{list(found.shape)}, expected integers [k]")
    found = np.ascontiguousarray(found, np.int64)
    edges = np.zeros(1, np.int64) if mark_offsets is None else np.asarray(mark_offsets)
    edges = check_offsets("mark_offsets", edges, found.size)
    if edges.size != bounds.size:
        raise UserError(f"mark_offsets: {edges.size} elements, expected {bounds.size}")
    sample = np.repeat(np.arange(bounds.size - 1), np.diff(edges))
    if ((found < -1) | (found >= np.diff(bounds)[sample])).any():
        raise UserError("marks: an index is not an event of its sample")
    if ((np.diff(found) < 0) & (np.diff(sample) == 0)).any():
        raise UserError("marks: not ascending within a sample")
    return found, edges
