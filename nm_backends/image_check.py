"""Does an image fit its chip: every memory and register there, of the right shape and range.

Kernels index memories without bounds checks, so nothing that came from a file reaches them before
it has passed here.
"""

from __future__ import annotations

import numpy as np

from nm_backends.chip import ChipSpec, Memory, Register
from nm_backends.image import Image

__all__ = ["check_image", "memory_layout"]


def memory_layout(spec: ChipSpec, memory: Memory) -> tuple[tuple[int, int], int]:
    """Return shape and bits per element of the array that holds ``memory`` in an `Image`.

    Parameters
    ----------
    spec
        The chip.
    memory
        One of its memories.

    Returns
    -------
    shape, bits
        ``(rows, neurons)`` for the memory named ``synapse`` (one element per synapse, ``[pre,
        post]``); ``(words, bytes)`` for all others, byte 0 holding bits 7..0.
    """
    if memory.name == "synapse" and spec.rows:
        return (spec.rows, spec.neurons), memory.words * memory.width // (spec.rows * spec.neurons)
    return (memory.words, (memory.width + 7) // 8), 8


def check_image(image: Image, spec: ChipSpec) -> list[str]:
    """Name everything in ``image`` that ``spec`` does not allow.

    Returns
    -------
    list of str
        One line per problem, such as ``"memory neuron: shape (255, 16), expected (256, 16)"``;
        empty when the image can be programmed into the chip.
    """
    found = _names("memory", set(image.memories), {m.name for m in spec.memories})
    found += _names("register", set(image.registers), {r.name for r in spec.registers})
    for memory in spec.memories:
        if memory.name in image.memories:
            found += _memory_problems(image.memories[memory.name], spec, memory)
    for register in spec.registers:
        if register.name in image.registers:
            found += _register_problems(image.registers[register.name], register)
    return found


def _names(kind: str, have: set[str], want: set[str]) -> list[str]:
    missing = [f"{kind} {name}: missing" for name in sorted(want - have)]
    return missing + [f"{kind} {name}: unknown to the chip" for name in sorted(have - want)]


def _memory_problems(array: object, spec: ChipSpec, memory: Memory) -> list[str]:
    shape, bits = memory_layout(spec, memory)
    if not isinstance(array, np.ndarray) or array.dtype != np.uint8:
        kind = getattr(array, "dtype", type(array).__name__)
        return [f"memory {memory.name}: {kind}, expected uint8"]
    if array.shape != shape:
        return [f"memory {memory.name}: shape {array.shape}, expected {shape}"]
    if bits < 8 and int(array.max()) >> bits:
        where = ", ".join(map(str, np.argwhere(array >> bits)[0]))
        return [f"memory {memory.name}[{where}]: {array.max()} does not fit {bits} bits"]
    return []


def _register_problems(value: object, register: Register) -> list[str]:
    name, width = register.name, register.width
    if isinstance(value, np.ndarray) and value.ndim:
        if value.dtype != np.uint8 or value.shape != (width,):
            return [f"register {name}: {value.dtype}{list(value.shape)}, expected uint8[{width}]"]
        return [f"register {name}: a bit is not 0 or 1"] if value.max() > 1 else []
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        return [f"register {name}: {type(value).__name__}, expected an integer"]
    if not 0 <= int(value) < 1 << width:
        return [f"register {name}: {value} does not fit {width} bits"]
    return []
