"""Small pieces of HTML: tables, bars and findings, for notebooks and for the report page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from nm_backends.deployment import DeploymentReport
    from nm_backends.program import Fit, Program, Resource
    from nm_backends.result import Estimate, Result
    from nm_backends.rules import Diagnostic, Report
    from nm_backends.system.program import System

__all__ = [
    "comparison_html",
    "comparison_table",
    "escape",
    "estimate_cells",
    "findings",
    "fits",
    "program_html",
    "report_html",
    "resources",
    "result_facts",
    "result_html",
    "table",
    "verdict",
]

_MARK = {"error": "&#10007;", "warning": "!", "info": "i"}


def table(head: Sequence[str], rows: Iterable[Sequence[str]], raw: Sequence[int] = ()) -> str:
    """Return a table; the first column is the row's title.

    Parameters
    ----------
    raw
        Columns that hold HTML already; all other text is escaped.
    """
    titles = "".join(f'<th scope="col">{escape(text)}</th>' for text in head)
    body = []
    for row in rows:
        cells = [text if i in raw else escape(text) for i, text in enumerate(row)]
        first, *rest = cells
        others = "".join(f"<td>{cell}</td>" for cell in rest)
        body.append(f'<tr><th scope="row">{first}</th>{others}</tr>')
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def resources(found: Sequence[Resource]) -> str:
    """Return the resources in use as bars."""
    rows = [
        (r.name, f"{r.used:,}", f"{r.available:,}", _bar(r), f"{r.percent:.1f} %") for r in found
    ]
    return table(("resource", "used", "available", "", "share"), rows, raw=(3,))


def _bar(found: Resource) -> str:
    colour = "#c0392b" if found.nearly_full else "#2f7fbf"
    # Styles of its own: notebooks have none, and printers leave plain backgrounds out.
    shared = "display:inline-block;height:.9em;print-color-adjust:exact;"
    inner = (
        f'<span style="{shared}width:{min(found.percent, 100):.1f}%;background:{colour}"></span>'
    )
    return f'<span style="{shared}width:9em;background:#8884">{inner}</span>'


def verdict(report: Report) -> str:
    """Return what was found, in one sentence."""
    return escape(str(report).splitlines()[-1])


def findings(found: Iterable[Diagnostic], explained: bool = False) -> str:
    """Return findings as a list, worst first.

    Parameters
    ----------
    explained
        Whether each one holds the text of ``nmb explain``, to be unfolded.
    """
    items = [_finding(one, explained) for one in found]
    return f"<ul class='findings'>{''.join(items)}</ul>" if items else "<p>Nothing was found.</p>"


def _finding(one: Diagnostic, explained: bool) -> str:
    place = f" at <code>{escape(one.place)}</code>" if one.place else ""
    text = f"<b>{_MARK[one.severity]} {one.code}</b> {one.severity}{place}: {escape(one.message)}"
    if one.found or one.limit:
        source = f" ({escape(one.source)})" if one.source else ""
        limit = f"found {escape(one.found or '-')}, limit {escape(one.limit or '-')}"
        text += f"<br><small>{limit}{source}</small>"
    if one.hint:
        text += f"<br><small>help: {escape(one.hint)}</small>"
    if explained:
        text += _explanation(one.code)
    return f"<li class='{one.severity}'>{text}</li>"


def _explanation(code: str) -> str:
    from nm_backends.registry import all_rules

    text = next((rule.explanation for rule, _ in all_rules() if rule.code == code), "")
    if not text:
        return ""
    what = f"<summary>what {code} means</summary><pre>{escape(text)}</pre>"
    return f"<details>{what}</details>"


def fits(fit: Fit) -> str:
    """Return what quantisation did to each population."""
    from nm_backends.tables import FIT_HEAD, fit_row

    return table(FIT_HEAD, [fit_row(one) for one in fit.populations.values()])


def report_html(report: Report) -> str:
    """Return a report as notebooks show it: the verdict, then the findings."""
    rests = f"<p>{escape(report.rests_on)}</p>" if report.assumptions else ""
    return f"<p><b>{verdict(report)}</b></p>{findings(report)}{rests}"


def program_html(program: Program | System) -> str:
    """Return a program as notebooks show it: the verdict, resources and the fit."""
    from nm_backends.tables import accuracy_text

    accuracy = "".join(f"<p>{escape(line)}</p>" for line in accuracy_text(program.fit) if line)
    parts = resources(program.resources), fits(program.fit), accuracy
    return f"<p><b>{verdict(program.report)}</b></p>{''.join(parts)}"


def comparison_table(report: DeploymentReport) -> str:
    """Return a model in floating point and on chips, side by side."""
    from nm_backends.deployment_table import head, rows

    notes = [f"<p>{escape(c.spikes_note)}</p>" for c in report.chips.values() if c.spikes_note]
    return table(head(report), rows(report)) + "".join(notes)


def comparison_html(report: DeploymentReport) -> str:
    """Return a comparison as notebooks show it: the table, then what was found."""
    made = [comparison_table(report), findings(report.common) if report.common else ""]
    for chip in report.chips.values():
        shown = report.warnings_of(chip) if chip.ok else list(chip.report)
        if shown or chip.stopped:
            stopped = f"<p>{escape(chip.stopped)}</p>" if chip.stopped else ""
            made.append(f"<p><b>{escape(chip.chip)}</b></p>{stopped}{findings(shown)}")
    return "".join(made)


def result_html(result: Result) -> str:
    """Return a result as notebooks show it: counts per sample, costs and where they come from."""
    rows = [(name, value, "") for name, value in result_facts(result)]
    for name in ("latency", "energy"):
        estimate: Estimate | None = getattr(result, name)
        if estimate is not None:
            rows.append((f"{name} per sample", *estimate_cells(estimate)))
    return table(("", "value", "how it is known"), rows)


def estimate_cells(estimate: Estimate) -> tuple[str, str]:
    """Return the value of an estimate with its status, and its formula and sources."""
    from nm_backends.cli.output import estimate_text

    return estimate_text(estimate), f"{estimate.formula} ({estimate.source})"


def result_facts(result: Result) -> list[tuple[str, str]]:
    """Return samples, steps, spikes per layer and counters per sample, as text."""
    from nm_backends.cli.output import number
    from nm_backends.losses import Tally

    samples = len(result.prediction)
    facts: list[tuple[str, Any]] = [("samples", samples), ("steps", result.steps)]
    facts += [
        (f"spikes of {name} per sample", counts.sum() / max(1, samples))
        for name, counts in result.losses.get("fired", {}).items()
    ]
    means = {name: np.mean(v) for name, v in result.counters.items() if np.ndim(v) == 1}
    facts += [(f"{name.replace('_', ' ')} per sample", mean) for name, mean in means.items()]
    if result.losses:
        facts += [
            (f"{name.replace('_', ' ')}, all samples", count)
            for name, count in Tally.of([result]).summary().items()
        ]
    return [(name, number(float(value))) for name, value in facts]
