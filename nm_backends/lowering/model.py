"""A NIR graph as plain data: what both readers produce and the rest of the lowering works on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "FIELDS",
    "LINEAR",
    "MAX_NEURONS",
    "MAX_NODES",
    "MAX_SYNAPSES",
    "NEURONS",
    "REQUIRED",
    "SPIKING",
    "Graph",
    "Node",
]

MAX_NEURONS = 2**22
"""Largest size of one node; no chip here holds a thousandth of it."""
MAX_SYNAPSES = 2**26
"""Most synapses of one weight matrix, checked before any memory is asked for."""

MAX_NODES = 4096
"""Most nodes of one model; the largest in the wild has some dozens."""

SPIKING = frozenset({"LIF", "IF", "CubaLIF", "Threshold"})
NEURONS = SPIKING | {"LI", "I", "CubaLI"}
LINEAR = frozenset(
    {"Affine", "Linear", "Scale", "Conv1d", "Conv2d", "SumPool2d", "AvgPool2d", "Flatten", "Delay"}
)

REQUIRED: Any = object()

_CONV = {
    "weight": REQUIRED,
    "bias": 0.0,
    "stride": 1,
    "padding": 0,
    "dilation": 1,
    "groups": 1,
    "input_shape": None,
}
_POOL = {"kernel_size": REQUIRED, "stride": None, "padding": 0}
_LI = {"tau": REQUIRED, "r": REQUIRED, "v_leak": 0.0}
_CUBA = {"tau_syn": REQUIRED, "tau_mem": REQUIRED, "r": REQUIRED, "v_leak": 0.0, "w_in": 1.0}
_FIRE = {"v_threshold": REQUIRED, "v_reset": 0.0}

FIELDS: dict[str, dict[str, Any]] = {
    "Input": {"shape": None},
    "Output": {"shape": None},
    "Affine": {"weight": REQUIRED, "bias": 0.0},
    "Linear": {"weight": REQUIRED},
    "Scale": {"scale": REQUIRED},
    "Conv1d": _CONV,
    "Conv2d": _CONV,
    "SumPool2d": _POOL,
    "AvgPool2d": _POOL,
    "Flatten": {"input_type": None, "start_dim": 1, "end_dim": -1},
    "Threshold": {"threshold": REQUIRED},
    "Delay": {"delay": REQUIRED},
    "I": {"r": REQUIRED},
    "IF": {"r": REQUIRED, **_FIRE},
    "LI": _LI,
    "LIF": {**_LI, **_FIRE},
    "CubaLI": _CUBA,
    "CubaLIF": {**_CUBA, **_FIRE},
}
"""Fields of every NIR primitive, with what an absent one means (None: worked out later)."""


@dataclass
class Node:
    """One NIR node: its full name, its type, its fields as arrays or text.

    ``kind`` is the NIR type, ``"Port"`` for the Input and Output nodes of a sub-graph, which
    pass on what they get, or ``"Unknown"``. ``defaulted`` names the fields that were absent.
    ``broken`` nodes have been reported; nothing more is said about them. ``added`` nodes stand in
    for missing ends of the graph.
    """

    name: str
    kind: str
    fields: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    defaulted: set[str] = field(default_factory=set)
    broken: bool = False
    added: bool = False

    @property
    def is_neuron(self) -> bool:
        """Whether the node has a state or fires, so that it becomes a population."""
        return self.kind in NEURONS


@dataclass
class Graph:
    """A NIR graph, possibly with graphs among its nodes; names are local to each graph."""

    nodes: dict[str, Node | Graph] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
