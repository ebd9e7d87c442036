"""A `Network` as a torch module: what `nmb.reference` computes, with gradients."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch

from nm_backends.errors import UserError
from nm_backends.lowering.origin import Origin
from nm_backends.network import Network, Projection
from nm_backends.torch.compose import TRAINED, Composition, Layer
from nm_backends.torch.neurons import Neurons, State
from nm_backends.torch.surrogate import Surrogate, atan

__all__ = ["FloatModel", "Progress"]

_CLOSE = 1e-5


@dataclass
class Progress:
    """Where a run of some samples is: states by population, and what was sent, latest first."""

    states: dict[str, State]
    sent: list[dict[str, torch.Tensor]] = field(default_factory=list)

    def detached(self) -> Progress:
        """Return the same without the past that gradients would go through."""
        states = {name: state.detached() for name, state in self.states.items()}
        return Progress(states, [{n: t.detach() for n, t in step.items()} for step in self.sent])


class FloatModel(torch.nn.Module):  # type: ignore[misc]
    """The float model of a network; its parameters are the weights and biases of the NIR nodes.

    They stand under the user's node names (``model.fc1.weight``), in NIR's shapes, which are those
    of torch: ``load_state_dict`` takes them over into the user's own module and back.

    Parameters
    ----------
    network
        What was lowered; ``program.network``.
    surrogate
        What gradients see of a spike, by default `atan`. A function of the membrane minus the
        threshold, those of ``snntorch.surrogate`` for example.
    detach_reset
        Whether gradients leave out that a spike resets the membrane, as in snnTorch.
    dtype
        Of parameters and states.

    Raises
    ------
    UserError
        The network does not know which nodes its weights came from (it was loaded with a program,
        say), and it holds more than Linear and Affine nodes.
    """

    def __init__(
        self,
        network: Network,
        *,
        surrogate: Surrogate | None = None,
        detach_reset: bool = True,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.network = network
        origin: Origin = network.origin or _rebuilt(network)
        self.register_buffer("_like", torch.zeros((), dtype=dtype), persistent=False)
        self._layers = {
            name: Layer(node, dtype) for name, node in origin.flat.nodes.items()
            if node.kind in TRAINED
        }  # fmt: skip
        for name, layer in self._layers.items():
            _place(self, name, layer)
        dt = network.discretisation.dt or 1e-4
        self._composition = Composition(origin, self._layers, dt, lambda: self._like)
        self._neurons = {
            p.name: Neurons(p, surrogate or atan(), dtype, detach_reset=detach_reset)
            for p in network.neurons
        }
        # Their buffers follow .to(), but their names are not those of the user's nodes.
        self.add_module("_populations", torch.nn.ModuleList(self._neurons.values()))
        self._longest = max((p.delay for p in network.projections), default=0)
        self._check(network)

    def start(self, batch: int) -> Progress:
        """Return the progress of samples before their first step."""
        return Progress({name: n.start(batch) for name, n in self._neurons.items()})

    def forward(
        self, spikes: torch.Tensor, heard: dict[str, torch.Tensor] | None = None
    ) -> dict[str, torch.Tensor]:
        """Run whole samples.

        Parameters
        ----------
        spikes
            ``[time, batch, channels of all inputs]``.
        heard
            Population to spikes ``[time, batch, size]`` that were really sent, instead of those of
            the model; gradients are those of the model.

        Returns
        -------
        dict
            Population to its spikes ``[time, batch, size]``, or membranes where it does not spike.
        """
        progress = self.start(spikes.shape[1])
        weights = self.weights()
        steps = []
        for t, arriving in enumerate(spikes):
            real = None if heard is None else {name: s[t] for name, s in heard.items()}
            out, progress = self.step(arriving, progress, weights, real)
            steps.append(out)
        names = self._neurons if steps else ()
        return {name: torch.stack([out[name] for out in steps]) for name in names}

    def step(
        self,
        spikes: torch.Tensor,
        progress: Progress,
        weights: Weights | None = None,
        heard: dict[str, torch.Tensor] | None = None,
    ) -> tuple[dict[str, torch.Tensor], Progress]:
        """Run one step on spikes ``[batch, channels]``, see `forward`."""
        weights = weights or self.weights()
        network, first = self.network, 0
        now: dict[str, torch.Tensor] = {}
        for p in network.inputs:
            now[p.name] = spikes[:, first : first + p.size] * p.graded
            first += p.size
        sent = [now, *progress.sent]
        states, out = {}, {}
        for p in network.neurons:
            drive = weights.bias[p.name].expand(len(spikes), -1)
            for projection in network.into(p.name):
                if projection.delay < len(sent):
                    source = sent[projection.delay][projection.pre]
                    drive = drive + source @ weights.matrix[_key(projection)]
            real = None if heard is None or not p.spiking else heard.get(p.name)
            made, states[p.name] = self._neurons[p.name].step(drive, progress.states[p.name], real)
            out[p.name] = made
            now[p.name] = made * p.graded if p.spiking else made
        return out, Progress(states, sent[: self._longest])

    def weights(self) -> Weights:
        """Return the matrices between populations, made of the parameters as they are now."""
        composition, network = self._composition, self.network
        composition.forget()
        made = Weights()
        delays = {_key(p) for p in network.projections}
        for p in network.neurons:
            is_node = self._composition.flat.nodes[p.name].is_neuron
            signal = composition.arriving(p.name) if is_node else composition.leaving(p.name)
            zero = torch.zeros(p.size).to(self._like)
            made.bias[p.name] = zero if signal.bias is None else signal.bias
            for (pre, delay), matrix in signal.terms.items():
                full = torch.eye(p.size).to(self._like) if matrix is None else matrix
                # An edge that closes a loop delivers one step later.
                late = delay if (pre, p.name, delay) in delays else delay + 1
                key = (pre, p.name, late)
                made.matrix[key] = made.matrix[key] + full if key in made.matrix else full
        composition.forget()
        return made

    def to_network(self) -> Network:
        """Return the network with the parameters as they are now."""
        with torch.no_grad():
            weights = self.weights()
        populations = {
            p.name: p if p.is_input else replace(p, bias=_plain(weights.bias[p.name]))
            for p in self.network.populations.values()
        }
        projections = [
            replace(p, weights=sp.csr_array(_plain(weights.matrix[_key(p)])))
            for p in self.network.projections
        ]
        return replace(self.network, populations=populations, projections=projections)

    def layers(self) -> dict[str, Layer]:
        """Return the modules that hold the parameters, by node name."""
        return dict(self._layers)

    def _check(self, network: Network) -> None:
        """Make sure that the graph is the one that the network came from."""
        found = self.to_network()
        for old, new in zip(network.projections, found.projections, strict=True):
            size = float(abs(old.weights).max()) if old.weights.nnz else 0.0
            if abs(old.weights - new.weights).max() > _CLOSE * size:
                raise UserError(
                    f"{old.name}: the program's weights are not those of its graph",
                    "compile the model again after changing it, or give the model= that the "
                    "program was compiled from",
                )


@dataclass
class Weights:
    """Matrices by (pre, post, delay), and biases by population."""

    matrix: dict[tuple[str, str, int], torch.Tensor] = field(default_factory=dict)
    bias: dict[str, torch.Tensor] = field(default_factory=dict)


def _key(projection: Projection) -> tuple[str, str, int]:
    return projection.pre, projection.post, projection.delay


def _plain(tensor: torch.Tensor) -> np.ndarray:
    return np.asarray(tensor.detach().cpu().double().numpy())


def _place(module: Any, name: str, layer: Layer) -> None:
    """Register a layer under its name; dots lead into sub-modules, as in the user's own."""
    head, _, rest = name.partition(".")
    inner = module._modules.get(head)
    if rest:
        if inner is None:
            inner = torch.nn.Module()
            module.add_module(head, inner)
        _place(inner, rest, layer)
        return
    if hasattr(module, head):
        raise UserError(
            f"node {name!r} has the name of an attribute of torch modules", "rename the node"
        )
    module.add_module(head, layer)


def _rebuilt(network: Network) -> Origin:
    """Return the graph of a network that does not know it: one Linear node per projection."""
    from nm_backends.lowering import lower
    from nm_backends.network_graph import graph_of

    for p in network.projections:
        if len(p.nodes) != 1 or len(network.populations[p.post].shape) != 1:
            raise UserError(
                f"{p.name} was made of {', '.join(p.nodes) or 'nothing that is known'}, and the "
                "program does not know how",
                "give the model that the program was compiled from: ChipModule(program, model=...)",
            )
    origin: Origin = lower(graph_of(network)).origin
    return origin
