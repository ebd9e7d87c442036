"""ReckOn run step by step while it learns."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nm_backends.errors import UserError
from nm_backends.learn import count_epoch
from nm_backends.network import Population
from nm_reckon.learning_options import ReckonLearning
from nm_reckon.packing import Packed, pack
from nm_reckon.session import ReckonSession
from nm_reckon.spec import OUTPUTS
from nm_reckon.stepwise import Ticks
from nm_reckon.training import Trainer

if TYPE_CHECKING:
    from nm_backends.image import Image
    from nm_backends.program import Program

__all__ = ["LearningSession"]


class LearningSession(ReckonSession):
    """ReckOn, which learns by e-prop in the steps in which there is a target, or not.

    Samples between resets are those of ``program.learn``, bit for bit: memories and generators run
    on from one to the next. Each time that learning is switched on a new epoch begins, with the
    rates of that epoch. As there, the chip does not learn in the last step of a sample; it learns
    in it when another one follows.

    Parameters
    ----------
    program, batch
        As for `ReckonSession`; ``batch`` is 1, one chip learns from one sample after the other.
    options
        How it learns, see `ReckonLearning.of`; without a ``window``, since targets are given step
        by step.
    """

    takes_values = True

    def __init__(self, program: Program, batch: int, options: Any) -> None:
        if batch > 1:
            raise UserError(
                f"program.session: batch is {batch}, but a chip learns from one sample at a time",
                "open the session without a batch, and reset() it between samples",
            )
        chosen = ReckonLearning.of(options)
        if chosen.window is not None:
            raise UserError(
                f"program.session: window {chosen.window} of a sample that is given step by step",
                "leave the window out, and give targets in its steps only",
            )
        own = replace(program, image=program.image.copy(), metadata=dict(program.metadata))
        self._trainer = Trainer(own, chosen)
        self.taught = _taught(own, self._trainer.outputs)
        self._learning, self._regression, self._samples = True, False, 0
        super().__init__(own, 1)

    @property
    def learning(self) -> bool:
        """Whether e-prop is on; setting it programs the chip anew."""
        return self._learning

    @learning.setter
    def learning(self, wanted: bool) -> None:
        if self._learning:
            self.reset()
            self._trainer.keep(self._chips.image(ended=False))
            if self._samples:
                count_epoch(self._trainer.program)
        self._learning, self._samples = wanted, 0
        self._program_chips()

    def reset(self) -> None:
        """End a sample; what was learned stays, and generators run on while the chip learns."""
        if not self._learning:
            super().reset()
            return
        if self._steps:
            self._chips.end()
            self._samples += 1
        self._clear()

    def step(self, counts: np.ndarray, targets: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Run one step; while it learns, with a label, with values, or without a target.

        Values that all are NaN are none, and say that values will come.
        """
        if self._learning:
            self._hear(targets)
        return super().step(counts)

    def image(self) -> Image:
        """Return the program's image with what it would have learned if the sample ended now."""
        if self._learning:
            self._trainer.keep(self._chips.image(ended=self._steps > 0))
        return self._trainer.program.image.copy()

    def _wanted_image(self) -> Image:
        if not self._learning:
            return self._trainer.program.image
        image = self._trainer.image(self._regression)
        image.registers["SPI_SINGLE_LABEL"] = 0  # it asks in each tick, for that step's label
        return image

    def _likely(self) -> Packed:
        sample = self._silent()
        values = np.zeros((sample.ticks, OUTPUTS), np.int16)
        return pack([replace(sample, label=0, reg_target=values)])

    def _clear(self) -> None:
        super()._clear()
        self._told: dict[int, np.ndarray] = {}
        self._taught_yet = False

    def _hear(self, targets: np.ndarray | None) -> None:
        """Keep the target of a step until the outputs of that step are there."""
        if targets is None:
            return
        values = targets.dtype.kind == "f"
        if values != self._regression:
            self._switch(values)
        if not values:
            told = _label(targets[0])
        elif np.isnan(targets).all():
            told = np.zeros(0, np.int16)
        else:
            told = self._trainer.counts(targets[None], 1, 1)[0, 0]
        if told.size:
            self._told[self._steps], self._taught_yet = told, True

    def _switch(self, values: bool) -> None:
        """Learn from values instead of labels, or the other way round: registers differ."""
        if self._taught_yet or (self._steps and self._trainer.options.always):
            raise UserError(
                "session: labels and values are targets of the same sample",
                "give either; reset() ends a sample",
            )
        self._regression = values
        self._chips.configure(self._wanted_image())

    def _ticks(self, first: int, count: int) -> Ticks:
        ticks = super()._ticks(first, count)
        if not self._learning:
            return ticks
        values = np.zeros((count, OUTPUTS), np.int16)
        for step, told in list(self._told.items()):
            place = self._drive.each * step + self._drive.deepest + 1 - first
            if place < 0:
                del self._told[step]
                continue
            ticks.pins["target_valid"][place] = 1
            if self._regression:
                values[place, : told.size] = told
            else:
                ticks.pins["on_request"][place] = told[0]
        return replace(ticks, values=values)


def _taught(program: Program, outputs: int) -> Population:
    """Return what targets are for: all outputs of the chip."""
    read = [p for p in program.network.neurons if not p.spiking] or [program.network.output]
    if len(read) == 1 and read[0].size == outputs:
        return read[0]
    return Population(", ".join(p.name for p in read), (outputs,), "LI", spiking=False)


def _label(said: np.ndarray) -> np.ndarray:
    """Return the label that is said, int64 ``[1]``, or nothing ``[0]``."""
    chosen = np.flatnonzero(said > 0)
    if chosen.size > 1 or (not chosen.size and (said == 0).any()):
        raise UserError(
            f"targets: {chosen.size} neurons should fire, but ReckOn learns one label",
            "give the label; or floats, the values that the outputs should take",
        )
    return chosen
