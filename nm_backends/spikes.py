"""Spikes as users have them, brought to one form: uint8 ``[time, batch, channels]``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nm_backends.errors import UserError
from nm_backends.network import Network, Population

__all__ = ["MAX_COUNT", "Prepared", "prepare"]

MAX_COUNT = 255
"""Largest number of spikes of one input in one step."""
_MAX_STEPS = 1 << 24


@dataclass(frozen=True)
class Prepared:
    """Counts uint8 ``[time, batch, channels]``, and whether the user's array had a batch axis."""

    counts: np.ndarray
    batched: bool


def prepare(network: Network, spikes: Any) -> Prepared:
    """Check spikes and bring them to ``[time, batch, channels of all inputs]``.

    Parameters
    ----------
    spikes
        * ``[time, batch, *input shape]`` or ``[time, batch, channels]``, boolean or counts up to
          255, or the same without the batch axis for a single sample; numpy arrays, or anything
          that numpy can read, torch tensors on the CPU among it;
        * an event list: a structured array with fields ``t``, ``x`` and, where the input shape has
          two or three axes, ``y`` and ``p`` (shape ``[p, y, x]``). Integer times are microseconds,
          as in tonic; floating-point times are seconds. Events go to step ``t // dt``;
        * a list of event lists: one per sample;
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
        return _one(inputs[0], spikes, network.discretisation.dt)
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
    return Prepared(counts, any(part.batched for part in parts))


def _listed(names: Any) -> str:
    return ", ".join(map(repr, names)) or "nothing"


def _one(population: Population, spikes: Any, dt: float | None) -> Prepared:
    if isinstance(spikes, np.ndarray) and spikes.dtype.names:
        return Prepared(_binned(population, [spikes], dt), False)
    if _event_lists(spikes):
        return Prepared(_binned(population, spikes, dt), True)
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


def _shape_hint(found: tuple[int, ...], shape: tuple[int, ...], size: int) -> str:
    if len(found) >= 2 and math.prod(found[1:]) == size * (found[0] if found else 1):
        return "is the batch axis first? time comes first: spikes.transpose(1, 0, ...)"
    return f"the input has {size} channels"


def _event_lists(spikes: Any) -> bool:
    return (
        isinstance(spikes, Sequence)
        and len(spikes) > 0
        and all(isinstance(s, np.ndarray) and s.dtype.names is not None for s in spikes)
    )


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


def _binned(population: Population, lists: Sequence[np.ndarray], dt: float | None) -> np.ndarray:
    """Count events in time steps; samples last as many steps as the longest."""
    if not dt or dt <= 0:
        raise UserError(
            "an event list needs a time step, and the model has none", "say Discretisation(dt=...)"
        )
    steps = [_steps(population, events, dt) for events in lists]
    channels = [_channels(population, events) for events in lists]
    length = max((int(s.max()) + 1 for s in steps if s.size), default=1)
    if length > _MAX_STEPS:
        raise UserError(
            f"events for {population.name!r} last {length:,} steps of {dt:g} s",
            "integer times are microseconds, floating-point times are seconds",
        )
    counts = np.zeros((length, len(lists), population.size), np.int64)
    for sample, (step, channel) in enumerate(zip(steps, channels, strict=True)):
        np.add.at(counts[:, sample], (step, channel), 1)
    return _counts(population.name, counts)


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


def _channels(population: Population, events: np.ndarray) -> np.ndarray:
    shape = population.shape
    names = ("p", "y", "x")[-len(shape) :] if len(shape) <= 3 else ()
    if not names:
        raise UserError(f"events cannot address an input of shape {list(shape)}")
    index = np.zeros(len(events), np.int64)
    for name, length in zip(names, shape, strict=True):
        values = _field(population, events, name).astype(np.int64)
        if values.size and (values.min() < 0 or values.max() >= length):
            bad = int(values.min() if values.min() < 0 else values.max())
            raise UserError(
                f"events for {population.name!r}: {name} = {bad}, expected 0 to {length - 1}"
            )
        index = index * length + values
    return index


def _field(population: Population, events: np.ndarray, name: str) -> np.ndarray:
    if name not in (events.dtype.names or ()) or events.ndim != 1:
        raise UserError(
            f"events for {population.name!r} have fields {_listed(events.dtype.names or ())}, "
            f"{name!r} is needed for an input of shape {list(population.shape)}"
        )
    return np.asarray(events[name])
