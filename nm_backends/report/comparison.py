"""A page about a comparison: what a model becomes on every chip."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from nm_backends import html
from nm_backends.html import escape
from nm_backends.report.evidence import file_sums
from nm_backends.report.page import document, drawing, short_name
from nm_backends.report.pictures import picture
from nm_backends.report.sections import made_of, tile_list

if TYPE_CHECKING:
    from nm_backends.deployment import Deployment, DeploymentReport

__all__ = ["comparison_page"]


def comparison_page(
    report: DeploymentReport,
    *,
    files: Sequence[str | os.PathLike[str]] = (),
    command: str = "",
) -> str:
    """Return a page as HTML that needs nothing else.

    Parameters
    ----------
    files
        Named on the page with their SHA-256.
    command
        What makes the page again.

    Raises
    ------
    UserError
        matplotlib is not installed.
    """
    with drawing():
        made = [
            ("table", "Which chip runs the model, and how well?", html.comparison_table(report)),
            ("price", "What does it cost on each chip?", _price(report)),
            *_chips(report),
            ("sources", "How are the costs known?", _sources(report)),
            ("reproduce", "How is this page made again?", made_of(file_sums(files), command)),
        ]
    return document(
        f"{short_name(report.source)} on {', '.join(report.chips)}", _header(report), made
    )


def _header(report: DeploymentReport) -> str:
    fits = [chip.chip for chip in report.chips.values() if chip.ok]
    others = [chip.chip for chip in report.chips.values() if not chip.ok]
    said = f"Runs on {', '.join(fits)}" if fits else "Runs on none of the chips"
    said += f", not on {', '.join(others)}" if fits and others else ""
    samples = f"{report.samples:,} samples" if report.samples else "nothing was run"
    return (
        f"<p class='soft'>{escape(short_name(report.source))}: {samples}</p>"
        f"<h1 class='{'good' if fits else 'bad'}'>{escape(said)}</h1>{_tiles(report)}"
    )


def _tiles(report: DeploymentReport) -> str:
    shown = []
    if report.accuracy is not None:
        shown.append(("floating point", f"{report.accuracy:.1%}", "accuracy"))
    for chip in report.chips.values():
        good = chip.decisions if chip.accuracy is None else chip.accuracy
        what = "decisions as in floating point" if chip.accuracy is None else "accuracy"
        if not chip.ok:
            shown.append((chip.chip, "does not fit", " ".join(chip.refused_by) or chip.stopped))
        elif good is not None:
            shown.append((chip.chip, f"{good:.1%}", what))
        else:
            shown.append((chip.chip, "fits", _number(chip)))
    return tile_list(shown)


def _number(chip: Deployment) -> str:
    return "one chip" if chip.chips_needed == 1 else f"{chip.chips_needed} chips"


def _price(report: DeploymentReport) -> str:
    """Return how good the model is over what a sample costs."""
    from nm_backends.pareto import COSTS, draw_pareto

    if not any(chip.ok and chip.decisions is not None for chip in report.chips.values()):
        return ""
    return "".join(
        picture(
            partial(draw_pareto, report=report, cost=cost, unit=unit), (8, 4),
            f"accuracy or agreement with floating point over {cost} per sample, by chip",
        )
        for cost, unit in COSTS
    )  # fmt: skip


def _chips(report: DeploymentReport) -> Iterator[tuple[str, str, str]]:
    """Yield what was found for all chips, and then chip by chip."""
    if report.common:
        found = html.findings(report.common, explained=True)
        yield "model", "What was found about the model?", found
    for chip in report.chips.values():
        shown = [one for one in chip.report if one not in report.common]
        stopped = f"<p class='bad'>{escape(chip.stopped)}</p>" if chip.stopped else ""
        found = html.findings(shown, explained=True)
        bars = html.resources(chip.resources) if chip.resources else ""
        rests = f"<p>{escape(chip.report.rests_on)}</p>" if chip.report.assumptions else ""
        title = f"What was found on {chip.chip}, and how full is it?"
        yield f"chip-{chip.chip}", title, stopped + bars + found + rests


def _sources(report: DeploymentReport) -> str:
    rows = [
        (f"{name} on {chip.chip}", *html.estimate_cells(estimate))
        for chip in report.chips.values()
        for name in ("latency", "energy")
        if (estimate := getattr(chip, name)) is not None
    ]
    return html.table(("per sample", "value", "how it is known"), rows) if rows else ""
