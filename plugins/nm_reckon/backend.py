"""ReckOn: the backend that the registry hands out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nm_reckon.rules import RULES
from nm_reckon.spec import SPEC

if TYPE_CHECKING:
    from nm_backends.aer import EventPlan
    from nm_backends.chip import Transaction
    from nm_backends.image import Image
    from nm_backends.network import Network
    from nm_backends.partition import Level
    from nm_backends.program import CompileOptions, Program
    from nm_backends.program import Mapping as ChipMapping
    from nm_backends.readback import Realised
    from nm_backends.result import RawRun
    from nm_backends.rules import Diagnostic, Report
    from nm_backends.system.program import System
    from nm_backends.trace import TraceVerdict
    from nm_reckon.learning_options import ReckonLearning
    from nm_reckon.parts import Check
    from nm_reckon.session import ReckonSession
    from nm_reckon.training import Trainer

__all__ = ["BACKEND", "ReckonBackend"]


class ReckonBackend:
    """Everything that `nm_backends` calls; each part is imported when it is used."""

    spec = SPEC
    rules = RULES

    def map(
        self, network: Network, options: CompileOptions, calibration: np.ndarray | None
    ) -> ChipMapping:
        """Schedule, quantise, place and build the image."""
        from nm_reckon.mapping import map_network

        return map_network(network, options, calibration)

    @property
    def lifted(self) -> frozenset[str]:
        """Codes of the rules that do not hold where a network is cut over several chips."""
        from nm_reckon.parts import LIFTED
        from nm_reckon.rules import BY_NAME

        return frozenset(BY_NAME[name].code for name in LIFTED)

    def levels(self, network: Network, check: Check, report: Report) -> list[Level]:
        """Return which populations share chips, in an order of evaluation."""
        from nm_reckon.parts import levels

        return levels(network, check, report)

    def check_part(self, network: Network) -> list[Diagnostic]:
        """Say what keeps a part of a cut network from one chip."""
        from nm_reckon.parts import check_part

        return list(check_part(network))

    def map_part(
        self, network: Network, options: CompileOptions, calibration: np.ndarray | None
    ) -> ChipMapping:
        """Map a part: the host sees spikes of neurons that others listen to, or membranes."""
        from nm_reckon.parts import map_part

        return map_part(network, options, calibration)

    drivings = ("idle", "continuous")

    def execute(
        self, program: Program, spikes: np.ndarray, record: Sequence[str], threads: int | None,
        driving: str = "idle",
    ) -> RawRun:  # fmt: skip
        """Run the image on spikes uint8 ``[time, batch, input channels]``, bit for bit."""
        from nm_reckon.execute import execute

        return execute(program, spikes, record, threads, driving)

    def check_program(self, program: Program) -> list[str]:
        """Name what is wrong with the layout of a program from a file."""
        from nm_reckon.program_check import check_program

        return check_program(program)

    def check_setup(self, image: Image) -> Report:
        """Say what an image would do that its author may not expect."""
        from nm_reckon.setup import check_setup

        return check_setup(image)

    def learning_options(self) -> type[ReckonLearning]:
        """Return the class of the chip's learning options."""
        from nm_reckon.learning_options import ReckonLearning

        return ReckonLearning

    def learner(self, program: Program, options: Any) -> Trainer:
        """Return what trains ``program`` by e-prop."""
        from nm_reckon.learning_options import ReckonLearning
        from nm_reckon.training import Trainer

        return Trainer(program, ReckonLearning.of(options))

    def open_session(self, program: Program, batch: int, learning: Any = None) -> ReckonSession:
        """Return as many chips as there are samples, or one that learns, to be run step by step."""
        if learning is not None:
            from nm_reckon.learning_session import LearningSession

            return LearningSession(program, batch, learning)
        from nm_reckon.session import ReckonSession

        return ReckonSession(program, batch)

    def requantise(self, program: Program, network: Network) -> Program:
        """Return ``program`` with the weights and biases of ``network``."""
        from nm_reckon.requantise import requantise

        return requantise(program, network)

    def weights_of(self, program: Program, node: str) -> np.ndarray:
        """Return the weights of a node as the image holds them, float64 ``[outputs, inputs]``."""
        from nm_reckon.readback import weights_of

        return weights_of(program, node)

    def realised(self, program: Program) -> Realised:
        """Return the network with the weights, biases, thresholds and leaks of the image."""
        from nm_reckon.readback import realised

        return realised(program)

    def write_stream(self, image: Image) -> list[Transaction]:
        """Return the ordered transactions that program the real chip with ``image``."""
        from nm_reckon.stream import write_stream

        return write_stream(image)

    def read_stream(self, stream: Sequence[Transaction]) -> Image:
        """Return the image that ``stream`` programs."""
        from nm_reckon.stream import read_stream

        return read_stream(stream)

    def restore_stream(self, image: Image, neurons: Sequence[int]) -> list[Transaction]:
        """Return the transactions between two samples: seeds; neurons start at rest anyway."""
        from nm_reckon.stream import restore_stream

        return restore_stream(image)

    def plan_events(self, program: Program, spikes: Any | None) -> EventPlan:
        """Say what goes in and what comes out, for an export."""
        from nm_reckon.exporting import plan_events

        return plan_events(program, spikes)

    def export_readme(self, program: Program, plan: EventPlan | None, names: Sequence[str]) -> str:
        """Return the ``README.txt`` of an export."""
        from nm_reckon.exporting import readme

        return readme(program, plan, names)

    def system_readme(self, system: System, levels: str) -> str:
        """Return what the ``README.txt`` of several chips says about a time step."""
        from nm_reckon.several_readme import driving

        return driving(system, levels)

    def estimate(self, counters: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Return energy and latency from counters."""
        from nm_reckon.cost import estimate

        return estimate(counters)

    def recognises(self, arrays: Collection[str]) -> bool:
        """Say whether a trace that names no chip is one of this one."""
        from nm_reckon.trace import recognises

        return recognises(arrays)

    def verify(self, path: str) -> TraceVerdict:
        """Replay one recorded hardware trace and compare it bit for bit."""
        from nm_reckon.trace import verify

        return verify(path)


BACKEND = ReckonBackend()
