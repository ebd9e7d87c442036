"""Pictures of a study: accuracy over cost, and parallel coordinates."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from nm_backends.errors import UserError
from nm_backends.pareto import empty_figure, front, save_figure

if TYPE_CHECKING:
    from nm_backends.study.results import StudyResults

__all__ = ["save_parallel", "save_pareto"]

_COSTS = (("energy", "J"), ("latency", "s"))
Path = str | os.PathLike[str]
_WIDE = 100  # times: an axis that shows powers of ten only


def save_pareto(results: StudyResults, path: Path) -> None:
    """Draw every trial's accuracy over its energy and latency, and who is beaten by none.

    Without labels the height is the share of decisions as in floating point.

    Raises
    ------
    UserError
        No trial has both, or matplotlib is not installed.
    """
    rows = [row for row in results.rows if row["status"] == "ok"]
    height = "accuracy" if any(r["accuracy"] is not None for r in rows) else "decisions"
    if not any(r[height] is not None and r[c] is not None for r in rows for c, _ in _COSTS):
        raise UserError(f"{results.name}: no trial has a {height} and a cost to draw")
    figure = empty_figure(path, (11, 4.6))
    for axes, (cost, unit) in zip(figure.subplots(1, 2, sharey=True), _COSTS, strict=True):
        _draw_costs(axes, rows, height, cost, unit)
        axes.label_outer()
    figure.suptitle(f"What does being right cost? ({results.name}: {len(rows):,} trials)")
    save_figure(figure, path)


def _draw_costs(axes: Any, rows: list[dict[str, Any]], height: str, cost: str, unit: str) -> None:
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    known = [r for r in rows if r[cost] is not None]
    for number, chip in enumerate(sorted({row["chip"] for row in rows})):
        points = [(r[cost], r[height]) for r in known if r["chip"] == chip]
        if points:
            marks = {"s": 14, "alpha": 0.7, "label": chip, "color": f"C{number}"}
            axes.scatter(*zip(*points, strict=True), **marks)
    best = front([(r[cost], r[height]) for r in known])
    if len(best) > 1:
        axes.plot(*zip(*best, strict=True), color="0.5", drawstyle="steps-post", zorder=0)
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    subs = (1, 2, 5) if high < _WIDE * low else (1,)  # as many as have room beside each other
    axes.xaxis.set_major_locator(LogLocator(subs=subs))
    axes.xaxis.set_major_formatter(EngFormatter(unit))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.1%}")
    axes.set_xlabel(f"{cost} per sample")
    axes.set_ylabel("accuracy" if height == "accuracy" else "decisions as in float")
    if known:
        axes.legend(fontsize="small")


def save_parallel(results: StudyResults, path: Path, metric: str = "accuracy") -> None:
    """Draw each trial as a line through what was chosen, ending at a metric, which colours it.

    Raises
    ------
    UserError
        No trial has the metric, nothing varies, or matplotlib is not installed.
    """
    rows = [r for r in results.rows if r["status"] == "ok" and r.get(metric) is not None]
    names = [n for n in results.varied if len({str(r[n]) for r in rows}) > 1]
    if not rows or not names:
        raise UserError(f"{results.name}: no trials that differ, with a value of {metric!r}")
    figure = empty_figure(path, (2.2 * (len(names) + 1) + 1, 4.6))
    axes = figure.subplots()
    columns = [_scaled([r[n] for r in rows]) for n in [*names, metric]]
    heights = np.array([column[0] for column in columns]).T
    colours = _colours(heights[:, -1])
    for line in np.argsort(heights[:, -1]):
        axes.plot(heights[line], color=colours[line], alpha=0.6, linewidth=1)
    for x, (_, ticks) in enumerate(columns):
        axes.axvline(x, color="0.3", linewidth=1)
        for y, text in ticks:
            axes.annotate(text, (x, y), (3, 2), textcoords="offset points", fontsize="small")
    axes.set_xticks(range(len(columns)), [*names, metric])
    axes.set_yticks([])
    said = f"{results.name}: {len(rows):,} trials"
    axes.set_title(f"Which choices lead to a high {metric}? ({said})")
    save_figure(figure, path)


def _scaled(values: list[Any]) -> tuple[np.ndarray, list[tuple[float, str]]]:
    """Return heights 0 to 1, and a few of them with what they mean."""
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        numbers = np.array(values, float)
        low, high = float(numbers.min()), float(numbers.max())
        logarithmic = low > 0 and high > 50 * low
        scaled = np.log(numbers) if logarithmic else numbers
        spread = float(np.ptp(scaled)) or 1.0
        ends = [(0.0, f"{low:.4g}"), (1.0, f"{high:.4g}")] if high > low else [(0.0, f"{low:.4g}")]
        return (scaled - scaled.min()) / spread, ends
    texts = sorted({str(v) for v in values})
    places = {text: i / max(len(texts) - 1, 1) for i, text in enumerate(texts)}
    return np.array([places[str(v)] for v in values]), [(y, text) for text, y in places.items()]


def _colours(heights: np.ndarray) -> Any:
    from matplotlib import colormaps

    return colormaps["viridis"](heights)
