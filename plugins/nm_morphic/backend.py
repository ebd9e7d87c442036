"""MorphIC: the backend that the registry hands out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from nm_backends.crossbar.backend import CrossbarBackend
from nm_backends.errors import UserError
from nm_backends.run import refuse_learning
from nm_backends.setups import check_setups
from nm_morphic import cost
from nm_morphic.assumptions import Assumptions
from nm_morphic.mapping import chip_of
from nm_morphic.rules import RULES
from nm_morphic.spread import MESH_SIZES
from nm_morphic.stream import Stream

if TYPE_CHECKING:
    from nm_backends.aer import EventPlan
    from nm_backends.chip import Transaction
    from nm_backends.image import Image
    from nm_backends.network import Network
    from nm_backends.program import CompileOptions, Program
    from nm_backends.program import Mapping as ChipMapping
    from nm_backends.rules import Report
    from nm_backends.trace import TraceVerdict
    from nm_morphic.learning_options import MorphicLearning
    from nm_morphic.session import MorphicSession
    from nm_morphic.training import Trainer

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

    clock = "a simulation of discrete events, sweep by sweep"
    mesh_sizes = MESH_SIZES

    def __init__(self, assumptions: Assumptions | None = None, chips: int = 1) -> None:
        self.assumptions, self.chips = assumptions or Assumptions(), chips
        chip = chip_of(self.assumptions, chips)
        self._own_stream = Stream(chip.spec)
        super().__init__(chip, RULES, self._own_stream, partial(_verify, self.assumptions))

    def map(
        self, network: Network, options: CompileOptions, calibration: np.ndarray | None
    ) -> ChipMapping:
        """Binarise, spread over the cores and build the image of all chips."""
        from nm_morphic.findings import mapped_findings

        if options.settle == "always":
            raise UserError(
                "settle='always': a trigger event of this chip lifts membranes by 1",
                "leave settle at 'auto'",
            )
        mapping = super().map(network, options, calibration)
        mapping.report.extend(mapped_findings(self.chip, network, options, mapping))
        if options.learn:
            from nm_morphic.plastic import refuse_obstacles

            refuse_obstacles(mapping, network, options)
        return mapping

    def check_setup(self, image: Image) -> Report:
        """Return what an image, perhaps written by hand, would do to the chips."""
        from nm_morphic.own_rules import SETUP
        from nm_morphic.setup import Setup

        return check_setups(image, self.spec, Setup, SETUP, self.chip.rules)

    def assuming(self, assumptions: Assumptions) -> MorphicBackend:
        """Return the backend under other assumptions."""
        return _backend(assumptions, self.chips)

    def open_session(self, program: Program, batch: int, learning: Any = None) -> MorphicSession:
        """Return as many meshes as there are samples, to be run step by step."""
        from nm_morphic.session import MorphicSession

        if learning is not None:
            raise refuse_learning(program)
        return MorphicSession(self.chip, program, batch, self.assumptions, self.chips)

    def learning_options(self) -> type[MorphicLearning]:
        """Return the class of the chip's learning options."""
        from nm_morphic.learning_options import MorphicLearning

        return MorphicLearning

    def learner(self, program: Program, options: Any) -> Trainer:
        """Return what trains ``program`` by stochastic SDSP."""
        from nm_morphic.arrange import mesh_columns
        from nm_morphic.learning_options import MorphicLearning
        from nm_morphic.training import Trainer

        columns = mesh_columns(self.chips)
        return Trainer(program, MorphicLearning.of(options), self.assumptions, columns)

    def restore_stream(self, image: Image, neurons: Sequence[int]) -> list[Transaction]:
        """Return the transactions that give neurons their first state back."""
        return self._own_stream.restore_stream(image, neurons)

    def meshed(self, chips: int) -> MorphicBackend:
        """Return the backend of a mesh of so many chips."""
        return _backend(self.assumptions, chips)

    def export_readme(self, program: Program, plan: EventPlan | None, names: Sequence[str]) -> str:
        """Return the ``README.txt`` of an export."""
        from nm_morphic.exporting import export_readme

        return export_readme(program, plan, names, self.assumptions, self.chips)

    def estimate(self, counters: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Return energy and latency at 0.8 V."""
        return cost.estimate(counters, self.chips)


@lru_cache(maxsize=16)
def _backend(assumptions: Assumptions, chips: int) -> MorphicBackend:
    return MorphicBackend(assumptions, chips)


BACKEND = MorphicBackend()
