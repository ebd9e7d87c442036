"""ODIN's rules: those of crossbar chips, of row signs and unsigned membranes, and of set-ups.

Rules about set-ups look at an image instead of a network, see `nm_odin.setup`.
"""

from __future__ import annotations

from nm_backends.crossbar.rules import (
    LEARNING,
    LOOPS,
    ROW_SIGNS,
    SHARED,
    UNSIGNED,
    bare_rule,
    bind,
)
from nm_odin.setup_rules import SETUP

__all__ = ["BY_NAME", "RULES"]

BY_NAME = bind("ODIN", (*SHARED, *ROW_SIGNS, *UNSIGNED, *LOOPS, *LEARNING))
BY_NAME |= {
    finding.__name__: bare_rule(f"ODIN{number:03d}", severity, finding)
    for number, (severity, finding) in enumerate(SETUP, start=len(BY_NAME) + 1)
}
RULES = tuple(BY_NAME.values())
