"""Recorded traces of ODIN, replayed on both engines."""

from __future__ import annotations

from nm_backends.eventcore.verify import verify_trace
from nm_backends.image import Image
from nm_backends.trace import Trace, TraceVerdict
from nm_odin.simulator import OdinSimulator
from nm_odin.spec import SPEC
from nm_odin.words import fields_of

__all__ = ["verify"]

_COUNTER = ("burst_slot_init", "burst_count_init")


def verify(path: str) -> TraceVerdict:
    """Replay a recorded ODIN trace and compare it bit for bit."""
    return verify_trace(
        path, SPEC, _start, flags=("up", "down"), scalars=_COUNTER, fields_of=fields_of
    )


def _start(image: Image, trace: Trace) -> OdinSimulator:
    slot, count = (int(trace[name]) if name in trace else 0 for name in _COUNTER)
    return OdinSimulator(
        image,
        up=trace["up_init"],
        down=trace["down_init"],
        burst_slot=slot,
        burst_count=count,
    )
