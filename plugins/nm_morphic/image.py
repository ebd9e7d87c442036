"""From places, rows and routes to the memories of the chips, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from nm_backends.image import Image
from nm_morphic.spec import CORE_REGISTERS, CORES, NEURONS, ROWS
from nm_morphic.state import WORD, bit_vector

__all__ = ["Contents", "images_of", "joined", "pack", "unpack"]


@dataclass
class Contents:
    """What all cores of a mesh are to hold, before it is packed.

    Parameters
    ----------
    rows
        Bits of the synapses, uint8 ``[cores * 1024, 64]``.
    routes
        Route words, int64 ``[cores * 512]``.
    connected, inhibitory
        Whether a row is connected, and its sign in the mode {0, 1}, uint8 ``[cores, 1024]``.
    mode
        WEIGHT_MODE of all cores.
    fields
        Neuron field to values, ``[cores * 512]``; others are 0.
    plastic
        PLASTIC of each core, int64 ``[cores]``.
    """

    rows: np.ndarray
    routes: np.ndarray
    connected: np.ndarray
    inhibitory: np.ndarray
    mode: np.ndarray
    fields: dict[str, np.ndarray]
    plastic: np.ndarray


def pack(contents: Contents) -> Image:
    """Return the image of a mesh. Random generators start from the number of their core plus 1."""
    words = np.zeros((contents.routes.size, 1), WORD)
    for name, values in contents.fields.items():
        words[name][:, 0] = values
    routes = np.ascontiguousarray(contents.routes, "<u4").reshape(-1, 1).view(np.uint8)
    registers: dict[str, int | np.ndarray] = {}
    for core in range(len(contents.connected)):
        registers |= {
            f"WEIGHT_MODE_{core}": int(contents.mode[core]),
            f"ROW_SIGN_{core}": contents.inhibitory[core].astype(np.uint8),
            f"ROW_ENABLE_{core}": contents.connected[core].astype(np.uint8),
            f"PLASTIC_{core}": int(contents.plastic[core]),
            f"P_UP_{core}": 0,
            f"P_DOWN_{core}": 0,
            f"LFSR_SEED_{core}": core + 1,
        }
    memories = {
        "neuron": words.view(np.uint8).reshape(-1, WORD.itemsize),
        "route": routes,
        "synapse_row": contents.rows,
    }
    return Image(memories, registers)


def images_of(image: Image) -> list[Image]:
    """Return the image of each chip of a mesh."""
    chips = len(image.memories["neuron"]) // (CORES * NEURONS)
    return [_chip(image, chip, chips) for chip in range(chips)]


def _chip(image: Image, chip: int, chips: int) -> Image:
    memories = {
        name: array.reshape(chips, -1, array.shape[1])[chip]
        for name, array in image.memories.items()
    }
    registers = {
        f"{r.name}_{core}": image.registers[f"{r.name}_{CORES * chip + core}"]
        for core in range(CORES)
        for r in CORE_REGISTERS
    }
    return Image(memories, registers)


def joined(images: list[Image]) -> Image:
    """Return the image of a mesh from those of its chips; the inverse of `images_of`."""
    registers: dict[str, int | np.ndarray] = {}
    for chip, image in enumerate(images):
        for name, value in image.registers.items():
            register, core = name.rsplit("_", 1)
            registers[f"{register}_{CORES * chip + int(core)}"] = value
    names = images[0].memories
    return Image({n: np.concatenate([i.memories[n] for i in images]) for n in names}, registers)


def unpack(image: Image) -> np.ndarray:
    """Return what each row adds to the neurons of its core, int16 ``[cores * 1024, 512]``."""
    packed = image.memories["synapse_row"]
    bits = np.unpackbits(packed, axis=1, bitorder="little").astype(np.int16)
    for core in range(len(packed) // ROWS):
        rows = bits[core * ROWS : (core + 1) * ROWS]
        if cast(int, image.registers[f"WEIGHT_MODE_{core}"]):
            rows *= 1 - 2 * bit_vector(image.registers[f"ROW_SIGN_{core}"])[:, None].astype(
                np.int16
            )
        else:
            rows *= 2
            rows -= 1
        rows *= bit_vector(image.registers[f"ROW_ENABLE_{core}"])[:, None]
    return bits
