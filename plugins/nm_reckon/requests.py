"""When a chip asks for a target, and whether the host has one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np

from nm_backends.errors import UserError
from nm_reckon.errors import TargetMissingError
from nm_reckon.packing import Packed

__all__ = ["asking", "check_targets"]


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
    value = _values(registers)
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


def asking(
    valid: np.ndarray, label_tick: int, registers: Mapping[str, int | np.ndarray]
) -> np.ndarray:
    """Return the ticks of a sample at which the chip asks for a target, bool ``[ticks]``.

    Parameters
    ----------
    valid
        Pin ``TARGET_VALID`` at each tick.
    label_tick
        As in `nm_reckon.sample.Sample`.
    """
    value = _values(registers)
    asks: np.ndarray = np.asarray(valid) != 0
    if value["SPI_REGUL_MODE"] >= 6:
        asks[:] = True
    asks[0] = asks[-1] = False
    if value["SPI_SINGLE_LABEL"] and label_tick > 0 and not value["SPI_REGRESSION"]:
        asks[label_tick:] = False
    if not value["SPI_DO_EPROP"]:
        asks[:] = False
    return asks


_NAMES = ("SPI_DO_EPROP", "SPI_REGUL_MODE", "SPI_REGRESSION", "SPI_SINGLE_LABEL")


def _values(registers: Mapping[str, int | np.ndarray]) -> dict[str, int]:
    return {name: int(cast(int, registers[name])) for name in _NAMES}


def _without_answer(packed: Packed, *, regression: bool) -> np.ndarray:
    """Return the samples in which the host has nothing to answer."""
    if regression:
        return np.flatnonzero(~packed.has_targets)
    return np.flatnonzero(packed.ticks["on_request"][packed.plan["begin"]] < 0)


def _first_request(packed: Packed, n: int, value: Mapping[str, int]) -> int | None:
    """Return the tick of sample ``n`` at which the chip asks first, if it does."""
    begin, ticks, sent = (int(packed.plan[name][n]) for name in ("begin", "ticks", "label_tick"))
    asks = asking(packed.ticks["target_valid"][begin : begin + ticks], sent, value)
    return int(np.argmax(asks)) if asks.any() else None
