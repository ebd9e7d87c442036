"""Where a model's hidden layers end: the modules after which a learning signal can be put in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from nm_backends.errors import UserError

__all__ = ["Points", "find", "first_of"]

_NO_ACTIVATION = ("Softmax", "LogSoftmax", "Softmin", "Softmax2d", "MultiheadAttention")
_HINT = (
    "where an activation is a function (F.relu), put a torch.nn.Identity() after it, and name the "
    "ends of the hidden layers: layers=['relu1', ...]"
)


@dataclass(frozen=True)
class Points:
    """What one pass of a sample through a model shows.

    Parameters
    ----------
    hidden
        Names of the modules that end a hidden layer, in order, and the shapes of their outputs.
    weighted
        Names of the modules with weights, in order, the last one being the output layer's.
    output
        What the model gave.
    """

    hidden: dict[str, tuple[int, ...]]
    weighted: list[str]
    output: Any


@dataclass
class _Trace:
    """Modules in order of their first call, and the module with weights that each follows."""

    weighted: list[str] = field(default_factory=list)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    after: dict[str, set[str]] = field(default_factory=dict)
    latest: str = ""

    def called(self, name: str, weights: bool, output: Any) -> None:
        if weights:
            self.latest = name
            if name not in self.weighted:
                self.weighted.append(name)
            return
        self.shapes.setdefault(name, tuple(first_of(output).shape))
        self.after.setdefault(name, set()).add(self.latest)


def first_of(output: Any) -> torch.Tensor:
    """Return what a module passes on: its output, or the spikes of a neuron with states."""
    return output[0] if isinstance(output, tuple | list) else output


def find(model: torch.nn.Module, sample: torch.Tensor, layers: Sequence[str] | None) -> Points:
    """Run a sample through a model and find the ends of its hidden layers.

    Parameters
    ----------
    layers
        Names of the modules that end hidden layers; None for the first activation or spiking
        neuron after every module with weights but the last.

    Raises
    ------
    UserError
        A layer without an activation, an activation that serves several layers, or a name in
        ``layers`` that is no module before the output layer.
    """
    trace, output = _traced(model, sample, layers or ())
    if not trace.weighted:
        raise UserError("the model has no layer with weights")
    names = _followers(trace) if layers is None else _chosen(model, trace, layers)
    return Points({name: trace.shapes[name] for name in names}, trace.weighted, output)


def _traced(
    model: torch.nn.Module, sample: torch.Tensor, named: Sequence[str]
) -> tuple[_Trace, Any]:
    trace, handles = _Trace(), []
    for name, module in model.named_modules():
        weights = _has_weights(module)
        if weights or name in named or _is_activation(module):

            def note(_: Any, __: Any, out: Any, name: str = name, weights: bool = weights) -> None:
                trace.called(name, weights, out)

            handles.append(module.register_forward_hook(note))
    modes = {module: module.training for module in model.modules()}
    try:
        with torch.no_grad():
            return trace, model.eval()(sample)
    finally:
        for handle in handles:
            handle.remove()
        for module, training in modes.items():
            module.training = training


def _has_weights(module: torch.nn.Module) -> bool:
    return any(p.ndim > 1 for p in module.parameters(recurse=False))


def _is_activation(module: torch.nn.Module) -> bool:
    kinds = [(kind.__module__, kind.__name__) for kind in type(module).__mro__]
    if kinds[0][0] == "torch.nn.modules.activation":
        return kinds[0][1] not in _NO_ACTIVATION
    return any(home.startswith("snntorch.") and kind == "SpikingNeuron" for home, kind in kinds)


def _followers(trace: _Trace) -> list[str]:
    found = []
    for weighted in trace.weighted[:-1]:
        after = [name for name in trace.shapes if weighted in trace.after[name]]
        if not after:
            raise UserError(f"no activation follows the hidden layer {weighted!r}", _HINT)
        if len(trace.after[after[0]]) > 1:
            users = ", ".join(sorted(trace.after[after[0]]))
            raise UserError(
                f"the activation {after[0]!r} serves several layers: {users}",
                "give each layer a module of its own",
            )
        found.append(after[0])
    return found


def _chosen(model: torch.nn.Module, trace: _Trace, layers: Sequence[str]) -> list[str]:
    known = dict(model.named_modules())
    for name in layers:
        if name not in known or _has_weights(known[name]):
            ends = ", ".join(n for n in trace.shapes if n) or "none"
            raise UserError(
                f"layers: {name!r} is no module after which a hidden layer ends",
                f"activations of the model: {ends}",
            )
        if name not in trace.shapes or trace.weighted[-1] in trace.after[name]:
            raise UserError(
                f"layers: {name!r} was not called before the output layer {trace.weighted[-1]!r}"
            )
    return [name for name in trace.shapes if name in layers]
