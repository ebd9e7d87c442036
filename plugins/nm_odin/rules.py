"""ODIN's rules: those of all crossbar chips, and what its row signs and unsigned membranes add."""

from __future__ import annotations

from nm_backends.crossbar.rules import LEARNING, LOOPS, ROW_SIGNS, SHARED, UNSIGNED, bind

__all__ = ["BY_NAME", "RULES"]

BY_NAME = bind("ODIN", (*SHARED, *ROW_SIGNS, *UNSIGNED, *LOOPS, *LEARNING))
RULES = tuple(BY_NAME.values())
