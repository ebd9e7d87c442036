"""What an export says about events: the maps, the words of each sample, the outputs to expect."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nm_backends.aer import EventPlan, InputEvents, OutputEvent, SampleEvents
from nm_backends.crossbar.chip import CrossbarChip
from nm_backends.program import Program

__all__ = ["plan_events"]

_ORDER = """\
A time step is input_map.csv from top to bottom. The words of lines without node are sent in every
step; those of any other line are sent as often as that input neuron spikes in this step, or, where
delay is not 0, spiked that many steps ago."""
_MARGIN = 64  # cycles: handshakes and synchronisers


def plan_events(
    chip: CrossbarChip, program: Program, spikes: np.ndarray | None = None
) -> EventPlan:
    """Return the event maps of a program and, with spikes, what to send and to expect.

    Parameters
    ----------
    spikes
        Counts uint8 ``[time, batch, channels]``.
    """
    return EventPlan(
        inputs=list(_inputs(chip, program)),
        outputs=sorted(_outputs(chip, program), key=lambda entry: entry.address),
        state=_used(program),
        order=_ORDER,
        idle_cycles=_silence(chip),
        samples=[] if spikes is None else _samples(chip, program, spikes),
    )


def _inputs(chip: CrossbarChip, program: Program) -> Iterator[InputEvents]:
    names = [(p.name, neuron) for p in program.network.inputs for neuron in range(p.size)]
    layout = program.layout
    columns = (layout[f"slot_{key}"].tolist() for key in ("word", "channel", "count", "delay"))
    row_of = {int(w): r for r, w in enumerate(chip.row_words(np.arange(chip.spec.rows)))}
    for word, channel, count, delay in zip(*columns, strict=True):
        node, neuron = names[channel] if channel >= 0 else ("", 0)
        if word == chip.leak_event:
            note = "time reference of all neurons"
        else:
            note = f"row {row_of[word]}"
            if channel < 0:
                note += {-2: ", bias", -3: ", trigger"}.get(
                    int(layout["row_source"][row_of[word]]), ""
                )
        yield InputEvents(node, neuron, delay, (word,) * count, note)


def _outputs(chip: CrossbarChip, program: Program) -> Iterator[OutputEvent]:
    first = 0
    for population in program.network.neurons:
        for neuron in range(population.size):
            place = first + neuron
            yield OutputEvent(int(program.layout["address"][place]), population.name, neuron)
            copy = int(program.layout["copy"][place])
            if copy >= 0:
                yield OutputEvent(copy, population.name, neuron, counts=False)
        first += population.size


def _used(program: Program) -> list[int]:
    """Return the neurons that are in use; the others are disabled and drive nothing."""
    layout = program.layout
    return sorted({*layout["address"].tolist(), *layout["copy"].tolist()} - {-1})


def _silence(chip: CrossbarChip) -> int:
    """Bound the cycles without an output: a full scheduler of events that make no neuron fire."""
    sweep = chip.number("cycles_per_neuron") * chip.spec.neurons + chip.number("cycles_pop")
    served = sweep + chip.number("cycles_wait")
    return int((chip.number("scheduler_depth") + 1) * served) + _MARGIN


def _samples(chip: CrossbarChip, program: Program, spikes: np.ndarray) -> list[SampleEvents]:
    from nm_backends.crossbar.events import encode_spikes

    coded = encode_spikes(program.layout, spikes)
    log = chip.run(program.image, coded.words, coded.offsets)
    samples = []
    for s, ends in enumerate(coded.step_end):
        words = coded.words[coded.offsets[s] : coded.offsets[s + 1]]
        out = slice(int(log.out_offsets[s]), int(log.out_offsets[s + 1]))
        steps = np.split(words, ends[:-1]) if ends.size else []
        samples.append(SampleEvents(steps, log.out_event[out], log.out_addr[out]))
    return samples
