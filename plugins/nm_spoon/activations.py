"""What the first event of an input is worth."""

from __future__ import annotations

import numpy as np

from nm_backends.first_spikes import FirstSpikes
from nm_spoon.spec import TICKS

__all__ = ["activations"]


def activations(first: FirstSpikes) -> np.ndarray:
    """Return what first spikes are worth, 0 to 255: int32 ``[batch, channels]``.

    A sample's steps are spread over the 255 ticks of the code: step ``s`` of ``n`` is tick
    ``s * 255 // n``, and an event of tick ``t`` is worth ``255 - t``.
    """
    tick = first.step.astype(np.int64) * TICKS // max(first.steps, 1)
    return np.where(first.step >= 0, TICKS - tick, 0).astype(np.int32)
