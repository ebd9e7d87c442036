"""Spikes as users have them, brought to one form: uint8 ``[time, batch, channels]``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nm_backends.errors import UserError
from nm_backends.event_data import MAX_COUNT, Binned, Events, Given, collected, event_lists
from nm_backends.first_spikes import FirstSpikes, first_of
from nm_backends.network import Network, Population

__all__ = ["MAX_COUNT", "OnDisk", "Prepared", "prepare"]


@dataclass(frozen=True)
class Prepared:
    """Spikes of some samples.

    Parameters
    ----------
    source
        Counts uint8 ``[time, batch, channels]``, or what becomes counts when asked for.
    batched
        Whether the user's spikes had a batch axis.
    labels
        Those of a dataset, integers ``[batch]``, or None.
    said
        How events became counts, for the metadata of a result.
    rest, sensor_size
        Samples that were not read yet, or None; and the sensor that they come from.
    """

    source: np.ndarray | Binned | FirstSpikes | OnDisk
    batched: bool
    labels: np.ndarray | None = None
    said: dict[str, Any] = field(default_factory=dict)
    rest: Iterator[Any] | None = None
    sensor_size: tuple[int, ...] | None = None

    @property
    def samples(self) -> int:
        """Number of samples."""
        return int(self.source.shape[1])

    @property
    def streamed(self) -> bool:
        """Whether counts are made, or read, when they are asked for."""
        return not isinstance(self.source, np.ndarray)

    @property
    def counts(self) -> np.ndarray:
        """Counts uint8 ``[time, batch, channels]`` of all samples."""
        return self.part(0, self.samples)

    def part(self, first: int, end: int) -> np.ndarray:
        """Return the counts of samples ``first`` to ``end``, without it."""
        if isinstance(self.source, np.ndarray):
            return self.source[:, first:end]
        return self.source.part(first, end)

    def first(self, first: int = 0, end: int | None = None) -> FirstSpikes:
        """Return the first spikes of samples ``first`` to ``end``, without it."""
        if isinstance(self.source, np.ndarray):
            return FirstSpikes.of(self.source[:, first:end])
        return first_of(self.source, slice(first, end))

    @property
    def metadata(self) -> dict[str, Any]:
        """What a result says of its input."""
        said: dict[str, Any] = {"input": self.said} if self.said else {}
        return said if self.labels is None else {**said, "labels": self.labels}


@dataclass(frozen=True, eq=False)
class OnDisk:
    """Counts in a file, read some samples at a time: ``[time, batch, *any]``.

    Parameters
    ----------
    name
        The input that they are for.
    array
        Memory-mapped, or a dataset of h5py or zarr.
    """

    name: str
    array: Any

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(time, batch, channels)`` of the counts."""
        steps, batch, *axes = self.array.shape
        return int(steps), int(batch), math.prod(axes)

    def part(self, first: int, end: int) -> np.ndarray:
        """Return counts uint8 ``[time, samples, channels]`` of samples ``first`` to ``end``."""
        steps, batch, size = self.shape
        there = np.asarray(self.array[:, first : min(end, batch)])
        return _counts(self.name, there).reshape(steps, there.shape[1], size)


def prepare(network: Network, spikes: Any, most: int | None = None, steps: int = 1) -> Prepared:
    """Check spikes and bring them to ``[time, batch, channels of all inputs]``.

    Parameters
    ----------
    most
        Bytes of a dataset that are read, about; the samples after that are left in ``rest``. None:
        all of it.
    steps
        How long the samples of a dataset are at least.
    spikes
        * ``[time, batch, *input shape]`` or ``[time, batch, channels]``, boolean or counts up to
          255, or the same without the batch axis for a single sample; numpy arrays, or anything
          that numpy can read, torch tensors on the CPU among it;
        * an event list: a structured array with fields ``t``, ``x`` and, where the input shape has
          two or three axes, ``y`` and ``p`` (shape ``[p, y, x]``). Integer times are microseconds,
          as in tonic; floating-point times are seconds. Events go to step ``t // dt``, counted from
          time 0;
        * a list of event lists: one per sample;
        * a dataset of tonic or torch, or anything that can be gone through, whose samples are event
          lists or frames ``[time, *input shape]``, alone or with a label ``(events, label)``; or a
          loader of batches ``[time, batch, *input shape]``. Events of datasets are turned into
          counts some samples at a time;
        * ``nm_backends.Events(any of these, sensor_size=(x, y, p))`` for inputs of one axis, which
          is then ``[p, y, x]`` flattened; datasets of tonic bring their sensor size along;
        * `FirstSpikes`, such as ``nmb.latency_code(images)``;
        * a mapping of input node to one of these, for several inputs.

    Raises
    ------
    UserError
        With what was found and what was expected.
    """
    inputs = network.inputs
    if isinstance(spikes, Mapping):
        return _joined(network, spikes)
    if len(inputs) == 1:
        return _one(inputs[0], spikes, network.discretisation.dt, most, steps)
    whole = Population("all inputs", (network.input_size,), "Input")
    return _one(whole, spikes, network.discretisation.dt)


def _joined(network: Network, spikes: Mapping[str, Any]) -> Prepared:
    names = [p.name for p in network.inputs]
    if set(spikes) != set(names):
        raise UserError(
            f"spikes are given for {_listed(spikes)}; the inputs are {_listed(names)}",
            "give one array for each input node, by its name",
        )
    parts = [_one(p, spikes[p.name], network.discretisation.dt) for p in network.inputs]
    if len({part.counts.shape[1] for part in parts}) > 1:
        sizes = ", ".join(f"{n}: {p.counts.shape[1]}" for n, p in zip(names, parts, strict=True))
        raise UserError(f"the inputs differ in batch size ({sizes})")
    if len({part.counts.shape[0] for part in parts}) > 1:
        sizes = ", ".join(f"{n}: {p.counts.shape[0]}" for n, p in zip(names, parts, strict=True))
        raise UserError(f"the inputs differ in time steps ({sizes})")
    counts = np.concatenate([part.counts for part in parts], axis=2)
    said = {n: part.said for n, part in zip(names, parts, strict=True) if part.said}
    return Prepared(counts, any(part.batched for part in parts), parts[0].labels, said)


def _listed(names: Any) -> str:
    return ", ".join(map(repr, names)) or "nothing"


def _one(
    population: Population, spikes: Any, dt: float | None, most: int | None = None, least: int = 1
) -> Prepared:
    given = collected(spikes, most)
    if given is not None:
        return _of_samples(population, given, dt, least)
    if isinstance(spikes, Events):
        return _one(population, spikes.data, dt)
    if isinstance(spikes, FirstSpikes):
        return _first(population, spikes)
    if _on_disk(population, spikes):
        return Prepared(OnDisk(population.name, spikes), True)
    array = _array(population.name, spikes)
    counts = _counts(population.name, array)
    shape, size = population.shape, population.size
    for form in dict.fromkeys([shape, (size,)]):
        axes = counts.ndim - len(form)
        if axes in (1, 2) and counts.shape[axes:] == form:
            batch = counts.shape[1] if axes == 2 else 1
            return Prepared(counts.reshape(len(counts), batch, size), axes == 2)
    axes_text = ", ".join(map(str, shape))
    raise UserError(
        f"spikes for {population.name!r} have shape {list(array.shape)}, expected "
        f"[time, batch, {axes_text}], or [time, {axes_text}] for a single sample",
        _shape_hint(array.shape, shape, size),
    )


def _on_disk(population: Population, spikes: Any) -> bool:
    """Whether it is a file's array of the right shape, with a batch axis."""
    mapped = isinstance(spikes, np.memmap) or hasattr(spikes, "chunks")  # h5py, zarr
    if not mapped or not hasattr(spikes, "shape") or not hasattr(spikes, "dtype"):
        return False
    right = tuple(spikes.shape[2:]) in (population.shape, (population.size,))
    return right and getattr(spikes.dtype, "kind", "") in ("b", "i", "u", "f")


def _first(population: Population, spikes: FirstSpikes) -> Prepared:
    if spikes.step.shape[1] != population.size:
        raise UserError(
            f"spikes for {population.name!r} are of {spikes.step.shape[1]} channels, expected "
            f"{population.size}",
            f"images of the shape {list(population.shape)}",
        )
    return Prepared(spikes, True)


def _shape_hint(found: tuple[int, ...], shape: tuple[int, ...], size: int) -> str:
    if len(found) >= 2 and math.prod(found[1:]) == size * (found[0] if found else 1):
        return "is the batch axis first? time comes first: spikes.transpose(1, 0, ...)"
    return f"the input has {size} channels"


def _of_samples(population: Population, given: Given, dt: float | None, least: int) -> Prepared:
    """Return events as they are, to be counted later; frames at once."""
    size = given.sensor_size
    if event_lists(given.samples):
        binned, said = Binned.of(population, given, dt, least)
        return Prepared(binned, given.batched, given.labels, said, given.rest, size)
    parts = [_one(population, frames, dt).counts for frames in given.samples]
    lengths = [len(part) for part in parts]
    steps = max(least, *lengths, *(len(frames) for frames in given.ahead))
    padded = [np.pad(part, ((0, steps - len(part)), (0, 0), (0, 0))) for part in parts]
    counts = np.concatenate(padded, axis=1)
    said = {"frames": "as they are", "steps": steps}
    if min(lengths) < steps:
        said["frames"] = f"samples of {min(lengths)} steps and more end with silence"
    if given.labels is not None and len(given.labels) != counts.shape[1]:
        raise UserError(
            f"a dataset with {len(given.labels)} labels for {counts.shape[1]} samples",
            "are its batches [batch, time, ...]? time comes first: "
            "tonic.collation.PadTensors(batch_first=False)",
        )
    return Prepared(counts, True, given.labels, said, given.rest, size)


def _array(name: str, spikes: Any) -> np.ndarray:
    detached = spikes.detach() if hasattr(spikes, "detach") else spikes  # a torch tensor
    try:
        array = np.asarray(detached)
    except (TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"spikes for {name!r} cannot be read as an array: {reason}") from None
    if array.dtype.kind not in "biuf":
        raise UserError(
            f"spikes for {name!r} are {array.dtype}, expected booleans or counts",
            "ragged lists and text are not spikes",
        )
    return array


def _counts(name: str, array: np.ndarray) -> np.ndarray:
    """Return the array as uint8, or say what in it is no count."""
    if array.dtype in (np.bool_, np.uint8) or not array.size:
        return np.ascontiguousarray(array, np.uint8)
    if array.dtype.kind == "f":
        _refuse(name, array, ~np.isfinite(array), "not finite", "replace NaN and infinity by 0")
        fractional = array != np.rint(array)
        hint = "chips take spikes, not values: encode them (rate, latency, delta) first"
        _refuse(name, array, fractional, "not a whole number", hint)
    if int(array.min()) < 0:
        _refuse(
            name, array, array < 0, "negative", "a count is 0 or more; use two inputs for ON/OFF"
        )
    if int(array.max()) > MAX_COUNT:
        hint = f"at most {MAX_COUNT} spikes per step and input: use more steps"
        _refuse(name, array, array > MAX_COUNT, "too large", hint)
    return np.ascontiguousarray(array, np.uint8)


def _refuse(name: str, array: np.ndarray, bad: np.ndarray, what: str, hint: str) -> None:
    if not bad.any():
        return
    first = tuple(int(i) for i in np.argwhere(bad)[0])
    where = ", ".join(map(str, first))
    raise UserError(
        f"spikes for {name!r}: element [{where}] is {array[first]}, {what} "
        f"({int(bad.sum())} such elements)",
        hint,
    )
