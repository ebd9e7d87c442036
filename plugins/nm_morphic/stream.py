"""Programming stream of MorphIC in a form of our own: no register map of the chip is public.

A transaction is a 32-bit header and data words of 32 bits. The header names what is written (bits
31..28: 1 neuron memory, 2 route memory, 3 synapse rows, 4 registers) and where (bits 27..0: index
of the first word of the memory, or address of the register). A word of a memory, or the value of a
register, follows in as many data words as it takes, bits 31..0 first; a core's words of a memory go
out in bursts of `_WORDS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from nm_backends.chip import ChipSpec, Memory, Register, Transaction
from nm_backends.image import Image
from nm_backends.image_check import check_image, memory_layout
from nm_backends.spi import StreamError

__all__ = ["Stream"]

_TARGETS = {"neuron": 1, "route": 2, "synapse_row": 3}
_REGISTERS = 4
_WORDS = 16  # of a memory in one burst
_BITS = 32


class Stream:
    """Writes and reads the stream of a mesh of chips.

    Parameters
    ----------
    spec
        Of the whole mesh.
    """

    def __init__(self, spec: ChipSpec) -> None:
        self.spec = spec

    def write_stream(self, image: Image) -> list[Transaction]:
        """Return the transactions that program ``image``, whatever the chips held before.

        Raises
        ------
        ValueError
            When the image does not fit the chips.
        """
        problems = check_image(image, self.spec)
        if problems:
            raise ValueError(f"not an image of {self.spec.name}: {'; '.join(problems[:5])}")
        stream = [_register(r, image.registers[r.name]) for r in self.spec.registers]
        for memory in self.spec.memories:
            stream += _memory(memory, image.memories[memory.name])
        return stream

    def restore_stream(self, image: Image, neurons: Sequence[int]) -> list[Transaction]:
        """Return the transactions that give neurons (over all cores) their first state back."""
        words = image.memories["neuron"].view("<u4")
        return [
            _transaction(_TARGETS["neuron"], n, words[n].tolist(), f"neuron {n}") for n in neurons
        ]

    def read_stream(self, stream: Sequence[Transaction]) -> Image:
        """Return the image that ``stream`` programs.

        Raises
        ------
        StreamError
            For an unknown target, and for a stream that leaves anything undefined.
        """
        reader = _Reader(self.spec)
        for number, sent in enumerate(stream):
            reader.accept(number, sent)
        return reader.image()


def _register(register: Register, value: int | np.ndarray) -> Transaction:
    bits = np.zeros(_words_for(register.width) * _BITS, np.uint8)
    if isinstance(value, np.ndarray) and value.ndim:
        bits[: register.width] = value
    else:
        bits[:_BITS] = int(value) >> np.arange(_BITS) & 1
    words = np.packbits(bits, bitorder="little").view("<u4").tolist()
    return _transaction(_REGISTERS, register.address, words, register.name)


def _memory(memory: Memory, array: np.ndarray) -> Iterator[Transaction]:
    size = _words_for(memory.width)
    padded = np.zeros((memory.words, size * 4), np.uint8)
    padded[:, : array.shape[1]] = array
    words = padded.view("<u4")
    for first in range(0, memory.words, _WORDS):
        burst = words[first : first + _WORDS].ravel().tolist()
        yield _transaction(_TARGETS[memory.name], first, burst, f"{memory.name} {first}")


def _transaction(target: int, address: int, words: list[int], comment: str) -> Transaction:
    return Transaction(target << 28 | address, words[0], comment, tuple(words[1:]))


def _words_for(width: int) -> int:
    return -(-width // _BITS)


class _Reader:
    """Memories and registers as they fill."""

    def __init__(self, spec: ChipSpec) -> None:
        self._spec = spec
        self._memory = {_TARGETS[m.name]: m for m in spec.memories}
        self._register = {r.address: r for r in spec.registers}
        self._words = {
            m.name: np.zeros((m.words, _words_for(m.width)), "<u4") for m in spec.memories
        }
        self._written = {m.name: np.zeros(m.words, bool) for m in spec.memories}
        self._values: dict[str, int | np.ndarray] = {}

    def accept(self, number: int, sent: Transaction) -> None:
        target, address = sent.address >> 28, sent.address & (1 << 28) - 1
        data = np.array(sent.words[1:], np.uint32)
        if target == _REGISTERS and address in self._register:
            self._set(number, self._register[address], data)
        elif target in self._memory:
            self._fill(number, self._memory[target], address, data)
        else:
            raise StreamError(f"transaction {number}: {sent.address:#010x} addresses nothing")

    def _set(self, number: int, register: Register, data: np.ndarray) -> None:
        bits = np.unpackbits(data.astype("<u4").view(np.uint8), bitorder="little")
        if data.size != _words_for(register.width) or bits[register.width :].any():
            raise StreamError(f"transaction {number}: {register.name} has {register.width} bits")
        wide = register.width > _BITS
        value = bits[: register.width] if wide else int(data[0])
        self._values[register.name] = value.copy() if isinstance(value, np.ndarray) else value

    def _fill(self, number: int, memory: Memory, first: int, data: np.ndarray) -> None:
        size = _words_for(memory.width)
        count = data.size // size
        if data.size % size or first + count > memory.words:
            raise StreamError(f"transaction {number}: beyond {memory.name}, or part of a word")
        self._words[memory.name][first : first + count] = data.reshape(-1, size)
        self._written[memory.name][first : first + count] = True

    def image(self) -> Image:
        for name, written in self._written.items():
            if not written.all():
                missing = int(np.flatnonzero(~written)[0])
                raise StreamError(f"incomplete: {name} word {missing} never written")
        for register in self._spec.registers:
            if register.name not in self._values:
                raise StreamError(f"incomplete: register {register.name} never written")
        memories = {}
        for memory in self._spec.memories:
            width = memory_layout(self._spec, memory)[0][1]
            raw = self._words[memory.name].view(np.uint8)
            if raw[:, width:].any():
                raise StreamError(f"{memory.name}: a word of more than {memory.width} bits")
            memories[memory.name] = np.ascontiguousarray(raw[:, :width])
        return Image(memories, dict(self._values))
