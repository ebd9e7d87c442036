"""SPOON: event-driven convolution, two dense layers, learning by DRTP (Frenkel et al., ISCAS 2020).

Only the abstract of its paper is at hand: what it leaves open is a named choice of `Assumptions`.
"""

from __future__ import annotations

from collections.abc import Callable

from nm_backends.entries import ChipEntry
from nm_backends.hookspecs import hookimpl

__all__ = ["nm_register_chips"]


@hookimpl
def nm_register_chips(register: Callable[[ChipEntry], None]) -> None:
    """Register SPOON."""
    register(
        ChipEntry(
            name="spoon",
            summary="event-driven convolution, 128 hidden and 10 output neurons, 8-bit weights, "
            "DRTP, 28 nm (behavioural model, most of it assumed)",
            backend="nm_spoon.backend:BACKEND",
            rules="nm_spoon.rules:RULES",
            neurons=138,
            rows=0,
            synapses=47_610,
        )
    )
