"""What a backend tells an export about events: which words go in, and what comes out.

A backend of an event-driven chip offers ``plan_events(program, spikes) -> EventPlan`` (``spikes``
counts uint8 ``[time, batch, channels]``, or None) and ``restore_stream(image, neurons) ->
list[Transaction]``. Both are optional: without them an export holds the programming stream alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from nm_backends.image import Image

__all__ = ["EventPlan", "InputEvents", "Lesson", "OutputEvent", "SampleEvents"]


@dataclass(frozen=True)
class InputEvents:
    """AER words that one input spike stands for; one line of the input map.

    In each step the lines are gone through in their order.

    Parameters
    ----------
    node, neuron
        Which input; node ``""`` is what is sent in every step, spikes or not.
    delay
        Steps after which they are sent.
    words
        AER words.
    note
        What they do, for people.
    """

    node: str
    neuron: int
    delay: int
    words: tuple[int, ...]
    note: str = ""


@dataclass(frozen=True)
class OutputEvent:
    """Which neuron of the model an output address means.

    ``counts`` is False for an address that shows the same spike a second time (a duplicate that
    exists for its row) and for one that is no neuron's.
    """

    address: int
    node: str
    neuron: int
    counts: bool = True


@dataclass
class SampleEvents:
    """One sample: what is sent in each step, and what is expected to come out.

    Parameters
    ----------
    steps
        AER words of each step, uint32.
    out_event, out_address
        Output events in order: index of the causing input event in the sample, and address.
    pins
        Step to the pins that the host sets before its words, in order.
    targets, answers
        Step to the AER words that are targets: sent before its other words, and when the chip asks.
    """

    steps: list[np.ndarray]
    out_event: np.ndarray
    out_address: np.ndarray
    pins: dict[int, list[tuple[str, int]]] = field(default_factory=dict)
    targets: dict[int, list[int]] = field(default_factory=dict)
    answers: dict[int, list[int]] = field(default_factory=dict)

    @property
    def out_step(self) -> np.ndarray:
        """Step in which each output event is caused."""
        ends = np.cumsum([len(words) for words in self.steps])
        return np.searchsorted(ends, self.out_event, side="right")


@dataclass
class EventPlan:
    """Everything about events that an export writes down.

    Parameters
    ----------
    inputs, outputs
        The maps.
    state
        Neurons whose initial state has to be restored before a sample.
    order
        How the words of a step are ordered, in words for people.
    idle_cycles
        Clock cycles without an output request after which the chip is idle for certain.
    samples
        Empty when no spikes were given.
    expected
        Rows of ``expected.csv``, its head first, of a chip whose outputs are no address events;
        otherwise empty.
    trailing
        Steps of a sample after those of its spikes, until the last of them are through.
    """

    inputs: Sequence[InputEvents]
    outputs: Sequence[OutputEvent]
    state: Sequence[int]
    order: str = ""
    idle_cycles: int = 0
    samples: Sequence[SampleEvents] = field(default=())
    expected: Sequence[Sequence[object]] = field(default=())
    trailing: int = 0


@dataclass
class Lesson:
    """What a chip is sent to learn from samples once, for an export.

    Parameters
    ----------
    image
        How the chip is programmed for it.
    plan
        The events, those of the teacher among them; samples are sent once and in their order.
    learned
        The image after the last sample: what the chip starts a second pass from.
    memories
        Names of those that learn.
    runs_on
        Whether the chip goes on from sample to sample and nothing is restored between them.
    """

    image: Image
    plan: EventPlan
    learned: Image
    memories: tuple[str, ...]
    runs_on: bool = False
