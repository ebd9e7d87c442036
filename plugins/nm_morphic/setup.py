"""Images written by hand: what rules ask of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import numpy as np

from nm_backends.image import Image
from nm_morphic.arrange import mesh_columns
from nm_morphic.routes import L1_BASE, L2_BASE, unpack
from nm_morphic.spec import CORES, NEURONS, ROWS
from nm_morphic.state import WORD, bit_vector

__all__ = ["Setup"]

_MOST = 8  # findings of a kind


class Setup:
    """The image of a mesh, decoded as far as rules look at it."""

    def __init__(self, image: Image) -> None:
        words = image.memories["neuron"].view(WORD)[:, 0]
        self.cores = len(words) // NEURONS
        self.chips = self.cores // CORES
        self.columns = mesh_columns(self.chips)
        registers = image.registers
        self.seeds = [int(cast(int, registers[f"LFSR_SEED_{c}"])) for c in range(self.cores)]
        self._connected = np.stack(
            [bit_vector(registers[f"ROW_ENABLE_{c}"]) for c in range(self.cores)]
        )
        self._idle = (words["thr"] == 0) & (words["neur_disable"] == 0)
        self._route = unpack(image.memories["route"].view("<u4")[:, 0])

    def restless(self) -> Iterator[tuple[int, list[int]]]:
        """Yield cores with neurons that fire at every event, their own among them."""
        zero = self._idle.reshape(self.cores, NEURONS) & (self._connected[:, :NEURONS] != 0)
        for core in np.flatnonzero(zero.any(axis=1)).tolist():
            yield core, np.flatnonzero(zero[core])[:_MOST].tolist()

    def _targets(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return x and y of the chip that each neuron's L2 route leads to, and if it has one."""
        chip = np.arange(self.cores * NEURONS) // (CORES * NEURONS)
        dx, dy = self._route["dx"], self._route["dy"]
        return chip % self.columns + dx, chip // self.columns + dy, (dx != 0) | (dy != 0)

    def _outside(self) -> np.ndarray:
        x, y, routed = self._targets()
        out = (x < 0) | (x >= self.columns) | (y < 0) | (y >= self.chips // self.columns)
        return np.asarray(routed & out)

    def astray(self) -> Iterator[tuple[int, int, int]]:
        """Yield neurons whose L2 route leads out of the mesh, with it."""
        for place in np.flatnonzero(self._outside())[:_MOST].tolist():
            yield place, int(self._route["dx"][place]), int(self._route["dy"][place])

    def shared_rows(self) -> Iterator[tuple[int, int, int]]:
        """Yield connected rows that several neurons drive: core, row, neurons."""
        drivers = np.zeros((self.cores, ROWS), np.int64)
        x, y, routed = self._targets()
        home = np.arange(self.cores * NEURONS) // NEURONS
        for bit in range(CORES - 1):
            there = self._route["l1_mask"] >> bit & 1 == 1
            own = home % CORES
            target = home - own + bit + (bit >= own)
            np.add.at(drivers, (target[there], L1_BASE + self._route["l1_row"][there]), 1)
        far = routed & ~self._outside()
        for core in range(CORES):
            target = (y * self.columns + x)[far] * CORES + core
            np.add.at(drivers, (target, L2_BASE + self._route["l2_row"][far]), 1)
        shared = np.argwhere((drivers > 1) & (self._connected != 0))
        for core, row in shared[:_MOST].tolist():
            yield core, row, int(drivers[core, row])
