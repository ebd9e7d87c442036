"""Runs over datasets that do not fit into memory: some samples at a time, added up."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nm_backends.errors import UserError
from nm_backends.event_data import Events
from nm_backends.losses import add_losses
from nm_backends.progress import shown
from nm_backends.result import counts_most
from nm_backends.spikes import prepare

if TYPE_CHECKING:
    from nm_backends.network import Population
    from nm_backends.program import Program
    from nm_backends.result import Estimate, Result
    from nm_backends.system.program import System

__all__ = ["Stream", "Totals", "parts", "samples_in"]

_BATCH = 64


@dataclass
class Totals:
    """What a stream of samples came to: what `Result` says of each, added up.

    Its size does not depend on the number of samples, but for four bytes each for the prediction
    and, where there is one, for the label.

    Parameters
    ----------
    prediction
        As ``result.prediction``, int32 ``[samples]``.
    labels
        Those of the dataset, int32 ``[samples]``, or None.
    counters
        Counted operations of all samples together.
    losses
        As ``result.losses``.
    energy, latency
        The mean per sample, or None where the chip publishes no constants.
    """

    chip: str
    prediction: np.ndarray
    labels: np.ndarray | None = None
    counters: dict[str, int] = field(default_factory=dict)
    losses: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    energy: Estimate | None = None
    latency: Estimate | None = None

    @property
    def samples(self) -> int:
        """Number of samples."""
        return len(self.prediction)

    @property
    def accuracy(self) -> float | None:
        """Share of samples whose prediction is the label; None without labels."""
        return None if self.labels is None else float(np.mean(self.prediction == self.labels))

    def __str__(self) -> str:
        right = "" if self.accuracy is None else f", {self.accuracy:.1%} right"
        costs = [f"{n} {e}" for n in ("energy", "latency") if (e := getattr(self, n)) is not None]
        return "\n".join([f"{self.samples:,} samples on {self.chip}{right}", *costs])


class Stream:
    """Samples that are run some at a time; iterate over the results, or ask for the `totals`.

    It can be gone through as often as its data can; nothing is read before that.

    Parameters
    ----------
    program
        What is run.
    data
        Arrays ``[time, batch, *input shape]``, memory-mapped ones (``np.load(mmap_mode="r")``) and
        datasets of h5py among them; anything that gives samples one by one or in batches, as for
        ``program.run``: datasets of tonic or torch, loaders, generators, with labels or without.
    batch
        Samples that are in memory at a time.
    steps
        Length of every sample, shorter ones end with silence, longer ones are cut. None: event
        lists last as long as the longest of their batch.
    record, threads
        As for ``program.run``.
    progress
        None shows a bar with rate and remaining time on stderr where a person is watching, False
        none; a function is called with the number of samples that were run since the last call.
    """

    def __init__(
        self,
        program: Program | System,
        data: Any,
        batch: int = _BATCH,
        steps: int | None = None,
        record: Sequence[str] = (),
        threads: int | None = None,
        progress: Callable[[int], None] | bool | None = None,
    ) -> None:
        for name, value in (("batch", batch), ("steps", 1 if steps is None else steps)):
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise UserError(f"{name} is {value!r}, expected 1 or more")
        if len(program.network.inputs) != 1 or isinstance(data, Mapping):
            raise UserError(
                "a stream goes to one input; this network has "
                + ", ".join(p.name for p in program.network.inputs),
                "run parts of the data with program.run",
            )
        self.program, self.data, self.batch, self.steps = program, data, batch, steps
        self._how: dict[str, Any] = {"record": record, "threads": threads}
        self._progress = progress

    def __iter__(self) -> Iterator[Result]:
        """Yield the result of each batch; labels are in its ``metadata["labels"]``."""
        network = self.program.network
        with shown(self._progress, "running", samples_in(self.data)) as advance:
            for part in parts(network.inputs[0], self.data, self.batch):
                given = prepare(network, part)
                counts = given.counts if self.steps is None else _fit(given.counts, self.steps)
                result = self.program.run(counts, **self._how)
                result.metadata |= given.metadata
                yield result
                advance(counts.shape[1])

    def totals(self) -> Totals:
        """Run everything, and add it up.

        Raises
        ------
        UserError
            There are no samples, or only some have labels.
        """
        sums = _Sums()
        for result in self:
            sums.add(result)
        return sums.totals(self.program.chip)


def samples_in(data: Any) -> int | None:
    """Return how many samples there will be, where that is known."""
    inner = data.data if isinstance(data, Events) else data
    if _sliced(inner):
        return int(inner.shape[1])
    if hasattr(inner, "batch_size"):  # a loader: its length is that of batches
        inner = getattr(inner, "dataset", None)
    try:
        return len(inner)
    except TypeError:
        return None


def _sliced(data: Any) -> bool:
    """Whether it is an array of spikes, in memory or not."""
    names = getattr(getattr(data, "dtype", None), "names", None)
    return hasattr(data, "shape") and hasattr(data, "__getitem__") and names is None


def parts(population: Population, data: Any, batch: int) -> Iterator[Any]:
    """Yield samples, about so many at a time, in a form that `prepare` takes."""
    size: Any = None
    if isinstance(data, Events):
        data, size = data.data, data.sensor_size
    if _sliced(data):
        yield from _slices(population, data, batch)
        return
    if size is None:
        found = getattr(data, "sensor_size", None)
        size = found if isinstance(found, tuple | list) else None
    held, count = [], 0
    for item in _items(data):
        sample = item if isinstance(item, tuple | list) and len(item) == 2 else (item, None)
        held.append((sample[0], sample[1]))
        count += _count(population, sample[0])
        if count >= batch:
            yield Events(held, size)
            held, count = [], 0
    if held:
        yield Events(held, size)


def _slices(population: Population, data: Any, batch: int) -> Iterator[np.ndarray]:
    if len(data.shape) not in (3, 2 + len(population.shape)):
        axes = ", ".join(map(str, population.shape))
        raise UserError(
            f"spikes for {population.name!r} have shape {list(data.shape)}, expected "
            f"[time, batch, {axes}]",
            "a single sample has a batch of 1",
        )
    for first in range(0, data.shape[1], batch):
        yield np.asarray(data[:, first : first + batch])


def _items(data: Any) -> Iterable[Any]:
    if hasattr(data, "__iter__"):
        found: Iterable[Any] = data
        return found
    if hasattr(data, "__getitem__") and hasattr(data, "__len__"):
        return (data[i] for i in range(len(data)))
    raise UserError(
        f"a {type(data).__name__} cannot be gone through",
        "give an array, a dataset, a loader or a generator of samples",
    )


def _count(population: Population, sample: Any) -> int:
    """Return how many samples an item is: loaders give whole batches."""
    shape: tuple[int, ...] = tuple(getattr(sample, "shape", ()))
    batched = len(shape) == 2 + len(population.shape) or (
        len(shape) == 3 and shape[2] == population.size
    )
    return int(shape[1]) if batched else 1


def _fit(counts: np.ndarray, steps: int) -> np.ndarray:
    """Give samples a length."""
    if len(counts) >= steps:
        return counts[:steps]
    return np.pad(counts, ((0, steps - len(counts)), (0, 0), (0, 0)))


class _Sums:
    """Results, added up."""

    def __init__(self) -> None:
        self.prediction, self.labels = array("i"), array("i")
        self.counters: dict[str, int] = {}
        self.losses: dict[str, dict[str, np.ndarray]] = {}
        self.estimates: dict[str, tuple[Estimate, float]] = {}

    def add(self, result: Result) -> None:
        """Add what a batch came to."""
        self.prediction.extend(result.prediction.astype(np.int32).tolist())
        if result.metadata.get("labels") is not None:
            self.labels.extend(np.asarray(result.metadata["labels"]).tolist())
        for name, values in result.counters.items():
            so_far = self.counters.get(name, 0)
            most = max(so_far, int(values.max(initial=0)))
            self.counters[name] = most if counts_most(name) else so_far + int(values.sum())
        add_losses(self.losses, result.losses)
        for name in ("energy", "latency"):
            estimate = getattr(result, name)
            if estimate is not None:
                _, before = self.estimates.get(name, (None, 0.0))
                whole = float(np.sum(np.broadcast_to(estimate.value, len(result.prediction))))
                self.estimates[name] = estimate, before + whole

    def totals(self, chip: str) -> Totals:
        """Return what everything came to."""
        samples = len(self.prediction)
        if not samples:
            raise UserError("the stream had no samples", "was a generator gone through before?")
        if self.labels and len(self.labels) != samples:
            raise UserError(f"the stream had {len(self.labels):,} labels for {samples:,} samples")
        means = {
            name: replace(estimate, value=whole / samples)
            for name, (estimate, whole) in self.estimates.items()
        }
        labels = np.array(self.labels, np.int32) if self.labels else None
        predicted = np.array(self.prediction, np.int32)
        return Totals(chip, predicted, labels, self.counters, self.losses, **means)
