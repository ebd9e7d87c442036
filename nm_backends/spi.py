"""The SPI of the ODIN family: an image as write transactions in a safe order, and back.

One transaction is a 20-bit address word and a 20-bit data word, each sent most significant bit
first (ODIN and tinyODIN documentation, section 2.1)::

    address  bit 19 read, bit 18 write, bits 17..16 command (00 register, 01 neuron memory,
             10 synapse memory), bits 15..0 as below
    data     register: the value, right-aligned
             memory: bits 15..8 mask (1 keeps the old bit), bits 7..0 byte

    neuron memory byte    {byte, word[7:0]}          word = neuron
    synapse memory byte   {byte[1:0], word[12:0]}    word = {pre[7:0], post[7:3]}, byte = post[2:1],
                                                     post[0] chooses the half-byte (0: bits 3..0)

Why the order matters (seen on the public RTL): a write to the neuron memory also *evaluates* the
old word; with a closed loop, an old word that meets its spike condition is pushed into the
scheduler and executed later. No register and no memory has a reset value, so the old content is
unknown. Hence: close the gate, open the loop, write the memories, then give each register its final
value, and open the gate last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from nm_backends.chip import ChipSpec, Register, Transaction
from nm_backends.errors import UserError
from nm_backends.image import Image
from nm_backends.image_check import check_image

__all__ = ["COMMAND", "READ", "WRITE", "SpiProtocol", "StreamError", "register_chunks"]

READ = 1 << 19
WRITE = 1 << 18
COMMAND = {"register": 0 << 16, "neuron": 1 << 16, "synapse": 2 << 16}
_DATA_BITS = 20  # a wider register takes several addresses, 16 bits each (ODIN SPI_SYN_SIGN)
_CHUNK_BITS = 16


class StreamError(UserError):
    """A programming or event stream that cannot be read, is incomplete, or is unsafe to send."""


def register_chunks(register: Register, value: int | np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield ``(register address, data)`` for a register: one pair, or 16 bits per address.

    Parameters
    ----------
    register
        Name, first address and width.
    value
        An integer, or a bit vector whose element ``i`` is bit ``i``.
    """
    number = _as_int(value)
    if register.width <= _DATA_BITS:
        yield register.address, number
        return
    for k in range(-(-register.width // _CHUNK_BITS)):
        yield register.address + k, number >> (_CHUNK_BITS * k) & 0xFFFF


def _as_int(value: int | np.ndarray) -> int:
    if isinstance(value, np.ndarray) and value.ndim:
        packed = np.packbits(value.astype(np.uint8), bitorder="little")
        return int.from_bytes(packed.tobytes(), "little")
    return int(value)


@dataclass(frozen=True)
class SpiProtocol:
    """How one chip of the family is programmed; everything else comes from its `ChipSpec`.

    Parameters
    ----------
    spec
        The chip: its memories ``neuron`` and ``synapse`` and its registers.
    quiet
        Registers and the values they get before anything else, the gate first.
    state
        First and last bit that a running chip changes, given the bytes of a neuron word.
    refresh
        End with one fully masked write per neuron. ODIN sets a neuron's SDSP UP and DOWN flags,
        which have no reset, from the old word at each write: the masked write sets them from the
        word as it now is.
    """

    spec: ChipSpec
    quiet: tuple[tuple[str, int], ...]
    state: Callable[[np.ndarray], tuple[int, int]]
    refresh: bool = False

    # Writing ----------------------------------------------------------------------------------

    def write(self, image: Image) -> list[Transaction]:
        """Return the transactions that program ``image``, whatever the chip holds before.

        Raises
        ------
        ValueError
            When the image does not fit the chip.
        """
        problems = check_image(image, self.spec)
        if problems:
            raise ValueError(f"not an image of {self.spec.name}: {'; '.join(problems[:5])}")
        stream = [self._set(name, value) for name, value in self.quiet]
        stream += self._neuron_bytes(image.memories["neuron"])
        stream += _synapse_bytes(image.memories["synapse"])
        if self.refresh:
            stream += _masked(range(self.spec.neurons))
        return stream + self._final(image, [r.name for r in self.spec.registers])

    def restore(self, image: Image, neurons: Sequence[int]) -> list[Transaction]:
        """Return the transactions that set ``neurons`` back to their initial state.

        To be sent between two samples, when the chip is idle; parameters and weights stay.
        """
        loop = [(name, value) for name, value in self.quiet if name in _SWITCHES]
        stream = [self._set(name, value) for name, value in loop]
        for neuron in neurons:
            word = image.memories["neuron"][neuron]
            for byte, keep in _kept(*self.state(word)):
                stream.append(_memory("neuron", byte << 8 | neuron, keep, int(word[byte])))
        if self.refresh:
            stream += _masked(neurons)
        return stream + self._final(image, [name for name, _ in loop])

    def _set(self, name: str, value: int) -> Transaction:
        register = self._register(name)
        return Transaction(COMMAND["register"] | register.address, value, f"{name} = {value}")

    def _register(self, name: str) -> Register:
        return next(r for r in self.spec.registers if r.name == name)

    def _final(self, image: Image, names: list[str]) -> list[Transaction]:
        """Give registers their final values, the gate's last."""
        gate = self.quiet[0][0]
        stream = []
        for name in [*(n for n in names if n != gate), gate]:
            for address, data in register_chunks(self._register(name), image.registers[name]):
                where = COMMAND["register"] | address
                stream.append(Transaction(where, data, f"{name} = {data:#x}"))
        return stream

    def _neuron_bytes(self, words: np.ndarray) -> list[Transaction]:
        # Ascending bytes: ODIN's flags then follow the final word already, masked write or not.
        return [
            _memory("neuron", byte << 8 | word, 0, int(value), f"neuron {word}" if not byte else "")
            for word, row in enumerate(words)
            for byte, value in enumerate(row)
        ]

    # Reading ----------------------------------------------------------------------------------

    def read(self, stream: Iterable[Transaction]) -> Image:
        """Return the image that ``stream`` leaves in the chip.

        Raises
        ------
        StreamError
            For addresses that the chip does not have, for a stream that leaves a bit or a register
            undefined, and for an unsafe order (see the head of this module).
        """
        from nm_backends.spi_slave import SpiSlave

        slave = SpiSlave(self.spec, self.quiet)
        for index, transaction in enumerate(stream):
            slave.accept(index, transaction)
        return slave.image()


_SWITCHES = ("SPI_GATE_ACTIVITY", "SPI_OPEN_LOOP")


def _memory(kind: str, address: int, mask: int, byte: int, comment: str = "") -> Transaction:
    return Transaction(WRITE | COMMAND[kind] | address, mask << 8 | byte, comment)


def _kept(first: int, last: int) -> Iterator[tuple[int, int]]:
    """Yield each byte that holds bits ``first..last``, with the mask of its other bits."""
    for byte in range(first // 8, last // 8 + 1):
        low, high = max(first - 8 * byte, 0), min(last - 8 * byte, 7)
        yield byte, 0xFF & ~((2 << high) - (1 << low))


def _masked(neurons: Iterable[int]) -> list[Transaction]:
    return [_memory("neuron", neuron, 0xFF, 0, f"neuron {neuron}: flags") for neuron in neurons]


def _synapse_bytes(synapse: np.ndarray) -> list[Transaction]:
    packed = (synapse[:, 0::2] | synapse[:, 1::2] << 4).reshape(-1, 4)
    words_per_row = synapse.shape[1] // 8
    return [
        _memory("synapse", byte << 13 | word, 0, value, _row_comment(word, byte, words_per_row))
        for word, row in enumerate(packed.tolist())
        for byte, value in enumerate(row)
    ]


def _row_comment(word: int, byte: int, words_per_row: int) -> str:
    row, column = divmod(word, words_per_row)
    return "" if byte or column else f"synapses of row {row}"
