"""A compiled program as a Lava process, beside any others; imported only when it is used."""

from __future__ import annotations

from nm_backends.lava.environment import load_lava

load_lava()

from nm_backends.lava.process import ChipProcess  # noqa: E402

__all__ = ["ChipProcess"]
