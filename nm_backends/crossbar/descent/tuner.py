"""A program's own integers as real numbers, with gradients through the chip's own events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nm_backends.crossbar.descent.passes import backward
from nm_backends.crossbar.descent.recipe import FAR, NEAR, core_for, room_for
from nm_backends.crossbar.descent.shadow import Shadow, units_of
from nm_backends.crossbar.integers import Integers, lateral_synapses
from nm_backends.crossbar.realised import integers_in
from nm_backends.crossbar.requantise import choices_of, refuse_shared_rows, with_integers
from nm_backends.crossbar.wiring import Wiring, wire
from nm_backends.errors import UserError

if TYPE_CHECKING:
    from nm_backends.crossbar.chip import CrossbarChip
    from nm_backends.program import Program

__all__ = ["CrossbarTuner"]


class CrossbarTuner:
    """What a program of a crossbar chip can be trained by; see `nm_backends.tuning.Tuner`.

    Everything that the image holds is there: synapses that only the chip has (`lateral`) too, where
    calibration has given it some. Elsewhere they would be a thousand more chances to fit noise.

    Parameters
    ----------
    chip
        Of the program.
    program
        It is not changed.

    Raises
    ------
    UserError
        Inputs share rows or have none, or synapses learn on the chip.
    """

    def __init__(self, chip: CrossbarChip, program: Program) -> None:
        refuse_shared_rows(program)
        wiring = wire(program.network, program.options.learn)
        _refuse(program, bool(wiring.plastic.any()))
        self._chip, self._program, self._wiring = chip, program, wiring
        self._choices = choices_of(program)
        integers = integers_in(chip, program, wiring)
        lateral = program.options.lateral == "auto" and _extra(wiring, integers) > 0
        self._room = room_for(chip, wiring, integers, self._choices, True, lateral)
        self._core, self._layout = core_for(chip, wiring, integers, self._choices, self._room)
        self._shadow = Shadow(chip, integers, self._room.weights, self._room.signs)
        far = not chip.signed_membrane or wiring.loops
        self._recipe = FAR if far else NEAR
        units = units_of(self._shadow.values)
        self.units = {name: units[name] for name in self._names()}

    @property
    def values(self) -> dict[str, np.ndarray]:
        """Weights, thresholds, leaks and so on, float64, in units of the chip."""
        return {name: self._shadow.values[name].copy() for name in self._names()}

    def take(self, values: dict[str, np.ndarray]) -> None:
        """Set the values, as far as the chip's formats reach."""
        for name, value in values.items():
            self._shadow.values[name] = np.array(value, np.float64)
        self._shadow.limit()

    def program(self) -> Program:
        """Return the program with the values rounded."""
        integers, wiring = self._shadow.integers, self._wiring
        extra = _extra(wiring, integers)
        said = {"lateral_synapses": extra} if extra else {}
        return with_integers(
            self._chip, self._program, wiring, integers, self._choices, tuned=True, **said
        )

    def gradients(self, spikes: np.ndarray, slopes: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return gradients by `values`; see `nm_backends.tuning.Tuner`."""
        from nm_backends.crossbar.events import encode_spikes

        integers, wiring = self._shadow.integers, self._wiring
        wanted = np.zeros((spikes.shape[1], spikes.shape[0], wiring.neurons), np.float32)
        for name, slope in slopes.items():
            wanted[:, :, wiring.of(name)] = slope.transpose(1, 0, 2)
        arguments = self._core.arguments(integers, encode_spikes(self._layout, spikes))
        memory, stuck = self._recipe.memory, self._recipe.stuck
        found = backward(self._core, integers, arguments, wanted, memory, stuck)
        found["weights"] = found["weights"] * self._room.weights
        return {name: found[name] for name in self._names()}

    def _names(self) -> list[str]:
        free = ["start"] if not self._chip.signed_membrane else []
        return ["weights", "threshold", "leak", *free, *(["bias"] if self._room.bias else [])]


def _extra(wiring: Wiring, integers: Integers) -> int:
    """Count the synapses that the model does not have."""
    return sum(lateral_synapses(wiring, integers, span) for _, span in wiring.spans())


def _refuse(program: Program, learns: bool) -> None:
    hosted = program.metadata.get("inputs_without_a_row")
    if learns or hosted:
        what = "synapses that learn on the chip" if learns else f"{hosted} inputs without a row"
        raise UserError(
            f"{what}: gradients do not go through the chip's events there",
            "gradients='model' takes those of the float model",
        )
