"""ODIN's state, laid out for the kernels: one array per field, and what follows from parameters."""

from __future__ import annotations

import numpy as np

from nm_backends.eventcore.machine import NEURONS

__all__ = ["NEURON_STATE", "SYNAPSE_STATE"]

NEURON_STATE = np.dtype(
    [
        ("membrane", np.int16, NEURONS),
        ("threshold", np.int16, NEURONS),
        ("leak", np.int16, NEURONS),  # 0 where leak_en is 0
        ("enabled", np.uint8, NEURONS),
        ("fired", np.int16, NEURONS),
        ("hits", np.uint8, NEURONS),  # scratch
        ("learning", np.int64),  # some neuron has ca_en, or a flag is still set
        # SDSP: state, then parameters
        ("calcium", np.int16, NEURONS),
        ("leak_count", np.int16, NEURONS),
        ("up", np.uint8, NEURONS),
        ("down", np.uint8, NEURONS),
        ("calcium_up", np.uint8, NEURONS),  # calcium is where it allows UP; see `learning`
        ("calcium_down", np.uint8, NEURONS),
        ("theta_membrane", np.int16, NEURONS),
        ("theta", np.int16, (3, NEURONS)),
        ("calcium_leak", np.int16, NEURONS),
        ("calcium_enabled", np.uint8, NEURONS),
    ],
    align=True,
)

SYNAPSE_STATE = np.dtype(
    [
        ("weights", np.int8, (NEURONS, NEURONS)),  # signed and masked, as the neuron sees it
        ("nibbles", np.uint8, (NEURONS, NEURONS)),  # as stored
        ("inhibitory", np.uint8, NEURONS),
        ("update_unmapped", np.uint8),
        ("propagate_unmapped", np.uint8),
        ("learn_single", np.uint8),  # single-synapse events learn
    ],
    align=True,
)
