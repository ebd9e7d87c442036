"""The `nm_backends.chip.Backend` of any crossbar chip."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from nm_backends.cost import estimate
from nm_backends.crossbar import execute as runner
from nm_backends.crossbar.chip import CrossbarChip
from nm_backends.rules import Rule
from nm_backends.run import refuse_learning

if TYPE_CHECKING:
    from nm_backends.aer import EventPlan
    from nm_backends.chip import ChipSpec, Transaction
    from nm_backends.crossbar.descent.tuner import CrossbarTuner
    from nm_backends.crossbar.session import CrossbarSession
    from nm_backends.eventcore.requests import Driving
    from nm_backends.image import Image
    from nm_backends.network import Network
    from nm_backends.program import CompileOptions, Program
    from nm_backends.program import Mapping as ChipMapping
    from nm_backends.readback import Realised
    from nm_backends.result import RawRun
    from nm_backends.rules import Diagnostic
    from nm_backends.spi import SpiProtocol
    from nm_backends.trace import TraceVerdict

__all__ = ["CrossbarBackend", "StreamModule"]


class StreamModule(Protocol):
    """A chip's ``stream`` module."""

    def write_stream(self, image: Image) -> list[Transaction]:
        """Return the transactions that program ``image``."""
        ...

    def read_stream(self, stream: Sequence[Transaction]) -> Image:
        """Return the image that ``stream`` programs."""
        ...

    def protocol(self) -> SpiProtocol:
        """Return how the chip is programmed."""
        ...


class CrossbarBackend:
    """Everything that `nm_backends` calls, for a chip described as a `CrossbarChip`.

    Parameters
    ----------
    chip
        Its description.
    rules
        Its rules, those of ``chip.rules`` among them.
    stream
        Its programming stream.
    verify
        Replays one recorded trace.
    """

    def __init__(
        self,
        chip: CrossbarChip,
        rules: Sequence[Rule],
        stream: Any,
        verify: Callable[[str], TraceVerdict],
    ) -> None:
        self.chip = chip
        self.spec: ChipSpec = chip.spec
        self.rules = rules
        self._stream: StreamModule = stream
        self._verify = verify

    def map(
        self, network: Network, options: CompileOptions, calibration: np.ndarray | None
    ) -> ChipMapping:
        """Quantise, place and build the image."""
        from nm_backends.crossbar.mapping import map_network

        return map_network(self.chip, network, options, calibration)

    @property
    def lifted(self) -> frozenset[str]:
        """Codes of the rules that do not hold where a network is cut over several chips."""
        from nm_backends.crossbar.parts import LIFTED

        return frozenset(self.chip.rules[name].code for name in LIFTED if name in self.chip.rules)

    def check_part(self, network: Network) -> list[Diagnostic]:
        """Say what keeps a part of a cut network from one chip."""
        from nm_backends.crossbar.parts import check_part

        return list(check_part(self.chip, network))

    def map_part(
        self, network: Network, options: CompileOptions, calibration: np.ndarray | None
    ) -> ChipMapping:
        """Quantise and place a part; the host is the synapses of inputs for which no row is left.

        Virtual events take their places (`nm_backends.crossbar.hosted`).
        """
        from nm_backends.crossbar.mapping import map_network

        return map_network(self.chip, network, options, calibration, hosting=True)

    drivings: tuple[str, ...] = ("idle", "back_to_back")

    def execute(
        self,
        program: Program,
        spikes: np.ndarray,
        record: Sequence[str],
        threads: int | None,
        driving: Driving = "idle",
    ) -> RawRun:
        """Run the image on spikes uint8 ``[time, batch, input channels]``, bit for bit."""
        return runner.execute(self.chip, program, spikes, record, threads, driving)

    def open_session(self, program: Program, batch: int, learning: Any = None) -> CrossbarSession:
        """Return as many copies of the chip as there are samples, to be run step by step."""
        from nm_backends.crossbar.session import CrossbarSession

        if learning is not None:
            raise refuse_learning(program)
        return CrossbarSession(self.chip, program, batch)

    def weights_of(self, program: Program, node: str) -> np.ndarray:
        """Return the weights of a node as the image holds them, float64 ``[outputs, inputs]``."""
        from nm_backends.crossbar.readback import weights_of

        return weights_of(self.chip, program, node)

    def realised(self, program: Program) -> Realised:
        """Return the network that the image holds, and where it is."""
        from nm_backends.crossbar.realised import realised

        return realised(self.chip, program)

    def requantise(self, program: Program, network: Network) -> Program:
        """Return ``program`` with the weights and biases of ``network``."""
        from nm_backends.crossbar.requantise import requantise

        return requantise(self.chip, program, network)

    def tuner(self, program: Program) -> CrossbarTuner:
        """Return what a program is trained by with gradients through the chip's own events."""
        from nm_backends.crossbar.descent.tuner import CrossbarTuner

        return CrossbarTuner(self.chip, program)

    def check_program(self, program: Program) -> list[str]:
        """Name what is wrong with the layout of a program from a file."""
        return runner.check_layout(self.chip, program)

    def plan_events(self, program: Program, spikes: Any | None) -> EventPlan:
        """Say which words go in and what comes out, for an export."""
        from nm_backends.crossbar.exporting import plan_events

        return plan_events(self.chip, program, spikes)

    def write_stream(self, image: Image) -> list[Transaction]:
        """Return the ordered transactions that program the real chip with ``image``."""
        return self._stream.write_stream(image)

    def read_stream(self, stream: Sequence[Transaction]) -> Image:
        """Return the image that ``stream`` programs."""
        return self._stream.read_stream(stream)

    def restore_stream(self, image: Image, neurons: Sequence[int]) -> list[Transaction]:
        """Return the transactions that give ``neurons`` their first state back."""
        return self._stream.protocol().restore(image, neurons)

    def estimate(self, counters: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Return energy and latency from counters, as far as constants are published."""
        return estimate(self.spec, counters)

    def verify(self, path: str) -> TraceVerdict:
        """Replay one recorded hardware trace and compare it bit for bit."""
        return self._verify(path)
