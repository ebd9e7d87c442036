"""On-chip learning of a program: the learning image, the teacher's events, pass after pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from nm_backends.errors import UserError
from nm_backends.eventcore.words import insert
from nm_backends.image import Image
from nm_backends.learn import Score, spiking_score
from nm_backends.teaching import taught_counts, taught_population
from nm_odin.learning_options import OdinLearning
from nm_odin.spec import NEURON_FIELDS, SPEC

if TYPE_CHECKING:
    from nm_backends.aer import Lesson
    from nm_backends.program import Program

__all__ = ["Trainer"]

_FIELD = {field.name: field for field in NEURON_FIELDS}
_MAPPED, _W_MAX = 8, 7
_ROW_EVENT, _LEAK_ALL, _BISTABLE_ALL = 0x07, 0x7F, 0x00
_EXCITE, _INHIBIT = 0xE1, 0xF1  # virtual events of weight 7, low byte {w, s, l, 001}
_AT_ONCE = 64  # samples between two calls of progress


@dataclass
class Trainer:
    """A program that learns by SDSP; see `OdinLearning` for the rule and the teacher.

    In every step the chip gets the time reference, then the teacher's events, then the spikes of
    the inputs. Each sample begins with the neurons at rest, as in ``program.run`` (the host writes
    their words again); synapses go on from where they are.

    Parameters
    ----------
    program
        It was compiled with ``CompileOptions(learn=...)``; its image takes what is learned.
    options
        How to learn.

    Raises
    ------
    UserError
        The program has no plastic synapses, or no free rows for a teacher of rows.
    """

    program: Program
    options: OdinLearning

    def __post_init__(self) -> None:
        self.population = taught_population(self.program)
        first = 0
        for population in self.program.network.neurons:
            if population is self.population:
                break
            first += population.size
        span = slice(first, first + self.population.size)
        self.address = self.program.layout["address"][span]
        self.copy = self.program.layout["copy"][span]
        self.layout = self._taught_layout()

    @property
    def stored(self) -> range:
        """The values that a plastic synapse can store."""
        return range(_W_MAX + 1)

    @property
    def plastic(self) -> np.ndarray:
        """Synapses that may change, bool ``[pre, post]``."""
        return np.asarray(self.program.image.memories["synapse"] >= _MAPPED)

    def image(self) -> Image:
        """Return the program's image as it is programmed for learning."""
        image = self.program.image.copy()
        places = self._places()
        words = image.memories["neuron"][places]
        fields: dict[str, Any] = {"ca_en": 1}
        for name in ("thetamem", "ca_theta1", "ca_theta2", "ca_theta3", "ca_leak", "thr"):
            fields[name] = getattr(self.options, name)
        if self.options.leak_str is not None:
            fields |= {"leak_str": self.options.leak_str, "leak_en": int(self.options.leak_str > 0)}
        for name, value in fields.items():
            if value is not None:
                insert(words, _FIELD[name], np.full(places.size, value))
        image.memories["neuron"][places] = words
        if self.options.teacher == "rows":
            for neuron, row in enumerate(self._teacher_rows()):
                image.memories["synapse"][row] &= ~np.uint8(_W_MAX)
                for at in (self.address[neuron], self.copy[neuron]):
                    if at >= 0:
                        image.memories["synapse"][row, at] = _W_MAX
        return image

    def counts(self, targets: Any, steps: int, batch: int) -> np.ndarray:
        """Return what the teacher says; see `nm_backends.teaching.taught_counts`."""
        return taught_counts(self.population, targets, steps, batch)

    def epoch(
        self,
        counts: np.ndarray,
        taught: np.ndarray,
        progress: Callable[[int], None] | None = None,
    ) -> int:
        """Let the chip learn from all samples once, in their order; return the spikes lost.

        Parameters
        ----------
        counts
            Input spikes uint8 ``[time, batch, channels]``.
        taught
            What `counts` returned.
        """
        from nm_backends.crossbar.events import encode_spikes
        from nm_backends.eventcore.batch import run_batch
        from nm_odin.simulator import OdinSimulator

        simulator = OdinSimulator(self.image())
        batch, dropped = counts.shape[1], 0
        for first, last in pairwise([*range(0, batch, _AT_ONCE), batch]):
            both = np.concatenate([counts[:, first:last], taught[:, first:last]], axis=2)
            coded = encode_spikes(self.layout, both)
            words, offsets = self.with_bistability(coded.words, coded.offsets, first)
            log = run_batch(simulator, words, offsets, keep_synapses=True)
            dropped += int(log.drops.sum())
            if progress:
                progress(last - first)
        self.keep(simulator.image())
        return dropped

    def lesson(self, counts: np.ndarray, taught: np.ndarray) -> Lesson:
        """Return what the chip is sent to learn from all samples once; see `epoch`."""
        from nm_odin.lessons import plan_lesson

        return plan_lesson(self, counts, taught)

    def keep(self, learned: Image) -> None:
        """Take the plastic synapses of ``learned`` into the program's image."""
        new, memories = learned.memories["synapse"], self.program.image.memories
        memories["synapse"] = np.where(self.plastic, new, memories["synapse"])

    def weights(self) -> np.ndarray:
        """Return the stored values of the plastic synapses, uint8 ``[synapses]``."""
        return np.asarray(self.program.image.memories["synapse"][self.plastic] & _W_MAX)

    def score(self, counts: np.ndarray, targets: Any, readout: str) -> Score:
        """Return the share of samples that the neuron of the label decides, with learning off."""
        return spiking_score(self.program, self.population, counts, targets, readout)

    def _places(self) -> np.ndarray:
        return np.concatenate([self.address, self.copy[self.copy >= 0]])

    def _teacher_rows(self) -> np.ndarray:
        used = self.program.layout["row_source"] != -1
        if not self.program.image.registers["SPI_OPEN_LOOP"]:
            used[: int(self._every_place().max(initial=-1)) + 1] = True
        free = np.flatnonzero(~used & (self.program.image.registers["SPI_SYN_SIGN"] == 0))
        size = self.population.size
        if free.size < size:
            raise UserError(
                f"teacher='rows': {size} rows are needed, {free.size} of {SPEC.rows} are free",
                "use teacher='virtual', which needs none",
            )
        return np.asarray(free[:size])

    def _every_place(self) -> np.ndarray:
        layout = self.program.layout
        return np.concatenate([layout["address"], layout["copy"]])

    def _taught_layout(self) -> dict[str, np.ndarray]:
        """Return the program's slots with those of the teacher after the time reference."""
        layout, size = dict(self.program.layout), self.population.size
        channels = self.program.network.input_size
        word: list[int] = []
        channel: list[int] = []
        count: list[int] = []
        rows = self._teacher_rows() if self.options.teacher == "rows" else None
        for low, times, base in (
            (_EXCITE, self.options.excite, 0), (_INHIBIT, self.options.inhibit, size),
        ):  # fmt: skip
            for neuron in range(size if times else 0):
                ats = [a for a in (self.address[neuron], self.copy[neuron]) if a >= 0]
                words = [int(at) << 8 | low for at in ats]
                word += words if rows is None else [int(rows[neuron]) << 8 | _ROW_EVENT]
                channel += [channels + base + neuron] * (len(word) - len(channel))
                count += [times] * (len(word) - len(count))
        head = int(bool(layout["slot_word"].size) and layout["slot_word"][0] == _LEAK_ALL)
        leaks = self.options.ca_leak or self.options.leak_str
        added = {"word": word, "channel": channel, "count": count, "delay": [0] * len(word)}
        if leaks and not head:  # calcium and membranes leak at time references
            for name, value in (("word", _LEAK_ALL), ("channel", -1), ("count", 1), ("delay", 0)):
                added[name] = [value, *added[name]]
        for name, values in added.items():
            old = layout[f"slot_{name}"]
            layout[f"slot_{name}"] = np.insert(old, head, np.array(values, old.dtype))
        return layout

    def with_bistability(
        self, words: np.ndarray, offsets: np.ndarray, done: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """End every so many samples with a bistability event of all synapses."""
        period = self.options.bistability
        if not period:
            return words, offsets
        due = (done + np.arange(1, offsets.size)) % period == 0
        words = np.insert(words, offsets[1:][due], _BISTABLE_ALL)
        more = np.concatenate([[0], np.cumsum(due)])
        return cast(np.ndarray, words), offsets + more
