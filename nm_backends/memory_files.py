"""Memories and registers as text: what ``$readmemh`` loads, and a list that a person can read.

``<memory>.hex`` holds one memory word per line, the first line word 0, as hexadecimal digits with
the most significant first (Verilog's ``$readmemh``). Bytes stand in the word from bit 0 up, and so
do the elements of a memory with several per word (4-bit synapses: element ``k`` of a word is bits
``4k+3..4k``). ``registers.txt`` has ``NAME address width value`` per line, address and width in
decimal, value in hexadecimal.
"""

from __future__ import annotations

import numpy as np

from nm_backends.chip import ChipSpec, Memory
from nm_backends.image import Image
from nm_backends.image_check import memory_layout
from nm_backends.spi import StreamError

__all__ = [
    "LEARNED", "LEARNED_REGISTERS", "learned_name", "memory_text", "parse_memory",
    "parse_registers", "register_text",
]  # fmt: skip

LEARNED = "_learned.hex"
LEARNED_REGISTERS = "registers_learned.txt"


def memory_text(image: Image, spec: ChipSpec, memory: Memory) -> str:
    """Return the ``.hex`` file of one memory."""
    bits = memory_layout(spec, memory)[1]
    elements = image.memories[memory.name].reshape(memory.words, -1)
    places = (elements[:, :, None] >> np.arange(bits, dtype=np.uint8)) & 1
    words = np.packbits(places.reshape(memory.words, -1), axis=1, bitorder="little")
    digits = -(-memory.width // 4)
    lines = (f"{int.from_bytes(word.tobytes(), 'little'):0{digits}x}" for word in words)
    return "\n".join(lines) + "\n"


def parse_memory(text: str, spec: ChipSpec, memory: Memory, name: str) -> np.ndarray:
    """Return the array that `memory_text` wrote.

    Raises
    ------
    StreamError
        Naming file and line.
    """
    lines = text.split()
    if len(lines) != memory.words:
        raise StreamError(f"{name}: {len(lines)} words, expected {memory.words}")
    digits, size = -(-memory.width // 4), -(-memory.width // 8)
    data = bytearray()
    for number, line in enumerate(lines, start=1):
        if len(line) != digits or not set(line) <= set("0123456789abcdefABCDEF"):
            raise StreamError(f"{name} line {number}: {line[:40]!r}, expected {digits} hex digits")
        if int(line, 16) >> memory.width:
            raise StreamError(f"{name} line {number}: more than {memory.width} bits")
        data += int(line, 16).to_bytes(size, "little")
    shape, bits = memory_layout(spec, memory)
    raw = np.frombuffer(bytes(data), np.uint8).reshape(memory.words, size)
    count = -(-memory.width // bits) * bits
    places = np.unpackbits(raw, axis=1, bitorder="little", count=count)
    elements = places.reshape(-1, bits) << np.arange(bits, dtype=np.uint8)
    return np.reshape(elements.sum(axis=1, dtype=np.uint8), shape)


def learned_name(memory: str) -> str:
    """Return the name of the file that says what a memory holds after learning."""
    return f"{memory}{LEARNED}"


def register_text(image: Image, spec: ChipSpec) -> str:
    """Return ``registers.txt``."""
    lines = ["# name address width value (hexadecimal; bit vectors: bit i is element i)"]
    for register in spec.registers:
        value = image.registers[register.name]
        if isinstance(value, np.ndarray) and value.ndim:
            packed = np.packbits(value, bitorder="little").tobytes()
            number = int.from_bytes(packed, "little")
        else:
            number = int(value)
        digits = -(-register.width // 4)
        lines.append(f"{register.name} {register.address} {register.width} {number:0{digits}x}")
    return "\n".join(lines) + "\n"


def parse_registers(text: str, name: str) -> dict[str, int]:
    """Return register name to value, bit vectors as integers."""
    found: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        fields = line.partition("#")[0].split()
        if not fields:
            continue
        try:
            register, _, _, value = fields
            found[register] = int(value[:1000], 16)
        except ValueError:
            raise StreamError(f"{name} line {number}: {line[:60]!r}") from None
    return found
