"""Spikes to input words and output events to spikes: the kernels of the run path."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numba import types

from nm_backends.fixed import kernel

__all__ = [
    "Counts", "Encoded", "count_events", "decode_outputs", "encode_spikes", "fill_events",
    "spread",
]  # fmt: skip

_U64 = types.uint64[::1]
_I64 = types.int64[::1]
_SPIKES = types.uint8[:, :, ::1]
_BITS = types.uint64[:, :, ::1]
_LARGEST = 255
_DE_BRUIJN = np.uint64(0x03F79D71B4CB0A89)
_PLACE = np.zeros(64, np.uint64)  # of the only bit that is set, by the top 6 bits of its product
_PLACE[[(1 << i) * int(_DE_BRUIJN) % 2**64 >> 58 for i in range(64)]] = range(64)


@dataclass
class Encoded:
    """Input events of all samples.

    Parameters
    ----------
    words
        uint32, one sample after the other.
    offsets
        Sample ``s`` owns ``words[offsets[s] : offsets[s + 1]]``.
    step_end
        int64 ``[samples, steps]``: events of the sample that have been sent when a step ends.
    """

    words: np.ndarray
    offsets: np.ndarray
    step_end: np.ndarray


def encode_spikes(layout: dict[str, np.ndarray], spikes: np.ndarray, threads: int = 1) -> Encoded:
    """Return the words that the host sends.

    Parameters
    ----------
    layout
        ``slot_*`` arrays, see `nm_backends.crossbar.layout.Plan`.
    spikes
        Counts uint8 ``[time, batch, channels]``.
    """
    given = Counts.of(spikes)
    return fill_events(layout, given, count_events(layout, given, threads), threads)


@dataclass(frozen=True)
class Counts:
    """Counts, and where they are not 0.

    Parameters
    ----------
    spikes
        uint8 ``[time, batch, channels]``.
    there
        Whether a count is not 0, a bit of uint64 ``[time, batch, words]`` each, from the lowest on.
    plain
        Whether no count is more than 1; then ``spikes`` is empty.
    """

    spikes: np.ndarray
    there: np.ndarray
    plain: bool

    @classmethod
    def of(cls, spikes: np.ndarray) -> Counts:
        """Look through counts once; all else goes from spike to spike."""
        plain = int(spikes.max(initial=0)) < 2
        packed = np.packbits(spikes, axis=2, bitorder="little")
        if packed.shape[2] % 8:
            packed = np.pad(packed, ((0, 0), (0, 0), (0, -packed.shape[2] % 8)))
        there = packed.view("<u8").astype(np.uint64, copy=False)
        return cls.once(there) if plain else cls(_writable(spikes), there, plain)

    @classmethod
    def once(cls, there: np.ndarray) -> Counts:
        """Return counts of 0 and 1."""
        return cls(np.zeros((0, 0, 0), np.uint8), there, plain=True)

    def part(self, samples: slice) -> Counts:
        """Return some of the samples."""
        there = np.ascontiguousarray(self.there[:, samples])
        if self.plain:
            return Counts.once(there)
        return Counts(np.ascontiguousarray(self.spikes[:, samples]), there, self.plain)


def _writable(spikes: np.ndarray) -> np.ndarray:
    """Return an array that kernels take: contiguous, and not read-only."""
    return np.require(spikes, requirements=("C", "W"))


def count_events(layout: dict[str, np.ndarray], given: Counts, threads: int = 1) -> np.ndarray:
    """Return `Encoded.step_end`."""
    steps, batch, words = given.there.shape
    channel, count = layout["slot_channel"], layout["slot_count"].astype(np.int64)
    fixed = int(count[channel < 0].sum())
    delays = np.unique(layout["slot_delay"][channel >= 0])
    events = np.zeros((delays.size, 64 * words), np.int64)  # per spike, by delay and channel
    for row, delay in zip(events, delays, strict=True):
        there = (channel >= 0) & (layout["slot_delay"] == delay)
        np.add.at(row, channel[there], count[there])
    step_end = np.zeros((batch, steps), np.int64)
    work = partial(
        _count, fixed, events, delays.astype(np.int64), given.spikes, given.there, given.plain,
        step_end,
    )  # fmt: skip
    spread(work, batch, threads)
    return step_end


def fill_events(
    layout: dict[str, np.ndarray], given: Counts, step_end: np.ndarray, threads: int = 1
) -> Encoded:
    """Return the words whose number `count_events` has found."""
    batch, steps = step_end.shape
    channel, count, delay = (
        np.ascontiguousarray(layout[f"slot_{name}"], np.int64)
        for name in ("channel", "count", "delay")
    )
    word = np.ascontiguousarray(layout["slot_word"], np.uint32)
    ends = step_end[:, -1] if steps else np.zeros(batch, np.int64)
    offsets = np.concatenate([[0], np.cumsum(ends)]).astype(np.int64)
    words = np.empty(offsets[-1], np.uint32)
    always = np.packbits(channel < 0, bitorder="little")
    always = np.pad(always, (0, -always.size % 8)).view("<u8").astype(np.uint64)
    fill = partial(
        _fill, word, channel, count, delay, *_by_channel(channel, delay, 64 * given.there.shape[2]),
        always, given.spikes, given.there, given.plain, offsets, words,
    )  # fmt: skip
    spread(fill, batch, threads)
    return Encoded(words, offsets, step_end)


def _by_channel(
    channel: np.ndarray, delay: np.ndarray, channels: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the delays, and per delay and channel where its slots begin in a list of slots."""
    driven = channel >= 0
    delays = np.unique(delay[driven]).astype(np.int64)
    key = np.where(driven, np.searchsorted(delays, delay) * channels + channel, -1)
    slots = np.argsort(key, kind="stable").astype(np.int64)
    start = np.searchsorted(key[slots], np.arange(delays.size * channels + 1), side="left")
    return delays, start.astype(np.int64), slots


def decode_outputs(
    address: np.ndarray,
    event: np.ndarray,
    offsets: np.ndarray,
    step_end: np.ndarray,
    neuron_of: np.ndarray,
    neurons: int,
    threads: int = 1,
) -> np.ndarray:
    """Return spike counts uint8 ``[time, batch, neurons]`` (at most 255) from output events.

    Parameters
    ----------
    address, event, offsets
        As in `nm_backends.eventcore.logs.BatchLog`.
    neuron_of
        Network neuron that speaks at an address, or -1: int64 ``[addresses]``.
    """
    batch, steps = step_end.shape
    counts = np.zeros((steps, batch, neurons), np.uint8)
    work = partial(
        _collect,
        np.ascontiguousarray(address, np.int32),
        np.ascontiguousarray(event, np.int32),
        np.ascontiguousarray(offsets, np.int64),
        step_end,
        np.ascontiguousarray(neuron_of, np.int64),
        counts,
    )
    spread(work, batch, threads)
    return counts


def spread(work: Any, batch: int, threads: int) -> None:
    """Call a kernel for ranges of samples, on several threads where there is enough to do."""
    parts = min(threads, batch // 8)
    if parts < 2:
        work(0, batch)
        return
    edges = [batch * i // parts for i in range(parts + 1)]
    with ThreadPoolExecutor(parts) as pool:
        list(pool.map(work, edges[:-1], edges[1:]))


@kernel()
def _lowest(bits: np.uint64) -> np.uint64:
    """Return the place of the lowest bit that is set (by a de Bruijn sequence)."""
    place: np.uint64 = _PLACE[((bits & -bits) * _DE_BRUIJN) >> np.uint64(58)]
    return place


@kernel(
    types.void(
        types.int64, types.int64[:, ::1], _I64, _SPIKES, _BITS, types.boolean,
        types.int64[:, ::1], types.int64, types.int64,
    )
)  # fmt: skip
def _count(
    fixed: int,
    events: np.ndarray,
    delays: np.ndarray,
    spikes: np.ndarray,
    there: np.ndarray,
    plain: bool,
    step_end: np.ndarray,
    first: int,
    last: int,
) -> None:
    """Count the events of every step, cumulated over each sample."""
    one = np.uint64(1)
    for t in range(there.shape[0]):
        for s in range(first, last):
            total = fixed + (step_end[s, t - 1] if t else 0)
            for d in range(delays.size):
                before = t - delays[d]
                for w in range(there.shape[2] if before >= 0 else 0):
                    spiking = there[before, s, w]
                    while spiking:
                        c = 64 * w + np.int64(_lowest(spiking))
                        spiking &= spiking - one
                        times = 1 if plain else np.int64(spikes[before, s, c])
                        total += times * events[d, c]
            step_end[s, t] = total


@kernel(
    types.void(
        types.uint32[::1], _I64, _I64, _I64, _I64, _I64, _I64, _U64, _SPIKES, _BITS, types.boolean,
        _I64, types.uint32[::1], types.int64, types.int64,
    )
)  # fmt: skip
def _fill(
    word: np.ndarray,
    channel: np.ndarray,
    count: np.ndarray,
    delay: np.ndarray,
    delays: np.ndarray,
    start: np.ndarray,
    slots: np.ndarray,
    always: np.ndarray,
    spikes: np.ndarray,
    there: np.ndarray,
    plain: bool,
    offsets: np.ndarray,
    words: np.ndarray,
    first: int,
    last: int,
) -> None:
    """Write the words of every slot, as often as its channel spiked.

    The slots of a step are a set of bits, so that silent channels and slots cost next to nothing
    and the order of the slots is that of the bits.
    """
    one = np.uint64(1)
    channels = (start.size - 1) // max(1, delays.size)
    bits = np.empty_like(always)
    place = offsets[first:last].copy()
    for t in range(there.shape[0]):
        for s in range(first, last):
            bits[:] = always
            for d in range(delays.size):
                before = t - delays[d]
                for w in range(there.shape[2] if before >= 0 else 0):
                    spiking = there[before, s, w]
                    while spiking:
                        c = d * channels + 64 * w + np.int64(_lowest(spiking))
                        spiking &= spiking - one
                        for i in range(start[c], start[c + 1]):
                            k = slots[i]
                            bits[k >> 6] |= one << np.uint64(k & 63)
            at = place[s - first]
            for w in range(bits.size):
                due = bits[w]
                while due:
                    k = 64 * w + np.int64(_lowest(due))
                    due &= due - one
                    times = count[k]
                    if channel[k] >= 0 and not plain:
                        times *= np.int64(spikes[t - delay[k], s, channel[k]])
                    for _ in range(times):
                        words[at] = word[k]
                        at += 1
            place[s - first] = at


@kernel(
    types.void(
        types.int32[::1], types.int32[::1], _I64, types.int64[:, ::1], _I64,
        types.uint8[:, :, ::1], types.int64, types.int64,
    )
)  # fmt: skip
def _collect(
    address: np.ndarray,
    event: np.ndarray,
    offsets: np.ndarray,
    step_end: np.ndarray,
    neuron_of: np.ndarray,
    counts: np.ndarray,
    first: int,
    last: int,
) -> None:
    """Add every output event to its neuron and step."""
    for s in range(first, last):
        t = 0
        for i in range(offsets[s], offsets[s + 1]):
            while event[i] >= step_end[s, t]:
                t += 1
            n = neuron_of[address[i]]
            if n >= 0 and counts[t, s, n] < _LARGEST:
                counts[t, s, n] += 1
