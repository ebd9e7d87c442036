"""The bytes of a chip: named memories and named registers, nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

__all__ = ["Image"]


@dataclass
class Image:
    """What is programmed into a chip, and what its simulator executes.

    Parameters
    ----------
    memories
        Memory name to array. ODIN: ``neuron`` uint8 ``[256, 16]`` (word, byte; byte 0 holds bits
        7..0) and ``synapse`` uint8 ``[256, 256]`` (``[pre, post]``, one 4-bit value per element).
    registers
        Register name, as in the chip's documentation, to an integer or to a bit vector (uint8).
    """

    memories: dict[str, np.ndarray] = field(default_factory=dict)
    registers: dict[str, int | np.ndarray] = field(default_factory=dict)

    def copy(self) -> Image:
        """Return an image that shares no memory with this one."""
        return Image(
            {name: array.copy() for name, array in self.memories.items()},
            {
                name: value.copy() if isinstance(value, np.ndarray) else value
                for name, value in self.registers.items()
            },
        )

    def differences(self, other: Image) -> list[str]:
        """Name every memory word and register in which two images differ, in order.

        Returns
        -------
        list of str
            Such as ``"neuron[3, 2]: 17 != 18"``; empty when the images are the same bytes.
        """
        found: list[str] = []
        for kind in ("memories", "registers"):
            mine, theirs = getattr(self, kind), getattr(other, kind)
            for name in sorted(set(mine) | set(theirs)):
                if name not in mine or name not in theirs:
                    found.append(f"{name}: only in one of the images")
                    continue
                a, b = np.asarray(mine[name]), np.asarray(theirs[name])
                if a.shape != b.shape:
                    found.append(f"{name}: shape {a.shape} != {b.shape}")
                    continue
                for index in np.argwhere(a != b):
                    where = f"[{', '.join(map(str, index))}]" if index.size else ""
                    found.append(f"{name}{where}: {a[tuple(index)]} != {b[tuple(index)]}")
        return found
