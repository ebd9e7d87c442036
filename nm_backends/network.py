"""What every chip sees: populations of neurons and the projections between them, in discrete time.

A `Network` is made by lowering a ``nir.NIRGraph`` (`nm_backends.lowering`) and is chip-neutral.
One step of a population of size ``n`` with input ``u[t]`` (weighted spikes of all projections that
end here, plus ``bias``)::

    i[t] = decay_syn * i[t-1] + gain_syn * u[t]          (only if ``decay_syn`` is set; else i = u)
    v[t] = decay * v[t-1] + gain * i[t] + leak           (leak = (1 - decay) * v_leak)
    s[t] = v[t] > threshold   or   v[t] >= threshold     (``spike_cmp``)

followed by the reset rule ``reset`` (see `nm_backends.discretisation`). A spike is worth
``graded`` (1 unless the user says otherwise) to the listeners.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    import scipy.sparse as sp

    from nm_backends.discretisation import Discretisation
    from nm_backends.rules import Report

__all__ = ["Network", "Population", "Projection", "Reset", "SpikeCmp"]

Reset = Literal[
    "zero",
    "subtract",
    "subtract_delayed",
    "subtract_nodelay_snntorch",
    "zero_dropinput",
    "none",
]
SpikeCmp = Literal[">", ">="]


@dataclass
class Population:
    """Neurons that came from one NIR node, with their discrete-time parameters.

    All parameter arrays are float64 of shape ``[size]``.

    Parameters
    ----------
    name
        The user's own NIR node name, sub-graph names joined with ``.``.
    shape
        Shape of the node's output; ``size`` is its product, flattened in C order.
    node_type
        NIR type, such as ``"LIF"``; ``"Input"`` for a source of spikes.
    spiking
        False for ``LI``, ``CubaLI`` and ``I``, whose output is the membrane itself.
    threshold, v_reset
        None when not spiking.
    """

    name: str
    shape: tuple[int, ...]
    node_type: str
    spiking: bool = True
    decay: np.ndarray | None = None
    gain: np.ndarray | None = None
    leak: np.ndarray | None = None
    decay_syn: np.ndarray | None = None
    gain_syn: np.ndarray | None = None
    threshold: np.ndarray | None = None
    v_reset: np.ndarray | None = None
    v0: np.ndarray | None = None
    bias: np.ndarray | None = None
    reset: Reset = "zero"
    spike_cmp: SpikeCmp = ">"
    graded: float = 1.0

    @property
    def size(self) -> int:
        """Number of neurons."""
        return int(math.prod(self.shape))

    @property
    def is_input(self) -> bool:
        """Whether the spikes of this population are given by the user."""
        return self.node_type == "Input"


@dataclass
class Projection:
    """Synapses from one population to another.

    Parameters
    ----------
    pre, post
        Names of the populations.
    weights
        CSR matrix, float64, shape ``[pre.size, post.size]``.
    delay
        Whole steps between a spike and its effect: 0 for feed-forward edges, 1 for the edge that
        closes a loop, more where the graph holds ``Delay`` nodes.
    nodes
        Names of the NIR nodes (Affine, Conv2d, pooling, ...) folded into this matrix, in order.
    """

    pre: str
    post: str
    weights: sp.csr_array
    delay: int = 0
    nodes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """How diagnostics speak of it: ``pre -> post``."""
        return f"{self.pre} -> {self.post}"


@dataclass
class Network:
    """A lowered model: populations in evaluation order, projections, inputs and outputs.

    Parameters
    ----------
    populations
        By name, in an order in which every delay-0 projection goes forward; inputs come first.
    projections
        Every pair of populations and every delay stands at most once.
    outputs
        NIR Output node name to the population whose spikes (or membrane) it shows.
    discretisation
        How continuous time became steps; recorded with each assumption.
    report
        Repairs and assumptions made by the lowering (warnings with codes ``NMB...``).
    source
        Where the model came from, a path or a type name, for messages.

    Attributes
    ----------
    origin
        The graph that was lowered (`nm_backends.lowering.origin.Origin`), or None for networks from
        elsewhere: loaded with a program, changed with ``dataclasses.replace``, made by hand.
    asked
        The network as the model has it, where this one was fitted to what a chip can do
        (`nm_backends.first_order`); otherwise None. Not saved with a program.
    """

    populations: dict[str, Population]
    projections: list[Projection]
    outputs: dict[str, str]
    discretisation: Discretisation
    report: Report
    source: str = "model"
    metadata: dict[str, object] = field(default_factory=dict)
    origin: Any = field(default=None, init=False, compare=False, repr=False)
    asked: Network | None = field(default=None, init=False, compare=False, repr=False)

    @property
    def model(self) -> Network:
        """The yardstick: the network as the model has it."""
        return self if self.asked is None else self.asked

    @property
    def inputs(self) -> list[Population]:
        """Populations whose spikes the user gives."""
        return [p for p in self.populations.values() if p.is_input]

    @property
    def neurons(self) -> list[Population]:
        """Populations that a chip has to hold, in evaluation order."""
        return [p for p in self.populations.values() if not p.is_input]

    @property
    def input_size(self) -> int:
        """Number of input channels of all inputs together."""
        return sum(p.size for p in self.inputs)

    def into(self, name: str) -> Iterator[Projection]:
        """Projections that end at population ``name``."""
        return (p for p in self.projections if p.post == name)

    @property
    def output(self) -> Population:
        """The first output population, whose spikes are ``result.spikes``."""
        return self.populations[next(iter(self.outputs.values()))]

    def __repr__(self) -> str:
        lines = [
            f"{self.source}: {_count(self.input_size, 'input')}, "
            f"{_count(sum(p.size for p in self.neurons), 'neuron')}, "
            f"{_count(sum(int(p.weights.nnz) for p in self.projections), 'synapse')}"
        ]
        lines += [
            "",
            *_table(_POPULATION_HEAD, [_population_row(p) for p in self.populations.values()]),
        ]
        lines += ["", *_table(_PROJECTION_HEAD, [_projection_row(p) for p in self.projections])]
        shown = ", ".join(f"{name} shows {pop}" for name, pop in self.outputs.items())
        lines += ["", f"outputs: {shown}", f"discretisation: {self.discretisation}"]
        assumed = self.discretisation.assumed
        if assumed:
            lines.append(f"assumed: {', '.join(assumed)} (nmb explain CODE)")
        return "\n".join(lines)


_POPULATION_HEAD = ("population", "type", "shape", "decay", "gain", "threshold", "reset")
_PROJECTION_HEAD = ("projection", "synapses", "weights", "delay", "nodes")


def _population_row(p: Population) -> tuple[str, ...]:
    shape = " x ".join(map(str, p.shape)) or "1"
    if p.is_input:
        return (p.name, p.node_type, shape, "", "", "", "")
    fires = f"{p.spike_cmp} {_span(p.threshold)}" if p.spiking else "-"
    reset = p.reset if p.spiking else "-"
    decay = _span(p.decay) if p.decay_syn is None else f"{_span(p.decay_syn)}, {_span(p.decay)}"
    gain = _span(p.gain) if p.gain_syn is None else f"{_span(p.gain_syn)}, {_span(p.gain)}"
    return (p.name, p.node_type, shape, decay, gain, fires, reset)


def _projection_row(p: Projection) -> tuple[str, ...]:
    return (p.name, f"{p.weights.nnz:,}", _span(p.weights.data), str(p.delay), " ".join(p.nodes))


def _span(values: np.ndarray | None) -> str:
    """Describe an array by its value, or by its smallest and largest."""
    if values is None or values.size == 0:
        return "-"
    low, high = float(values.min()), float(values.max())
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = [head, *rows]
    return ["  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in lines]
