"""Where the kernels write what comes out of samples, and the logs made of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nm_backends.errors import UserError, did_you_mean
from nm_backends.image import Image
from nm_reckon.layout import TALLY
from nm_reckon.packing import Packed
from nm_reckon.sample import GENERATORS, SampleLog
from nm_reckon.spec import NEURONS, OUTPUTS
from nm_reckon.state import generator_states, neuron_words

__all__ = ["RECORDS", "Log", "Recording"]

RECORDS = ("spikes", "outputs", "lfsr", "cycles")


class Log(NamedTuple):
    """Arrays that the kernels write; those of what is not recorded have no rows."""

    out: np.ndarray
    out_tick: np.ndarray
    late: np.ndarray
    tally: np.ndarray
    spikes: np.ndarray
    leaked: np.ndarray
    ready: np.ndarray
    votes: np.ndarray
    lfsr: np.ndarray
    cycles: np.ndarray
    captured: np.ndarray
    mem_step: np.ndarray
    mem_ready: np.ndarray


class Recording:
    """Room for what samples leave behind.

    Parameters
    ----------
    packed
        The samples.
    chip
        Their configuration, of which the number of bytes that are sent follows.
    record, capture
        See `simulator.ReckonSimulator.sample`; ticks to capture are those of every sample.
    """

    def __init__(
        self,
        packed: Packed,
        chip: np.ndarray,
        record: Sequence[str] = (),
        capture: Sequence[int] = (),
    ) -> None:
        self._plan = packed.plan
        spikes, outputs, lfsr, cycles = _rows(record, packed.ticks)
        captured = _check_capture(capture, packed)
        self._every_tick = bool(chip["send_every_tick"][0])
        self._bytes = 1 if chip["send_label"][0] else 2 * (int(chip["last_output"][0]) + 1)
        sent = self._bytes * (packed.ticks if self._every_tick else packed.samples)
        memory = (captured.size * packed.samples, 4, NEURONS)
        self.log = Log(
            out=np.zeros(sent, np.uint8),
            out_tick=np.zeros(sent, np.int32),
            late=np.zeros(packed.ticks if packed.plan["period"].any() else 0, np.int32),
            tally=np.zeros(packed.samples, TALLY),
            spikes=np.zeros((spikes, NEURONS), np.uint8),
            leaked=np.zeros((outputs, OUTPUTS), np.int16),
            ready=np.zeros((outputs, OUTPUTS), np.int16),
            votes=np.zeros((outputs, OUTPUTS), np.uint16),
            lfsr=np.zeros((lfsr, len(GENERATORS)), np.int64),
            cycles=np.zeros((cycles, 4), np.int32),
            captured=captured,
            mem_step=np.zeros(memory, np.int16),
            mem_ready=np.zeros(memory, np.int16),
        )

    def logs(self, count: int, start: Image) -> list[SampleLog]:
        """Return the logs of the first ``count`` samples; ``start`` has the parameters."""
        return [self._log(n, start.memories["neuron"]) for n in range(count)]

    def _log(self, n: int, words: np.ndarray) -> SampleLog:
        log, tally = self.log, self.log.tally[n]
        begin = int(self._plan["begin"][n])
        here = slice(begin, begin + int(self._plan["ticks"][n]))
        first = self._bytes * (begin if self._every_tick else n)
        sent = slice(first, first + int(tally["sent"]))
        return SampleLog(
            out_data=log.out[sent],
            out_tick=log.out_tick[sent],
            busy=tally["busy"].copy(),
            events=int(tally["events"]),
            spikes_fired=int(tally["spikes"]),
            sops=int(tally["sops"]),
            updates=int(tally["updates"]),
            timing_errors=log.late[begin : begin + int(tally["late"])],
            halted=int(tally["halted"]) or -1,
            spikes=log.spikes[here],
            oneur_step=log.leaked[here],
            oneur_ready=log.ready[here],
            winner_count=log.votes[here],
            lfsr=generator_states(log.lfsr[here]),
            cycles=log.cycles[here],
            mem_step=self._memory(log.mem_step, n, words),
            mem_ready=self._memory(log.mem_ready, n, words),
        )

    def _memory(self, states: np.ndarray, n: int, words: np.ndarray) -> np.ndarray:
        count = self.log.captured.size
        found = [neuron_words(state, words) for state in states[n * count : (n + 1) * count]]
        return np.array(found, np.uint8).reshape(count, *words.shape)


def _rows(record: Sequence[str], ticks: int) -> list[int]:
    """Return the rows of each of `RECORDS`."""
    for name in record:
        if name not in RECORDS:
            raise UserError(f"record {name!r}: cannot be recorded", did_you_mean(name, RECORDS))
    return [ticks if name in record else 0 for name in RECORDS]


def _check_capture(capture: Sequence[int], packed: Packed) -> np.ndarray:
    found = np.asarray(capture, np.int32)
    shortest = int(packed.plan["ticks"].min()) if packed.samples else 0
    if found.size and (found[0] < 0 or found[-1] >= shortest or (np.diff(found) <= 0).any()):
        raise UserError(f"capture: expected ticks 0..{shortest - 1}, ascending")
    return found
