"""MorphIC: the backend that the registry hands out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from nm_backends.crossbar.backend import CrossbarBackend
from nm_morphic import cost
from nm_morphic.assumptions import Assumptions
from nm_morphic.mapping import chip_of
from nm_morphic.rules import RULES
from nm_morphic.spread import MESH_SIZES
from nm_morphic.stream import Stream

if TYPE_CHECKING:
    from nm_backends.chip import Transaction
    from nm_backends.image import Image
    from nm_backends.trace import TraceVerdict

__all__ = ["BACKEND", "MorphicBackend"]


def _verify(assumptions: Assumptions, path: str) -> TraceVerdict:
    from nm_morphic.trace import verify

    return verify(path, assumptions)


class MorphicBackend(CrossbarBackend):
    """One chip or a mesh of chips that route spikes among themselves.

    Parameters
    ----------
    assumptions
        What is taken for granted where nothing is published.
    chips
        In the mesh.
    """

    drivings = ("idle",)
    mesh_sizes = MESH_SIZES

    def __init__(self, assumptions: Assumptions | None = None, chips: int = 1) -> None:
        self.assumptions, self.chips = assumptions or Assumptions(), chips
        chip = chip_of(self.assumptions, chips)
        self._own_stream = Stream(chip.spec)
        super().__init__(chip, RULES, self._own_stream, partial(_verify, self.assumptions))

    def assuming(self, assumptions: Assumptions) -> MorphicBackend:
        """Return the backend under other assumptions."""
        return _backend(assumptions, self.chips)

    def restore_stream(self, image: Image, neurons: Sequence[int]) -> list[Transaction]:
        """Return the transactions that give neurons their first state back."""
        return self._own_stream.restore_stream(image, neurons)

    def meshed(self, chips: int) -> MorphicBackend:
        """Return the backend of a mesh of so many chips."""
        return _backend(self.assumptions, chips)

    def estimate(self, counters: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Return energy and latency at 0.8 V."""
        return cost.estimate(counters, self.chips)


@lru_cache(maxsize=16)
def _backend(assumptions: Assumptions, chips: int) -> MorphicBackend:
    return MorphicBackend(assumptions, chips)


BACKEND = MorphicBackend()
