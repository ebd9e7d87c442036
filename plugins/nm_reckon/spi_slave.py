"""What ReckOn holds after a stream of SPI words, and what it answers to reads.

A transaction is a 32-bit header and then as many 32-bit data words as it says, each sent most
significant bit first (RTL, ``spi_slave.v`` and ``srnn.v``)::

    bit 31       1 reads, 0 writes
    bits 30..28  0 register, 1 neuron, 2 output membrane, 3, 4, 5 input, recurrent, output weight
    bits 27..16  number of data words
    bits 15..0   register number, output number, or {word, 32-bit chunk[1:0]} of a memory

The address grows by one with each data word, but for registers: there every word of a transaction
goes to the same address.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from nm_backends.image import Image
from nm_backends.spi import StreamError
from nm_reckon.spec import NEURONS, OUTPUTS, RESET_SEEDS, SPEC

__all__ = ["SEED_WIDTHS", "ReckonSlave"]

EN_CONF = 0  # register that opens the memories to the SPI; 1 after a reset
_TARGETS = ("register", "neuron", "output", "input_weight", "recurrent_weight", "output_weight")

# Bits of each generator that a seed register loads, least significant first.
SEED_WIDTHS = {
    "SPI_SEED_INP": (25,),
    "SPI_SEED_REC": (25,),
    "SPI_SEED_OUT": (22,),
    "SPI_SEED_STRND_NEUR": (15, 15),
    "SPI_SEED_STRND_ONEUR": (15,),
    "SPI_SEED_STRND_TINP": (15, 15),
    "SPI_SEED_STRND_TREC": (15, 15),
    "SPI_SEED_STRND_TOUT": (15, 15),
    "SPI_SEED_NOISE_NEUR": (17,),
}


def _register_parts() -> dict[int, tuple[str, int, int]]:
    """Return for each address the register, the lowest of its bits there, and how many they are."""
    parts = {}
    for register in SPEC.registers:
        for part in range(-(-register.width // 32)):
            bits = min(32, register.width - 32 * part)
            parts[register.address + part] = (register.name, 32 * part, bits)
    return parts


class ReckonSlave:
    """Registers, memories, dirty bits and generators behind the SPI, from a reset on.

    The memories are zero at first, though a real chip's are unknown: ``written`` says which words
    of 32 bits a stream has written.
    """

    def __init__(self) -> None:
        self._parts = _register_parts()
        self._seeds = dict(RESET_SEEDS)
        self._configurable = True
        self._memories = {m.name: np.zeros((m.words, m.width // 32), "<u4") for m in SPEC.memories}
        self.registers: dict[str, int] = {}
        self.written = {name: np.zeros(m.shape, bool) for name, m in self._memories.items()}
        self.dirty = np.zeros(NEURONS, np.uint8)
        self.spiking = np.zeros(NEURONS, np.uint8)
        self.output_membranes = np.zeros(OUTPUTS, np.int16)

    @property
    def lfsr(self) -> np.ndarray:
        """States of the generators, uint32 ``[13]``, in the order of `sample.GENERATORS`."""
        states = []
        for name, widths in SEED_WIDTHS.items():
            for part, bits in enumerate(widths):
                states.append(self._seeds[name] >> (bits * part) & ((1 << bits) - 1))
        return np.array(states, np.uint32)

    @property
    def memories(self) -> dict[str, np.ndarray]:
        """The memories as bytes, as in an `nm_backends.image.Image`."""
        return {name: np.array(m.view(np.uint8)) for name, m in self._memories.items()}

    def accept(self, words: Iterable[int]) -> list[int]:
        """Take whole transactions; returns the words that came back from those that read.

        Raises
        ------
        StreamError
            Naming the word: an unknown address or target, a write that the chip would not do, or
            an end in the middle of a transaction.
        """
        stream = [int(word) for word in words]
        answers: list[int] = []
        at = 0
        while at < len(stream):
            header = stream[at]
            where = f"word {at} ({header:#010x})"
            count = header >> 16 & 0xFFF
            data = stream[at + 1 : at + 1 + count]
            if not 0 <= header < 1 << 32 or len(data) < count:
                raise StreamError(f"{where}: {len(data)} of {count} data words (truncated?)")
            if header >> 31:
                answers += self.read(header)
            else:
                self.write(header, data, where)
            at += 1 + count
        return answers

    def write(self, header: int, data: Sequence[int], where: str = "write") -> None:
        """Do one write transaction."""
        target = self._target(header, where)
        if target == "register" and len(data) > 1:
            raise StreamError(f"{where}: {len(data)} data words for one register")
        for offset, word in enumerate(data):
            if not 0 <= word < 1 << 32:
                raise StreamError(f"{where}: data word {word:#x} is wider than 32 bits")
            address = header + offset & 0xFFFF
            if target == "register":
                self._write_register(address, word, where)
            elif not self._configurable:
                raise StreamError(f"{where}: the {target} is not written while SPI_EN_CONF is 0")
            elif target == "output":
                self.output_membranes[address & 15] = np.uint16(word & 0xFFFF).astype(np.int16)
            else:
                self._write_memory(target, address, word)

    def read(self, header: int) -> list[int]:
        """Return the words that a read transaction gives.

        Raises
        ------
        StreamError
            For a read of registers, which the chip cannot do.
        """
        where = f"read {header:#010x}"
        target = self._target(header, where)
        if target == "register":
            raise StreamError(f"{where}: registers cannot be read")
        addresses = [header + n & 0xFFFF for n in range(header >> 16 & 0xFFF)]
        if target == "output":
            return [int(self.output_membranes[a & 15]) & 0xFFFF for a in addresses]
        memory = self._memories[target]
        return [int(memory[(a >> 2) % len(memory), a & 3]) for a in addresses]

    def _target(self, header: int, where: str) -> str:
        number = header >> 28 & 7
        if number >= len(_TARGETS):
            raise StreamError(f"{where}: target {number} does not exist")
        return _TARGETS[number]

    def _write_register(self, address: int, word: int, where: str) -> None:
        if address == EN_CONF:
            self._configurable = bool(word & 1)
            return
        if address not in self._parts:
            raise StreamError(f"{where}: there is no register at address {address}")
        name, low, bits = self._parts[address]
        mask = (1 << bits) - 1
        kept = self.registers.get(name, 0) & ~(mask << low)
        self.registers[name] = kept | (word & mask) << low
        if name in self._seeds:
            if not self._configurable:
                raise StreamError(f"{where}: {name} loads nothing while SPI_EN_CONF is 0")
            self._seeds[name] = self.registers[name]

    def _write_memory(self, target: str, address: int, word: int) -> None:
        memory = self._memories[target]
        place = (address >> 2) % len(memory), address & 3
        memory[place] = word
        self.written[target][place] = True
        if target == "neuron":
            first = 2 * place[0]
            self.dirty[first : first + 2] = 1
            if (
                address >> 9 & 1
            ):  # bit 9: state bits of one neuron, and the write happens all the same
                self.spiking[address & 0xFF] = word & 1
                self.dirty[address & 0xFF] = word >> 1 & 1

    def image(self) -> Image:
        """Return memories and registers as an image.

        Raises
        ------
        StreamError
            When a register was never written.
        """
        registers: dict[str, int | np.ndarray] = {}
        for register in SPEC.registers:
            if register.name not in self.registers:
                raise StreamError(
                    f"incomplete: {register.name} (address {register.address}) never written"
                )
            value = self.registers[register.name]
            registers[register.name] = value
            if register.width > 32:
                packed = np.frombuffer(value.to_bytes(register.width // 8, "little"), np.uint8)
                registers[register.name] = np.unpackbits(packed, bitorder="little")
        return Image(self.memories, registers)
