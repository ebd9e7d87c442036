"""Training what an image holds, by gradients through the chip's own dynamics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from nm_backends.errors import UserError

if TYPE_CHECKING:
    from nm_backends.program import Program

__all__ = ["Tuner", "tuner_of"]


class Tuner(Protocol):
    """Real numbers behind the integers of a program; a backend's ``tuner(program)``.

    Attributes
    ----------
    units
        By how much values move where a weight moves by one integer; arrays by name, which
        broadcast to `values`.
    """

    units: dict[str, np.ndarray]

    @property
    def values(self) -> dict[str, np.ndarray]:
        """What can be trained, float64 arrays by name, in units of the chip."""
        ...

    def take(self, values: dict[str, np.ndarray]) -> None:
        """Set the values, as far as the chip's formats reach."""
        ...

    def program(self) -> Program:
        """Return the program with the values rounded."""
        ...

    def gradients(self, spikes: np.ndarray, slopes: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return gradients by `values`.

        Parameters
        ----------
        spikes
            Input counts uint8 ``[time, batch, channels]``.
        slopes
            Gradient of the loss by each spike of populations, ``[time, batch, size]``.
        """
        ...


def tuner_of(program: Program) -> Tuner:
    """Return what a program can be trained by.

    Raises
    ------
    UserError
        The chip's backend knows no gradients, or not those of this program.
    """
    from nm_backends.assumptions import backend_of

    made: Any = getattr(backend_of(program), "tuner", None)
    if made is None:
        raise UserError(
            f"gradients do not go through the dynamics of {program.chip}",
            "gradients='model' takes those of the float model",
        )
    tuner: Tuner = made(program)
    return tuner
