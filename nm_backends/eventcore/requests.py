"""What a host may ask for: how it drives the links, and when the state is recorded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np

from nm_backends.errors import UserError
from nm_backends.eventcore.timed import BACK_TO_BACK, IDLE, SCHEDULED

__all__ = ["DRIVING", "Driving", "check_schedule", "check_snaps", "check_timing"]

Driving = Literal["idle", "back_to_back", "scheduled"]
DRIVING = {"idle": IDLE, "back_to_back": BACK_TO_BACK, "scheduled": SCHEDULED}


def check_snaps(snap_after: Iterable[int] | None, total: int) -> list[int] | None:
    """Return the numbers of events after which the state is recorded."""
    if snap_after is None:
        return None
    snaps = [int(n) for n in snap_after]
    if snaps != sorted(snaps) or (snaps and not 0 <= snaps[0] <= snaps[-1] <= total):
        raise UserError(f"snap_after {snaps}: expected ascending numbers from 0 to {total}")
    return snaps


def check_timing(
    driving: str, idle_cycles: int, ack_delay: int, release_delay: int, snaps: list[int] | None
) -> None:
    """Refuse delays and combinations that make no sense."""
    if driving not in DRIVING:
        raise UserError(f"driving {driving!r}: expected one of {', '.join(DRIVING)}")
    if driving == "idle" and idle_cycles < 1:
        raise UserError(f"idle_cycles {idle_cycles}: expected 1 or more")
    if ack_delay < 0 or release_delay < 0:
        raise UserError(f"ack_delay {ack_delay}, release_delay {release_delay}: negative")
    if snaps is not None and driving != "idle":
        raise UserError("snap_after: the chip is only idle after each event when driving is 'idle'")


def check_schedule(driving: str, req_cycle: np.ndarray | None, total: int) -> np.ndarray:
    """Return the cycles at which requests rise, if the host has a schedule."""
    if driving != "scheduled":
        return np.zeros(0, np.int64)
    schedule = np.asarray([] if req_cycle is None else req_cycle)
    if schedule.shape != (total,) or (schedule.dtype.kind not in "ui" and total):
        raise UserError(f"req_cycle: {schedule.dtype}{list(schedule.shape)}, expected [{total}]")
    if total and not 0 <= int(schedule.min()) <= int(schedule.max()) < 1 << 62:
        raise UserError("req_cycle: a cycle is negative or beyond 2**62")
    return np.ascontiguousarray(schedule, np.int64)
