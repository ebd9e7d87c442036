"""tinyODIN: 256 LIF neurons, 64k signed 4-bit synapses, one crossbar, no learning (open RTL)."""

from __future__ import annotations

from collections.abc import Callable

from nm_backends.entries import ChipEntry
from nm_backends.hookspecs import hookimpl

__all__ = ["nm_register_chips"]


@hookimpl
def nm_register_chips(register: Callable[[ChipEntry], None]) -> None:
    """Register tinyODIN."""
    register(
        ChipEntry(
            name="tinyodin",
            summary="256 LIF neurons, 65,536 signed 4-bit synapses, no learning, open RTL",
            backend="nm_tinyodin.backend:BACKEND",
            rules="nm_tinyodin.rules:RULES",
            neurons=256,
            rows=256,
            synapses=65_536,
        )
    )
