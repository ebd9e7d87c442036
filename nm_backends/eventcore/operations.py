"""What the controller of a crossbar core can be told to do, encoded in one integer each.

An input event is decoded into one operation. Operations of the kinds `ROW` and `VIRTUAL` go through
the scheduler (ODIN and tinyODIN documentation, "Scheduler"); all others are executed at once. The
spike of a neuron is the operation ``ROW`` of its own row.
"""

from __future__ import annotations

__all__ = [
    "ARGUMENT",
    "BISTABLE_ALL",
    "BISTABLE_ROW",
    "KINDS",
    "KIND_SHIFT",
    "LEAK_ALL",
    "LEAK_ONE",
    "ROW",
    "SYNAPSE",
    "VIRTUAL",
]

ROW = 0  # neuron event: argument is the row
VIRTUAL = 1  # payload << 8 | neuron
LEAK_ONE = 2  # time reference of one neuron
LEAK_ALL = 3
SYNAPSE = 4  # row << 8 | neuron
BISTABLE_ROW = 5  # row
BISTABLE_ALL = 6
KINDS = 7

KIND_SHIFT = 16
ARGUMENT = (1 << KIND_SHIFT) - 1
