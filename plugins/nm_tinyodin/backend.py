"""tinyODIN: the backend that the registry hands out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nm_backends.crossbar.backend import CrossbarBackend
from nm_tinyodin import stream
from nm_tinyodin.mapping import CHIP
from nm_tinyodin.rules import RULES

if TYPE_CHECKING:
    from nm_backends.trace import TraceVerdict

__all__ = ["BACKEND"]


def _verify(path: str) -> TraceVerdict:
    from nm_tinyodin.trace import verify

    return verify(path)


BACKEND = CrossbarBackend(CHIP, RULES, stream, _verify)
