"""Recorded traces of tinyODIN, replayed on both engines."""

from __future__ import annotations

from nm_backends.eventcore.verify import verify_trace
from nm_backends.trace import TraceVerdict
from nm_tinyodin.simulator import TinyOdinSimulator
from nm_tinyodin.spec import SPEC

__all__ = ["verify"]


def verify(path: str) -> TraceVerdict:
    """Replay a recorded tinyODIN trace and compare it bit for bit."""
    return verify_trace(path, SPEC, lambda image, trace: TinyOdinSimulator(image))
