"""When a chip asks for a target, and whether the host has one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np

from nm_backends.errors import UserError
from nm_reckon.errors import TargetMissingError
from nm_reckon.packing import Packed

__all__ = ["check_targets"]


def check_targets(packed: Packed, registers: Mapping[str, int | np.ndarray]) -> None:
    """Refuse samples in which the chip would wait for a target for ever.

    It asks after the step of every tick but the last at which it learns; not so if it needs one
    label per sample and got one after tick 0.

    Raises
    ------
    TargetMissingError
        Names the first tick at which it asks in vain.
    UserError
        A label is sent in regression mode, where it counts as half a target value.
    """
    value = {name: int(cast(int, registers[name])) for name in _NAMES}
    for n in np.flatnonzero(packed.plan["label_tick"] >= 0) if value["SPI_REGRESSION"] else ():
        raise UserError(
            f"sample {n}: a label is sent (label_tick) while SPI_REGRESSION is 1: the chip takes "
            "it for half a target value, and all that follow are misplaced",
            "set label_tick to -1, or SPI_REGRESSION to 0",
        )
    if not value["SPI_DO_EPROP"]:
        return
    for n in _without_answer(packed, regression=bool(value["SPI_REGRESSION"])):
        tick = _first_request(packed, int(n), value)
        if tick is not None:
            raise TargetMissingError(int(n), tick, regression=bool(value["SPI_REGRESSION"]))


_NAMES = ("SPI_DO_EPROP", "SPI_REGUL_MODE", "SPI_REGRESSION", "SPI_SINGLE_LABEL")


def _without_answer(packed: Packed, *, regression: bool) -> np.ndarray:
    """Return the samples in which the host has nothing to answer."""
    if regression:
        return np.flatnonzero(~packed.has_targets)
    return np.flatnonzero(packed.ticks["on_request"][packed.plan["begin"]] < 0)


def _first_request(packed: Packed, n: int, value: Mapping[str, int]) -> int | None:
    """Return the tick of sample ``n`` at which the chip asks first, if it does."""
    begin, ticks, sent = (int(packed.plan[name][n]) for name in ("begin", "ticks", "label_tick"))
    learns = packed.ticks["target_valid"][begin : begin + ticks] != 0
    if value["SPI_REGUL_MODE"] >= 6:
        learns[:] = True
    learns[0] = learns[-1] = False
    if value["SPI_SINGLE_LABEL"] and sent > 0 and not value["SPI_REGRESSION"]:
        learns[sent:] = False
    return int(np.argmax(learns)) if learns.any() else None
