"""What ReckOn's simulator refuses: the chip would wait for ever, or has halted."""

from __future__ import annotations

from typing import Any

from nm_backends.errors import UserError

__all__ = ["HaltedError", "LocalTickError", "TargetMissingError"]


class TargetMissingError(UserError):
    """The chip asks for a target that the host does not have, and waits for ever.

    Parameters
    ----------
    sample, tick
        Where it first asks.
    regression
        Whether it asks for target values, not for a label.
    """

    def __init__(self, sample: int, tick: int, *, regression: bool) -> None:
        self.sample, self.tick, self.regression = sample, tick, regression
        what, hint = (
            ("target values (SPI_REGRESSION is 1)", "give reg_target, int16 [ticks, 16]")
            if regression
            else (
                "a label",
                "give label (with label_tick, from 1 up to this tick, it is sent before) or "
                "label_on_request; or keep TARGET_VALID low, or set SPI_DO_EPROP to 0",
            )
        )
        super().__init__(
            f"sample {sample}, tick {tick}: the chip asks for {what} and would wait for ever", hint
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return _missing, (self.sample, self.tick, self.regression)


def _missing(sample: int, tick: int, regression: bool) -> TargetMissingError:
    return TargetMissingError(sample, tick, regression=regression)


class LocalTickError(UserError):
    """Ticks of its own keep the chip from ever starting a sample."""

    def __init__(self, cycles: int) -> None:
        self.cycles = cycles
        why = (
            "every clock cycle is a tick, a timing error at once"
            if cycles == 1
            else "its tick counter stands still while it is idle, and no tick ever comes"
        )
        super().__init__(
            f"SPI_LOCAL_TICK is 1 with SPI_CYCLES_PER_TICK {cycles}: {why}",
            "set SPI_LOCAL_TICK to 0; a host that ticks every n cycles is tick_period=n of a "
            "Sample (on the chip, SPI_LOCAL_TICK works only if set after an external first tick)",
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.cycles,)


class HaltedError(UserError):
    """The chip has halted at a timing error; its state is known to nobody."""

    def __init__(self, tick: int) -> None:
        self.tick = tick
        super().__init__(
            f"the chip halted at tick {tick}, which came while it was busy: only a reset helps, "
            "and what it was writing is not known",
            "give a longer tick_period, or set SPI_ERROR_HALT to 0",
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.tick,)
