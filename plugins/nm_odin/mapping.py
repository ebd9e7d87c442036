"""ODIN as the shared crossbar mapper sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from nm_backends.crossbar.chip import CrossbarChip, VirtualEvents
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


def _virtual_words(neuron: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Bits 15..8 the neuron, 7..5 the weight, 4 the sign (1 takes away), 3 no leak, 2..0 001."""
    size, sign = np.absolute(weight), weight < 0
    return np.asarray(neuron << 8 | size << 5 | sign << 4 | 0b001)


def _read_virtual(words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    size = words >> 5 & 7
    weight = np.where(words >> 4 & 1, -size, size)
    return words >> 8 & 0xFF, np.where((words >> 16 == 0) & (words & 0xF == 0b001), weight, 0)


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
    virtual=VirtualEvents(SPEC.neurons, _virtual_words, _read_virtual),
)
