"""MorphIC: 4 x 512 LIF neurons, binary synapses, stochastic SDSP, a mesh of chips (Frenkel 2019).

No RTL of this chip is public: what published texts leave open is a named choice of `Assumptions`.
"""

from __future__ import annotations

from collections.abc import Callable

from nm_backends.entries import ChipEntry
from nm_backends.hookspecs import hookimpl

__all__ = ["nm_register_chips"]


@hookimpl
def nm_register_chips(register: Callable[[ChipEntry], None]) -> None:
    """Register MorphIC."""
    register(
        ChipEntry(
            name="morphic",
            summary="4 x 512 LIF neurons, 2,097,152 binary synapses, mesh of chips, no public RTL",
            backend="nm_morphic.backend:BACKEND",
            rules="nm_morphic.rules:RULES",
            neurons=2048,
            rows=1024,
            synapses=2_097_152,
        )
    )
