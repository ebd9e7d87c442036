"""Run a program's image on spikes: what a backend's ``execute`` does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from nm_backends.cores import usable_cores
from nm_backends.image import Image
from nm_backends.network import Network
from nm_backends.result import RawRun
from nm_reckon.drive import Drive
from nm_reckon.packing import Packed
from nm_reckon.reading import Reading, counted, decided, split
from nm_reckon.spec import NEURONS, OUTPUTS
from nm_reckon.watching import spikes_in, watched_in

if TYPE_CHECKING:
    from nm_backends.program import Program
    from nm_reckon.logs import Recording
    from nm_reckon.simulator import ReckonSimulator

__all__ = ["Outcome", "execute", "run_image"]

_AT_ONCE = 256  # samples whose recordings are in memory together
_MEMBRANES_AT_ONCE = 16  # with the whole neuron memory of each tick


@dataclass
class Outcome:
    """What the chip did, on the model's axes.

    Parameters
    ----------
    fired
        Spikes uint8 ``[time, batch, neurons]``.
    potentials
        Output membranes in the user's units, float64 ``[time, batch, outputs]``.
    membranes
        In chip units, int64 ``[time, batch, neurons]``, or None.
    votes
        How often each output won, int64 ``[batch, 16]``.
    saturated
        How often neurons and outputs of the network stopped at their lower and upper limit in all
        samples, int64 ``[2, neurons]`` and ``[2, outputs]``; 0 where that was not asked for.
    """

    fired: np.ndarray
    potentials: np.ndarray
    votes: np.ndarray
    saturated: tuple[np.ndarray, np.ndarray]
    membranes: np.ndarray | None = None
    counters: dict[str, np.ndarray] = field(default_factory=dict)


def execute(
    program: Program, spikes: np.ndarray, record: Sequence[str], threads: int | None,
    driving: str = "idle",
) -> RawRun:  # fmt: skip
    """Run a program on spikes uint8 ``[time, batch, input channels]``."""
    network = program.network
    done = run_image(
        program.image, program.layout, network, spikes,
        record=record, threads=threads, continuous=driving == "continuous",
    )  # fmt: skip
    reading = Reading.of(program.layout, network)
    membranes = {} if done.membranes is None else split(reading.fire, done.membranes)
    return RawRun(
        split(reading.fire, done.fired),
        membranes,
        done.counters,
        split(reading.read, done.potentials),
        decided(program, done.votes, done.counters["cycles"], len(spikes)),
        _losses(program, spikes, done, "losses" in record),
    )


def _losses(
    program: Program, spikes: np.ndarray, done: Outcome, saturations: bool
) -> dict[str, dict[str, np.ndarray]]:
    """Return input spikes that merged per channel and, where counted, saturations per neuron."""
    reading = Reading.of(program.layout, program.network)
    merged = Drive(program.layout).merged_channels(spikes).sum(axis=0)
    found = {"merged": split(program.network.inputs, merged)}
    for row, kind in enumerate(("saturated_low", "saturated_high") if saturations else ()):
        neurons, outputs = (part[row] for part in done.saturated)
        found[kind] = split(reading.fire, neurons) | split(reading.read, outputs)
    return found


def run_image(
    image: Image,
    layout: dict[str, np.ndarray],
    network: Network,
    spikes: np.ndarray,
    *,
    record: Sequence[str] = (),
    threads: int | None = None,
    continuous: bool = False,
) -> Outcome:
    """Run samples, each from the state of ``image``, seeds included.

    With ``continuous`` only the first: the generators run on from each sample to the next.
    """
    drive, chip = Drive(layout), None
    if continuous:
        from nm_reckon.simulator import ReckonSimulator

        chip = ReckonSimulator(image)
    at_once = _MEMBRANES_AT_ONCE if "membrane" in record else _AT_ONCE
    parts = [
        _run_part(image, drive, network, spikes[:, first : first + at_once], record, threads, chip)
        for first in range(0, max(1, spikes.shape[1]), at_once)
    ]
    if len(parts) == 1:
        return parts[0]
    recorded = [p.membranes for p in parts if p.membranes is not None]
    return Outcome(
        np.concatenate([p.fired for p in parts], axis=1),
        np.concatenate([p.potentials for p in parts], axis=1),
        np.concatenate([p.votes for p in parts]),
        (
            np.sum([p.saturated[0] for p in parts], axis=0),
            np.sum([p.saturated[1] for p in parts], axis=0),
        ),
        np.concatenate(recorded, axis=1) if recorded else None,
        {name: np.concatenate([p.counters[name] for p in parts]) for name in parts[0].counters},
    )


def _run_part(
    image: Image, drive: Drive, network: Network, spikes: np.ndarray,
    record: Sequence[str], threads: int | None, chip: ReckonSimulator | None,
) -> Outcome:  # fmt: skip
    reading, (steps, batch, _) = Reading.of(drive.layout, network), spikes.shape
    if steps == 0 or batch == 0:
        return _nothing(reading, steps, batch, record)
    threads = threads or usable_cores()
    packed = Packed.driven(drive.encoded(spikes, threads), drive.votes(steps))
    seen = _recorded(image, packed, record, threads, chip)
    fired = _fired(seen, drive, reading, steps, threads)
    ticks = packed.ticks.size // batch
    outputs, tally = seen.log.outputs.reshape(batch, ticks), seen.log.tally
    at, which = drive.at(steps, 0)[:, None], np.arange(reading.shown.size)
    potentials = outputs["ready"].transpose(1, 0, 2)[at + reading.shown, :, which]
    stopped = tally["saturated"].sum(axis=0, dtype=np.int64)
    return Outcome(
        fired,
        potentials.transpose(0, 2, 1) / reading.scale,
        outputs["votes"][:, -1].astype(np.int64),
        (stopped[:, reading.address], stopped[:, NEURONS : NEURONS + reading.shown.size]),
        _membranes(image, seen, at, reading, fired) if "membrane" in record else None,
        _counters(packed, tally) | {"dropped": drive.merged(spikes)},
    )


def _nothing(reading: Reading, steps: int, batch: int, record: Sequence[str]) -> Outcome:
    """Return what comes of no steps, or of no samples."""
    neurons, outputs = reading.lag.size, reading.shown.size
    none = np.zeros((6, batch), np.int64)
    return Outcome(
        np.zeros((steps, batch, neurons), np.uint8),
        np.zeros((steps, batch, outputs)),
        np.zeros((batch, OUTPUTS), np.int64),
        (np.zeros((2, neurons), np.int64), np.zeros((2, outputs), np.int64)),
        np.zeros((steps, batch, neurons), np.int64) if "membrane" in record else None,
        counted(*none) | {"dropped": none[0]},
    )


def _recorded(
    image: Image, packed: Packed, record: Sequence[str], threads: int,
    chip: ReckonSimulator | None,
) -> Recording:  # fmt: skip
    """Run samples on ``chip``, one after the other, or each on a chip of its own."""
    from nm_reckon.simulator import record_batch

    logged = ("spikes", "outputs", *(("losses",) if "losses" in record else ()))
    captured = range(int(packed.plan["ticks"][0])) if "membrane" in record else ()
    if chip is not None:
        return chip.record(packed, logged, captured)[0]
    return record_batch(image, packed, logged, captured, threads)


def _fired(seen: Recording, drive: Drive, reading: Reading, steps: int, threads: int) -> np.ndarray:
    """Return spikes uint8 ``[time, batch, neurons]``."""
    from nm_backends.crossbar.events import spread
    from nm_reckon.gather_kernel import gather

    batch, neurons = seen.log.tally.size, reading.lag.size
    shown = seen.log.spikes["fired"].reshape(batch, -1, NEURONS)
    place = np.full(NEURONS, -1)
    place[reading.address] = np.arange(neurons)
    fired = np.zeros((steps, batch, neurons), np.uint8)
    lag = np.ascontiguousarray(reading.lag)
    work = partial(gather, shown, shown.view(np.uint64), place, lag, drive.each, fired)
    spread(work, batch, threads)
    watched = watched_in(drive.layout)
    if watched.size:
        when = drive.at(steps, 0)[:, None] + lag[watched] + 1
        for s, sent in enumerate(seen.sent()):
            told = spikes_in(sent.reshape(shown.shape[1] - 1, -1), watched.size)
            fired[:, s, watched] = told[when, np.arange(watched.size)]
    return fired


def _membranes(
    image: Image, seen: Recording, at: np.ndarray, reading: Reading, fired: np.ndarray
) -> np.ndarray:
    """Return membranes int64 ``[time, batch, neurons]`` at the end of each step."""
    batch = fired.shape[1]
    memory = seen.log.memory["ready"][:, 0].reshape(batch, -1, NEURONS)
    shown = memory[:, at + reading.lag, reading.address].transpose(1, 0, 2).astype(np.int64)
    return reading.after_reset(image, shown, fired)


def _counters(packed: Packed, tally: np.ndarray) -> dict[str, np.ndarray]:
    events = np.diff(packed.plan["event"], append=packed.addresses.size)
    return counted(
        events, tally["sent"], tally["sops"], tally["busy"].sum(axis=1), packed.plan["ticks"],
        tally["spikes"],
    )  # fmt: skip
