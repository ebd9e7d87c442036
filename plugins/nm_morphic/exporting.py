"""The ``README.txt`` of an export: that its formats are ours, and what is assumed."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import PurePath
from textwrap import fill
from typing import TYPE_CHECKING

from nm_backends.assumptions import assumptions_of
from nm_backends.export_readme import event_files
from nm_morphic.arrange import mesh_columns
from nm_morphic.spec import CORES

if TYPE_CHECKING:
    from nm_backends.aer import EventPlan
    from nm_backends.program import Program
    from nm_morphic.assumptions import Assumptions

__all__ = ["export_readme"]


def export_readme(
    program: Program,
    plan: EventPlan | None,
    names: Sequence[str],
    assumptions: Assumptions,
    chips: int,
) -> str:
    """Return the text for an export with the files ``names``."""
    template = (files("nm_morphic") / "data" / "export_readme.txt").read_text(encoding="utf-8")
    plural = "" if chips == 1 else "s"
    title = f"nm-backends export for morphic ({chips} chip{plural}, {CORES * chips} cores)"
    assumed = [f"{a.name} = {a.value}: {a.chosen}" for a in assumptions_of(assumptions)]
    return template.format(
        chips=chips, plural=plural, cores=CORES * chips, rule="=" * len(title),
        source=PurePath(program.network.source).name,
        assumptions="\n".join(fill(f"* {line}", 98, subsequent_indent="  ") for line in assumed),
        event_files=event_files(names), columns=mesh_columns(chips),
        order=fill(plan.order, 98) if plan and plan.order else "",
    )  # fmt: skip
