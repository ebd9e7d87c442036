"""The image as what the kernels compute with: sizes, weights and biases as plain arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from nm_backends.image import Image
from nm_spoon.spec import limits_of

if TYPE_CHECKING:
    from nm_backends.chip import ChipSpec

__all__ = ["FIELDS", "Setup", "pack", "setup_problems", "unpack"]

FIELDS = (
    "conv_weight", "conv_bias", "hidden_weight", "hidden_bias", "output_weight", "output_bias",
    "feedback",
)  # fmt: skip
_BIASES = ("conv_bias", "hidden_bias", "output_bias")


@dataclass(frozen=True)
class Setup:
    """What the chip is programmed with; sizes are those in use.

    Parameters
    ----------
    registers
        By name.
    conv_weight
        int32 ``[taps, kernels]``, taps in order of channels, rows and columns.
    hidden_weight, output_weight
        int32 ``[inputs, neurons]``.
    conv_bias, hidden_bias, output_bias
        int32 ``[neurons]``.
    feedback
        +1 or -1, int32 ``[outputs, hidden]``.
    """

    registers: Mapping[str, int]
    conv_weight: np.ndarray
    conv_bias: np.ndarray
    hidden_weight: np.ndarray
    hidden_bias: np.ndarray
    output_weight: np.ndarray
    output_bias: np.ndarray
    feedback: np.ndarray

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns of the input."""
        r = self.registers
        return (r["INPUT_CHANNELS"], r["INPUT_HEIGHT"], r["INPUT_WIDTH"])

    @property
    def maps(self) -> tuple[int, int, int]:
        """Kernels, rows and columns of the maps; those of the input without a convolution."""
        r = self.registers
        if not r["CONV_KERNELS"]:
            return self.shape
        return (r["CONV_KERNELS"], r["MAP_HEIGHT"], r["MAP_WIDTH"])

    @property
    def features(self) -> int:
        """Values that the hidden layer hears."""
        kernels, height, width = self.maps
        half = 2 if self.registers["POOL_MODE"] else 1
        return kernels * (height // half) * (width // half)

    def copy(self) -> Setup:
        """Return one that shares no array with this one."""
        return replace(self, **{name: getattr(self, name).copy() for name in FIELDS})


def pack(setup: Setup, spec: ChipSpec) -> Image:
    """Return the image that holds ``setup``; what is not in use is 0."""
    image = Image(registers=dict(setup.registers))
    for memory in spec.memories:
        image.memories[memory.name] = np.zeros((memory.words, (memory.width + 7) // 8), np.uint8)
    for name in FIELDS:
        array, held = getattr(setup, name), image.memories[name]
        if name in _BIASES:
            held[: array.size] = array.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3]
        elif name == "feedback":
            bits = np.packbits(array > 0, axis=1, bitorder="little")
            held[: len(bits), : bits.shape[1]] = bits
        else:
            held[: array.shape[0], : array.shape[1]] = array.astype(np.int8).view(np.uint8)
    return image


def unpack(image: Image) -> Setup:
    """Return what an image programs; the inverse of `pack`."""
    registers = {name: int(value) for name, value in image.registers.items()}
    hidden, outputs = registers["HIDDEN_NEURONS"], registers["OUTPUT_NEURONS"]
    kernels = registers["CONV_KERNELS"]
    taps = registers["INPUT_CHANNELS"] * registers["KERNEL_HEIGHT"] * registers["KERNEL_WIDTH"]
    none = np.zeros((0, 0), np.int32)
    signs = np.unpackbits(image.memories["feedback"], axis=1, bitorder="little")
    setup = Setup(
        registers,
        _weights(image, "conv_weight", taps, kernels),
        _bias(image, "conv_bias", kernels),
        none,
        _bias(image, "hidden_bias", hidden),
        _weights(image, "output_weight", hidden, outputs),
        _bias(image, "output_bias", outputs),
        2 * signs[:outputs, :hidden].astype(np.int32) - 1,
    )
    weights = _weights(image, "hidden_weight", setup.features, hidden)
    return replace(setup, hidden_weight=weights)


def _weights(image: Image, name: str, rows: int, columns: int) -> np.ndarray:
    return image.memories[name][:rows, :columns].view(np.int8).astype(np.int32)


def _bias(image: Image, name: str, size: int) -> np.ndarray:
    words = np.zeros((size, 4), np.uint8)
    words[:, 1:] = image.memories[name][:size]
    return np.asarray(words.view("<i4")[:, 0].astype(np.int32) >> 8)


def setup_problems(image: Image, spec: ChipSpec) -> list[str]:
    """Name what in the registers would lead kernels beyond the memories."""
    r = {name: int(value) for name, value in image.registers.items()}
    limits, found = limits_of(spec), []
    setup = _sizes(r)
    for what, used, most in (
        ("input addresses", int(np.prod(setup.shape)), limits.pixels),
        ("kernels", r["CONV_KERNELS"], limits.kernels),
        ("taps", r["INPUT_CHANNELS"] * r["KERNEL_HEIGHT"] * r["KERNEL_WIDTH"], limits.kernel_taps),
        ("features", setup.features, limits.features),
        ("hidden neurons", r["HIDDEN_NEURONS"], limits.hidden),
        ("outputs", r["OUTPUT_NEURONS"], limits.outputs),
    ):
        least = 0 if what in ("kernels", "taps") else 1
        if not least <= used <= most:
            found.append(f"{used} {what}, expected {least} to {most}")
    if r["CONV_KERNELS"] and min(r["CONV_STRIDE"], r["KERNEL_HEIGHT"], r["KERNEL_WIDTH"]) < 1:
        found.append("a kernel or stride of 0")
    if r["POOL_MODE"] > 2 or not r["LFSR"]:
        found.append(f"POOL_MODE {r['POOL_MODE']}, LFSR {r['LFSR']}")
    if max(r["RATE_HIDDEN"], r["RATE_OUTPUT"]) > 24:
        found.append("a rate below 2^-24")
    return found


def _sizes(registers: Mapping[str, int]) -> Setup:
    none = {field.name: np.zeros(0, np.int32) for field in fields(Setup)[1:]}
    return Setup(registers, **none)
