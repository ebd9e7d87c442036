"""Pieces of Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from nm_backends.chip import Quantity

__all__ = ["escaped", "figure", "prose", "table"]

_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n"))


def escaped(text: object) -> str:
    """Write text so that a table cell shows it as it is."""
    found = " ".join(str(text).split())
    return re.sub(r"([|\\*_\[\]<>])", r"\\\1", found) if "`" not in found else _pipes(found)


def _pipes(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table; the rows are Markdown already where a cell is not plain text."""
    head = f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}\n"
    lines = (f"| {' | '.join(str(cell) or ' ' for cell in row)} |" for row in rows)
    return head + "\n".join(lines) + "\n"


def prose(text: str) -> str:
    """Turn the text of a docstring into Markdown: ``code`` and `names` become code."""
    return re.sub(r"``(.+?)``", r"`\1`", text, flags=re.DOTALL)


def figure(quantity: Quantity) -> str:
    """Write a figure with the prefix that suits it: ``75 MHz``, ``8.43 pJ``, ``0.086 mm2``."""
    value, unit = quantity.value, quantity.unit
    if unit == "m2":
        return f"{value * 1e6:g} mm2"
    if unit == "W/Hz":
        return f"{value * 1e12:g} uW/MHz"
    if unit not in ("s", "J", "W", "Hz"):
        return f"{value:g} {unit}" if unit != "1" else f"{value:g}"
    factor, prefix = next((f for f in _PREFIXES if abs(value) >= f[0]), (1e-12, "p"))
    return f"{value / factor:.4g} {prefix}{unit}"
