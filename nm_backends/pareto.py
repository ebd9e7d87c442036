"""A picture of a comparison: what accuracy costs on each chip."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from nm_backends.errors import UserError
from nm_backends.files import atomic_write

if TYPE_CHECKING:
    from nm_backends.deployment import Deployment, DeploymentReport

__all__ = ["COSTS", "draw_pareto", "empty_figure", "front", "save_figure", "save_pareto"]

COSTS = (("energy", "J"), ("latency", "s"))
"""What a sample costs, and its unit."""


def save_pareto(report: DeploymentReport, path: str | os.PathLike[str]) -> None:
    """Draw how good the model is on each chip over what a sample costs there, as a PNG file.

    Parameters
    ----------
    report
        Over samples; the higher axis is the accuracy, or without labels the share of decisions
        that are those of floating point.
    path
        Where to write.

    Raises
    ------
    UserError
        Nothing was run, or matplotlib is not installed.
    """
    if not any(chip.ok and chip.decisions is not None for chip in report.chips.values()):
        raise UserError("there is nothing to plot: no chip ran any samples", "give spikes")
    figure = empty_figure(path, (11, 4.6))
    for axes, (cost, unit) in zip(figure.subplots(1, 2, sharey=True), COSTS, strict=True):
        draw_pareto(axes, report, cost, unit)
        axes.label_outer()
    said = f"{report.source}: {report.samples:,} samples"
    figure.suptitle(f"What does being right cost on each chip? ({said})")
    save_figure(figure, path)


def empty_figure(path: str | os.PathLike[str], size: tuple[float, float]) -> Any:
    """Return a figure of a size in inches; say that ``path`` cannot be drawn without matplotlib."""
    from nm_backends.plot import INSTALL

    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise UserError(f"{path}: matplotlib is not installed", INSTALL) from None
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Any, path: str | os.PathLike[str]) -> None:
    """Write a figure as a PNG file, whole or not at all."""
    with atomic_write(path) as aside:
        figure.savefig(aside, format="png", dpi=110)


def draw_pareto(axes: Any, report: DeploymentReport, cost: str, unit: str) -> None:
    """Draw one panel: a mark per chip, and a line along the chips that no other one beats."""
    from matplotlib.ticker import EngFormatter

    ran = [c for c in report.chips.values() if c.ok and c.decisions is not None]
    known = [c for c in ran if getattr(c, cost) is not None]
    points = [(getattr(c, cost).mean, _height(c)) for c in known]
    if len(line := front(points)) > 1:
        axes.plot(*zip(*line, strict=True), color="0.7", drawstyle="steps-post")
    for chip, (x, y) in zip(known, points, strict=True):
        axes.scatter(x, y, s=60, zorder=3, color=f"C{ran.index(chip)}")
        several = f" x {chip.chips_needed}" if (chip.chips_needed or 1) > 1 else ""
        text = f"{chip.chip}{several}\n({getattr(chip, cost).status})"
        axes.annotate(text, (x, y), (0, -8), textcoords="offset points", va="top", ha="center")
    _floor(axes, report, ran)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(EngFormatter(unit))
    axes.margins(x=0.5)
    axes.set_xlabel(f"{cost} per sample")
    axes.set_ylabel("accuracy" if report.accuracy is not None else "decisions as in float")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.1%}")
    missing = ", ".join(c.chip for c in ran if c not in known)
    if missing:
        axes.text(0.02, 0.02, f"no {cost} published: {missing}", transform=axes.transAxes)


def _height(chip: Deployment) -> float:
    return float((chip.decisions if chip.accuracy is None else chip.accuracy) or 0.0)


def front(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the points that are not both dearer and worse than another, cheapest first."""
    kept: list[tuple[float, float]] = []
    for x, y in sorted(points, key=lambda p: (p[0], -p[1])):
        if not kept or y > kept[-1][1]:
            kept.append((x, y))
    return kept


def _floor(axes: Any, report: DeploymentReport, ran: list[Deployment]) -> None:
    """Mark floating point, and leave room around all marks."""
    best = 1.0 if report.accuracy is None else report.accuracy
    heights = [best, *map(_height, ran)]
    axes.axhline(best, color="k", linestyle="--", linewidth=1)
    axes.annotate("floating point", (0.98, best), (0, 3), textcoords="offset points", ha="right",
                  xycoords=("axes fraction", "data"), fontsize="small")  # fmt: skip
    room = max(0.3 * (max(heights) - min(heights)), 0.01)
    axes.set_ylim(min(heights) - 1.5 * room, max(heights) + room)
