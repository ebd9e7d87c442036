"""A system as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nm_backends.tables import accuracy_text, counted, table

if TYPE_CHECKING:
    from nm_backends.system.program import Part, System

__all__ = ["system_text"]


def system_text(system: System) -> str:
    """Return who is where, how full the chips are, and what was chosen and measured."""
    how = "in turn on one" if system.shared else f"on {counted(system.chips, 'chip')}"
    names = list(dict.fromkeys(r.name for p in system.parts for r in p.program.resources))
    first = "program" if system.shared else "chip"
    hosted = any(_hosted(part) for part in system.parts)
    head = (first, "layer", "holds", *names, *(["inputs without a row"] if hosted else []))
    rows = [_row(i, part, names)[: len(head)] for i, part in enumerate(system.parts)]
    lines = [f"{system.network.source} {how} ({system.chip})", "", *table(head, rows)]
    lines += accuracy_text(system.fit)
    said = {k: v for k, v in system.metadata.items() if _shown(k, v)}
    if said:
        lines += ["", "; ".join(f"{name.replace('_', ' ')}: {v}" for name, v in said.items())]
    return "\n".join(lines)


def _shown(name: str, value: object) -> bool:
    judged = name in ("accuracy", "float_accuracy", "judged_samples")
    return isinstance(value, (str, bool, int, float)) and not judged


def _row(number: int, part: Part, names: list[str]) -> tuple[str, ...]:
    used = {r.name: f"{r.used:,} of {r.available:,}" for r in part.program.resources}
    holds = " ".join(f"{name}[{_span(index.tolist())}]" for name, index in part.neurons.items())
    return (
        str(number), str(part.level), holds, *(used.get(name, "") for name in names),
        str(_hosted(part)),
    )  # fmt: skip


def _hosted(part: Part) -> int:
    """Return for how many inputs the host is the synapse."""
    return int(str(part.program.metadata.get("inputs_without_a_row", 0)))


def _span(index: list[int]) -> str:
    if index == list(range(index[0], index[-1] + 1)):
        return f"{index[0]}..{index[-1]}"
    return f"{len(index)} of {index[0]}..{index[-1]}"
