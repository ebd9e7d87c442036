"""Where the kernels write what comes out of samples, and the logs made of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from nm_backends.errors import UserError, did_you_mean
from nm_backends.image import Image
from nm_reckon.layout import CYCLE_LOG, LFSR_LOG, MEMORY_LOG, OUTPUT_LOG, SPIKE_LOG, TALLY
from nm_reckon.packing import Packed
from nm_reckon.sample import SampleLog
from nm_reckon.state import generator_states, neuron_words

__all__ = ["RECORDS", "Log", "Recording"]

RECORDS = ("spikes", "outputs", "lfsr", "cycles", "losses")


class Log(NamedTuple):
    """Arrays that the kernels write; those of what is not recorded have no rows."""

    out: np.ndarray
    out_tick: np.ndarray
    late: np.ndarray
    tally: np.ndarray
    spikes: np.ndarray
    outputs: np.ndarray
    lfsr: np.ndarray
    cycles: np.ndarray
    captured: np.ndarray
    memory: np.ndarray


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
        spikes, outputs, lfsr, cycles, _ = _rows(record, packed.ticks.size)
        captured = _check_capture(capture, packed)
        self._every_tick = bool(chip["send_every_tick"][0])
        self._bytes = 1 if chip["send_label"][0] else 2 * (int(chip["last_output"][0]) + 1)
        sent = self._bytes * (packed.ticks.size if self._every_tick else packed.plan.size)
        self.log = Log(
            out=np.zeros(sent, np.uint8),
            out_tick=np.zeros(sent, np.int32),
            late=np.zeros(packed.ticks.size if packed.plan["period"].any() else 0, np.int32),
            tally=np.zeros(packed.plan.size, TALLY),
            spikes=np.zeros(spikes, SPIKE_LOG),
            outputs=np.zeros(outputs, OUTPUT_LOG),
            lfsr=np.zeros(lfsr, LFSR_LOG),
            cycles=np.zeros(cycles, CYCLE_LOG),
            captured=captured,
            memory=np.zeros(captured.size * packed.plan.size, MEMORY_LOG),
        )

    def sent(self) -> Iterator[np.ndarray]:
        """Yield the bytes that came back from each sample, uint8."""
        for n, tally in enumerate(self.log.tally):
            yield self.log.out[self._place(n, int(tally["sent"]))]

    def _place(self, n: int, count: int) -> slice:
        """Return where the first bytes of sample ``n`` are."""
        first = self._bytes * (int(self._plan["begin"][n]) if self._every_tick else n)
        return slice(first, first + count)

    def logs(self, count: int, start: Image) -> list[SampleLog]:
        """Return the logs of the first ``count`` samples; ``start`` has the parameters."""
        lfsr = generator_states(self.log.lfsr["draws"], self.log.lfsr["place"])
        return [self._log(n, lfsr, start.memories["neuron"]) for n in range(count)]

    def _log(self, n: int, lfsr: np.ndarray, words: np.ndarray) -> SampleLog:
        log, tally = self.log, self.log.tally[n]
        begin = int(self._plan["begin"][n])
        here = slice(begin, begin + int(self._plan["ticks"][n]))
        sent = self._place(n, int(tally["sent"]))
        return SampleLog(
            out_data=log.out[sent],
            out_tick=log.out_tick[sent],
            busy=tally["busy"].copy(),
            events=int(tally["events"]),
            spikes_fired=int(tally["spikes"]),
            sops=int(tally["sops"]),
            updates=int(tally["updates"]),
            saturated=tally["saturated"].copy(),
            timing_errors=log.late[begin : begin + int(tally["late"])],
            halted=int(tally["halted"]) or -1,
            spikes=log.spikes["fired"][here],
            oneur_step=log.outputs["leaked"][here],
            oneur_ready=log.outputs["ready"][here],
            winner_count=log.outputs["votes"][here],
            lfsr=lfsr[here],
            cycles=log.cycles["busy"][here],
            mem_step=self._memory("step", n, words),
            mem_ready=self._memory("ready", n, words),
        )

    def _memory(self, when: str, n: int, words: np.ndarray) -> np.ndarray:
        count = self.log.captured.size
        states = self.log.memory[when][n * count : (n + 1) * count]
        found = [neuron_words(state, words) for state in states]
        return np.array(found, np.uint8).reshape(count, *words.shape)


def _rows(record: Sequence[str], ticks: int) -> list[int]:
    """Return the rows of each of `RECORDS`."""
    for name in record:
        if name not in RECORDS:
            raise UserError(f"record {name!r}: cannot be recorded", did_you_mean(name, RECORDS))
    return [ticks if name in record else 0 for name in RECORDS]


def _check_capture(capture: Sequence[int], packed: Packed) -> np.ndarray:
    found = np.asarray(capture, np.int32)
    shortest = int(packed.plan["ticks"].min()) if packed.plan.size else 0
    if found.size and (found[0] < 0 or found[-1] >= shortest or (np.diff(found) <= 0).any()):
        raise UserError(f"capture: expected ticks 0..{shortest - 1}, ascending")
    return found
