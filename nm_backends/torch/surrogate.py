"""Spikes forward, slopes backward."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

__all__ = ["Surrogate", "atan", "instead"]

Surrogate = Callable[[torch.Tensor], torch.Tensor]
"""From membrane minus threshold to something that has the gradient of a spike."""


def atan(alpha: float = 2.0) -> Surrogate:
    """Return an arctangent as the spike that gradients see.

    Parameters
    ----------
    alpha
        Slope: the derivative at the threshold is ``alpha / 2``.
    """

    def surrogate(x: torch.Tensor) -> torch.Tensor:
        return torch.atan(math.pi / 2 * alpha * x) / math.pi + 0.5

    return surrogate


class _Instead(torch.autograd.Function):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, smooth: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        return real.view_as(real)

    @staticmethod
    def backward(ctx: Any, slope: torch.Tensor) -> tuple[torch.Tensor, None]:
        return slope, None


def instead(smooth: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Return the values of ``real`` with the gradient of ``smooth`` (straight through)."""
    result: torch.Tensor = _Instead.apply(smooth, real)
    return result
