"""ODIN run step by step while it learns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from nm_backends.crossbar.chip import CrossbarChip
from nm_backends.crossbar.session import CrossbarSession
from nm_backends.errors import UserError
from nm_backends.image import Image
from nm_backends.program import Program
from nm_odin.learning_options import OdinLearning
from nm_odin.training import Trainer

__all__ = ["LearningSession"]


class LearningSession(CrossbarSession):
    """ODIN, which learns by SDSP between one reset and the next, or not.

    Steps and resets are those of ``program.learn``: see `nm_odin.training.Trainer`. Bistability
    events, if there are any, end every so many samples in which it learned.

    Parameters
    ----------
    chip, program, batch
        As for `CrossbarSession`; ``batch`` is 1, one chip learns from one sample after the other.
    options
        How it learns, see `OdinLearning.of`.
    """

    def __init__(self, chip: CrossbarChip, program: Program, batch: int, options: Any) -> None:
        if batch > 1:
            raise UserError(
                f"program.session: batch is {batch}, but a chip learns from one sample at a time",
                "open the session without a batch, and reset() it between samples",
            )
        own = replace(program, image=program.image.copy())
        self._trainer = Trainer(own, OdinLearning.of(options))
        self.taught = self._trainer.population
        self._learning, self._samples, self._steps = True, 0, 0
        super().__init__(chip, own, batch)
        self._reprogram()

    @property
    def learning(self) -> bool:
        """Whether SDSP is on; setting it programs the neurons anew."""
        return self._learning

    @learning.setter
    def learning(self, wanted: bool) -> None:
        self._end_sample()
        if self._learning:
            self._trainer.keep(self._simulator.image())
        self._learning = wanted
        self._reprogram()

    def reset(self) -> None:
        """End a sample: neurons and inputs at rest, synapses as they are."""
        self._end_sample()
        super().reset()

    def step(self, counts: np.ndarray, targets: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Run one step; while it learns, the teacher's events come before the inputs' spikes."""
        if not self._learning:
            return super().step(counts)
        if targets is None:
            targets = np.full((1, self._trainer.population.size), -1, np.int8)
        taught = self._trainer.counts(targets[None], 1, 1)[0]
        self._steps += 1
        return super().step(np.concatenate([counts, taught], axis=1))

    def image(self) -> Image:
        """Return the program's image with the synapses as they are now."""
        if self._learning:
            self._trainer.keep(self._simulator.image())
        return self._trainer.program.image.copy()

    def _reprogram(self) -> None:
        program, channels = self.program, self.program.network.input_size
        if self._learning:
            size = self._trainer.population.size
            self._program_chip(self._trainer.image(), self._trainer.layout, channels + 2 * size)
        else:
            self._program_chip(program.image, program.layout, channels)

    def _end_sample(self) -> None:
        """Send the bistability event of all synapses if it is due."""
        if not (self._learning and self._steps):
            return
        self._steps = 0
        self._samples += 1
        words, offsets = self._trainer.with_bistability(
            np.zeros(0, np.uint32), np.zeros(2, np.int64), self._samples - 1
        )
        if words.size:
            self._send(words, offsets, np.array([[words.size]]))
