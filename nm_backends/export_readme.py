"""The ``README.txt`` of an export: for the person at the bench, who knows nothing of us."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import PurePath
from textwrap import fill
from typing import TYPE_CHECKING

from nm_backends.memory_files import LEARNED

if TYPE_CHECKING:
    from nm_backends.aer import EventPlan
    from nm_backends.chip import ChipSpec
    from nm_backends.program import Program

__all__ = ["event_files", "readme"]

_EVENT_FILES = {
    "input_map.csv": """\
the AER words that one spike of an input means. In each time step go
through the lines from top to bottom: a line without node is sent in
every step, any other once for each spike of that input neuron (delay
steps ago)""",
    "output_map.csv": """\
the neuron of the model that an output address means; counts = 0: it
shows a spike for the second time, do not count it""",
    "aer.txt": "the events of the samples (below)",
    "expected.csv": "the output events that must come back (below)",
}
_LEARNED = """\
the {memory} memory that the chip must hold after the last sample of
aer.txt, as {memory}.hex (below: Learning)"""


def readme(program: Program, spec: ChipSpec, plan: EventPlan | None, names: Sequence[str]) -> str:
    """Return the text of ``README.txt`` for an export that holds the files ``names``."""
    title = f"nm-backends export for {spec.name}"
    learned = [name for name in names if name.endswith(LEARNED)]
    driving = ""
    if plan:
        driving = _template("export_driving").format(
            idle_cycles=plan.idle_cycles, order=f"\n{fill(plan.order, 99)}\n" if plan.order else ""
        )
    if learned:
        driving += _template("export_learning")
    return _template("export_readme").format(
        chip=spec.name,
        rule="=" * len(title),
        source=PurePath(program.network.source).name,
        event_files=event_files(names),
        driving=driving,
    )


def event_files(names: Sequence[str]) -> str:
    """Say what those of the files ``names`` are that have to do with events and learning."""
    learned = [name for name in names if name.endswith(LEARNED)]
    said = {name: _LEARNED.format(memory=name.removesuffix(LEARNED)) for name in learned}
    entries = [(name, text) for name, text in (_EVENT_FILES | said).items() if name in names]
    listed = "\n".join(_entry(name, text) for name, text in entries)
    return listed + "\n" if listed else ""


def _entry(name: str, text: str) -> str:
    return f"{name:<17}" + text.replace("\n", "\n" + 17 * " ")


def _template(name: str) -> str:
    return (files("nm_backends") / "data" / f"{name}.txt").read_text(encoding="utf-8")
