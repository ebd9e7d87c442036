"""tinyODIN's rules: those of all crossbar chips, under its own codes."""

from __future__ import annotations

from nm_backends.crossbar.rules import LOOPS, SHARED, bind

__all__ = ["BY_NAME", "RULES"]

BY_NAME = bind("TINY", (*SHARED, *LOOPS))
RULES = tuple(BY_NAME.values())
