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
    L WWWWW            AER word that is a target (a label), sent before the other words of a step
    A WWWWW            AER word: send it, then wait until the chip is idle
    R WWWWW            AER word that answers the chip's next request for a target in this step
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
_AER_HEAD = "# AER stream 1: S sample | P address data | T step |%s A word |%s E"
_PINS_HEAD, _TARGETS_HEAD = " H pin value |", (" L target |", " R answer |")
_WITHIN = {"H": 0, "L": 0, "A": 1, "R": 2}  # order of the records of a step
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
    targets, answers
        Step to the AER words that are targets: sent before its other words, and when the chip asks.
    """

    number: int
    restore: list[Transaction] = field(default_factory=list)
    steps: list[np.ndarray] = field(default_factory=list)
    pins: dict[int, list[tuple[str, int]]] = field(default_factory=dict)
    targets: dict[int, list[int]] = field(default_factory=dict)
    answers: dict[int, list[int]] = field(default_factory=dict)

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


def aer_text(
    samples: Iterable[SampleStream], bits: int = 20, pins: bool = False, targets: bool = False
) -> Iterator[str]:
    """Yield ``aer.txt`` in pieces, the head first, then one piece per sample.

    Parameters
    ----------
    bits
        Width of an SPI word.
    pins
        Whether the host sets pins, too.
    targets
        Whether it sends targets or answers.
    """
    told, answered = _TARGETS_HEAD if targets else ("", "")
    yield _AER_HEAD % ((_PINS_HEAD if pins else "") + told, answered) + "\n"
    for sample in samples:
        lines = [f"S {sample.number}"]
        lines += [f"P {_words_text(t, bits)}" for t in sample.restore]
        for step, words in enumerate(sample.steps):
            lines.append(f"T {step}")
            lines += [f"H {pin} {value}" for pin, value in sample.pins.get(step, ())]
            lines += [f"L {word:05x}" for word in sample.targets.get(step, ())]
            lines += [f"A {word:05x}" for word in words.tolist()]
            lines += [f"R {word:05x}" for word in sample.answers.get(step, ())]
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
    number = reached = 0
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
            reached = 0
        elif steps and _WITHIN.get(kind, -1) >= reached:
            reached = _WITHIN[kind]
            _take(samples[-1], steps, kind, values, where)
        elif kind == "E" and steps is not None and not values:
            samples[-1].steps = [np.array(words, np.uint32) for words in steps]
            steps = None
        else:
            raise StreamError(f"{where}: {' '.join(fields)!r} cannot stand here")
    if steps is not None:
        raise StreamError(f"{name} line {number}: the last sample has no end (truncated?)")
    return samples


def _take(
    sample: SampleStream, steps: list[list[int]], kind: str, values: Sequence[str], where: str
) -> None:
    """Add a record to the last one of ``steps``, or to what stands beside its words."""
    step = len(steps) - 1
    if kind == "H":
        sample.pins.setdefault(step, []).append(_pin(values, where))
        return
    word = _integer(values, 16, 1 << 20, where)
    if kind == "A":
        steps[-1].append(word)
    else:
        (sample.targets if kind == "L" else sample.answers).setdefault(step, []).append(word)


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
