"""What ODIN's simulator refuses to make up."""

from __future__ import annotations

from typing import Any

from nm_backends.eventcore.errors import UnsupportedByEngine

__all__ = ["UndefinedError"]


class UndefinedError(UnsupportedByEngine):
    """The chip would go on with data that nothing has defined.

    Parameters
    ----------
    event
        Index of the input event accepted last.
    neuron
        Neuron whose row was being served.
    overflow
        A burst queue got its fifth entry (four places, five-bit pointers); otherwise, a place of
        the main queue that had never been written since power-up was served.
    """

    def __init__(self, event: int, neuron: int, *, overflow: bool) -> None:
        self.event, self.neuron, self.overflow = event, neuron, overflow
        what = (
            "a burst queue gets its fifth entry, which the chip loses and replaces by undefined "
            "words (its queues have four places and are never reset)"
            if overflow
            else "a slot ends while its entry is served, and the chip goes on with a place of the "
            "main queue that was never written since power-up"
        )
        super().__init__(
            f"event {event}, while neuron {neuron} is served: {what}",
            "send fewer events or a run with shorter bursts (spk_ref), or set SPI_BURST_TIMEREF to "
            "0; 32 harmless virtual events before the run define the main queue",
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.event, self.neuron, self.overflow)


def _rebuild(event: int, neuron: int, overflow: bool) -> UndefinedError:
    return UndefinedError(event, neuron, overflow=overflow)
