"""Programming stream of SPOON, in a format of ours: no register map of the chip is public.

A transaction is a 32-bit header and its data words, as many as the header says::

    header   bits 31..28 target (0 register, 1.. memories in the order of the spec), 27..16 number
             of data words, 15..0 register address or first memory word
    data     register: its value; memory: a word from bit 0 up, 32 bits each

A memory goes out word by word, each word one transaction; registers come last.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from nm_backends.chip import ChipSpec, Memory, Transaction
from nm_backends.image import Image
from nm_backends.image_check import check_image
from nm_backends.spi import StreamError

__all__ = ["read_stream", "write_stream"]


def write_stream(image: Image, spec: ChipSpec) -> list[Transaction]:
    """Return the transactions that program ``image``.

    Raises
    ------
    ValueError
        When the image does not fit the chip.
    """
    problems = check_image(image, spec)
    if problems:
        raise ValueError(f"not an image of {spec.name}: {'; '.join(problems[:5])}")
    stream = [
        transaction
        for number, memory in enumerate(spec.memories, start=1)
        for transaction in _memory(number, memory, image.memories[memory.name])
    ]
    for register in spec.registers:
        value = int(image.registers[register.name])
        text = f"{register.name} = {value}"
        stream.append(Transaction(1 << 16 | register.address, value, text))
    return stream


def _memory(number: int, memory: Memory, array: np.ndarray) -> Iterator[Transaction]:
    words = -(-array.shape[1] // 4)
    padded = np.zeros((memory.words, 4 * words), np.uint8)
    padded[:, : array.shape[1]] = array
    for row, data in enumerate(padded.view("<u4").tolist()):
        header = number << 28 | words << 16 | row
        yield Transaction(header, data[0], f"{memory.name} {row}", tuple(data[1:]))


def read_stream(stream: Sequence[Transaction], spec: ChipSpec) -> Image:
    """Return the image that ``stream`` programs.

    Raises
    ------
    StreamError
        For what the format does not know, and for a stream that leaves anything undefined.
    """
    image, missing = Image(), {(0, r.address) for r in spec.registers}
    for number, memory in enumerate(spec.memories, start=1):
        image.memories[memory.name] = np.zeros((memory.words, (memory.width + 7) // 8), np.uint8)
        missing |= {(number, row) for row in range(memory.words)}
    names = {r.address: r.name for r in spec.registers}
    for i, transaction in enumerate(stream):
        target, place = transaction.address >> 28, transaction.address & 0xFFFF
        data = transaction.words[1:]
        if (target, place) not in missing or transaction.address >> 16 & 0xFFF != len(data):
            raise StreamError(f"transaction {i}: header {transaction.address:#010x} is unknown, "
                              "comes twice, or has other data words than it says")  # fmt: skip
        missing.discard((target, place))
        if target == 0:
            image.registers[names[place]] = data[0]
        else:
            _store(image.memories[spec.memories[target - 1].name][place], data, i)
    if missing:
        raise StreamError(f"incomplete: target {min(missing)[0]} word {min(missing)[1]} is missing")
    return image


def _store(word: np.ndarray, data: Sequence[int], number: int) -> None:
    found = np.array(data, "<u4").view(np.uint8)
    if -(-word.size // 4) != len(data) or found[word.size :].any():
        raise StreamError(f"transaction {number}: data for {word.size} bytes are expected")
    word[:] = found[: word.size]
