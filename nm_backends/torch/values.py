"""What an image holds as torch parameters; gradients go through the chip's own events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nm_backends.tuning import Tuner, tuner_of

if TYPE_CHECKING:
    from nm_backends.program import Program

__all__ = ["Values"]


class Values(torch.nn.Module):  # type: ignore[misc]
    """Weights, thresholds, leaks, first membranes and biases of a program, as parameters.

    Each is in units in which a step of 1 is one integer of a weight, or a tenth of a threshold
    (leak, first membrane): one learning rate fits all. Weights are ``[sources, neurons]``, input
    channels first; synapses that the model does not have are among them.

    Parameters
    ----------
    program
        It is not changed.

    Raises
    ------
    UserError
        The chip's backend has no gradients for this program.
    """

    def __init__(self, program: Program, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self._tuner = tuner_of(program)
        for name, value in self._tuner.values.items():
            scaled = torch.tensor(value / self._tuner.units[name], dtype=dtype)
            self.register_parameter(name, torch.nn.Parameter(scaled))

    def program(self) -> Program:
        """Return the program of the parameters, which are brought back into the chip's formats."""
        tuner = self._tuner
        with torch.no_grad():
            tuner.take({n: _plain(p) * tuner.units[n] for n, p in self.named_parameters()})
            for name, value in tuner.values.items():
                parameter = getattr(self, name)
                parameter.copy_(torch.from_numpy(value / tuner.units[name]))
        return tuner.program()

    def through(self, spikes: np.ndarray, name: str, real: torch.Tensor) -> torch.Tensor:
        """Return ``real``, the spikes of a population, with gradients by the parameters.

        Parameters
        ----------
        spikes
            Input counts uint8 ``[time, batch, channels]`` of which they came.
        """
        names, parameters = zip(*self.named_parameters(), strict=True)
        made: torch.Tensor = _Through.apply(self._tuner, spikes, name, names, real, *parameters)
        return made


class _Through(torch.autograd.Function):  # type: ignore[misc]
    @staticmethod
    def forward(
        ctx: Any, tuner: Tuner, spikes: np.ndarray, name: str, names: tuple[str, ...],
        real: torch.Tensor, *parameters: torch.Tensor,
    ) -> torch.Tensor:  # fmt: skip
        ctx.asked = tuner, spikes, name, names
        ctx.like = parameters[0].detach()
        return real.view_as(real)

    @staticmethod
    def backward(ctx: Any, slope: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        tuner, spikes, name, names = ctx.asked
        found = tuner.gradients(spikes, {name: _plain(slope)})
        scaled = (torch.from_numpy(found[n] * tuner.units[n]).to(ctx.like) for n in names)
        return (None, None, None, None, None, *scaled)


def _plain(tensor: torch.Tensor) -> np.ndarray:
    return np.asarray(tensor.detach().cpu().double().numpy())
