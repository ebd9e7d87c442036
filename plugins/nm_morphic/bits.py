"""How far one bit per synapse is from the weights of a network, before anything is placed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from nm_backends.crossbar.wiring import wire
from nm_backends.quantize import binarised
from nm_morphic.wanted import listens

if TYPE_CHECKING:
    from nm_backends.chip import ChipSpec
    from nm_backends.network import Network

__all__ = ["differences"]

_SMALL = 0.05  # of the size of the weights: not worth a finding


def differences(network: Network, spec: ChipSpec) -> Iterator[tuple[str, float]]:
    """Yield populations whose weights change, and by which share of their size (root mean square).

    Rows of one sign and of both are looked at, and what is nearer counts.
    """
    if not 0 < sum(p.size for p in network.neurons) <= spec.neurons:
        return
    wiring = wire(network)
    asked, high = wiring.weights, np.full(wiring.neurons, spec.threshold.maximum)
    nearest: dict[str, float] = {}
    for there in (None, listens(wiring, np.zeros(wiring.neurons, bool))[0]):
        made = binarised(asked, wiring.threshold, wiring.strict, high, there)
        size_of_one = np.divide(1.0, made.scale, out=np.zeros(wiring.neurons), where=made.scale > 0)
        off = asked - made.weights * size_of_one
        for name, span in wiring.spans():
            size = float(np.square(asked[:, span]).sum())
            if size:
                share = float(np.sqrt(np.square(off[:, span]).sum() / size))
                nearest[name] = min(share, nearest.get(name, share))
    yield from ((name, share) for name, share in nearest.items() if share > _SMALL)
