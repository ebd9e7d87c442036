"""Chips that go on tick by tick: each has a sample of its own under way."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from nm_backends.cores import usable_cores
from nm_backends.image import Image
from nm_reckon.layout import (
    CYCLE_LOG,
    LFSR_LOG,
    MEMORY_LOG,
    OUTPUT_LOG,
    PLAN,
    SPIKE_LOG,
    STATE,
    TALLY,
    TARGETS,
    TRANSIENT,
)  # fmt: skip
from nm_reckon.logs import Log
from nm_reckon.packing import Packed
from nm_reckon.simulator import ReckonSimulator
from nm_reckon.state import configure, tables

__all__ = ["Chips", "Ticks"]

_ENDLESS = 1 << 62
_WORTH_THREADS = 64  # chips


@dataclass(frozen=True, eq=False)
class Ticks:
    """What the host does in some ticks that follow each other.

    Parameters
    ----------
    first
        The first of them; 0 begins the sample.
    events
        What is sent, bool ``[ticks, chips, inputs]``.
    pins
        ``TARGET_VALID``, and what is answered to a request in each tick, `layout.TICK` ``[ticks]``.
    values
        What is answered in regression mode, int16 ``[ticks, 16]``, or None.
    """

    first: int
    events: np.ndarray
    pins: np.ndarray
    values: np.ndarray | None = None

    @property
    def count(self) -> int:
        """How many ticks."""
        return len(self.events)

    def parted(self, count: int) -> tuple[Ticks, Ticks]:
        """Return the first so many ticks, and the others."""
        here, there = slice(count), slice(count, None)
        values = self.values
        return (
            Ticks(self.first, self.events[here], self.pins[here],
                  None if values is None else values[here]),
            Ticks(self.first + count, self.events[there], self.pins[there],
                  None if values is None else values[there]),
        )  # fmt: skip


class Chips:
    """As many chips as there are samples, all programmed alike.

    Parameters
    ----------
    image
        What they are programmed with.
    count
        How many.
    likely
        Samples like those to come: they are refused if a chip would wait for ever in them.
    """

    def __init__(self, image: Image, count: int, likely: Packed) -> None:
        self._simulator = ReckonSimulator(image)
        self._chip = self._simulator._ready(likely)
        self._fresh = self._simulator._state.copy()
        self.state = np.repeat(self._fresh, count)
        # Weights stay unless a chip learns, so that there is no need to put them back.
        kept = STATE.itemsize if self._chip["learn"][0] else TRANSIENT
        self._kept = self.state.view(np.uint8).reshape(count, -1)[:, :kept]
        self._ended = self._kept.copy()

    def restart(self) -> None:
        """Program all chips anew."""
        self._kept[:] = self._fresh.view(np.uint8)[: self._kept.shape[1]]

    def configure(self, image: Image) -> None:
        """Change registers between two ticks; memories and generators go on."""
        self._chip = configure(image)

    def go_on(self, ticks: Ticks) -> None:
        """Run ticks."""
        if ticks.count:
            self._run(ticks, self._log(0, np.zeros(0, np.int32)), final=False)

    def look_ahead(self, ticks: Ticks, captured: np.ndarray) -> Log:
        """Run ticks that end the sample, and go back to where it was.

        Returns
        -------
        Log
            ``spikes`` and ``outputs``, a row per chip and tick; ``memory``, a row per chip and
            tick in ``captured``; ``tally``.
        """
        log = self._log(ticks.count, captured)
        before = self._kept.copy()
        self._run(ticks, log, final=True)
        self._ended[:] = self._kept
        self._kept[:] = before
        return log

    def end(self) -> None:
        """End the sample as the last `look_ahead` has done."""
        self._kept[:] = self._ended

    def image(self, *, ended: bool) -> Image:
        """Return what the first chip holds, after the last `look_ahead` or now."""
        simulator = self._simulator
        simulator._state[:] = self.state[:1]
        if ended:
            kept = self._ended.shape[1]
            simulator._state.view(np.uint8)[:kept] = self._ended[0]
        return simulator.image()

    def _log(self, ticks: int, captured: np.ndarray) -> Log:
        rows = ticks * self.state.size
        return Log(
            out=np.zeros(0, np.uint8),
            out_tick=np.zeros(0, np.int32),
            late=np.zeros(0, np.int32),
            tally=np.zeros(self.state.size, TALLY),
            spikes=np.zeros(rows, SPIKE_LOG),
            outputs=np.zeros(rows, OUTPUT_LOG),
            lfsr=np.zeros(0, LFSR_LOG),
            cycles=np.zeros(0, CYCLE_LOG),
            captured=captured.astype(np.int32),
            memory=np.zeros(captured.size * self.state.size, MEMORY_LOG),
        )

    def _run(self, ticks: Ticks, log: Log, *, final: bool) -> None:
        from nm_reckon.sample_kernel import run_samples  # numba, only where it is needed

        plan, each, addresses, targets = _planned(ticks, self.state.size, final)
        none = np.zeros(0, np.uint8)

        def work(chunk: tuple[int, int]) -> None:
            run_samples(
                tables(), self._chip, self.state, none, none, plan, each, addresses, targets,
                *chunk, *log,
            )  # fmt: skip

        threads = usable_cores() if plan.size >= _WORTH_THREADS else 1
        chunks = list(pairwise(np.linspace(0, plan.size, threads + 1).astype(int).tolist()))
        if threads == 1:
            work(chunks[0])
            return
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, chunks))


def _planned(
    ticks: Ticks, chips: int, final: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return plan, ticks, addresses and targets as `packing.Packed` has them."""
    count = ticks.count
    which, when, address = np.nonzero(ticks.events.transpose(1, 0, 2))
    each = np.tile(ticks.pins, chips)
    each["events_end"] = np.cumsum(np.bincount(which * count + when, minlength=chips * count))
    plan = np.zeros(chips, PLAN)
    plan["begin"] = np.arange(chips) * count - ticks.first
    plan["first"], plan["stop"] = ticks.first, ticks.first + count
    plan["ticks"] = plan["stop"] if final else _ENDLESS
    plan["event"][1:] = each["events_end"][count - 1 : -1 : count]
    plan["label_tick"] = -1
    targets = np.zeros(0, TARGETS)
    if ticks.values is not None:
        targets = np.zeros(chips * count, TARGETS)
        targets["values"] = np.tile(ticks.values, (chips, 1))
    return plan, each, address.astype(np.uint8), targets
