"""Why an event-driven core cannot run something."""

from __future__ import annotations

from nm_backends.errors import UserError

__all__ = ["LivelockError", "UnsupportedByEngine"]


class UnsupportedByEngine(UserError):
    """The image uses a part of the chip that the simulator does not execute."""


class LivelockError(UserError):
    """The chip would not become idle: its neurons keep each other, or themselves, firing.

    Parameters
    ----------
    sample, event
        The input event (index within its sample) after which the scheduler did not drain.
    neuron
        Neuron or row that was served last.
    max_pops
        The budget that was used up.
    why
        What in the set-up is known to cause it.
    """

    def __init__(self, sample: int, event: int, neuron: int, max_pops: int, why: str = "") -> None:
        self.sample, self.event, self.neuron, self.max_pops = sample, event, neuron, max_pops
        self.why = why
        super().__init__(
            f"livelock: sample {sample}, event {event}: still busy after {max_pops} scheduled "
            f"events, the last one of neuron {neuron}",
            why
            or "raise the threshold of recurrently driven neurons (threshold 0 fires at every "
            "touch), disable them or open the loop; or raise max_pops",
        )

    def __reduce__(self) -> tuple[type, tuple[int, int, int, int, str]]:
        return type(self), (self.sample, self.event, self.neuron, self.max_pops, self.why)
