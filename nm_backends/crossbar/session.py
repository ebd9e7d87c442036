"""Crossbar chips run step by step: as many as there are samples, each with its own state."""

from __future__ import annotations

import numpy as np

from nm_backends.cores import usable_cores
from nm_backends.crossbar.chip import CrossbarChip
from nm_backends.crossbar.events import encode_spikes
from nm_backends.crossbar.execute import (
    BY_ADDRESS,
    CoreRun,
    decoded,
    dropped_by_node,
    endless,
    split,
)
from nm_backends.errors import UserError
from nm_backends.eventcore.batch import run_batch
from nm_backends.eventcore.errors import LivelockError
from nm_backends.eventcore.simulator import MAX_POPS
from nm_backends.image import Image
from nm_backends.program import Program
from nm_backends.result import counts_most
from nm_backends.session import StillSession

__all__ = ["CrossbarSession", "undelayed"]

_WORTH_THREADS = 1 << 15  # events in a step


class CrossbarSession(StillSession):
    """See `nm_backends.session.ChipSession`.

    Parameters
    ----------
    chip
        The chip's description, with a ``simulator``.
    program
        Compiled for it.
    batch
        Number of samples.
    """

    def __init__(self, chip: CrossbarChip, program: Program, batch: int) -> None:
        self.chip, self.program, self.batch = chip, program, batch
        self._program_chip(program.image, program.layout, program.network.input_size)

    def reset(self) -> None:
        """Put neurons and inputs at rest; synapses too, unless the session learns."""
        self._neurons[:] = self._simulator.neurons
        if self._plastic and not self.learning:
            self._simulator.synapses[:] = self._rest_synapses
        self._past[:] = 0
        self._totals: dict[str, np.ndarray] = {}
        self._stuck = False

    def step(self, counts: np.ndarray, targets: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Run one step on counts uint8 ``[batch, channels]``."""
        if self._stuck:
            raise UserError("session: the chip never came to rest, reset() it first")
        self._past[1:] = self._past[:-1]
        self._past[0] = counts
        due = self._past[self._delays].transpose(1, 0, 2).reshape(1, self.batch, -1)
        coded = encode_spikes(self._layout, due)
        run = self._send(coded.words, coded.offsets, coded.step_end)
        return {name: spikes[0] for name, spikes in split(self.program.network, run.spikes).items()}

    def membranes(self) -> dict[str, np.ndarray]:
        """Return the membranes as the neuron memories hold them, ``[batch, size]``."""
        now = self._neurons["membrane"][:, self._layout["address"]]
        return {name: m[0] for name, m in split(self.program.network, now[None]).items()}

    def counters(self) -> dict[str, np.ndarray]:
        """Return what was counted since the last reset."""
        totals = {name: total.copy() for name, total in self._totals.items()}
        if not totals:
            return {}
        return totals | dropped_by_node(self.program, totals.pop(BY_ADDRESS))

    def decisions(self) -> dict[str, np.ndarray]:
        """Return nothing: these chips only spike."""
        return {}

    def image(self) -> Image:
        """Return the image that the session was opened with."""
        return self.program.image.copy()

    def _program_chip(self, image: Image, layout: dict[str, np.ndarray], channels: int) -> None:
        """Program the chips, and say how they are driven; everything is at rest then."""
        if self.chip.simulator is None:
            raise UserError(f"program.session: {self.program.chip!r} is not run step by step")
        simulator = self.chip.simulator()(image)
        if refused := simulator.needs_clock():
            raise refused
        simulator.prepare(np.zeros(0, np.int32), MAX_POPS)
        self._plastic = bool(simulator.config["plastic"][0])
        if self._plastic and self.batch > 1:
            raise UserError(
                f"program.session: batch is {self.batch}, but synapses change: samples on one chip "
                "follow each other",
                "open the session without a batch, and reset() it between samples",
            )
        self._simulator = simulator
        self._rest_synapses = simulator.synapses.copy()
        self._neurons = np.repeat(simulator.neurons, self.batch)
        self._layout, self._delays = undelayed(layout, channels)
        self._past = np.zeros((int(self._delays.max()) + 1, self.batch, channels), np.uint8)
        self.reset()

    def _send(self, words: np.ndarray, offsets: np.ndarray, step_end: np.ndarray) -> CoreRun:
        """Send events to the chips, let them settle, and count."""
        from nm_backends.crossbar.events import Encoded

        threads = usable_cores() if words.size >= _WORTH_THREADS else 1
        try:
            log = run_batch(
                self._simulator,
                words,
                offsets,
                threads=threads,
                keep_synapses=self._plastic,
                present=self._neurons,
            )
        except LivelockError as error:
            self._stuck = True
            raise endless(self.chip, self.program, error) from error
        run = decoded(self.chip, self._layout, Encoded(words, offsets, step_end), log)
        return self._counted(run)

    def _counted(self, run: CoreRun) -> CoreRun:
        """Add what was counted in a step to the totals."""
        for name, counted in run.counters.items():
            so_far, most = self._totals.get(name, 0), counts_most(name)
            self._totals[name] = np.maximum(so_far, counted) if most else so_far + counted
        return run


def undelayed(
    layout: dict[str, np.ndarray], channels: int
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return a layout without delays, and the delays: channels are once there for each of them."""
    channel, delay = layout["slot_channel"], layout["slot_delay"]
    driven = channel >= 0
    delays = np.unique(np.concatenate([[0], delay[driven]]).astype(np.int64))
    place = np.searchsorted(delays, delay) * channels + channel
    return layout | {
        "slot_channel": np.where(driven, place, channel).astype(np.int64),
        "slot_delay": np.zeros_like(delay),
    }, delays
