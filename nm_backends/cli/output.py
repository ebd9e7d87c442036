"""How commands print: tables for people, one JSON object for programs."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from nm_backends.result import Estimate
    from nm_backends.rules import Report

__all__ = [
    "echo_json",
    "echo_provenance",
    "echo_report",
    "echo_table",
    "estimate_dict",
    "estimate_text",
    "json_option",
    "json_wanted",
    "number",
    "plain",
    "with_prefix",
]

JSON = "nm_backends.json"
COLOURS = {"error": "red", "warning": "yellow", "info": "cyan"}
SCREEN = 30  # lines of findings; --json has them all
_PREFIXES = (
    (1e6, "M"), (1e3, "k"), (1, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n"), (1e-12, "p"),
)  # fmt: skip


def _remember(ctx: click.Context, _: click.Parameter, value: bool) -> bool:
    ctx.meta[JSON] = value
    return value


json_option = click.option(
    "--json",
    "as_json",
    is_flag=True,
    callback=_remember,
    # Eager, so that even an error among the other options is told in JSON.
    is_eager=True,
    help="Print one JSON object instead of text.",
)


def json_wanted(ctx: click.Context) -> bool:
    """Whether ``--json`` was given."""
    return bool(ctx.meta.get(JSON))


def plain(value: Any) -> Any:
    """Turn numpy values and tuples inside plain containers into what JSON knows."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON has no word for it
    return value


def echo_json(value: Any) -> None:
    """Print one JSON object on stdout."""
    click.echo(json.dumps(plain(value), indent=2))


def echo_report(report: Report) -> None:
    """Print findings, worst first, on one screen at most."""
    shown = lines = 0
    for finding in report:
        text = str(finding).splitlines()
        if shown and lines + len(text) > SCREEN:
            click.echo(f"... and {len(report) - shown} more findings (--json has them all)")
            break
        head, *rest = [line if len(line) < 400 else line[:400] + " ..." for line in text]
        click.secho(head, fg=COLOURS[finding.severity])
        click.echo("\n".join(rest), nl=bool(rest))
        shown, lines = shown + 1, lines + len(text)
    if report.assumptions:
        click.echo(report.rests_on)
    click.secho(str(report).splitlines()[-1], fg="green" if report.ok else "red", bold=True)


def echo_table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """Print a table; a column whose title starts with ``>`` is right-aligned."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        right = column.startswith(">")
        table.add_column(column.lstrip(">"), justify="right" if right else "left")
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    # A file or a pipe has no width: do not wrap for it.
    console = Console(width=None if sys.stdout.isatty() else 250, markup=False, highlight=False)
    console.print(table)


def number(value: float) -> str:
    """Write a number for a table: separators for integers, four digits for the rest."""
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:.4g}"


def estimate_text(estimate: Estimate | None) -> str:
    """Write an estimate for a table, such as ``12 us (published)``."""
    if estimate is None:
        return "not published"
    return f"{with_prefix(estimate.mean, estimate.unit)} ({estimate.status})"


def with_prefix(value: float, unit: str) -> str:
    """Write a value with its unit, such as ``12 us``; a plain factor as ``2.5 x``."""
    if unit in ("s", "J", "W", "Hz"):
        known = _PREFIXES if unit == "Hz" else _PREFIXES[2:]
        factor, prefix = next((f for f in known if value >= f[0]), known[-1])
        value, unit = value / factor, prefix + unit
    return f"{value:.3g} {'x' if unit == '1' else unit}"


def echo_provenance(what: str, estimate: Estimate | None) -> None:
    """Print the formula and the sources of an estimate below a table."""
    if estimate is not None:
        text = f"{what}: {estimate.formula} ({estimate.source})"
        click.echo(click.wrap_text(text, width=100, subsequent_indent="    "))


def estimate_dict(estimate: Estimate | None) -> dict[str, Any] | None:
    """Return an estimate as plain data."""
    if estimate is None:
        return None
    names = ("unit", "formula", "source", "status")
    return {"mean": estimate.mean, **{name: getattr(estimate, name) for name in names}}
