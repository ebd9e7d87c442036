"""Whether a network has a place on so many chips, asked before anything is quantised."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nm_backends.crossbar.sharing import share
from nm_backends.crossbar.wiring import Wiring, wire
from nm_morphic.allot import NoRoom
from nm_morphic.spec import CORES, NEURONS, SHARING
from nm_morphic.spread import Spread, placed

if TYPE_CHECKING:
    from nm_backends.chip import ChipSpec
    from nm_backends.network import Network

__all__ = ["obstacle", "obstacle_of"]


def obstacle(network: Network, spec: ChipSpec) -> NoRoom | None:
    """Return what keeps a network from the cores; None where it fits, or is too large anyway."""
    chips = spec.neurons // (CORES * NEURONS)
    if not 0 < sum(p.size for p in network.neurons) <= spec.neurons:
        return None
    apart, sharing = wire(network), SHARING[int(spec.quantities["row_sharing"].value)]
    reasons = [obstacle_of(apart, chips, sharing)]
    if reasons[0] is not None:
        together = share(apart)
        reasons += [obstacle_of(together, chips, sharing)] if together.shares else []
    return reasons[-1]


def obstacle_of(wiring: Wiring, chips: int, sharing: str = "never") -> NoRoom | None:
    """Return what keeps a wiring from the cores of so many chips; None where it fits."""
    reasons = []
    for split in (True, False):
        found = placed(wiring, np.full(wiring.neurons, split), -1, chips, sharing)
        if isinstance(found, Spread):
            return None
        reasons.append(found)
    return reasons[-1]
