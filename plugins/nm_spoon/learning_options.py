"""The options of DRTP on the chip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from nm_backends.learning_options import LearningOptions

__all__ = ["SpoonLearning"]


@dataclass(frozen=True)
class SpoonLearning(LearningOptions):
    """How SPOON learns: direct random target projection in the hidden layer, its error in the last.

    Rates are powers of two, given by their exponents; an update of a weight that is less than 1
    happens at random, that often. None: what the image holds.

    Parameters
    ----------
    rate_hidden
        Updates of hidden weights are ``input * 2 ** -rate_hidden``, input 0 to 255; of sign
        ``-feedback``, where the neuron is not cut.
    rate_output
        Updates of output weights are ``error * input * 2 ** -rate_output``, error -128 to 127,
        input 0 to 255 (or -128 to 127).
    slower_every
        Epochs after which both rates become half of what they were; 0: never.
    feedback_seed
        Of the random signs, where learning begins.
    seed
        Of the random generator, where learning begins, 1 to 65535.

    Raises
    ------
    UserError
        A value out of range.
    """

    rate_hidden: int | None = None
    rate_output: int | None = None
    slower_every: int = 0
    feedback_seed: int | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        for name, low, high in (
            ("rate_hidden", 0, 24), ("rate_output", 0, 24), ("feedback_seed", 0, None),
            ("seed", 1, 65535),
        ):  # fmt: skip
            if getattr(self, name) is not None:
                self.whole(name, low, high)
        self.whole("slower_every", 0)

    def rates(self, registers: Mapping[str, int], epoch: int) -> tuple[int, int]:
        """Return the exponents of hidden and output layer in an epoch."""
        halved = epoch // self.slower_every if self.slower_every else 0
        hidden = registers["RATE_HIDDEN"] if self.rate_hidden is None else self.rate_hidden
        output = registers["RATE_OUTPUT"] if self.rate_output is None else self.rate_output
        return min(hidden + halved, 24), min(output + halved, 24)

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers."""
        return {field.name: getattr(self, field.name) for field in fields(self)}
