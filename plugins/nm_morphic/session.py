"""A mesh run step by step: as many as there are samples, each with neurons of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nm_backends.crossbar.execute import CoreRun, decoded, endless, split
from nm_backends.crossbar.session import CrossbarSession, undelayed
from nm_backends.eventcore.errors import LivelockError
from nm_morphic.arrange import mesh_columns
from nm_morphic.assumptions import Assumptions
from nm_morphic.batch import State, run_on
from nm_morphic.image import images_of
from nm_morphic.simulator import MorphicSimulator
from nm_morphic.state import membranes

if TYPE_CHECKING:
    from nm_backends.crossbar.chip import CrossbarChip
    from nm_backends.image import Image
    from nm_backends.program import Program

__all__ = ["MorphicSession"]


class MorphicSession(CrossbarSession):
    """See `CrossbarSession`; synapses do not change.

    Parameters
    ----------
    assumptions, chips
        Of the program's backend.
    """

    def __init__(
        self, chip: CrossbarChip, program: Program, batch: int, assumptions: Assumptions, chips: int
    ) -> None:
        self._assumptions, self._columns = assumptions, mesh_columns(chips)
        super().__init__(chip, program, batch)

    def reset(self) -> None:
        """Put neurons and inputs at rest."""
        self._states: list[State] = [dict(self._rest) for _ in range(self.batch)]
        self._past[:] = 0
        self._totals = {}
        self._stuck = False

    def membranes(self) -> dict[str, np.ndarray]:
        """Return the membranes as the neuron memories hold them, ``[batch, size]``."""
        there = np.stack([self._membranes(state) for state in self._states])
        return {name: m[0] for name, m in split(self.program.network, there[None]).items()}

    def _membranes(self, state: State) -> np.ndarray:
        self._engine.put_back(state)
        return np.asarray(membranes(self._engine.cores).reshape(-1)[self._layout["address"]])

    def _program_chip(self, image: Image, layout: dict[str, np.ndarray], channels: int) -> None:
        simulator = MorphicSimulator(images_of(image), self._columns, self._assumptions)
        self._engine, self._rest = simulator.engine, simulator.engine.state()
        self._layout, self._delays = undelayed(layout, channels)
        self._past = np.zeros((int(self._delays.max()) + 1, self.batch, channels), np.uint8)
        self.reset()

    def _send(self, words: np.ndarray, offsets: np.ndarray, step_end: np.ndarray) -> CoreRun:
        from nm_backends.crossbar.events import Encoded

        try:
            log = run_on(self._engine, words, offsets, self._states)
        except LivelockError as error:
            self._stuck = True
            raise endless(self.chip, self.program, error) from error
        return self._counted(
            decoded(self.chip, self._layout, Encoded(words, offsets, step_end), log)
        )
