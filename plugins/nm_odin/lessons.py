"""One pass of learning as events for the chip itself, see `nm_backends.export`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nm_backends.aer import InputEvents, Lesson
from nm_backends.crossbar.events import encode_spikes
from nm_backends.crossbar.exporting import events_by_sample, input_events, planned
from nm_backends.eventcore.batch import run_batch
from nm_odin.mapping import CHIP
from nm_odin.simulator import OdinSimulator

if TYPE_CHECKING:
    from nm_odin.training import Trainer

__all__ = ["plan_lesson"]

_SLOTS = ("slot_word", "slot_channel", "slot_count", "slot_delay")


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
    plan = planned(CHIP, trainer.program, list(_inputs(trainer)), samples)
    if trainer.options.bistability:
        order = f"{plan.order} Every {trainer.options.bistability} samples, the last step of a "
        plan = replace(plan, order=order + "sample ends with a bistability event (word 0).")
    learned = image.copy()
    new = simulator.image().memories["synapse"]
    learned.memories["synapse"] = new
    return Lesson(image, plan, learned, ("synapse",))


def _inputs(trainer: Trainer) -> Iterator[InputEvents]:
    """Yield the input map of the learning layout, the teacher's lines in their place."""
    layout, program = trainer.layout, trainer.program
    names = [(p.name, n) for p in program.network.inputs for n in range(p.size)]
    for index, channel in enumerate(layout["slot_channel"].tolist()):
        slot = {name: layout[name][index : index + 1] for name in _SLOTS}
        if channel < len(names):
            yield from input_events(CHIP, replace(program, layout={**layout, **slot}))
            continue
        wrong, neuron = divmod(channel - len(names), trainer.population.size)
        when = "not fire" if wrong else "fire"
        word, count = int(slot["slot_word"][0]), int(slot["slot_count"][0])
        yield InputEvents(
            f"teacher of {trainer.population.name}: {when}",
            neuron,
            0,
            (word,) * count,
            f"in each step in which the neuron should {when}",
        )
