"""tinyODIN as the shared crossbar mapper sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from nm_backends.crossbar.chip import CrossbarChip, VirtualEvents
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


def _virtual_words(neuron: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Bit 9 set, bits 7..4 the signed weight, 3..0 the neuron."""
    return np.asarray(0x200 | (weight & 0xF) << 4 | neuron)


def _read_virtual(words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    low = words >> 4 & 0xF
    return words & 0xF, np.where(words >> 8 == 0b10, low - 16 * (low >> 3), 0)


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
    virtual=VirtualEvents(16, _virtual_words, _read_virtual),  # the address has 4 bits
)
