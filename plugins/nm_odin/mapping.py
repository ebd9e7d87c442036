"""ODIN as the shared crossbar mapper sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nm_backends.crossbar.chip import CrossbarChip
from nm_odin.image import pack, unpack
from nm_odin.rules import BY_NAME
from nm_odin.spec import SPEC

if TYPE_CHECKING:
    from nm_backends.eventcore.logs import BatchLog
    from nm_backends.eventcore.simulator import EventSimulator
    from nm_backends.image import Image

__all__ = ["CHIP"]


def _engine() -> Callable[..., BatchLog]:
    from nm_odin.simulator import run_batch

    return run_batch


def _simulator() -> Callable[[Image], EventSimulator]:
    from nm_odin.simulator import OdinSimulator

    return OdinSimulator


CHIP = CrossbarChip(
    SPEC,
    BY_NAME,
    pack,
    unpack,
    row_event=0x07,  # low byte 0x07: neuron spike event of row bits 15..8
    row_step=0x100,
    leak_event=0x7F,  # low byte 0x7F: time reference of all neurons
    engine=_engine,
    simulator=_simulator,
    learns=True,
)
