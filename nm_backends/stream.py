"""Text and binary forms of what a lab sends to a chip: SPI transactions and AER events.

Both text forms hold one record per line, fields separated by blanks; blank lines and everything
from ``#`` on are to be ignored. Numbers are hexadecimal unless said otherwise.

SPI (``spi.txt``)::

    AAAAA DDDDD        20-bit address word, 20-bit data word

Where the words of a chip are wider (``bits``) there are more digits, and a burst has all its data
words on its line.

Events (``aer.txt``)::

    S n                sample n (decimal) begins; first restore the neurons (its P lines)
    P AAAAA DDDDD      SPI transaction, as above
    T t                time step t (decimal) begins
    H NAME v           set pin NAME to v (0 or 1); before the first word of a step
    A WWWWW            AER word: send it, then wait until the chip is idle
    E                  the sample is over

The binary SPI form (``spi.bin``) is what goes over the wire, most significant bit first: for 20-bit
words 5 bytes per transaction, 20 address bits and 20 data bits.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from nm_backends.chip import Transaction
from nm_backends.spi import StreamError

__all__ = [
    "SampleStream",
    "aer_text",
    "parse_aer",
    "parse_spi",
    "spi_bytes",
    "spi_from_bytes",
    "spi_text",
]

_SPI_HEAD = "# SPI stream 1: address data (%d bits each, hexadecimal), in this order"
_AER_HEAD = "# AER stream 1: S sample | P address data | T step | A word | E"
_PINS_HEAD = "# AER stream 1: S sample | P address data | T step | H pin value | A word | E"
_PAIRS_ONLY = 20  # words so short leave no room for the length of a burst
_PIN = re.compile(r"[A-Z][A-Z0-9_]{0,40}")


@dataclass
class SampleStream:
    """Everything that is sent for one sample.

    Parameters
    ----------
    number
        Index of the sample.
    restore
        SPI transactions that give the neurons their initial state.
    steps
        AER words of each time step, uint32.
    pins
        Step to the pins that the host sets before its words, in order; none where it sets none.
    """

    number: int
    restore: list[Transaction] = field(default_factory=list)
    steps: list[np.ndarray] = field(default_factory=list)
    pins: dict[int, list[tuple[str, int]]] = field(default_factory=dict)

    @property
    def words(self) -> np.ndarray:
        """AER words of the whole sample, in order."""
        return np.concatenate([np.empty(0, np.uint32), *self.steps])


def spi_text(stream: Iterable[Transaction], chip: str = "", bits: int = 20) -> str:
    """Return ``spi.txt`` for a stream of words of ``bits`` bits."""
    head = _SPI_HEAD % bits
    lines = [head, f"# chip {chip}"] if chip else [head]
    for t in stream:
        comment = f"  # {t.comment}" if t.comment else ""
        lines.append(_words_text(t, bits) + comment)
    return "\n".join(lines) + "\n"


def _words_text(transaction: Transaction, bits: int) -> str:
    digits = -(-bits // 4)
    return " ".join(f"{word:0{digits}x}" for word in transaction.words)


def parse_spi(text: str, name: str = "spi.txt", bits: int = 20) -> list[Transaction]:
    """Return the transactions of ``spi.txt``; comments are kept.

    Raises
    ------
    StreamError
        Naming file and line.
    """
    return [
        _transaction(fields, comment, f"{name} line {number}", bits)
        for number, fields, comment in _records(text)
    ]


def spi_bytes(stream: Iterable[Transaction], bits: int = 20) -> bytes:
    """Return the binary form, as sent over MOSI."""
    return b"".join(_wire(t.words, bits) for t in stream)


def _wire(words: Sequence[int], bits: int) -> bytes:
    number = 0
    for word in words:
        number = number << bits | word
    return number.to_bytes(-(-len(words) * bits // 8), "big")


def spi_from_bytes(data: bytes, name: str = "spi.bin") -> list[Transaction]:
    """Return the transactions of the binary form of 20-bit words.

    Raises
    ------
    StreamError
        When the length is not a multiple of 5.
    """
    if len(data) % 5:
        raise StreamError(f"{name}: {len(data)} bytes, expected 5 per transaction (truncated?)")
    numbers = (int.from_bytes(data[i : i + 5], "big") for i in range(0, len(data), 5))
    return [Transaction(n >> 20, n & 0xFFFFF) for n in numbers]


def aer_text(samples: Iterable[SampleStream], bits: int = 20, pins: bool = False) -> Iterator[str]:
    """Yield ``aer.txt`` in pieces, the head first, then one piece per sample.

    Parameters
    ----------
    bits
        Width of an SPI word.
    pins
        Whether the host sets pins, too.
    """
    yield (_PINS_HEAD if pins else _AER_HEAD) + "\n"
    for sample in samples:
        lines = [f"S {sample.number}"]
        lines += [f"P {_words_text(t, bits)}" for t in sample.restore]
        for step, words in enumerate(sample.steps):
            lines.append(f"T {step}")
            lines += [f"H {pin} {value}" for pin, value in sample.pins.get(step, ())]
            lines += [f"A {word:05x}" for word in words.tolist()]
        yield "\n".join([*lines, "E"]) + "\n"


def parse_aer(text: str, name: str = "aer.txt", bits: int = 20) -> list[SampleStream]:
    """Return the samples of ``aer.txt``.

    Raises
    ------
    StreamError
        Naming file and line.
    """
    samples: list[SampleStream] = []
    steps: list[list[int]] | None = None  # None outside a sample
    number = 0
    for number, fields, _ in _records(text):
        where = f"{name} line {number}"
        kind, values = fields[0], fields[1:]
        if kind == "S" and steps is None:
            samples.append(SampleStream(_integer(values, 10, 1 << 31, where)))
            steps = []
        elif kind == "P" and steps == []:
            samples[-1].restore.append(_transaction(values, "", where, bits))
        elif kind == "T" and steps is not None and values == [str(len(steps))]:
            steps.append([])
        elif kind == "H" and steps and not steps[-1]:
            samples[-1].pins.setdefault(len(steps) - 1, []).append(_pin(values, where))
        elif kind == "A" and steps:
            steps[-1].append(_integer(values, 16, 1 << 20, where))
        elif kind == "E" and steps is not None and not values:
            samples[-1].steps = [np.array(words, np.uint32) for words in steps]
            steps = None
        else:
            raise StreamError(f"{where}: {' '.join(fields)!r} cannot stand here")
    if steps is not None:
        raise StreamError(f"{name} line {number}: the last sample has no end (truncated?)")
    return samples


def _records(text: str) -> Iterator[tuple[int, list[str], str]]:
    for number, line in enumerate(text.split("\n"), start=1):
        content, _, comment = line.partition("#")
        fields = content.split()
        if fields:
            yield number, fields, comment.strip()


def _pin(fields: Sequence[str], where: str) -> tuple[str, int]:
    if len(fields) != 2 or not _PIN.fullmatch(fields[0]) or fields[1] not in ("0", "1"):
        raise StreamError(f"{where}: {' '.join(fields)[:60]!r} is not a pin and 0 or 1")
    return fields[0], int(fields[1])


def _transaction(fields: Sequence[str], comment: str, where: str, bits: int) -> Transaction:
    if len(fields) != 2 and not (bits > _PAIRS_ONLY and len(fields) > 2):
        raise StreamError(f"{where}: {' '.join(fields)!r} is not an address and a data word")
    address, data, *more = (_integer([word], 16, 1 << bits, where) for word in fields)
    return Transaction(address, data, comment, tuple(more))


def _integer(fields: Sequence[str], base: int, limit: int, where: str) -> int:
    text = " ".join(fields)
    if len(text) <= 10 and text.isalnum() and text.isascii():
        try:
            value = int(text, base)
        except ValueError:
            value = limit
        if value < limit:
            return value
    kind = "a decimal" if base == 10 else "a hexadecimal"
    raise StreamError(f"{where}: {text[:20]!r} is not {kind} number below {limit:#x}")
