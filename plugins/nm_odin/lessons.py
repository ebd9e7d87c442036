"""One pass of learning as events for the chip itself, see `nm_backends.export`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nm_backends.aer import Lesson
from nm_backends.crossbar.events import encode_spikes
from nm_backends.crossbar.exporting import events_by_sample, planned
from nm_backends.crossbar.lessons import lesson_inputs
from nm_backends.eventcore.batch import run_batch
from nm_odin.mapping import CHIP
from nm_odin.simulator import OdinSimulator

if TYPE_CHECKING:
    from nm_odin.training import Trainer

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
    image = trainer.image()
    simulator = OdinSimulator(image)
    coded = encode_spikes(trainer.layout, np.concatenate([counts, taught], axis=2))
    words, offsets = trainer.with_bistability(coded.words, coded.offsets, 0)
    log = run_batch(simulator, words, offsets, keep_synapses=True)
    samples = events_by_sample(words, offsets, coded.step_end, log)
    plan = planned(CHIP, trainer.program, list(lesson_inputs(CHIP, trainer)), samples)
    if trainer.options.bistability:
        order = f"{plan.order} Every {trainer.options.bistability} samples, the last step of a "
        plan = replace(plan, order=order + "sample ends with a bistability event (word 0).")
    learned = image.copy()
    new = simulator.image().memories["synapse"]
    learned.memories["synapse"] = new
    return Lesson(image, plan, learned, ("synapse",))
