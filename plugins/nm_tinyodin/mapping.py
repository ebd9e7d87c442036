"""tinyODIN as the shared crossbar mapper sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nm_backends.crossbar.chip import CrossbarChip
from nm_tinyodin.image import pack, unpack
from nm_tinyodin.rules import BY_NAME
from nm_tinyodin.spec import SPEC

if TYPE_CHECKING:
    from nm_backends.eventcore.logs import BatchLog
    from nm_backends.eventcore.simulator import EventSimulator
    from nm_backends.image import Image

__all__ = ["CHIP"]


def _engine() -> Callable[..., BatchLog]:
    from nm_tinyodin.simulator import run_batch

    return run_batch


def _simulator() -> Callable[[Image], EventSimulator]:
    from nm_tinyodin.simulator import TinyOdinSimulator

    return TinyOdinSimulator


CHIP = CrossbarChip(
    SPEC,
    BY_NAME,
    pack,
    unpack,
    row_event=0x000,  # bits 9..8 = 00: neuron spike event of row bits 7..0
    row_step=1,
    leak_event=0x1FF,  # bit 8, address 0xFF: time reference of all neurons
    engine=_engine,
    simulator=_simulator,
)
