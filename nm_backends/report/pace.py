"""Whether the chip keeps up with its input, and which steps take longer than they last."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from nm_backends import html
from nm_backends.html import escape
from nm_backends.report.evidence import Evidence
from nm_backends.report.pictures import picture

if TYPE_CHECKING:
    from nm_backends.real_time import RealTime

__all__ = ["pace"]

_LISTED = 10  # steps that overrun


def pace(found: Evidence) -> str:
    """Return the verdict, how long the steps of a sample take, and those that overrun."""
    keeps_up = None if found.result is None else found.result.real_time
    if keeps_up is None:
        return ""
    verdict = "yes" if keeps_up.ok else "no"
    text = (
        f"<p class='{'good' if keeps_up.ok else 'bad'}'>On average {verdict}: a step lasts "
        f"{keeps_up.dt:g} s, and the chip is {keeps_up.factor.mean:.3g} times as fast as the "
        f"input, {keeps_up.slowest:.3g} times in the slowest sample.</p>"
    )
    if keeps_up.step_seconds is None:
        return text + "<p class='soft'>How long each step takes is not known for this chip.</p>"
    draw = partial(_draw, seconds=keeps_up.step_seconds[:, found.sample], dt=keeps_up.dt)
    words = f"how long the steps of sample {found.sample} take on the chip, and how long they last"
    return text + _overruns(keeps_up) + picture(draw, (9, 2.8), words)


def _overruns(keeps_up: RealTime) -> str:
    seconds, late = keeps_up.step_seconds, keeps_up.overruns
    assert seconds is not None
    if not len(late):
        return f"<p>None of {seconds.size:,} steps takes longer than it lasts.</p>"
    said = (
        f"{len(late):,} of {seconds.size:,} steps take longer than they last; the chip falls up to "
        f"{float(keeps_up.lag.max()):.3g} s behind."
    )
    rows = [
        (f"step {t} of sample {s}", f"{seconds[t, s]:.3g} s", f"{seconds[t, s] / keeps_up.dt:.2f}")
        for t, s in late[:_LISTED].tolist()
    ]
    more = len(late) - len(rows)
    rest = f"<p class='soft'>and {more:,} more</p>" if more else ""
    head = ("the longest", "takes", "times its time")
    return f"<p class='bad'>{escape(said)}</p>{html.table(head, rows)}{rest}"


def _draw(axes: Any, seconds: np.ndarray, dt: float) -> None:
    axes.bar(np.arange(seconds.size), seconds * 1e3, width=0.9, label="takes")
    axes.axhline(dt * 1e3, color="tab:red", label="lasts")
    axes.set_yscale("log")
    axes.set_xlabel("time step")
    axes.set_ylabel("ms")
    axes.legend(loc="upper left", bbox_to_anchor=(0, 1.16), ncols=2, frameon=False)
