"""Lowering: ``nir.NIRGraph`` or ``.nir`` file to `Network`. The only rooms that know NIR nodes.

The names below are imported when they are used: ``nmb explain`` reads the rules without numpy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nm_backends.lowering.assemble import lower, lower_collect
    from nm_backends.lowering.reading import read_nir
    from nm_backends.lowering.rules import RULES

__all__ = ["RULES", "lower", "lower_collect", "read_nir"]

_HOME = {"RULES": "rules", "lower": "assemble", "lower_collect": "assemble", "read_nir": "reading"}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
