"""Runs over more samples than are held: what is said of each one, but not its spikes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nm_backends.errors import UserError
from nm_backends.event_data import Events, size_of
from nm_backends.losses import add_losses
from nm_backends.result import Estimate, Result

if TYPE_CHECKING:
    from nm_backends.network import Network
    from nm_backends.real_time import RealTime
    from nm_backends.spikes import Prepared

__all__ = ["HELD", "KEEP", "NotKeptError", "Summary", "summarised", "too_large"]

KEEP = ("auto", "spikes", "readout")
HELD = 1 << 26
"""Bytes of events or frames of a dataset that are held before it counts as large."""
_SPIKES = 1 << 28  # bytes of spikes
_TOGETHER = 1 << 24  # bytes of counts that are run together
_LEFT_OUT = ("spikes", "layers", "membranes")


class NotKeptError(UserError, AttributeError):
    """Spikes were asked for that were not kept."""


class Summary(Result):
    """A `Result` without ``spikes``, ``layers`` and ``membranes``.

    ``losses`` and the activity of neurons, ``readout``, ``prediction``, counters and estimates are
    there, for every sample; ``metadata["input"]["steps"]`` is how long the samples are at most.
    """

    def __getattr__(self, name: str) -> Any:  # what is left out only: the rest is found before
        if name not in _LEFT_OUT:
            raise AttributeError(name)
        raise NotKeptError(
            f"the {name} of {len(self.readout):,} samples were not kept",
            "run with keep='spikes' where they fit into memory, or go through program.stream(data)",
        )

    @property
    def steps(self) -> int:
        """Time steps of a sample, of the longest."""
        return int(self.metadata["input"]["steps"])


def too_large(given: Prepared, network: Network) -> bool:
    """Whether a dataset, or an array on disk, is too large for all spikes to be kept."""
    if not given.streamed:
        return given.rest is not None
    steps, samples, _ = given.source.shape
    held = steps * samples * sum(population.size for population in network.neurons)
    return given.rest is not None or held > _SPIKES


def _at_once(given: Prepared) -> int:
    """Return how many samples are made counts of at once."""
    steps, _, channels = map(int, given.source.shape)
    return min(max(_TOGETHER // max(steps * channels, 1), 32), 2048)


def summarised(
    network: Network,
    given: Prepared,
    ran: Callable[[Any], Result],
    taken: Callable[[Prepared, int, int], Any],
    advance: Callable[[int], None],
) -> Summary:
    """Run all samples, some at a time.

    Parameters
    ----------
    given
        The first samples; the others are in its ``rest``. These last as long as the first ones at
        least.
    ran
        Gives the result of some samples.
    taken
        Gives some of the samples in the form that ``ran`` takes.
    """
    rows, size = _Rows(), _at_once(given)
    for part in (given, *()) if given.rest is None else _all(network, given, size):
        for first in range(0, max(part.samples, 1), size):
            chosen = taken(part, first, first + size)
            rows.add(ran(chosen))
            advance(int(chosen.shape[1]))
        rows.note(part)
    return rows.summary()


def _all(network: Network, given: Prepared, size: int) -> Iterator[Prepared]:
    """Yield the samples that are held, then the rest, some at a time and no shorter."""
    from nm_backends.spikes import prepare
    from nm_backends.streaming import parts

    yield given
    steps = int(given.source.shape[0])
    for batch in parts(network.inputs[0], Events(given.rest, size_of(given.sensor_size)), size):
        yield prepare(network, batch, steps=steps)


class _Rows:
    """What is said of samples, added to what was said of those before."""

    def __init__(self) -> None:
        self._results: list[Result] = []
        self._labels: list[np.ndarray] = []
        self._said: dict[str, Any] = {}
        self._steps = 0

    def add(self, result: Result) -> None:
        """Add some samples, without their spikes."""
        self._steps = max(self._steps, result.steps)
        result.readout = result.readout.copy()
        result.spikes, result.layers, result.membranes = np.zeros(0), {}, {}
        self._results.append(result)
        if len(self._results) > 1:  # the first one has the losses of all
            add_losses(self._results[0].losses, result.losses)
            result.losses = {}

    def note(self, given: Prepared) -> None:
        """Take what is known beside the samples."""
        events = self._said.get("events", 0) + given.said.get("events", 0)
        self._said = {**given.said, **self._said, **({"events": events} if events else {})}
        if given.labels is not None:
            self._labels.append(given.labels)

    def summary(self) -> Summary:
        """Return everything."""
        parts, first = self._results, self._results[0]
        sizes = [len(part.readout) for part in parts]
        metadata = {
            name: _joined_values([part.metadata[name] for part in parts], sizes)
            for name in first.metadata
        }
        metadata["input"] = {**self._said, "steps": self._steps, "kept": "readout"}
        if self._labels:
            metadata["labels"] = self._all_labels(sum(sizes))
        found = Summary(
            spikes=first.spikes,
            layers={},
            readout=np.concatenate([part.readout for part in parts]),
            counters={
                name: np.concatenate([part.counters[name] for part in parts])
                for name in first.counters
            },
            energy=_joined_estimate([part.energy for part in parts], sizes),
            latency=_joined_estimate([part.latency for part in parts], sizes),
            metadata=metadata,
            losses=first.losses,
            real_time=_joined_real_time([part.real_time for part in parts], sizes),
        )
        for name in _LEFT_OUT:
            delattr(found, name)
        return found

    def _all_labels(self, samples: int) -> np.ndarray:
        labels = np.concatenate(self._labels)
        if len(labels) != samples:
            raise UserError(f"a dataset with {len(labels):,} labels for {samples:,} samples")
        return labels


def _joined_values(values: list[Any], sizes: Sequence[int]) -> Any:
    """Return what is said of each sample of all parts, or what is said of all samples."""
    each = [isinstance(v, np.ndarray) and len(v) == n for v, n in zip(values, sizes, strict=True)]
    return np.concatenate(values) if all(each) else values[0]


def _joined_estimate(parts: Sequence[Estimate | None], sizes: Sequence[int]) -> Estimate | None:
    known = [part for part in parts if part is not None]
    if not known or len(known) < len(parts):
        return None
    pairs = zip(known, sizes, strict=True)
    values = [np.broadcast_to(np.asarray(part.value, float), n) for part, n in pairs]
    return replace(known[0], value=np.concatenate(values))


def _joined_real_time(parts: Sequence[RealTime | None], sizes: Sequence[int]) -> RealTime | None:
    known = [part for part in parts if part is not None]
    if not known or len(known) < len(parts):
        return None
    estimates = [f.name for f in fields(known[0]) if f.name in ("factor", "clock", "power")]
    joined = {n: _joined_estimate([getattr(p, n) for p in known], sizes) for n in estimates}
    return replace(known[0], steps=max(part.steps for part in known), **joined)  # type: ignore[arg-type]
