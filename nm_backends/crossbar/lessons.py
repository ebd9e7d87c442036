"""What a pass of learning sends to the chip itself: the input map, with the teacher's lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from nm_backends.aer import InputEvents
from nm_backends.crossbar.exporting import input_events

if TYPE_CHECKING:
    from nm_backends.crossbar.chip import CrossbarChip
    from nm_backends.network import Population
    from nm_backends.program import Program

__all__ = ["Teaching", "lesson_inputs"]

_SLOTS = ("slot_word", "slot_channel", "slot_count", "slot_delay")


class Teaching(Protocol):
    """As much of a chip's trainer as an input map needs.

    Parameters
    ----------
    program, population
        What learns, and the population that is taught.
    layout
        That of the program with the teacher's slots: their channels follow those of the inputs,
        first of neurons that should fire, then of those that should not.
    """

    program: Program
    population: Population
    layout: dict[str, np.ndarray]


def lesson_inputs(chip: CrossbarChip, trainer: Teaching) -> Iterator[InputEvents]:
    """Yield the input map of the learning layout, the teacher's lines in their place."""
    layout, program = trainer.layout, trainer.program
    names = [(p.name, n) for p in program.network.inputs for n in range(p.size)]
    for index, channel in enumerate(layout["slot_channel"].tolist()):
        slot = {name: layout[name][index : index + 1] for name in _SLOTS}
        if channel < len(names):
            yield from input_events(chip, replace(program, layout={**layout, **slot}))
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
