"""ODIN: 256 neurons, 64k synapses of 3 bits, one crossbar (Frenkel et al., TBioCAS 2019)."""

from __future__ import annotations

from collections.abc import Callable

from nm_backends.entries import ChipEntry
from nm_backends.hookspecs import hookimpl

__all__ = ["nm_register_chips"]


@hookimpl
def nm_register_chips(register: Callable[[ChipEntry], None]) -> None:
    """Register ODIN."""
    register(
        ChipEntry(
            name="odin",
            summary="256 neurons, 65,536 synapses of 3 bits with one sign per row, 28 nm FDSOI",
            backend="nm_odin.backend:BACKEND",
            rules="nm_odin.rules:RULES",
            neurons=256,
            rows=256,
            synapses=65_536,
        )
    )
