"""The table of peers: a line per workload, batch and variant; where this project is not ahead."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

__all__ = ["into_page", "machine", "table", "verdict"]

Row = dict[str, Any]
_HEAD = (
    "workload", "batch", "who", "whole call, us", "ratio", "loop alone, us", "ratio", "hidden rate",
)  # fmt: skip
_BEGIN, _END = "<!-- table of peers -->\n", "<!-- end of the table -->\n"


def machine(load: float) -> str:
    """Say where and when this was measured, and what else the machine was doing."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        model = platform.processor()
    after = os.getloadavg()[0]
    busy = " (others were at work: not to be quoted)" if load > 1.5 else ""
    return (
        f"{date.today()}, {model}, {os.cpu_count()} cores, one in use, Python "
        f"{platform.python_version()}; load {load:.1f} before, {after:.1f} after{busy}. "
        "Microseconds per step and sample; ratios to the fastest of ours."
    )


def table(rows: list[Row]) -> str:
    """Return the table in Markdown, the fastest of a group first."""
    lines = [_line(_HEAD), _line(["---", "---:", "---", *["---:"] * 5])]
    for (workload, batch), group in _groups(rows).items():
        best = {key: _ours(group, key) for key in ("us", "loop_us")}
        for row in sorted(group, key=lambda r: r.get("us", float("inf"))):
            who = f"{row['peer']} {row['version']}, {row['variant']}"
            if "us" not in row:
                lines.append(_line([workload, batch, who, row["error"], "", "", "", ""]))
                continue
            who += " (one sample after another)" if row["serial"] and batch > 1 else ""
            figures = [f for key in best for f in _figures(row.get(key), best[key])]
            lines.append(_line([workload, batch, who, *figures, f"{row['fired']:.1%}"]))
    return "\n".join(lines)


def verdict(rows: list[Row]) -> Iterator[str]:
    """Yield where this project is not ahead, by either clock; or that there is no such place."""
    found = False
    clocks = {"us": "the whole call", "loop_us": "the loop alone"}
    for (workload, batch), group in _groups(rows).items():
        for key, clock in clocks.items():
            ours = _ours(group, key)
            for row in group if ours else ():
                if row["peer"] != "ours" and row.get(key, float("inf")) <= ours:
                    found = True
                    ratio = row[key] / ours
                    yield f"Behind {row['peer']} in {workload}, batch {batch}: {clock} {ratio:.2f}."
    if not found:
        yield "Ahead of all of them everywhere, by either clock."


def into_page(page: Path, text: str) -> None:
    """Put a text into the place of a page that is for it."""
    before, rest = page.read_text("utf-8").split(_BEGIN)
    after = rest.split(_END)[1]
    page.write_text(f"{before}{_BEGIN}\n{text}\n\n{_END}{after}", "utf-8")


def _groups(rows: list[Row]) -> dict[tuple[str, int], list[Row]]:
    groups: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["workload"], row["batch"]), []).append(row)
    return groups


def _ours(group: list[Row], key: str) -> float:
    """Return the least figure of this project; 0 where there is none."""
    return min((r[key] for r in group if r["peer"] == "ours" and key in r), default=0.0)


def _figures(value: float | None, ours: float) -> tuple[str, str]:
    if value is None:
        return "", ""
    return f"{value:.2f}", f"{value / ours:.2f}" if ours else ""


def _line(cells: Any) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"
