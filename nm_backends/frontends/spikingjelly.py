"""Models of SpikingJelly, read from the modules themselves (SpikingJelly 2.0).

Time constants count time steps. A neuron fires at its threshold (``>=``), starts at ``v_reset`` and
leaks towards it; without a ``v_reset`` it subtracts its threshold and leaks towards 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from nm_backends.discretisation import Discretisation
from nm_backends.frontends import rules as F
from nm_backends.frontends.neurons import Neuron
from nm_backends.frontends.torch_layers import axes_of, to_array
from nm_backends.frontends.torch_model import read
from nm_backends.network import SpikeCmp
from nm_backends.rules import Diagnostic

if TYPE_CHECKING:
    from nm_backends.discretisation import Framework
    from nm_backends.lowering.findings import Findings

__all__ = ["load"]

_KINDS = ("IFNode", "LIFNode", "ParametricLIFNode")


def load(
    model: Any, sample: Any = None, dt: float | None = None
) -> tuple[Any, Discretisation, list[Diagnostic]]:
    """Read a model of SpikingJelly neurons; see `nm_backends.frontends.torch_model.read`."""
    return read(model, sample, dt, _SpikingJelly())


class _SpikingJelly:
    """What SpikingJelly's modules mean."""

    framework: Framework = "spikingjelly"
    spike_cmp: SpikeCmp = ">="
    exporter = "spikingjelly's export_to_nir"

    def is_neuron(self, module: Any) -> bool:
        """Every module of its neuron package."""
        home = "spikingjelly.activation_based.neuron"
        return any(base.__module__.startswith(home) for base in type(module).__mro__)

    def is_timed(self, module: Any) -> bool:
        """Whether it is in multi-step mode."""
        return getattr(module, "step_mode", "m") == "m"

    def axes(self, module: Any) -> tuple[int | None, int | None]:
        """As PyTorch's layers; neurons take what comes."""
        return axes_of(module)

    def dt(self, neurons: Sequence[Any]) -> float:
        """SpikingJelly has no time step; 1e-4 s is what its exporter uses."""
        return 1e-4

    def reset(self, model: Any) -> None:
        """Set all states to where they start."""
        from spikingjelly.activation_based.functional import reset_net

        reset_net(model)

    def run(self, model: Any, inputs: Sequence[Any]) -> list[Any]:
        """Call the model once for each input; its neurons hold their states."""
        return [model(x) for x in inputs]

    def neuron(self, module: Any, name: str, notes: Findings) -> Neuron | None:
        """Return what a neuron computes."""
        kind = type(module).__name__
        if kind not in _KINDS:
            message = f"{kind} cannot be mapped"
            notes.add(F.unmapped_layer.at(message, node=name, hint=f"use {', '.join(_KINDS)}"))
            return None
        with torch.no_grad():
            fires = module.surrogate_function(torch.tensor([-1e-3, 0.0, 1e-3])).tolist()
        if fires != [0.0, 1.0, 1.0]:
            message = f"its spike function gives {fires} below, at and above the threshold"
            notes.add(F.unmapped_option.at(message, node=name))
            return None
        soft = module.v_reset is None
        rate = _leak_rate(module, kind)
        v_reset = 0.0 if soft else float(module.v_reset)
        return Neuron(
            decay=1.0 - rate,
            gain=rate if getattr(module, "decay_input", False) else 1.0,
            v_leak=v_reset,
            threshold=to_array(module.v_threshold),
            v_reset=v_reset,
            reset="subtract" if soft else "zero",
            v0="v_reset" if v_reset else 0.0,
            lost=("all of it: a soft reset cannot be exported",) if soft else (),
        )


def _leak_rate(module: Any, kind: str) -> float:
    """Return the part of the membrane that is lost in a step."""
    if kind == "IFNode":
        return 0.0
    if kind == "ParametricLIFNode":
        return float(to_array(module.w.sigmoid()))
    return 1.0 / float(module.tau)
