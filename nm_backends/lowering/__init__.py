"""Lowering: ``nir.NIRGraph`` or ``.nir`` file to `Network`. The only rooms that know NIR nodes."""

from __future__ import annotations

from nm_backends.lowering.lower import lower, lower_collect
from nm_backends.lowering.reading import read_nir
from nm_backends.lowering.rules import RULES

__all__ = ["RULES", "lower", "lower_collect", "read_nir"]
