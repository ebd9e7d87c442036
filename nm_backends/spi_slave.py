"""What a chip of the ODIN family holds after SPI transactions, from an unknown state on."""

from __future__ import annotations

import numpy as np

from nm_backends.chip import ChipSpec, Transaction
from nm_backends.image import Image
from nm_backends.spi import COMMAND, READ, WRITE, StreamError, register_chunks

__all__ = ["SpiSlave"]

_MEMORY = {COMMAND["neuron"]: "neuron", COMMAND["synapse"]: "synapse"}


class SpiSlave:
    """Memories and registers behind the SPI, undefined at first, as after power-up.

    Parameters
    ----------
    spec
        The chip.
    quiet
        Registers that must hold these values whenever the neuron memory is written.
    """

    def __init__(self, spec: ChipSpec, quiet: tuple[tuple[str, int], ...]) -> None:
        self._spec = spec
        self._quiet = [(self._address(name), name, value) for name, value in quiet]
        self._registers: dict[int, int] = {}
        self._known = {a for r in spec.registers for a, _ in register_chunks(r, 0)}
        self._width = {r.address: r.width for r in spec.registers}
        sizes = {m.name: (m.words, m.width // 8) for m in spec.memories}
        self._bytes = {name: np.zeros(size, np.uint8) for name, size in sizes.items()}
        self._written = {name: np.zeros(size, np.uint8) for name, size in sizes.items()}

    def _address(self, name: str) -> int:
        return next(r.address for r in self._spec.registers if r.name == name)

    def accept(self, index: int, transaction: Transaction) -> None:
        """Take one transaction; ``index`` names it in errors."""
        address, data = transaction.address, transaction.data
        where = f"transaction {index} ({address:05x} {data:05x})"
        if not (0 <= address < 1 << 20 and 0 <= data < 1 << 20):
            raise StreamError(f"{where}: address and data are 20-bit words")
        command = address & 0x30000
        if command == COMMAND["register"]:
            # The chip looks at the command alone: a "read" of a register writes it, too.
            self._write_register(where, address & 0xFFFF, data)
        elif command not in _MEMORY:
            raise StreamError(f"{where}: command 11 does not exist")
        elif address & READ:
            return
        elif not address & WRITE:
            raise StreamError(f"{where}: neither the read nor the write bit is set")
        else:
            self._write_memory(where, _MEMORY[command], address & 0xFFFF, data)

    def _write_register(self, where: str, address: int, data: int) -> None:
        if address not in self._known:
            raise StreamError(f"{where}: {self._spec.name} has no register at address {address}")
        self._registers[address] = data & ((1 << min(self._width.get(address, 16), 20)) - 1)

    def _write_memory(self, where: str, name: str, address: int, data: int) -> None:
        word_bits = 8 if name == "neuron" else 13
        word, byte = address & ((1 << word_bits) - 1), address >> word_bits
        memory = self._bytes[name]
        if word >= memory.shape[0] or byte >= memory.shape[1]:
            raise StreamError(f"{where}: the {name} memory has no byte {byte} of word {word}")
        self._check_quiet(where, name)
        keep = data >> 8 & 0xFF
        memory[word, byte] = (data & 0xFF & ~keep) | (int(memory[word, byte]) & keep)
        self._written[name][word, byte] |= 0xFF & ~keep

    def _check_quiet(self, where: str, memory: str) -> None:
        needed = self._quiet if memory == "neuron" else self._quiet[:1]
        for address, name, value in needed:
            if self._registers.get(address) != value:
                raise StreamError(
                    f"{where}: unsafe, {name} must be {value} when the {memory} memory is written"
                )

    def image(self) -> Image:
        """Return the image, or say which bits the stream never wrote."""
        for name, written in self._written.items():
            if (written != 0xFF).any():
                word, byte = np.argwhere(written != 0xFF)[0]
                raise StreamError(
                    f"incomplete: {name} memory word {word} byte {byte} never written"
                )
        registers: dict[str, int | np.ndarray] = {}
        for register in self._spec.registers:
            chunks = [a for a, _ in register_chunks(register, 0)]
            missing = [a for a in chunks if a not in self._registers]
            if missing:
                raise StreamError(
                    f"incomplete: {register.name} (address {missing[0]}) never written"
                )
            registers[register.name] = self._value(register.width, chunks)
        return Image({name: self._array(name) for name in self._bytes}, registers)

    def _value(self, width: int, chunks: list[int]) -> int | np.ndarray:
        if len(chunks) == 1:
            return self._registers[chunks[0]]
        halfwords = np.array([self._registers[a] for a in chunks], "<u2")
        bits = np.unpackbits(halfwords.view(np.uint8), bitorder="little")
        return np.array(bits[:width])

    def _array(self, name: str) -> np.ndarray:
        memory = self._bytes[name]
        if name != "synapse":
            return np.array(memory)
        halves = np.stack([memory & 15, memory >> 4], axis=-1)
        return np.reshape(halves, (self._spec.rows, self._spec.neurons))
