"""ReckOn: 256 recurrent neurons that learn by e-prop (Frenkel and Indiveri, ISSCC 2022)."""

from __future__ import annotations

from collections.abc import Callable

from nm_backends.entries import ChipEntry
from nm_backends.hookspecs import hookimpl

__all__ = ["nm_register_chips"]


@hookimpl
def nm_register_chips(register: Callable[[ChipEntry], None]) -> None:
    """Register ReckOn."""
    register(
        ChipEntry(
            name="reckon",
            summary="256 inputs, 256 recurrent and 16 output neurons, 8-bit weights, e-prop, 28 nm",
            backend="nm_reckon.backend:BACKEND",
            rules="nm_reckon.rules:RULES",
            neurons=256,
            rows=0,
            synapses=135_168,
        )
    )
