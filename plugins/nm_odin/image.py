"""A core's contents as ODIN's memories and registers."""

from __future__ import annotations

import numpy as np

from nm_backends.crossbar.chip import CoreContents
from nm_backends.eventcore.words import insert
from nm_backends.image import Image
from nm_odin.spec import NEURON_FIELDS, SPEC

__all__ = ["pack", "pack_neurons", "pack_synapses", "unpack"]

_FIELD = {field.name: field for field in NEURON_FIELDS}
_QUIET = 2 ** _FIELD["thr"].width - 1
_MAPPED = 8


def pack(contents: CoreContents) -> Image:
    """Return the image of a core for frozen inference.

    Where no synapse may learn, all have mapping bit 1, so that they act whatever
    ``SPI_PROPAGATE_UNMAPPED_SYN`` is; where some may, the mapping bit marks these, and
    ``SPI_PROPAGATE_UNMAPPED_SYN`` = 1 lets the others act, too. No neuron counts calcium
    (``ca_en`` = 0), so that none learns before it is told to. Neurons that are not used are LIF (an
    all-zero word would be an Izhikevich neuron that fires at every visit), disabled, with the
    highest threshold and no leak. Each spike is sent out when it is generated
    (``SPI_AER_SRC_CTRL_nNEUR`` = 0); monitoring and the burst engine are off.
    """
    enabled = contents.enabled.astype(np.int64)
    fields = {
        "lif_izh_sel": np.ones(SPEC.neurons, np.int64),
        "leak_str": contents.leak,
        "leak_en": (contents.leak > 0).astype(np.int64),
        "thr": np.where(contents.enabled, contents.threshold, _QUIET),
        "core": contents.start,
        "neur_disable": 1 - enabled,
    }
    synapses = pack_synapses(contents.weights)
    if contents.plastic.any():
        synapses &= np.where(contents.plastic, 0xF, 0x7).astype(np.uint8)
    return Image(
        {"neuron": pack_neurons(fields), "synapse": synapses},
        {
            "SPI_GATE_ACTIVITY": 0,
            "SPI_OPEN_LOOP": int(contents.open_loop),
            "SPI_SYN_SIGN": contents.inhibitory.astype(np.uint8),
            "SPI_BURST_TIMEREF": 0,
            "SPI_AER_SRC_CTRL_nNEUR": 0,
            "SPI_OUT_AER_MONITOR_EN": 0,
            "SPI_MONITOR_NEUR_ADDR": 0,
            "SPI_MONITOR_SYN_ADDR": 0,
            "SPI_UPDATE_UNMAPPED_SYN": 0,
            "SPI_PROPAGATE_UNMAPPED_SYN": int(contents.plastic.any()),
            "SPI_SDSP_ON_SYN_STIM": 0,
        },
    )


def pack_neurons(fields: dict[str, np.ndarray]) -> np.ndarray:
    """Return neuron words uint8 ``[256, 16]`` from field values by name; others are 0."""
    words = np.zeros((SPEC.neurons, 16), np.uint8)
    for name, values in fields.items():
        insert(words, _FIELD[name], np.asarray(values))
    return words


def pack_synapses(weights: np.ndarray) -> np.ndarray:
    """Return nibbles uint8 ``[pre, post]``, mapping bit 1, from weights -7..7 (sign: the row's)."""
    return np.asarray(_MAPPED | np.abs(weights.astype(np.int64)), np.uint8)


def unpack(image: Image) -> np.ndarray:
    """Return the weights of an image, the sign of their row included, int16 ``[pre, post]``."""
    sizes = (image.memories["synapse"] & (_MAPPED - 1)).astype(np.int16)
    inhibitory = np.asarray(image.registers["SPI_SYN_SIGN"], bool)
    return np.asarray(np.where(inhibitory[:, None], -sizes, sizes))
