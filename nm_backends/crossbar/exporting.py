"""What an export says about the events of a crossbar program."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from nm_backends.aer import EventPlan, InputEvents, OutputEvent, SampleEvents
from nm_backends.crossbar.chip import CrossbarChip
from nm_backends.crossbar.execute import endless
from nm_backends.eventcore.errors import LivelockError
from nm_backends.eventcore.logs import BatchLog
from nm_backends.network import Network, Population
from nm_backends.program import Program
from nm_backends.spikes import prepare

__all__ = ["events_by_sample", "input_events", "plan_events", "planned"]

_HANDSHAKE = 64  # cycles, synchronisers included, with room


def plan_events(chip: CrossbarChip, program: Program, spikes: Any | None) -> EventPlan:
    """Return the maps of a program, and what goes in and comes out for ``spikes``."""
    samples = _samples(chip, program, spikes) if spikes is not None else []
    return planned(chip, program, list(input_events(chip, program)), samples)


def planned(
    chip: CrossbarChip, program: Program, inputs: list[InputEvents], samples: list[SampleEvents]
) -> EventPlan:
    """Return the plan of a program with these inputs and samples."""
    order = program.metadata.get("order", "as listed in the input map")
    return EventPlan(
        inputs,
        list(_outputs(program)),
        np.unique(np.concatenate([program.layout["address"], _copies(program)])).tolist(),
        f"A time step is the lines of input_map.csv from top to bottom (order: {order}). An input "
        "that spikes k times in a step sends the words of its line k times.",
        _silence(chip),
        samples,
    )


def _silence(chip: CrossbarChip) -> int:
    """Bound the cycles without an output: a full scheduler of events that make no neuron fire."""
    sweep = chip.number("cycles_per_neuron") * chip.spec.neurons + chip.number("cycles_pop")
    served = sweep + chip.number("cycles_wait")
    return int((chip.number("scheduler_depth") + 1) * served) + _HANDSHAKE


def _copies(program: Program) -> np.ndarray:
    copy = program.layout["copy"]
    return np.asarray(copy[copy >= 0])


def _channels(network: Network) -> list[tuple[Population, int]]:
    return [(p, n) for p in network.inputs for n in range(p.size)]


def input_events(chip: CrossbarChip, program: Program) -> Iterator[InputEvents]:
    """Yield the input map: one entry per slot of the program's layout."""
    layout, channels = program.layout, _channels(program.network)
    signs = {1: ", excitatory", -1: ", inhibitory", 0: ""}
    rows = {int(word): row for row, word in enumerate(chip.row_words(np.arange(chip.rows)))}
    reached, weights = (part.tolist() for part in chip.read_virtual(layout["slot_word"]))
    slots = zip(
        *(layout[f"slot_{n}"].tolist() for n in ("word", "channel", "count", "delay")), strict=True
    )
    for (word, channel, count, delay), neuron, weight in zip(slots, reached, weights, strict=True):
        if word == chip.leak_event:
            yield InputEvents("", 0, 0, (word,) * count, "time reference of all neurons: leak")
            continue
        if weight:
            population, index = channels[channel]
            note = f"virtual event: {weight:+d} to neuron {neuron}"
            yield InputEvents(population.name, index, delay, (word,) * count, note)
            continue
        row = rows[word & ~chip.flags]
        source, sign = int(layout["row_source"][row]), signs[int(layout["row_sign"][row])]
        if channel < 0:
            what = "bias" if source == -2 else "threshold test at the end of the step"
            yield InputEvents("", 0, 0, (word,) * count, f"row {row}: {what}{sign}")
        else:
            population, neuron = channels[channel]
            yield InputEvents(population.name, neuron, delay, (word,) * count, f"row {row}{sign}")


def _outputs(program: Program) -> Iterator[OutputEvent]:
    neurons = [(p.name, n) for p in program.network.neurons for n in range(p.size)]
    first, second = program.layout["address"].tolist(), program.layout["copy"].tolist()
    for (name, neuron), address, copy in zip(neurons, first, second, strict=True):
        yield OutputEvent(address, name, neuron)
        if copy >= 0:
            yield OutputEvent(copy, name, neuron, counts=False)


def _samples(chip: CrossbarChip, program: Program, spikes: Any) -> list[SampleEvents]:
    from nm_backends.crossbar.events import encode_spikes

    counts = prepare(program.network, spikes).counts
    coded = encode_spikes(program.layout, counts)
    try:
        log = chip.run(program.image, coded.words, coded.offsets)
    except LivelockError as error:
        raise endless(chip, program, error) from error
    return events_by_sample(coded.words, coded.offsets, coded.step_end, log)


def events_by_sample(
    all_words: np.ndarray, offsets: np.ndarray, step_end: np.ndarray, log: BatchLog
) -> list[SampleEvents]:
    """Return what was sent in each step and what came out; see `events.Encoded` for the arrays.

    What a sample sends after its last step counts as part of it.
    """
    samples = []
    for s, ends in enumerate(step_end):
        words = all_words[offsets[s] : offsets[s + 1]]
        out = slice(log.out_offsets[s], log.out_offsets[s + 1])
        samples.append(
            SampleEvents(
                np.split(words, ends[:-1]) if ends.size else [],
                log.out_event[out],
                log.out_addr[out],
            )
        )
    return samples
