"""A `Network` as a NIR graph: the lowering backwards.

Every projection becomes one Linear or Affine node, whatever it was folded from (convolutions,
pooling): after quantisation its weights are those of single synapses. Neurons stand in one axis.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nm_backends.errors import UserError
from nm_backends.lowering.order import evaluation_order

if TYPE_CHECKING:
    import nir

    from nm_backends.network import Network, Population, Projection

__all__ = ["READERS", "graph_of"]

READERS = ("nir", "snntorch", "norse")
_SNNTORCH_DT = 1e-4  # what its importer takes for granted
_NEAR = np.arange(-4, 5)


def graph_of(network: Network, reader: str = "nir", asked: Network | None = None) -> nir.NIRGraph:
    """Return a NIR graph whose lowering is ``network``.

    Parameters
    ----------
    reader
        ``nir``: as it is. ``snntorch``, ``norse``: the same network in the form that this
        framework's importer understands: the thresholds of ``asked`` (one per layer, where that had
        one), and the gains that the importer assumes, with the weights changed accordingly.
    asked
        The network before quantisation, for ``reader``.

    Raises
    ------
    UserError
        A population cannot be said in NIR.
    """
    if reader not in READERS:
        raise UserError(f"reader is {reader!r}, expected {', '.join(READERS)}")
    if reader != "nir":
        network = _for_importers(network, network if asked is None else asked, reader)
    dt = _SNNTORCH_DT if reader == "snntorch" else network.discretisation.dt or _SNNTORCH_DT
    return _Writer(network, dt).graph()


def _for_importers(network: Network, asked: Network, reader: str) -> Network:
    """Give neurons the thresholds that were asked for, and the assumed gain: the spikes stay."""
    factors: dict[str, np.ndarray] = {}
    populations = dict(network.populations)
    for p in network.neurons:
        if not p.spiking or p.decay_syn is not None:
            continue
        rest = _given(p, "v_reset")
        wanted = _given(asked.populations[p.name], "threshold")
        with np.errstate(divide="ignore", invalid="ignore"):
            unit = (wanted - rest) / (_given(p, "threshold") - rest)
        possible = np.isfinite(unit) & (unit > 0)
        wanted = np.where(possible, wanted, _given(p, "threshold"))
        unit = np.where(possible, unit, 1.0)
        decay = _given(p, "decay")
        gain = np.where((decay == 1) | (reader == "snntorch"), 1.0, 1.0 - decay)
        factors[p.name] = unit * _given(p, "gain") / gain
        populations[p.name] = replace(_stretched(p, unit, gain), threshold=wanted)
    projections = [
        replace(q, weights=q.weights.multiply(factors[q.post][None]).tocsr())
        if q.post in factors
        else q
        for q in network.projections
    ]
    return replace(network, populations=populations, projections=projections)


def _stretched(p: Population, unit: np.ndarray, gain: np.ndarray) -> Population:
    """Measure membranes from the reset potential in another unit, and input by another gain."""
    rest, start = _given(p, "v_reset"), _given(p, "v0")
    pull = (1.0 - _given(p, "decay")) * rest
    return replace(
        p,
        v0=rest + unit * (start - rest),
        leak=pull + unit * (_given(p, "leak") - pull),
        bias=unit * _given(p, "gain") / gain * _given(p, "bias"),
        gain=gain,
    )


class _Writer:
    """Nodes and edges in the making."""

    def __init__(self, network: Network, dt: float) -> None:
        self.network, self.dt = network, dt
        self.nodes: dict[str, Any] = {}
        self.edges: list[tuple[str, str]] = []
        self.shown = {p.name for p in network.neurons if _only_shown(p)}
        self.taken = set(network.populations) - self.shown | set(network.outputs)

    def graph(self) -> nir.NIRGraph:
        import nir

        network = self.network
        for p in network.populations.values():
            if p.is_input:
                self.nodes[p.name] = nir.Input({"input": np.array(p.shape)})
            elif p.name not in self.shown:
                self.nodes[p.name] = _neurons(p, self.dt)
                if len(p.shape) != 1:
                    self.nodes[p.name].metadata["shape"] = np.array(p.shape)
        ends = {name: f"{name}" for name in network.populations}
        for output, name in network.outputs.items():
            shape = np.array([network.populations[name].size])
            self.nodes[output] = nir.Output({"output": shape})
            if name in self.shown:
                ends[name] = output
            else:
                self.edges.append((name, output))
        late = _explicit_delays(network)
        for p in network.neurons:
            self._arriving(p, ends[p.name], late)
        graph = nir.NIRGraph(self.nodes, self.edges)
        graph.metadata["nm_backends"] = _conventions(network, self.dt, self.shown)
        return graph

    def _arriving(self, p: Population, end: str, late: bool) -> None:
        """Write the projections into a population; the first carries its bias."""
        import nir
        import scipy.sparse as sp

        bias = p.bias if p.bias is not None and p.bias.any() else None
        arriving = list(self.network.into(p.name))
        if not arriving and bias is not None:
            source = self.network.inputs[0]
            empty = sp.csr_array((source.size, p.size))
            arriving = [_silent(source.name, p.name, empty)]
        for projection in arriving:
            weight = projection.weights.toarray().T
            name = self._name(projection)
            node = nir.Linear(weight) if bias is None else nir.Affine(weight, bias)
            if len(projection.nodes) > 1:
                node.metadata["folded"] = " ".join(projection.nodes)
            self.nodes[name], bias = node, None
            self.edges.append((self._source(projection, name, late), name))
            self.edges.append((name, end))

    def _source(self, projection: Projection, name: str, late: bool) -> str:
        """Return the node before the weights, with what flattens and delays in between."""
        import nir

        pre = self.network.populations[projection.pre]
        before = pre.name
        if pre.is_input and len(pre.shape) != 1:
            flat = self._free(f"{pre.name}_flat")
            if flat not in self.nodes:
                self.nodes[flat] = nir.Flatten({"input": np.array(pre.shape)}, 0, -1)
                self.edges.append((before, flat))
            before = flat
        if projection.delay and (late or projection.delay > 1):
            wait = self._free(f"{name}_delay")
            self.nodes[wait] = nir.Delay(np.full(pre.size, projection.delay * self.dt))
            self.edges.append((before, wait))
            before = wait
        return before

    def _name(self, projection: Projection) -> str:
        """Return the user's name for a projection, where it has one that nobody else has."""
        wished = projection.nodes[0] if len(projection.nodes) == 1 else ""
        wished = wished or f"{projection.pre}_to_{projection.post}"
        name, n = wished, 1
        while name in self.taken:
            n += 1
            name = f"{wished}_{n}"
        self.taken.add(name)
        return name

    def _free(self, name: str) -> str:
        while name in self.taken:
            name += "_"
        return name


def _silent(pre: str, post: str, weights: Any) -> Projection:
    from nm_backends.network import Projection

    return Projection(pre, post, weights)


def _only_shown(p: Population) -> bool:
    """Whether it shows a weighted sum as it is, for an Output that no neuron makes."""
    return not p.spiking and p.node_type == "Linear"


def _explicit_delays(network: Network) -> bool:
    """Whether delays of one step need Delay nodes; the lowering gives them to closing edges."""
    instant = {(p.pre, p.post) for p in network.projections if p.delay == 0}
    one = {(p.pre, p.post) for p in network.projections if p.delay == 1}
    more = [(p.pre, p.post) for p in network.projections if p.delay > 1]
    inputs = [p.name for p in network.inputs]
    others = [p.name for p in network.neurons]
    _, closing = evaluation_order(inputs, others, instant | one, more)
    return closing != one or bool(instant & one)


def _neurons(p: Population, dt: float) -> Any:
    """Return the NIR node of a population, with every parameter ``[size]``."""
    import nir

    decay, gain, leak = (_given(p, name) for name in ("decay", "gain", "leak"))
    fire = {}
    if p.spiking:
        fire = {"v_threshold": _given(p, "threshold"), "v_reset": _given(p, "v_reset")}
    if p.node_type == "Threshold" and not decay.any():
        return nir.Threshold(fire["v_threshold"])
    if p.decay_syn is None and (decay == 1).all() and not leak.any():
        return nir.IF(r=gain, **fire) if p.spiking else nir.I(r=gain)
    tau, r = _slow(p, decay, gain, dt)
    v_leak = np.divide(leak, 1.0 - decay, out=np.zeros(p.size), where=decay != 1)
    if p.decay_syn is None:
        return (nir.LIF if p.spiking else nir.LI)(tau=tau, r=r, v_leak=v_leak, **fire)
    tau_syn, w_in = _slow(p, p.decay_syn, _given(p, "gain_syn"), dt)
    kind = nir.CubaLIF if p.spiking else nir.CubaLI
    return kind(tau_syn=tau_syn, tau_mem=tau, r=r, v_leak=v_leak, w_in=w_in, **fire)


_DEFAULT = {"gain": 1.0, "gain_syn": 1.0, "threshold": 1.0}


def _given(p: Population, name: str) -> np.ndarray:
    value = getattr(p, name)
    return np.full(p.size, _DEFAULT.get(name, 0.0)) if value is None else np.asarray(value)


def _slow(
    p: Population, decay: np.ndarray, gain: np.ndarray, dt: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return tau and factor with ``1 - dt/tau == decay`` and ``factor*(dt/tau) == gain``."""
    endless = decay == 1
    if (decay > 1).any() or (endless & (gain != 1)).any():
        raise UserError(
            f"{p.name}: NIR cannot say neurons of which some forget nothing and take their input "
            "with another gain than 1, nor a membrane that grows by itself"
        )
    ratio = np.where(endless, 1.0, 1.0 - decay)
    tau = _nudged(dt / ratio, lambda t: 1.0 - dt / t, decay)
    there = dt / tau
    factor = _nudged(gain / there, lambda f: f * there, gain)
    return np.where(endless, np.inf, tau), np.where(endless, np.inf, factor)


def _nudged(values: np.ndarray, function: Any, wanted: np.ndarray) -> np.ndarray:
    """Move values by some units in the last place, so that a function of them is exact."""
    best, least = values, np.abs(function(values) - wanted)
    for steps in _NEAR:
        tried = values + steps * np.spacing(values)
        error = np.abs(function(tried) - wanted)
        best, least = np.where(error < least, tried, best), np.minimum(error, least)
    return np.asarray(best)


def _conventions(network: Network, dt: float, shown: Iterable[str]) -> dict[str, Any]:
    """Return what NIR cannot say; nothing is then left to conventions of a framework."""
    neurons = [p for p in network.neurons if p.name not in set(shown)]
    spiking = [p for p in neurons if p.spiking]
    said: dict[str, Any] = {
        "framework": "nir",
        "dt": float(dt),
        "if_gain": "r",
        "snap": False,
        "spike_cmp": spiking[0].spike_cmp if spiking else ">",
        "v0": {p.name: _given(p, "v0") for p in neurons if p.node_type != "Threshold"},
        "reset": {p.name: p.reset for p in spiking if p.node_type != "Threshold"},
        "graded": {p.name: float(p.graded) for p in spiking if p.graded != 1},
    }
    return {name: value for name, value in said.items() if value != {}}
