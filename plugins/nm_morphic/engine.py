"""The cores of a mesh with all that they work on, and how they are set to work."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nm_morphic.fabric import BUSIEST, PACKETS

__all__ = ["COUNTERS", "NEURON_STATE", "Engine"]

COUNTERS = ("served", "references", "dropped", "fifo_max")
"""Of each core."""

NEURON_STATE = (
    "membrane", "calcium", "leak_count", "calcium_up", "calcium_down", "may_up", "may_down",
)  # fmt: skip
"""What events change in neurons."""


@dataclass(frozen=True, eq=False)
class Engine:
    """Cores of a mesh in their present state.

    Parameters
    ----------
    cores
        `nm_morphic.state.CORE`, ``[cores]``.
    mesh, links
        See `nm_morphic.fabric.load_routes`.
    permissions, period
        Tables of allowed flips, and the length of the cycle of draws.
    addresses
        Scratch, int16 ``[2, cores, spikes]``: room for the spikes of a core in a round.
    """

    cores: np.ndarray
    mesh: np.ndarray
    links: np.ndarray
    permissions: np.ndarray
    period: int
    addresses: np.ndarray

    def copy(self) -> Engine:
        """Return the same cores once more, to go another way from here."""
        parts = {name: getattr(self, name).copy() for name in ("cores", "links", "addresses")}
        return replace(self, **parts)

    def clear(self) -> None:
        """Set all counters to 0."""
        for name in (*COUNTERS, "lost", "saturated"):
            self.cores[name] = 0
        self.links[:] = 0

    def state(self) -> dict[str, np.ndarray]:
        """Return a copy of what events change, counters apart; see `put_back`."""
        names = [*NEURON_STATE, "place"]
        if (self.cores["plastic"].any(1) & (self.cores["learning"] != 0)).any():
            names.append("weights")
        return {name: self.cores[name].copy() for name in names}

    def put_back(self, state: dict[str, np.ndarray]) -> None:
        """Return to a state."""
        for name, values in state.items():
            self.cores[name] = values

    def link_counts(self) -> tuple[np.ndarray, np.ndarray]:
        """Return packets per link, and the most in one round, int64 ``[chips, 4]``."""
        packets, most = self.links[[PACKETS, BUSIEST]]
        return packets, most

    def run(
        self, first: np.ndarray, stop: np.ndarray, rows: np.ndarray, groups: np.ndarray,
        budget: int, threads: int = 1,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
        """Send groups of input events, each when the mesh is idle.

        Parameters
        ----------
        first, stop, rows
            Of each event: first core, core after the last, row or -1; int64 ``[events]``.
        groups
            Where groups begin, and the end; int64 ``[groups + 1]``.
        budget
            Events that the cores may serve for one group.
        threads
            Of this machine. Results do not depend on it.

        Returns
        -------
        out, cycles, status
            Output events, clock cycles of each group, and ``status`` of `nm_morphic.rounds.run`.
        """
        from nm_backends.together import together
        from nm_morphic.rounds import run

        parts, status = max(1, min(threads, self.cores.size)), np.zeros(4, np.int64)
        held, fired = np.zeros((2, 2, self.cores.size), np.int64)
        cycles, tally = np.zeros(groups.size - 1, np.int64), np.zeros((2, parts, 8), np.int64)

        def work(part: int, barrier: np.ndarray) -> np.ndarray:
            out, used = run(
                self.cores, self.mesh, self.links, self.permissions, self.period, self.addresses,
                held, fired, tally, first, stop, rows, groups, budget, cycles, status, part,
                barrier,
            )  # fmt: skip
            found: np.ndarray = out[:used].copy()
            return found

        return together(parts, work), cycles, status
