"""SPOON: the backend that the registry hands out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nm_backends.errors import UserError
from nm_spoon.assumptions import Assumptions
from nm_spoon.rules import RULES
from nm_spoon.spec import spec_of

if TYPE_CHECKING:
    from nm_backends.aer import EventPlan
    from nm_backends.chip import Transaction
    from nm_backends.image import Image
    from nm_backends.network import Network
    from nm_backends.program import CompileOptions, Program
    from nm_backends.program import Mapping as ChipMapping
    from nm_backends.readback import Realised
    from nm_backends.result import RawRun
    from nm_backends.trace import TraceVerdict
    from nm_spoon.learning_options import SpoonLearning
    from nm_spoon.training import Trainer

__all__ = ["BACKEND", "SpoonBackend"]


class SpoonBackend:
    """Everything that `nm_backends` calls; each part is imported when it is used.

    Parameters
    ----------
    assumptions
        What is taken for granted about the chip.
    """

    rules = RULES
    first_spikes = True

    def __init__(self, assumptions: Assumptions | None = None) -> None:
        self.assumptions = assumptions or Assumptions()
        self.spec = spec_of(self.assumptions)

    def assuming(self, assumptions: Assumptions) -> SpoonBackend:
        """Return the backend under other assumptions."""
        return SpoonBackend(assumptions)

    def map(
        self, network: Network, options: CompileOptions, calibration: np.ndarray | None
    ) -> ChipMapping:
        """Quantise, place and build the image."""
        from nm_spoon.mapping import map_network

        return map_network(network, options, calibration, self.assumptions)

    def execute(
        self, program: Program, spikes: np.ndarray, record: Sequence[str], threads: int | None
    ) -> RawRun:
        """Run the image on spikes uint8 ``[time, batch, input channels]``, or first spikes."""
        from nm_spoon.execute import execute

        return execute(program, spikes, record, threads, self.assumptions)

    def check_program(self, program: Program) -> list[str]:
        """Name what is wrong with the layout or the registers of a program from a file."""
        from nm_spoon.program_check import check_program

        return check_program(program, self.spec)

    def learning_options(self) -> type[SpoonLearning]:
        """Return the class of the chip's learning options."""
        from nm_spoon.learning_options import SpoonLearning

        return SpoonLearning

    def learner(self, program: Program, options: Any) -> Trainer:
        """Return what trains ``program`` by DRTP."""
        from nm_spoon.learning_options import SpoonLearning
        from nm_spoon.training import Trainer

        return Trainer(program, SpoonLearning.of(options), self.assumptions)

    def weights_of(self, program: Program, node: str) -> np.ndarray:
        """Return the weights of a node as the image holds them, float64 ``[outputs, inputs]``."""
        from nm_spoon.readback import weights_of

        return weights_of(program, node, self.spec)

    def realised(self, program: Program) -> Realised:
        """Return the network with the weights of the image."""
        from nm_spoon.readback import realised

        return realised(program, self.spec)

    def plan_events(self, program: Program, spikes: Any | None) -> EventPlan:
        """Say what goes in and what comes out, for an export."""
        from nm_spoon.exporting import plan_events

        return plan_events(program, spikes, self.assumptions)

    def export_readme(self, program: Program, plan: EventPlan | None, names: Sequence[str]) -> str:
        """Return the ``README.txt`` of an export."""
        from nm_spoon.exporting import readme

        return readme(program, names)

    def write_stream(self, image: Image) -> list[Transaction]:
        """Return the transactions that program ``image``, in a format of ours."""
        from nm_spoon.stream import write_stream

        return write_stream(image, self.spec)

    def read_stream(self, stream: Sequence[Transaction]) -> Image:
        """Return the image that ``stream`` programs."""
        from nm_spoon.stream import read_stream

        return read_stream(stream, self.spec)

    def estimate(self, counters: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Return energy and latency from counters."""
        from nm_spoon.cost import estimate

        return estimate(counters, self.assumptions)

    def verify(self, path: str) -> TraceVerdict:
        """Refuse: there are no traces."""
        raise UserError(
            f"{path}: no traces of SPOON are public, its model is behavioural",
            "odin, tinyodin and reckon have traces",
        )


BACKEND = SpoonBackend()
