"""Many independent samples on a mesh of chips, each from the state of the image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import numpy as np

from nm_backends.cores import usable_cores
from nm_backends.eventcore.batch import check_offsets
from nm_backends.eventcore.errors import LivelockError
from nm_backends.eventcore.logs import BatchLog
from nm_backends.image import Image
from nm_morphic.assumptions import Assumptions
from nm_morphic.engine import Engine
from nm_morphic.events import Events, read_words
from nm_morphic.image import images_of
from nm_morphic.simulator import MorphicSimulator
from nm_morphic.spec import CORES, NEURONS

__all__ = ["State", "run_batch", "run_on"]

_T = TypeVar("_T")

State = dict[str, np.ndarray]
"""What events change, see `Engine.state`."""

_SERVED_PER_CORE = 1 << 14
"""Events that the cores may serve on average for one input event before it counts as endless."""

_OUT = np.dtype([("address", np.int32), ("event", np.int32)])
"""An output event of a sample: address over all cores, input event within the sample."""


@dataclass
class _Books:
    """What is noted per sample, see `nm_morphic.samples.run_samples`."""

    sizes: np.ndarray
    counts: np.ndarray
    lost: np.ndarray
    saturated: np.ndarray
    membranes: np.ndarray

    @classmethod
    def empty(cls, samples: int, neurons: int, marks: int, saturations: bool) -> _Books:
        return cls(
            np.zeros(samples, np.int64),
            np.zeros((samples, 6), np.int64),
            np.zeros((samples, neurons), np.int64),
            np.zeros((samples if saturations else 0, 2, neurons), np.int64),
            np.zeros((marks, neurons), np.int16),
        )

    def note(self, s: int, outputs: int, cycles: int, engine: Engine) -> None:
        """Take over what the counters of a mesh say about sample ``s``."""
        cores, (packets, most) = engine.cores, engine.link_counts()
        sums = cores["served"].sum(), cores["dropped"].sum(), cores["fifo_max"].max()
        self.sizes[s], self.counts[s] = outputs, (cycles, *sums, packets.sum(), most.max())
        self.lost[s] = cores["lost"].reshape(-1)

    def log(self, outs: Sequence[np.ndarray], timed: bool = False) -> BatchLog:
        """Return all of it with the output events of the samples."""
        out = np.concatenate([np.empty(0, _OUT), *outs])
        cycles, served, drops, places, packets, most = self.counts.T.copy()
        more = {"queue_max": places} | self._links(packets, most)
        return BatchLog(
            out["address"].copy(), out["event"].copy(), np.append(0, np.cumsum(self.sizes)),
            core_cycles=cycles, stall_cycles=np.zeros_like(cycles), pops=served, drops=drops,
            sops=served * NEURONS, outputs=self.sizes, drops_by_neuron=self.lost,
            membranes=self.membranes, saturated=self.saturated if self.saturated.size else None,
            cycles=cycles if timed else None, more=more,
        )  # fmt: skip

    def _links(self, packets: np.ndarray, most: np.ndarray) -> dict[str, np.ndarray]:
        """Return what is noted about links, where there is more than one chip."""
        several = self.lost.shape[1] > CORES * NEURONS
        return {"link_packets": packets, "link_max": most} if several else {}


def run_batch(
    image: Image,
    words: np.ndarray,
    offsets: np.ndarray,
    marks: np.ndarray | None = None,
    mark_offsets: np.ndarray | None = None,
    *,
    assumptions: Assumptions,
    columns: int,
    threads: int | None = None,
    driving: str = "idle",
    saturations: bool = False,
) -> BatchLog:
    """Run samples; see `nm_backends.eventcore.batch.run_batch`.

    Parameters
    ----------
    image
        Of the whole mesh. Synapses are those of the image throughout.
    marks
        Ascending; the last of a sample is its last event, so that all its events are sent.
    assumptions, columns
        As for `MorphicSimulator`.
    driving
        ``idle``: the host waits until the mesh is idle; ``back_to_back``: see `nm_morphic.driven`.
    """
    engine = MorphicSimulator(images_of(image), columns, assumptions).engine
    engine.cores["counting"] = saturations
    starts = check_offsets("offsets", offsets, words.size)
    events = read_words(words, engine.cores.size)
    bounds, parts = _bounds(starts, marks, mark_offsets)
    samples, marked = starts.size - 1, 0 if marks is None else marks.size
    books = _Books.empty(samples, engine.cores.size * NEURONS, marked, saturations)

    def work(first: int, last: int) -> np.ndarray:
        if driving == "idle":
            return _run_samples(engine, events, bounds, parts, books, first, last)
        return _drive_samples(engine, events, starts, books, first, last, assumptions.host_interval)

    return books.log(_spread(work, samples, threads), timed=driving != "idle")


def _run_samples(
    engine: Engine, events: Events, bounds: np.ndarray, parts: np.ndarray, books: _Books,
    first: int, last: int,
) -> np.ndarray:  # fmt: skip
    """Run samples ``first .. last - 1`` on a copy of the mesh; return their output events."""
    from nm_morphic.samples import run_samples

    own, status = engine.copy(), np.zeros(4, np.int64)
    budget, some = _SERVED_PER_CORE * engine.cores.size, slice(first, last)
    marks = slice(parts[first] - first, parts[last] - last)  # one less than bounds per sample
    by_core = (engine.cores.size, NEURONS)
    found = run_samples(
        own.cores, engine.cores, own.mesh, own.links, own.permissions, own.period, own.addresses,
        events.first, events.stop, events.rows, events.begins, bounds,
        np.searchsorted(events.begins, bounds), parts[first : last + 1], budget,
        np.empty(1024, _OUT), books.sizes[some], books.counts[some],
        books.lost[some].reshape(-1, *by_core), books.saturated[some].reshape(-1, 2, *by_core),
        books.membranes[marks].reshape(-1, *by_core), status,
    )  # fmt: skip
    if status[0]:
        raise _endless(status, budget)
    return np.asarray(found[: int(books.sizes[some].sum())])


def _drive_samples(
    engine: Engine, events: Events, starts: np.ndarray, books: _Books, first: int, last: int,
    interval: int,
) -> np.ndarray:  # fmt: skip
    """Do the same for a host that sends back to back.

    The input event of a spike is the last one that had been sent.
    """
    from nm_morphic.driven import drive

    own, rest, found = engine.copy(), engine.state(), [np.empty(0, _OUT)]
    budget = _SERVED_PER_CORE * engine.cores.size
    for s in range(first, last):
        own.put_back(rest)
        own.clear()
        begin, end = int(starts[s]), int(starts[s + 1])
        part, status, sent = slice(begin, end), np.zeros(4, np.int64), np.zeros(end - begin, int)
        out, used, cycles = drive(
            own.cores, own.mesh[0], own.permissions, own.period, events.first[part],
            events.stop[part], events.rows[part], events.groups(begin, end), interval, budget,
            sent, status,
        )  # fmt: skip
        if status[0]:
            raise _endless(status, budget)
        out = np.sort(out[:used], order=("cycle", "address"))
        made = np.empty(used, _OUT)
        made["address"] = out["address"]
        made["event"] = np.searchsorted(sent, out["cycle"], side="right") - 1
        found.append(made)
        books.note(s, used, cycles, own)
    return np.concatenate(found)


def _endless(status: np.ndarray, budget: int) -> LivelockError:
    row, event = int(status[3]), int(status[1])
    neuron = int(status[2]) * NEURONS + row if row < NEURONS else -1
    return LivelockError(0, event, neuron, budget)


def run_on(
    engine: Engine, words: np.ndarray, offsets: np.ndarray, states: Sequence[State]
) -> BatchLog:
    """Run one sample from each of these states, which go on to where it ends."""
    own, events = engine.copy(), read_words(words, engine.cores.size)
    starts = check_offsets("offsets", offsets, words.size)
    books = _Books.empty(len(states), engine.cores.size * NEURONS, 0, False)
    outs = [
        _go_on(own, events, int(begin), int(end), books, s, states[s])
        for s, (begin, end) in enumerate(pairwise(starts))
    ]
    return books.log(outs)


def _go_on(
    engine: Engine, events: Events, begin: int, end: int, books: _Books, s: int, state: State
) -> np.ndarray:
    """Send the events ``begin .. end - 1`` to a mesh in this state, which follows it."""
    engine.put_back(state)
    engine.clear()
    part, cores = slice(begin, end), engine.cores
    budget = _SERVED_PER_CORE * cores.size
    out, cycles, status = engine.run(
        events.first[part], events.stop[part], events.rows[part], events.groups(begin, end), budget
    )
    if status[0]:
        raise _endless(status, budget)
    found = np.empty(out.size, _OUT)
    found["address"] = (out["chip"] * CORES + out["core"]) * NEURONS + out["neuron"]
    found["event"] = out["event"]
    books.note(s, out.size, int(cycles.sum()), engine)
    state.update(engine.state())
    return found


def _bounds(
    starts: np.ndarray, marks: np.ndarray | None, mark_offsets: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the bounds of all parts of samples, and where those of each sample begin."""
    if marks is None or mark_offsets is None:
        found = [np.array(pair) for pair in pairwise(starts)]
    else:
        edges = check_offsets("mark_offsets", mark_offsets, marks.size)
        found = [
            np.append(first, first + 1 + marks[a:b])
            for first, (a, b) in zip(starts, pairwise(edges), strict=False)
        ]
    sizes = [bounds.size for bounds in found]
    flat = np.concatenate([np.empty(0, np.int64), *found]).astype(np.int64)
    return flat, np.cumsum([0, *sizes])


def _spread(work: Callable[[int, int], _T], samples: int, threads: int | None) -> list[_T]:
    """Call ``work`` on ranges of samples, one per thread."""
    parts = max(1, min(threads or usable_cores(), samples // 4))
    chunks = list(pairwise([samples * i // parts for i in range(parts + 1)]))
    if parts == 1:
        return [work(*chunk) for chunk in chunks]
    with ThreadPoolExecutor(parts) as pool:
        return list(pool.map(lambda chunk: work(*chunk), chunks))
