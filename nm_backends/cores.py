"""How many processors there are for us."""

from __future__ import annotations

import os

__all__ = ["THREADS", "usable_cores"]

THREADS = "NM_BACKENDS_THREADS"
"""Environment variable: so many threads instead of one per core (processes that share cores)."""


def usable_cores() -> int:
    """Return the number of processors that this process may use, or what `THREADS` says."""
    wanted = os.environ.get(THREADS, "")
    if wanted.isdecimal() and int(wanted):
        return int(wanted)
    known = hasattr(os, "sched_getaffinity")  # not on every system
    return len(os.sched_getaffinity(0)) if known else (os.cpu_count() or 1)
