"""Run a program's image on spikes: what a backend's ``execute`` does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from nm_backends.eventcore.words import extract
from nm_backends.image import Image
from nm_backends.network import Network
from nm_backends.result import RawRun
from nm_reckon.drive import Drive
from nm_reckon.reading import Reading, counted, decided, split
from nm_reckon.spec import NEURON_FIELDS, NEURONS, OUTPUTS
from nm_reckon.watching import spikes_in, watched_in

if TYPE_CHECKING:
    from nm_backends.program import Program
    from nm_reckon.sample import Sample, SampleLog
    from nm_reckon.simulator import ReckonSimulator

__all__ = ["Outcome", "execute", "run_image"]

_AT_ONCE = 256  # samples whose recordings are in memory together
_EVEN, _ODD = (next(f for f in NEURON_FIELDS if f.name == name) for name in ("v_even", "v_odd"))


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
    parts = [
        _run_part(image, drive, network, spikes[:, first : first + _AT_ONCE], record, threads, chip)
        for first in range(0, max(1, spikes.shape[1]), _AT_ONCE)
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
    samples = list(drive.samples(spikes)) if len(spikes) else []
    logs = _logs(image, samples, record, threads, chip)
    steps, batch, _ = spikes.shape
    reading = Reading.of(drive.layout, network)
    when, shown, address = reading.lag, reading.shown, reading.address
    at, watched = drive.at(steps, 0)[:, None], watched_in(drive.layout)
    fired = np.zeros((steps, batch, when.size), np.uint8)
    potentials = np.zeros((steps, batch, shown.size))
    membranes = np.zeros((steps, batch, when.size), np.int64) if "membrane" in record else None
    for s, log in enumerate(logs):
        fired[:, s] = log.spikes[at + when + 1, address]
        if watched.size:
            told = spikes_in(log.out_data.reshape(len(log.spikes) - 1, -1), watched.size)
            fired[:, s, watched] = told[at + when[watched] + 1, np.arange(watched.size)]
        potentials[:, s] = log.oneur_ready[at + shown, np.arange(shown.size)]
        if membranes is not None:
            membranes[:, s] = _membranes(log.mem_ready)[at + when, address]
    if membranes is not None:
        membranes = reading.after_reset(image, membranes, fired)
    votes = np.zeros((batch, 16), np.int64)
    for s, log in enumerate(logs):
        votes[s] = log.winner_count[-1]
    stopped = sum((log.saturated for log in logs), np.zeros((2, NEURONS + OUTPUTS), np.int64))
    saturated = (stopped[:, address], stopped[:, NEURONS : NEURONS + shown.size])
    counters = _counters(samples, logs, batch) | {"dropped": drive.merged(spikes)}
    return Outcome(fired, potentials / reading.scale, votes, saturated, membranes, counters)


def _logs(
    image: Image, samples: list[Sample], record: Sequence[str], threads: int | None,
    chip: ReckonSimulator | None,
) -> list[SampleLog]:  # fmt: skip
    """Run samples on ``chip``, one after the other, or each on a chip of its own."""
    from nm_reckon.simulator import ReckonSimulator, run_batch, train

    logged = ("spikes", "outputs", *(("losses",) if "losses" in record else ()))
    if "membrane" in record:
        return [
            (chip or ReckonSimulator(image)).sample(sample, logged, range(sample.ticks))
            for sample in samples
        ]
    if chip is not None:
        return list(train(chip, samples, logged))
    return list(run_batch(image, samples, logged, threads=threads))


def _membranes(memory: np.ndarray) -> np.ndarray:
    """Return membranes int64 ``[ticks, 256]`` of a captured neuron memory."""
    words = memory.reshape(-1, memory.shape[-1])
    both = np.stack([extract(words, _EVEN), extract(words, _ODD)], axis=1)
    return np.asarray(both.reshape(len(memory), -1))


def _counters(samples: list[Sample], logs: list[SampleLog], batch: int) -> dict[str, np.ndarray]:
    columns = np.zeros((6, batch), np.int64)
    for s, (sample, log) in enumerate(zip(samples, logs, strict=True)):
        columns[:, s] = (
            np.size(sample.ev_tick), log.out_data.size, log.sops, log.busy.sum(), sample.ticks,
            log.spikes_fired,
        )  # fmt: skip
    return counted(*columns)
