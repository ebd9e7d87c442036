"""One pass of learning as events for the chip itself, see `nm_backends.export`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nm_backends.aer import Lesson, SampleEvents
from nm_backends.crossbar.events import encode_spikes
from nm_backends.crossbar.exporting import events_by_sample, planned
from nm_backends.crossbar.lessons import lesson_inputs
from nm_morphic.batch import run_on
from nm_morphic.image import joined
from nm_morphic.mapping import chip_of
from nm_morphic.training import at_rest

if TYPE_CHECKING:
    from nm_morphic.simulator import MorphicSimulator
    from nm_morphic.training import Trainer

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
    image, simulator = trainer.image(), trainer.simulator()
    samples = _samples(trainer, simulator, np.concatenate([counts, taught], axis=2))
    chip = chip_of(trainer.assumptions, simulator.chips)
    plan = planned(chip, trainer.program, list(lesson_inputs(chip, trainer)), samples)
    learned, now = image.copy(), joined(simulator.images())
    learned.memories["synapse_row"] = now.memories["synapse_row"]
    for name, value in now.registers.items():
        if name.startswith("LFSR_SEED_"):
            learned.registers[name] = value
    return Lesson(image, plan, learned, ("synapse_row",))


def _samples(trainer: Trainer, simulator: MorphicSimulator, both: np.ndarray) -> list[SampleEvents]:
    """Send samples one after the other, each to neurons at rest; the simulator learns."""
    rest, samples = at_rest(simulator), []
    for sample in range(both.shape[1]):
        coded, state = encode_spikes(trainer.layout, both[:, sample : sample + 1]), dict(rest)
        log = run_on(simulator.engine, coded.words, coded.offsets, [state])
        simulator.engine.put_back(state)
        samples += events_by_sample(coded.words, coded.offsets, coded.step_end, log)
    return samples
