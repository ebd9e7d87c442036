"""Programming stream of ReckOn: an image as SPI transactions, and back.

A transaction is a 32-bit header (see `nm_reckon.spi_slave`) and its data words; a memory goes out
row by row, each row one burst. ``SPI_EN_CONF`` comes first and last: memories and generators take
what is written to them only while it is 1, and nothing runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from nm_backends.chip import Register, Transaction
from nm_backends.image import Image
from nm_backends.image_check import check_image
from nm_backends.spi import StreamError
from nm_reckon.spec import RESET_SEEDS, SPEC
from nm_reckon.spi_slave import EN_CONF, ReckonSlave

__all__ = ["read_stream", "restore_stream", "transactions", "words_of", "write_stream"]

_BITS = 32
# Number of the target in a header, words per burst, and what a burst holds.
_MEMORIES = {
    "neuron": (1, 4, "neurons {even}, {odd}"),
    "input_weight": (3, 64, "weights of input {row}"),
    "recurrent_weight": (4, 64, "weights of neuron {row} to neurons"),
    "output_weight": (5, 64, "weights of neurons {first}..{last} to outputs"),
}


def write_stream(image: Image) -> list[Transaction]:
    """Return the ordered SPI transactions that program ``image``, whatever the chip held before.

    Raises
    ------
    ValueError
        When the image does not fit the chip.
    """
    problems = check_image(image, SPEC)
    if problems:
        raise ValueError(f"not an image of {SPEC.name}: {'; '.join(problems[:5])}")
    stream = [_configure(1)]
    for register in SPEC.registers:
        stream += _register(register, image.registers[register.name])
    for name in _MEMORIES:
        stream += _memory(name, image.memories[name])
    return [*stream, _configure(0)]


def restore_stream(image: Image) -> list[Transaction]:
    """Return the transactions that give the generators their seeds back, between two samples.

    Nothing else needs it: membranes begin at 0 in every sample.
    """
    if not (image.registers["SPI_EN_STOCH_ROUND"] or image.registers["SPI_NOISE_EN"]):
        return []
    seeds = [register for register in SPEC.registers if register.name in RESET_SEEDS]
    sent = [t for r in seeds for t in _register(r, image.registers[r.name])]
    return [_configure(1), *sent, _configure(0)]


def read_stream(stream: Sequence[Transaction]) -> Image:
    """Return the image that ``stream`` programs.

    Raises
    ------
    StreamError
        For an unknown address, a write that the chip would not do, and for a stream that leaves
        anything undefined or the chip in its configuration.
    """
    slave = ReckonSlave()
    slave.accept(words_of(stream))
    for name, written in slave.written.items():
        if not written.all():
            word, chunk = np.argwhere(~written)[0]
            raise StreamError(f"incomplete: {name} word {word} chunk {chunk} never written")
    image = slave.image()
    if not stream or stream[-1].words != _configure(0).words:
        raise StreamError("unsafe, SPI_EN_CONF must be set to 0 last: the chip would not run")
    return image


def words_of(stream: Sequence[Transaction]) -> list[int]:
    """Return the words as sent, one after the other."""
    return [word for transaction in stream for word in transaction.words]


def transactions(words: Sequence[int]) -> list[Transaction]:
    """Return the transactions of a stream of words; the inverse of `words_of`.

    Raises
    ------
    StreamError
        When the stream ends within a transaction, or one has no data.
    """
    found, at = [], 0
    while at < len(words):
        header = int(words[at])
        data = [int(word) for word in words[at + 1 : at + 1 + (header >> 16 & 0xFFF)]]
        if not data or len(data) < header >> 16 & 0xFFF:
            raise StreamError(f"word {at} ({header:#010x}): {len(data)} data words (truncated?)")
        found.append(Transaction(header, data[0], "", tuple(data[1:])))
        at += 1 + len(data)
    return found


def _write(target: int, address: int, data: Sequence[int], comment: str) -> Transaction:
    header = target << 28 | len(data) << 16 | address
    return Transaction(header, data[0], comment, tuple(data[1:]))


def _configure(value: int) -> Transaction:
    return _write(0, EN_CONF, [value], f"SPI_EN_CONF = {value}")


def _register(register: Register, value: int | np.ndarray) -> Iterator[Transaction]:
    """Yield one transaction per 32 bits: a burst would go to one register."""
    number = int(value) if np.ndim(value) == 0 else _number(np.asarray(value))
    for part in range(-(-register.width // _BITS)):
        bits = number >> _BITS * part & 0xFFFFFFFF
        comment = f"{register.name} = {bits:#x}"
        yield _write(0, register.address + part, [bits], comment)


def _number(bits: np.ndarray) -> int:
    return int.from_bytes(np.packbits(bits, bitorder="little").tobytes(), "little")


def _memory(name: str, memory: np.ndarray) -> Iterator[Transaction]:
    target, length, text = _MEMORIES[name]
    chunks = np.ascontiguousarray(memory).view("<u4").reshape(-1, length)
    for row, data in enumerate(chunks.tolist()):
        comment = text.format(
            row=row, even=2 * row, odd=2 * row + 1, first=16 * row, last=16 * row + 15
        )
        yield _write(target, row * length, data, comment)
