"""Several chips run step by step: what they fire in a step can decide what goes in next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nm_backends.errors import UserError
from nm_backends.session import StillSession
from nm_backends.system.running import SystemRunner, open_sessions, step_parts

if TYPE_CHECKING:
    from nm_backends.image import Image
    from nm_backends.session import ChipSession
    from nm_backends.system.program import System

__all__ = ["SystemSession"]


class SystemSession(StillSession):
    """See `nm_backends.session.ChipSession`: all chips of a system, and the host between them.

    Parameters
    ----------
    system
        With a chip for every part.
    batch
        Number of samples.
    """

    _now: dict[str, np.ndarray]
    _sums: dict[str, np.ndarray]

    def __init__(self, system: System, batch: int) -> None:
        if system.shared:
            raise UserError(
                "session: one chip is all parts in turn, each for all time steps",
                'use program.run, or compile with chips="auto"',
            )
        self.system, self.batch = system, batch
        self._runner = SystemRunner(system)
        self._chips: list[ChipSession] = open_sessions(system, system.parts, batch)
        self._clear()

    def _refusal(self) -> UserError:
        return self.system.frozen()

    def reset(self) -> None:
        """Put all chips at rest; the host forgets what it kept for the next step."""
        for chip in self._chips:
            chip.reset()
        self._clear()

    def step(self, counts: np.ndarray, targets: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Run one step on counts uint8 ``[batch, channels]``, level by level."""
        before, self._now = self._now, self._silence()
        edges = np.cumsum([p.size for p in self.system.network.inputs])[:-1]
        given = np.split(counts, edges, axis=1)
        names = [p.name for p in self.system.network.inputs]
        self._now |= dict(zip(names, given, strict=True))
        step_parts(self.system, self.system.parts, self._chips, self._now, before)
        for name, fired in self._now.items():
            self._sums[name] += fired
        self._steps += 1
        return {p.name: self._now[p.name] for p in self.system.network.neurons if p.spiking}

    def membranes(self) -> dict[str, np.ndarray]:
        """Return membranes in chip units; those that do not spike, added up, in the user's."""
        found: dict[str, np.ndarray] = {}
        for part, chip in zip(self.system.parts, self._chips, strict=True):
            for name, values in chip.membranes().items():
                size = self.system.network.populations[name].size
                whole = found.setdefault(name, np.zeros((self.batch, size), values.dtype))
                whole[:, part.neurons[name]] += values
        return {p.name: found[p.name] for p in self.system.network.neurons}

    def counters(self) -> dict[str, np.ndarray]:
        """Return what a run of the steps since the last reset counts, links among it."""
        if not self._steps:
            return {}
        sent = {name: counts[None] for name, counts in self._sums.items()}
        return self._runner.totals([chip.counters() for chip in self._chips], sent)

    def decisions(self) -> dict[str, np.ndarray]:
        """Return nothing: no chip sees the whole network."""
        return {}

    def image(self) -> Image:
        """Refuse: nothing is learned."""
        raise self.system.frozen()

    def _clear(self) -> None:
        self._now, self._steps = self._silence(), 0
        self._sums = {name: counts.astype(np.int64) for name, counts in self._now.items()}

    def _silence(self) -> dict[str, np.ndarray]:
        populations = self.system.network.populations.values()
        return {p.name: np.zeros((self.batch, p.size), np.uint8) for p in populations}
