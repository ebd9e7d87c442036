"""Many independent samples on a mesh of chips, each from the state of the image."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

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
from nm_morphic.state import membranes

__all__ = ["Lane", "State", "run_batch", "run_on"]

State = dict[str, np.ndarray]
"""What events change, see `Engine.state`."""

_SERVED_PER_CORE = 1 << 14
"""Events that the cores may serve on average for one input event before it counts as endless."""

_OUT = np.dtype([("address", np.int32), ("event", np.int32)])


@dataclass
class _Books:
    """What is noted per sample (see `BatchLog`), and membranes per mark."""

    numbers: dict[str, np.ndarray]
    lost: np.ndarray
    saturated: np.ndarray
    membranes: np.ndarray


class Lane:
    """A copy of a mesh that one thread runs samples on, one after the other.

    Without learning; synapses are those of the image throughout.
    """

    def __init__(self, engine: Engine, events: Events) -> None:
        self._engine, self._events = engine.copy(), events
        self._rest = self._engine.state()
        self._budget = _SERVED_PER_CORE * self._engine.cores.size

    def run(self, begin: int, end: int) -> tuple[np.ndarray, int]:
        """Send the events ``begin .. end - 1``; return output events and the cycles taken."""
        events, part = self._events, slice(begin, end)
        out, cycles, status = self._engine.run(
            events.first[part], events.stop[part], events.rows[part], events.groups(begin, end),
            self._budget,
        )  # fmt: skip
        if status[0]:
            row, event = int(status[3]), int(status[1])
            neuron = int(status[2]) * NEURONS + row if row < NEURONS else -1
            raise LivelockError(0, event, neuron, self._budget)
        return out, int(cycles.sum())

    def sample(
        self, s: int, bounds: list[int], books: _Books, mark: int | None, start: State | None = None
    ) -> np.ndarray:
        """Run a sample, from ``bounds[0]`` on to each of the others in turn; return its outputs.

        It begins at rest, or in the state ``start``, which then follows it.
        """
        self._engine.put_back(self._rest if start is None else start)
        self._engine.clear()
        outs = []
        for begin, end in pairwise(bounds):
            out, cycles = self.run(begin, end)
            found = np.empty(out.size, _OUT)
            found["address"] = (out["chip"] * CORES + out["core"]) * NEURONS + out["neuron"]
            found["event"] = out["event"] + (begin - bounds[0])
            outs.append(found)
            books.numbers["core_cycles"][s] += cycles
            if mark is not None:
                books.membranes[mark] = membranes(self._engine.cores).reshape(-1)
                mark += 1
        self._note(s, books)
        if start is not None:
            start.update(self._engine.state())
        return np.concatenate([np.empty(0, _OUT), *outs])

    def _note(self, s: int, books: _Books) -> None:
        cores = self._engine.cores
        served = int(cores["served"].sum())
        books.numbers["pops"][s] = served
        books.numbers["sops"][s] = served * NEURONS
        books.numbers["drops"][s] = cores["dropped"].sum()
        books.lost[s] = cores["lost"].reshape(-1)
        if books.saturated.size:
            books.saturated[s] = cores["saturated"].transpose(1, 0, 2).reshape(2, -1)


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
        Of the whole mesh.
    marks
        Ascending; the last of a sample is its last event, so that all its events are sent.
    assumptions, columns
        As for `MorphicSimulator`.
    driving
        ``idle``: the host waits until the mesh is idle.
    """
    simulator = MorphicSimulator(images_of(image), columns, assumptions)
    simulator.engine.cores["counting"] = saturations
    neurons = simulator.chips * CORES * NEURONS
    starts = check_offsets("offsets", offsets, words.size)
    events = read_words(words, neurons // NEURONS)
    bounds = _bounds(starts, marks, mark_offsets)
    at = np.cumsum([0, *(len(b) - 1 for b in bounds)])
    books = _books(len(bounds), neurons, int(at[-1]) if marks is not None else 0, saturations)

    def work(chunk: tuple[int, int]) -> list[np.ndarray]:
        lane = Lane(simulator.engine, events)
        place = [None if marks is None else int(at[s]) for s in range(*chunk)]
        return [
            lane.sample(s, bounds[s], books, m) for s, m in zip(range(*chunk), place, strict=True)
        ]

    outs = [out for part in _spread(work, len(bounds), threads) for out in part]
    return _log(outs, books, saturations)


def run_on(
    engine: Engine, words: np.ndarray, offsets: np.ndarray, states: Sequence[State]
) -> BatchLog:
    """Run one sample from each of these states, which go on to where it ends."""
    cores = engine.cores.size
    lane = Lane(engine, read_words(words, cores))
    bounds = _bounds(check_offsets("offsets", offsets, words.size), None, None)
    books = _books(len(bounds), cores * NEURONS, 0, False)
    outs = [
        lane.sample(s, bound, books, None, start)
        for s, (bound, start) in enumerate(zip(bounds, states, strict=True))
    ]
    return _log(outs, books, False)


def _log(outs: list[np.ndarray], books: _Books, saturations: bool) -> BatchLog:
    out = np.concatenate([np.empty(0, _OUT), *outs])
    sizes = np.array([o.size for o in outs], np.int64)
    return BatchLog(
        out["address"].copy(), out["event"].copy(), np.concatenate([[0], np.cumsum(sizes)]),
        outputs=sizes, drops_by_neuron=books.lost, membranes=books.membranes, **books.numbers,
        saturated=books.saturated if saturations else None,
    )  # fmt: skip


def _bounds(
    starts: np.ndarray, marks: np.ndarray | None, mark_offsets: np.ndarray | None
) -> list[list[int]]:
    """Return per sample its first event, and the events after each of its parts."""
    if marks is None or mark_offsets is None:
        return [[int(a), int(b)] for a, b in pairwise(starts)]
    edges = check_offsets("mark_offsets", mark_offsets, marks.size)
    parts = pairwise(edges)
    return [
        [int(first), *(int(first) + 1 + marks[a:b]).tolist()]
        for first, (a, b) in zip(starts, parts, strict=False)
    ]


def _books(samples: int, neurons: int, marks: int, saturations: bool) -> _Books:
    names = ("core_cycles", "stall_cycles", "pops", "drops", "sops")
    return _Books(
        {name: np.zeros(samples, np.int64) for name in names},
        np.zeros((samples, neurons), np.int64),
        np.zeros((samples if saturations else 0, 2, neurons), np.int64),
        np.zeros((marks, neurons), np.int16),
    )


def _spread(work: object, samples: int, threads: int | None) -> list[list[np.ndarray]]:
    """Call ``work`` on ranges of samples, one per thread."""
    assert callable(work)
    parts = max(1, min(threads or usable_cores(), samples // 4))
    chunks = list(pairwise([samples * i // parts for i in range(parts + 1)]))
    if parts == 1:
        return [work(chunk) for chunk in chunks]
    with ThreadPoolExecutor(parts) as pool:
        return list(pool.map(work, chunks))
