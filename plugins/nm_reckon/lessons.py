"""One pass of learning as events and targets for the chip itself, see `nm_backends.export`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nm_backends.aer import Lesson
from nm_reckon.exporting import planned
from nm_reckon.sample import Sample, SampleLog
from nm_reckon.simulator import ReckonSimulator, train
from nm_reckon.spec import RESET_SEEDS

if TYPE_CHECKING:
    from nm_reckon.training import Trainer

__all__ = ["plan_lesson"]


def plan_lesson(trainer: Trainer, counts: np.ndarray, taught: np.ndarray) -> Lesson:
    """Return the image, the events and the result of one pass of ``trainer`` (see its `epoch`).

    Parameters
    ----------
    counts
        Input spikes uint8 ``[time, batch, channels]``.
    taught
        What ``trainer.counts`` returned.
    """
    image = trainer.image(taught.ndim == 3)
    simulator = ReckonSimulator(image)
    samples: list[Sample] = []
    logs: list[SampleLog] = []
    for _, part in trainer.samples(counts, taught):
        samples += part
        logs += train(simulator, part)
    plan = planned(trainer.program, image, samples, logs, len(counts))
    memories = tuple(f"{name}_weight" for name in trainer.matrices)
    after, learned = simulator.image(), image.copy()
    learned.memories.update({name: after.memories[name] for name in memories})
    learned.registers.update({name: after.registers[name] for name in RESET_SEEDS})
    return Lesson(image, plan, learned, memories, runs_on=True)
