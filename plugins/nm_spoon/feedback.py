"""The fixed random signs of DRTP."""

from __future__ import annotations

import numpy as np

__all__ = ["random_signs"]


def random_signs(outputs: int, hidden: int, seed: int) -> np.ndarray:
    """Return +1 and -1, int32 ``[outputs, hidden]``: the row of a class is its feedback."""
    random = np.random.default_rng([seed, outputs, hidden])
    return random.integers(0, 2, (outputs, hidden), dtype=np.int32) * 2 - 1
