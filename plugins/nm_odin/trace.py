"""Recorded traces of ODIN, replayed on both engines."""

from __future__ import annotations

from nm_backends.eventcore.verify import verify_trace
from nm_backends.image import Image
from nm_backends.trace import Trace, TraceVerdict
from nm_odin.simulator import OdinSimulator
from nm_odin.spec import SPEC

__all__ = ["verify"]


def verify(path: str) -> TraceVerdict:
    """Replay a recorded ODIN trace and compare it bit for bit."""
    return verify_trace(path, SPEC, _start, flags=("up", "down"))


def _start(image: Image, trace: Trace) -> OdinSimulator:
    return OdinSimulator(image, up=trace["up_init"], down=trace["down_init"])
