"""Progress bars: on stderr, and only where a person is watching."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

__all__ = ["progress", "shown"]

_displays: list[Any] = []


@contextmanager
def progress(
    title: str, total: int | None, *, quiet: bool = False
) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on stderr, if a person is watching; yields ``advance(steps)``.

    It says how many per second, and what time is left; ``total`` is None where nobody knows it.
    Within another one it is a line of the same display.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    if _displays:
        yield _line(_displays[-1], title, total)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    _displays.append(bar)
    try:
        with bar:
            yield _line(bar, title, total)
    finally:
        _displays.pop()


def _line(bar: Any, title: str, total: int | None) -> Callable[[int], None]:
    """Add a line to a display, and return what moves it on."""
    task = bar.add_task(title, total=total, rate="")
    begin, done = time.monotonic(), 0

    def advance(steps: int) -> None:
        nonlocal done
        done += steps
        rate = done / max(time.monotonic() - begin, 1e-9)
        bar.update(task, advance=steps, rate=f"{rate:.3g}/s")

    return advance


def shown(
    wanted: Callable[[int], None] | bool | None, title: str, total: int | None
) -> AbstractContextManager[Callable[[int], None]]:
    """Return what shows progress as a user wants it: None, False, or a function of their own."""
    if callable(wanted):
        return nullcontext(wanted)
    return progress(title, total, quiet=wanted is False)
