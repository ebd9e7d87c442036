"""The event files of an export: which words go in, which addresses come out, and when."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from nm_backends.aer import EventPlan
from nm_backends.chip import Transaction
from nm_backends.stream import SampleStream

__all__ = ["expected", "input_map", "output_map", "sample_streams"]


def input_map(plan: EventPlan) -> Iterator[str]:
    """Yield ``input_map.csv``: the AER words of each input spike."""
    yield "node,neuron,delay,words,note\n"
    for entry in plan.inputs:
        words = " ".join(f"{word:05x}" for word in entry.words)
        yield _row([entry.node, entry.neuron, entry.delay, words, entry.note])


def output_map(plan: EventPlan) -> Iterator[str]:
    """Yield ``output_map.csv``: the neuron that each output address means."""
    yield "address,node,neuron,counts\n"
    for entry in plan.outputs:
        yield _row([entry.address, entry.node, entry.neuron, int(entry.counts)])


def sample_streams(plan: EventPlan, restore: Sequence[Transaction]) -> Iterator[SampleStream]:
    """Yield what is sent for each sample; each begins with the initial state."""
    for number, sample in enumerate(plan.samples):
        yield SampleStream(
            number, list(restore), sample.steps, sample.pins, sample.targets, sample.answers
        )


def expected(plan: EventPlan) -> Iterator[str]:
    """Yield ``expected.csv``: the output that the simulator predicts, in order."""
    if plan.expected:
        yield from map(_row, plan.expected)
        return
    yield "sample,event,step,address,node,neuron\n"
    meaning = {entry.address: (entry.node, entry.neuron) for entry in plan.outputs}
    for number, sample in enumerate(plan.samples):
        columns = (sample.out_event, sample.out_step, sample.out_address)
        for event, step, address in zip(*(c.tolist() for c in columns), strict=True):
            yield _row([number, event, step, address, *meaning.get(address, ("", ""))])


def _row(values: Iterable[object]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(values)
    return buffer.getvalue()
