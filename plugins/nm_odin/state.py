"""ODIN's state, laid out for the kernels: one array per field, and what follows from parameters.

What only Izhikevich neurons have is in arrays with the names of the word's fields.
"""

from __future__ import annotations

import numpy as np

from nm_backends.eventcore.machine import NEURONS
from nm_backends.eventcore.saturations import SATURATION_FIELDS
from nm_odin.izh_fields import IZH_FIELDS

__all__ = ["ELSEWHERE", "IZH_NAMES", "IZH_STATE", "NEURON_STATE", "NEVER", "SYNAPSE_STATE"]

NEVER = 16_000
"""Threshold that keeps a membrane which is no LIF neuron's from firing in a sweep."""

ELSEWHERE = {
    "lif_izh_sel": "",  # by izhikevich
    "leak_str": "leak",
    "leak_en": "leak",
    "ca_en": "calcium_enabled",
    "thetamem": "theta_membrane",
    "ca_theta1": "theta",
    "ca_theta2": "theta",
    "ca_theta3": "theta",
    "ca_leak": "calcium_leak",
    "inacc": "accumulated",
    "calcium": "calcium",
    "caleak_cnt": "leak_count",
    "neur_disable": "enabled",
}
"""Fields of an Izhikevich word that are kept per array, most of them shared with LIF neurons."""

IZH_NAMES = tuple(f.name for f in IZH_FIELDS if f.name not in ELSEWHERE)

IZH_STATE = np.dtype([(name, np.int8, NEURONS) for name in IZH_NAMES])

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
        # Izhikevich
        ("izhikevich_count", np.int64),
        ("izhikevich", np.uint8, NEURONS),
        ("accumulated", np.int16, NEURONS),
        ("step_bit", np.int16, NEURONS),  # mask of the bit whose flips are steps; 0 for LIF
        ("restless", np.uint8, NEURONS),  # a touch without a step changes it or makes it fire
        (
            "cores",
            np.int16,
            NEURONS,
        ),  # core, which LIF sweeps spoil in `membrane`
        ("touch", np.uint8, NEURONS),  # scratch
        ("fired_izh", np.int16, NEURONS),
        ("spikes", np.int8, NEURONS),  # scratch: spikes that count for calcium
        ("word", np.int16, NEURONS),  # neuron whose word it was at first; see `burst`
        ("izh", IZH_STATE),
        *SATURATION_FIELDS,  # of LIF neurons
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
