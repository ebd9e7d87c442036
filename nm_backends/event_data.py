"""Events as cameras, cochleas and tonic's datasets give them: times and addresses."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from nm_backends.errors import UserError
from nm_backends.network import Population

__all__ = ["MAX_COUNT", "Binned", "Events", "Given", "collected", "event_lists", "size_of"]

MAX_COUNT = 255
"""Largest number of spikes of one input in one step."""
_MAX_STEPS = 1 << 24
_FIRST = 32  # samples that are made counts of first, where there are many
_AXES = ("p", "y", "x")


@dataclass(frozen=True)
class Events:
    """Events with the size of the sensor that they come from.

    Parameters
    ----------
    data
        An event list, a list of them, or a dataset; see `nm_backends.spikes.prepare`.
    sensor_size
        ``(x, y, p)`` as in tonic: columns, rows, polarities.
    """

    data: Any
    sensor_size: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class Given:
    """Samples, event lists or frames, with what is known beside them.

    ``rest`` are samples with labels that come later; those of ``ahead``, the first of them, are in
    memory already.
    """

    samples: Sequence[Any]
    batched: bool = True
    labels: np.ndarray | None = None
    sensor_size: tuple[int, ...] | None = None
    rest: Iterator[Any] | None = None
    ahead: Sequence[Any] = ()


def event_lists(samples: Sequence[Any]) -> bool:
    """Whether all samples are event lists."""
    return all(_is_events(sample) for sample in samples)


def collected(spikes: Any, most: int | None = None) -> Given | None:
    """Return the samples of an event list, a list of them or a dataset; None for anything else.

    Not more than ``most`` bytes of them are read, and one sample; of what has more than that, some
    samples are returned and the others left in ``rest``.
    """
    size = None
    if isinstance(spikes, Events):
        spikes, size = spikes.data, spikes.sensor_size
    if _is_events(spikes):
        return Given([spikes], False, None, size)
    if not _is_dataset(spikes):
        return None
    found = getattr(spikes, "sensor_size", None) if size is None else size
    size = size_of(found)
    samples, labels, items, held = [], [], _items(spikes), 0
    for number, item in enumerate(items):
        data, label = item if isinstance(item, tuple | list) and len(item) == 2 else (item, None)
        if hasattr(data, "detach"):
            data = data.detach()
        if not _is_events(data) and not hasattr(data, "__array__"):
            raise UserError(
                f"sample {number} of the {type(spikes).__name__} is a {type(data).__name__}, "
                "expected an event list or frames [time, ...]",
                "a transform of the dataset can choose one of several recordings",
            )
        samples.append(data if _is_events(data) else np.asarray(data))
        labels.append(label)
        held += samples[-1].nbytes
        if most is not None and held > most:
            break
    if not samples:
        raise UserError(f"the {type(spikes).__name__} has no samples")
    if any(map(_is_events, samples)) and not event_lists(samples):
        raise UserError(f"the {type(spikes).__name__} mixes event lists and frames")
    following = next(items, None)
    if following is None:
        return Given(samples, True, _joined_labels(labels), size)
    pairs = list(zip(samples, labels, strict=True))[_FIRST:]
    rest, labels = chain(pairs, [following], items), labels[:_FIRST]
    return Given(samples[:_FIRST], True, _joined_labels(labels), size, rest, samples[_FIRST:])


def _is_events(data: Any) -> bool:
    return isinstance(data, np.ndarray) and data.dtype.names is not None


def _is_dataset(spikes: Any) -> bool:
    """Whether it has samples: a list only where these are event lists, or come with labels."""
    if isinstance(spikes, tuple | list):
        first = spikes[0] if len(spikes) else None
        labelled = isinstance(first, tuple) and len(first) == 2 and hasattr(first[0], "__array__")
        return _is_events(first) or labelled
    if isinstance(spikes, str | bytes | Mapping) or hasattr(spikes, "__array__"):
        return False
    return hasattr(spikes, "__iter__") or _indexed(spikes)


def _indexed(spikes: Any) -> bool:
    return hasattr(spikes, "__getitem__") and hasattr(spikes, "__len__")


def _items(spikes: Any) -> Iterator[Any]:
    if hasattr(spikes, "__iter__"):
        yield from spikes
    else:  # a dataset of torch has no end but its length
        yield from (spikes[i] for i in range(len(spikes)))


def size_of(found: Any) -> tuple[int, int, int] | None:
    """Return a sensor's size, or None where it is none or differs between samples."""
    if not isinstance(found, Sequence) or len(found) != 3:
        return None
    whole = all(isinstance(n, int | np.integer) for n in found)
    return (int(found[0]), int(found[1]), int(found[2])) if whole else None


def _joined_labels(labels: list[Any]) -> np.ndarray | None:
    """Return integer labels of samples or batches, or None where they are anything else."""
    try:
        parts = [np.atleast_1d(np.asarray(label)) for label in labels]
        joined = np.concatenate(parts)
    except (TypeError, ValueError):
        return None
    return joined if joined.dtype.kind in "iu" and joined.ndim == 1 else None


def _length(steps: Iterable[np.ndarray]) -> int:
    """Return how many steps there are, given those of the events of some samples."""
    return max((int(s.max()) + 1 for s in steps if s.size), default=1)


@dataclass(frozen=True)
class Binned:
    """Events sorted into steps and channels, as few as they are.

    Parameters
    ----------
    places
        Of each sample: where spikes are, ``step * channels + channel``, and how many.
    shape
        ``(time, batch, channels)`` of the counts.
    """

    places: list[tuple[np.ndarray, np.ndarray]]
    shape: tuple[int, int, int]

    def part(self, first: int, end: int) -> np.ndarray:
        """Return counts uint8 ``[time, samples, channels]`` of samples ``first`` to ``end``."""
        length, samples, size = self.shape
        chosen = self.places[first : min(end, samples)]
        counts = np.zeros((len(chosen), length * size), np.uint8)
        for row, (place, count) in zip(counts, chosen, strict=True):
            row[place] = count
        by_sample = counts.reshape(len(chosen), length, size)
        return np.ascontiguousarray(by_sample.transpose(1, 0, 2))

    @classmethod
    def of(
        cls, population: Population, given: Given, dt: float | None, least: int = 1
    ) -> tuple[Binned, dict[str, Any]]:
        """Sort events into time steps; samples last as many steps as the longest, or ``least``.

        Returns
        -------
        Binned
            The events.
        dict
            How this was done.

        Raises
        ------
        UserError
            An event is nowhere in the input, or at no time.
        """
        if not dt or dt <= 0:
            raise UserError(
                "an event list needs a time step, and the model has none",
                "say Discretisation(dt=...)",
            )
        name, lists = population.name, given.samples
        steps = [_steps(population, events, dt) for events in lists]
        axes = _axes(population, given)
        channels = [_channels(population, events, axes) for events in lists]
        ahead = (_steps(population, events, dt) for events in given.ahead if events.dtype.names)
        length = max(_length(steps), _length(ahead), least)
        if length > _MAX_STEPS:
            raise UserError(
                f"events for {name!r} last {length:,} steps of {dt:g} s",
                "integer times are microseconds, floating-point times are seconds",
            )
        places = [_counted(population, s, c) for s, c in zip(steps, channels, strict=True)]
        made = cls(places, (length, len(lists), population.size))
        ignored = [n for n in _AXES if n in (lists[0].dtype.names or ()) and n not in dict(axes)]
        said = {
            "events": sum(s.size for s in steps),
            "binned": f"t // {dt:g} s",
            "times": "seconds" if lists[0]["t"].dtype.kind == "f" else "microseconds",
            "dt": dt,
            "steps": length,
            "channel": ", ".join(f"{n} of {length}" for n, length in axes),
            "ignored": ", ".join(ignored),
        }
        return made, said


def _counted(
    population: Population, steps: np.ndarray, channels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Count the events of one sample by place."""
    place, count = np.unique(steps * population.size + channels, return_counts=True)
    if count.size and count.max() > MAX_COUNT:
        step, channel = divmod(int(place[count.argmax()]), population.size)
        raise UserError(
            f"events for {population.name!r}: the count of channel {channel} in step {step} is "
            f"{count.max()}, too large",
            f"at most {MAX_COUNT} spikes per step and input: use a shorter dt",
        )
    return place, count


def _steps(population: Population, events: np.ndarray, dt: float) -> np.ndarray:
    times = _field(population, events, "t")
    if times.dtype.kind == "f":
        if not np.isfinite(times).all():
            raise UserError(f"events for {population.name!r}: a time is not finite")
        steps = np.floor(times / dt + 1e-9)
    else:
        steps = np.floor(times.astype(np.float64) * 1e-6 / dt + 1e-9)
    if steps.size and steps.min() < 0:
        raise UserError(f"events for {population.name!r}: a time is negative ({times.min()})")
    return np.asarray(np.minimum(steps, 2**53), np.int64)


def _axes(population: Population, given: Given) -> list[tuple[str, int]]:
    """Return the fields that make a channel, the last one fastest, with their lengths."""
    shape, size = population.shape, given.sensor_size
    if len(shape) > 3 or not shape:
        raise UserError(f"events cannot address an input of shape {list(shape)}")
    if len(shape) > 1:
        return list(zip(_AXES[-len(shape) :], shape, strict=True))
    if size is not None and math.prod(size) == population.size:
        long = [(n, length) for n, length in zip(_AXES, size[::-1], strict=True) if length > 1]
        return long or [("x", 1)]
    if size is not None and any(length > 1 for length in size[1:]):
        raise UserError(
            f"events for {population.name!r}: a sensor of {size[0]} x {size[1]} x {size[2]} "
            f"(x, y, p) does not fill an input of {population.size} channels",
            "a transform of the dataset (tonic.transforms.Downsample, MergePolarities) can "
            "change its size: say Events(dataset, sensor_size=...) then",
        )
    for events in given.samples:
        rows = events["y"] if "y" in (events.dtype.names or ()) else np.zeros(0)
        if rows.size and rows.min() != rows.max():
            raise UserError(
                f"events for {population.name!r} have rows (y), the input has one axis",
                "say how large the sensor is: nm_backends.Events(events, sensor_size=(x, y, p))",
            )
    return [("x", population.size)]


def _channels(
    population: Population, events: np.ndarray, axes: list[tuple[str, int]]
) -> np.ndarray:
    index = np.zeros(len(events), np.int64)
    for name, length in axes:
        values = _field(population, events, name).astype(np.int64)
        if values.size and (values.min() < 0 or values.max() >= length):
            bad = int(values.min() if values.min() < 0 else values.max())
            hint = "polarities are 0 and 1" if name == "p" and bad < 0 else ""
            raise UserError(
                f"events for {population.name!r}: {name} = {bad}, expected 0 to {length - 1}", hint
            )
        index = index * length + values
    return index


def _field(population: Population, events: np.ndarray, name: str) -> np.ndarray:
    if name not in (events.dtype.names or ()) or events.ndim != 1:
        found = ", ".join(map(repr, events.dtype.names or ())) or "nothing"
        raise UserError(
            f"events for {population.name!r} have fields {found}, "
            f"{name!r} is needed for an input of shape {list(population.shape)}"
        )
    return np.asarray(events[name])
