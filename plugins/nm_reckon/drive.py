"""Spikes to what the host does tick by tick, and the chip's ticks back to the model's steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nm_reckon.sample import Sample
from nm_reckon.schedule import BIAS, MOST_TICKS, START, Schedule
from nm_reckon.spec import INPUTS, NEURONS, OUTPUTS
from nm_reckon.watching import MOST, watched_in

if TYPE_CHECKING:
    from nm_backends.crossbar.events import Encoded

__all__ = ["Drive", "layout_of", "layout_problems"]

_SHAPES = {
    "event_shift": "i", "event_channel": "i", "address": "i", "lag": "i", "probe": "i",
    "ticks_per_step": "i", "deepest": "i", "vote_steps": "i", "scale": "f", "out_scale": "f",
    "watched": "i",
}  # fmt: skip
_LATEST = 1 << 20  # tick of an event, after that of its step
_DEEPEST = 1 << 12  # ticks; a lag takes a neuron at least, or a population


def layout_of(
    plan: Schedule, place: np.ndarray, names: Sequence[str], scales: tuple[np.ndarray, np.ndarray],
    probe: np.ndarray, vote_steps: int, watched: np.ndarray,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Return the plain arrays that say how spikes go in and come out.

    ``event_shift``, ``event_channel``
        The inputs in order: tick of step 0, and input channel (`BIAS` and `START` are none).
    ``address``
        Neuron of the chip of every neuron of the network, then of the relays.
    ``lag``
        Of every population (neurons and outputs) in evaluation order.
    ``probe``
        Neurons of the network whose spikes outputs 0, 1... count; none where membranes are read.
    ``watched``
        Neurons of the network whose spikes are told from the outputs, eight from each (see
        `nm_reckon.watching`); only there if there are any.
    ``ticks_per_step``, ``deepest``, ``vote_steps``
        One number each; votes are counted in the last steps (0: in all).
    ``scale``, ``out_scale``
        Chip units per unit of the user's membrane.
    """
    shift, channel = (np.array([event[i] for event in plan.events], np.int64) for i in range(2))
    return {
        "event_shift": shift,
        "event_channel": channel,
        "address": place,
        "lag": np.array([plan.lag[name] for name in names], np.int64),
        "probe": probe.astype(np.int64),
        "ticks_per_step": np.array([plan.ticks_per_step], np.int64),
        "deepest": np.array([plan.deepest + bool(probe.size or watched.size)], np.int64),
        "vote_steps": np.array([vote_steps], np.int64),
        "scale": scales[0],
        "out_scale": scales[1],
    } | ({"watched": watched.astype(np.int64)} if watched.size else {})


@dataclass(frozen=True, eq=False)
class Drive:
    """A layout at work."""

    layout: dict[str, np.ndarray]

    @property
    def each(self) -> int:
        """Ticks per step."""
        return int(self.layout["ticks_per_step"][0])

    @property
    def deepest(self) -> int:
        """The largest lag."""
        return int(self.layout["deepest"][0])

    def ticks(self, steps: int) -> int:
        """Ticks of a sample."""
        return max(2, self.each * (steps - 1) + self.deepest + 2)

    def at(self, steps: int, lag: int) -> np.ndarray:
        """Return the ticks of all steps of something with a lag."""
        return np.arange(steps) * self.each + lag

    def samples(self, spikes: np.ndarray) -> Iterator[Sample]:
        """Yield what the host does for spikes uint8 ``[time, batch, channels]``."""
        ticks, votes = self.ticks(len(spikes)), self.votes(len(spikes))
        coded = self.encoded(spikes)
        when = np.arange(ticks - 1, dtype=np.int32)
        for s, ends in enumerate(coded.step_end):
            address = coded.words[coded.offsets[s] : coded.offsets[s + 1]].astype(np.uint8)
            yield Sample(ticks, np.repeat(when, np.diff(ends, prepend=0)), address, infer_acc=votes)

    def encoded(self, spikes: np.ndarray, threads: int = 1) -> Encoded:
        """Return which inputs are sent in each tick but the last, which propagates nothing.

        Parameters
        ----------
        spikes
            uint8 ``[time, batch, channels]``, one step or more.

        Returns
        -------
        Encoded
            Input addresses as words, ticks as steps.
        """
        from nm_backends.crossbar.events import Counts, count_events, fill_events

        channels, channel = spikes.shape[2], self.layout["event_channel"]
        slots = {
            "slot_word": np.arange(channel.size, dtype=np.uint32),
            "slot_channel": np.select([channel == BIAS, channel == START],
                                      [channels, channels + 1], channel),
            "slot_count": np.ones(channel.size, np.int64),
            "slot_delay": self.layout["event_shift"],
        }  # fmt: skip
        given = Counts.once(self._there(spikes))
        return fill_events(slots, given, count_events(slots, given, threads), threads)

    def _there(self, spikes: np.ndarray) -> np.ndarray:
        """Return the spikes of all ticks but the last as bits, see `Counts`.

        Two channels more stand for `BIAS`, which spikes in every step, and `START`, in the first.
        """
        steps, batch, channels = spikes.shape
        there = np.zeros((self.ticks(steps) - 1, batch, -(-(channels + 2) // 64)), "<u8")
        packed, at = np.packbits(spikes, axis=2, bitorder="little"), self.at(steps, 0)
        there.view(np.uint8)[at, :, : packed.shape[2]] = packed
        for extra, when in ((channels, at), (channels + 1, at[:1])):
            there[when, :, extra // 64] |= np.uint64(1 << extra % 64)
        return there.astype(np.uint64, copy=False)

    def sent(self, past: np.ndarray, now: int, ticks: np.ndarray) -> np.ndarray:
        """Return which input is sent in which tick, as far as steps are known.

        Parameters
        ----------
        past
            Spikes of the last steps, bool ``[depth, batch, channels]``, step ``t`` at
            ``t % depth``.
        now
            The last step that is known.
        ticks
            Ticks, ``[ticks]``.

        Returns
        -------
        numpy.ndarray
            bool ``[ticks, batch, inputs]``.
        """
        channel = self.layout["event_channel"]
        step, rest = np.divmod(ticks[:, None] - self.layout["event_shift"], self.each)
        due = (rest == 0) & (step >= 0) & (step <= now)
        due &= (channel != START) | (step == 0)
        spikes = past[step % len(past), :, np.maximum(channel, 0)] | (channel < 0)[:, None]
        return np.asarray((spikes & due[:, :, None]).transpose(0, 2, 1))

    def votes(self, steps: int) -> np.ndarray:
        """Return the pin ``INFER_ACC`` at each tick, uint8."""
        last = int(self.layout["vote_steps"][0])
        pins = np.zeros(self.ticks(steps), np.uint8)
        pins[self.at(steps, self.deepest + 1)[-last if last else 0 :]] = 1
        return pins

    def merged(self, spikes: np.ndarray) -> np.ndarray:
        """Return the spikes per sample that are lost since one input fires once per tick."""
        return np.asarray(self.merged_channels(spikes).sum(axis=1))

    def merged_channels(self, spikes: np.ndarray) -> np.ndarray:
        """Return the same by input channel, int64 ``[batch, channels]``."""
        used = np.unique(self.layout["event_channel"])
        used = used[used >= 0]
        lost = np.zeros(spikes.shape[1:], np.int64)
        if spikes.max(initial=0) < 2:
            return lost
        counts = np.maximum(spikes[:, :, used], 1) - np.uint8(1)
        lost[:, used] = counts.sum(axis=0, dtype=np.int64)
        return lost


def layout_problems(
    layout: dict[str, np.ndarray], channels: int, neurons: int, outputs: int, populations: int
) -> list[str]:
    """Name everything in a layout from a file that would lead the kernels astray."""
    layout = {"watched": watched_in(layout), **layout}
    missing = sorted(set(_SHAPES) - set(layout))
    if missing:
        return [f"{name}: missing" for name in missing]
    for name, kind in _SHAPES.items():
        array = layout[name]
        if array.ndim != 1 or array.dtype.kind != kind or array.dtype.itemsize > 8:
            return [f"{name}: {array.dtype}{list(array.shape)}, expected a list of numbers"]
    ranges = {
        "event_shift": (0, _LATEST), "event_channel": (START, channels),
        "address": (0, NEURONS), "lag": (0, _DEEPEST), "probe": (0, neurons),
        "ticks_per_step": (1, MOST_TICKS + 1), "deepest": (0, _DEEPEST),
        "vote_steps": (0, 1 << 31), "watched": (0, neurons),
    }  # fmt: skip
    found = [
        f"{name}: out of range"
        for name, (low, end) in ranges.items()
        if ((layout[name] < low) | (layout[name] >= end)).any()
    ]
    sizes = {
        "event_shift": layout["event_channel"].size, "lag": populations, "ticks_per_step": 1,
        "deepest": 1, "vote_steps": 1, "out_scale": outputs, "scale": layout["address"].size,
    }  # fmt: skip
    found += [f"{name}: expected {n}" for name, n in sizes.items() if layout[name].size != n]
    if layout["event_channel"].size > INPUTS or layout["probe"].size > OUTPUTS:
        found.append("event_channel, probe: more than the chip has")
    watched = layout["watched"]
    if watched.size > MOST or (watched.size and (outputs or layout["probe"].size)):
        found.append("watched: more than the outputs can show")
    address = layout["address"]
    if address.size < neurons or np.unique(address).size != address.size:
        found.append(f"address: expected {neurons} different places")
    if not found and layout["lag"].max(initial=0) > layout["deepest"][0]:
        found.append("deepest: less than a lag")
    for name in ("scale", "out_scale"):
        if not (np.isfinite(layout[name]) & (layout[name] > 0)).all():
            found.append(f"{name}: not a positive number")
    return found
