"""A core's contents as tinyODIN's memories and registers."""

from __future__ import annotations

import numpy as np

from nm_backends.crossbar.chip import CoreContents
from nm_backends.eventcore.words import insert
from nm_backends.image import Image
from nm_tinyodin.spec import NEURON_FIELDS, SPEC

__all__ = ["pack", "pack_neurons", "pack_synapses", "unpack"]

_FIELD = {field.name: field for field in NEURON_FIELDS}
_QUIET = 2 ** _FIELD["thr"].width - 1  # above the largest membrane: never fires


def pack(contents: CoreContents) -> Image:
    """Return the image of a core.

    Neurons that are not used are disabled and given a threshold that no membrane reaches. Each
    spike is sent out when it is generated (``SPI_AER_SRC_CTRL_nNEUR`` = 0), and sweeps end with
    the last neuron in use (``SPI_MAX_NEUR``).
    """
    used = np.flatnonzero(contents.enabled)
    fields = {
        "core": contents.start,
        "thr": np.where(contents.enabled, contents.threshold, _QUIET),
        "leak_str": contents.leak,
        "neur_disable": 1 - contents.enabled.astype(np.int64),
    }
    return Image(
        {"neuron": pack_neurons(fields), "synapse": pack_synapses(contents.weights)},
        {
            "SPI_GATE_ACTIVITY": 0,
            "SPI_OPEN_LOOP": int(contents.open_loop),
            "SPI_AER_SRC_CTRL_nNEUR": 0,
            "SPI_MAX_NEUR": int(used[-1]) if used.size else 0,
        },
    )


def pack_neurons(fields: dict[str, np.ndarray]) -> np.ndarray:
    """Return neuron words uint8 ``[256, 4]`` from field values by name; others are 0."""
    words = np.zeros((SPEC.neurons, 4), np.uint8)
    for name, values in fields.items():
        insert(words, _FIELD[name], np.asarray(values))
    return words


def pack_synapses(weights: np.ndarray) -> np.ndarray:
    """Return two's complement nibbles uint8 ``[pre, post]`` from weights -8..7."""
    return np.asarray(weights.astype(np.int64) & 0xF, np.uint8)


def unpack(image: Image) -> np.ndarray:
    """Return the weights of an image, int16 ``[pre, post]``."""
    nibbles = image.memories["synapse"].astype(np.int16)
    return np.asarray((nibbles ^ 8) - 8)
