"""Synapse words as the burst engine sees them: read in one cycle, written in the next.

The word that is written back is the one that was read before, with its update, wherever the
scheduler points to by then; and what stays in the memory's output register is the word that was
at that place (``synaptic_core.v``, ``controller.v``).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nm_backends.fixed import kernel
from nm_odin.learning import effective_weight, updated

__all__ = ["exchange_word", "latched_weight", "read_word"]


@kernel()
def read_word(queues: Any, synapses: Any, row: int, first: int) -> None:
    """Read the eight synapses of ``row`` from neuron ``first`` on."""
    for j in range(8):
        queues.latch[j] = synapses.nibbles[row, first + j]


@kernel()
def latched_weight(queues: Any, synapses: Any, k: int) -> int:
    """Return the weight 0..7 that neuron ``k`` sees of the word that was read last."""
    weight: int = np.int64(effective_weight(queues.latch[k & 7], synapses.propagate_unmapped))
    return weight


@kernel()
def exchange_word(queues: Any, neurons: Any, synapses: Any, row: int, first: int) -> None:
    """Write the updated word to ``row``, and hold the word that was there."""
    for j in range(8):
        k, nibble = first + j, queues.latch[j]
        active = np.uint8(nibble >> 3) | synapses.update_unmapped
        queues.latch[j] = synapses.nibbles[row, k]
        _write(synapses, row, k, updated(nibble, active, neurons.up[k], neurons.down[k]))


@kernel()
def _write(synapses: Any, row: int, k: int, nibble: np.uint8) -> None:
    synapses.nibbles[row, k] = nibble
    weight = np.int8(effective_weight(nibble, synapses.propagate_unmapped))
    synapses.weights[row, k] = -weight if synapses.inhibitory[row] else weight
