"""What an export says about driving the chip: events in, values out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np

from nm_backends.aer import EventPlan, InputEvents, OutputEvent, SampleEvents
from nm_backends.first_spikes import FirstSpikes
from nm_spoon.activations import activations

if TYPE_CHECKING:
    from nm_backends.program import Program
    from nm_spoon.assumptions import Assumptions

__all__ = ["plan_events", "readme"]

_HEAD = ("sample", "output", "value", "decision")


def plan_events(
    program: Program, spikes: np.ndarray | FirstSpikes | None, assumed: Assumptions
) -> EventPlan:
    """Return the maps of a program, and what goes in and comes out for ``spikes``."""
    given, shown = program.network.inputs[0], program.network.output
    inputs = [InputEvents(given.name, n, 0, (n,), "first event only") for n in range(given.size)]
    outputs = [OutputEvent(n, shown.name, n) for n in range(shown.size)]
    order = "Only the first event of an input is sent; the events of a step by address."
    if spikes is None:
        return EventPlan(inputs, outputs, (), order)
    first = FirstSpikes.of(spikes)
    samples = [SampleEvents(list(_sent(step, first.steps)), *_no_events()) for step in first.step]
    return EventPlan(
        inputs, outputs, (), order, samples=samples, expected=list(_expected(program, first,
        assumed)),
    )  # fmt: skip


def _no_events() -> tuple[np.ndarray, np.ndarray]:
    return np.zeros(0, np.int64), np.zeros(0, np.int64)


def _sent(step: np.ndarray, steps: int) -> Iterator[np.ndarray]:
    """Yield the addresses of each step."""
    for now in range(steps):
        yield np.flatnonzero(step == now).astype(np.uint32)


def _expected(
    program: Program, first: FirstSpikes, assumed: Assumptions
) -> Iterator[Sequence[object]]:
    from nm_spoon.engine import plan_of, run
    from nm_spoon.setup import unpack

    yield _HEAD
    outputs = run(plan_of(unpack(program.image), assumed), activations(first)).outputs
    for sample, values in enumerate(outputs):
        decision = int(values.argmax())
        for output, value in enumerate(values.tolist()):
            yield sample, output, value, decision


def readme(program: Program, names: Sequence[str]) -> str:
    """Return the ``README.txt`` of an export."""
    title = "nm-backends export for spoon"
    text = (files("nm_spoon") / "data" / "export_readme.txt").read_text(encoding="utf-8")
    driven = "aer.txt" in names
    more = (files("nm_spoon") / "data" / "export_driving.txt").read_text(encoding="utf-8")
    return (text + ("\n" + more if driven else "")).format(
        title=title, rule="=" * len(title), source=PurePath(program.network.source).name
    )
