"""What the RTL does with SPI transactions, written down a second time and in another way.

Memory words are Python integers of the whole word, all storage starts with random contents, and a
neuron write evaluates the old word as the chips do (``neuron_core.v``, ``scheduler.v``): with an
open gate nothing is written, with a closed loop a satisfied spike condition is pushed.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

from nm_backends.chip import Transaction


class SpiModel:
    def __init__(self, chip: str, seed: int) -> None:
        rng = random.Random(seed)
        self.chip = chip
        self.bits = {"odin": 128, "tinyodin": 32}[chip]
        self.neuron = [rng.getrandbits(self.bits) for _ in range(256)]
        self.synapse = [rng.getrandbits(32) for _ in range(8192)]
        self.registers = {address: rng.getrandbits(20) for address in range(26)}
        self.flags_from = [rng.getrandbits(self.bits) for _ in range(256)]  # word behind UP/DOWN
        self.pushed: list[int] = []
        self.ignored = 0

    def send(self, stream: Iterable[Transaction]) -> None:
        for t in stream:
            self._transaction(t.address, t.data)

    def _transaction(self, address: int, data: int) -> None:
        assert address >> 20 == 0 == data >> 20
        read, write, command = address >> 19 & 1, address >> 18 & 1, address >> 16 & 3
        if command == 0:
            self.registers[address & 0xFFFF] = data
        elif write and not read:
            if not self.registers[0] & 1:
                self.ignored += 1
            elif command == 1:
                self._write_neuron(address & 0xFF, address >> 8 & 0xF, data)
            elif command == 2:
                word, byte = address & 0x1FFF, address >> 13 & 3
                self.synapse[word] = self._merge(self.synapse[word], byte, data)

    @staticmethod
    def _merge(old: int, byte: int, data: int) -> int:
        keep = (data >> 8 & 0xFF) << 8 * byte | ~(0xFF << 8 * byte)
        return old & keep | (data & 0xFF) << 8 * byte & ~keep

    def _write_neuron(self, word: int, byte: int, data: int) -> None:
        old = self.neuron[word]
        if not self.registers[1] & 1 and self._fires(old):
            self.pushed.append(word)
        self.flags_from[word] = old
        self.neuron[word] = self._merge(old, byte, data)

    def _fires(self, word: int) -> bool:
        if word >> self.bits - 1:
            return False
        if self.chip == "tinyodin":
            return not word >> 11 & 1 and word & 0xFFF >= (word >> 12 & 0xFFF)
        if word & 1:
            return (word >> 70 & 0xFF) >= (word >> 9 & 0xFF)
        return True  # Izhikevich: too many ways to fire, so assume that it does

    def synapses(self) -> list[list[int]]:
        """As ``[pre][post]``."""
        return [
            [self.synapse[pre * 32 + post // 8] >> 4 * (post % 8) & 15 for post in range(256)]
            for pre in range(256)
        ]
