"""Models of snnTorch, read from the modules themselves (snnTorch 1.0).

What the neurons compute, including what differs between them: ``Leaky`` with reset to zero keeps
the input of the step after a spike, ``Synaptic``, ``RLeaky``, ``RSynaptic`` and ``Lapicque`` lose
it; ``Lapicque`` decays by ``1 - time_step/(R*C)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nm_backends.discretisation import Discretisation
from nm_backends.frontends import rules as F
from nm_backends.frontends.neurons import Neuron, Recurrence
from nm_backends.frontends.torch_layers import axes_of, to_array
from nm_backends.frontends.torch_model import read
from nm_backends.network import Reset, SpikeCmp
from nm_backends.rules import Diagnostic

if TYPE_CHECKING:
    from nm_backends.discretisation import Framework
    from nm_backends.lowering.findings import Findings

__all__ = ["load"]

_KINDS = ("Leaky", "RLeaky", "Synaptic", "RSynaptic", "Lapicque")
_HINTS = {
    "Alpha": "its two currents of opposite sign are on no chip; use Synaptic",
    "SLSTM": "a gated recurrent layer is no spiking neuron; use RLeaky or RSynaptic",
    "SConv2dLSTM": "a gated recurrent layer is no spiking neuron; use RLeaky or RSynaptic",
    "LeakyParallel": "it has no reset and its own weights; use Leaky",
}


def load(
    model: Any, sample: Any = None, dt: float | None = None
) -> tuple[Any, Discretisation, list[Diagnostic]]:
    """Read a model of snnTorch neurons; see `nm_backends.frontends.torch_model.read`."""
    return read(model, sample, dt, _SnnTorch())


class _SnnTorch:
    """What snnTorch's modules mean."""

    framework: Framework = "snntorch"
    spike_cmp: SpikeCmp = ">"
    exporter = "snntorch.export_nir.export_to_nir"

    def is_neuron(self, module: Any) -> bool:
        """Every module of snnTorch's that fires."""
        return any(base.__module__.startswith("snntorch._neurons") for base in type(module).__mro__)

    def is_timed(self, module: Any) -> bool:
        """None of the mapped neurons takes several steps at once."""
        return False

    def axes(self, module: Any) -> tuple[int | None, int | None]:
        """As PyTorch's layers; neurons take what comes."""
        return axes_of(module)

    def dt(self, neurons: Sequence[Any]) -> float:
        """SnnTorch has no time step; 1e-4 s is what its exporter uses."""
        return 1e-4

    def reset(self, model: Any) -> None:
        """Set all states to zero."""
        for module in model.modules():
            if self.is_neuron(module) and hasattr(module, "reset_mem"):
                module.reset_mem()

    def run(self, model: Any, inputs: Sequence[Any]) -> list[Any]:
        """Call the model once for each input; its neurons hold their states."""
        return [model(x) for x in inputs]

    def neuron(self, module: Any, name: str, notes: Findings) -> Neuron | None:
        """Return what a neuron computes."""
        kind = _kind(module)
        if kind is None:
            message = f"{type(module).__name__} cannot be mapped"
            hint = _HINTS.get(type(module).__name__, f"use {', '.join(_KINDS)}")
            notes.add(F.unmapped_layer.at(message, node=name, hint=hint))
            return None
        if not _options_allow(module, kind, name, notes):
            return None
        rule = _reset_rule(module, kind)
        decay, gain = _lapicque(module, name, notes), 1.0
        if decay is None:
            decay = _clamped(module, "beta", name, notes)
        else:
            gain = float(_once(module.R * (1 / (module.R * module.C)) * module.time_step))
        synaptic = kind in ("Synaptic", "RSynaptic")
        return Neuron(
            decay=decay,
            gain=gain,
            threshold=to_array(module.threshold),
            decay_syn=_clamped(module, "alpha", name, notes) if synaptic else None,
            reset=rule,
            graded=float(_once(module.graded_spikes_factor)),
            recurrence=_recurrence(module, kind),
            lost=_lost(module, kind, rule),
        )


def _kind(module: Any) -> str | None:
    """Return the snnTorch class of a neuron that can be mapped, also of the user's own subclass."""
    import snntorch

    for name in _KINDS:
        if type(module).forward is getattr(snntorch, name).forward:
            return name
    return None


def _once(tensor: Any) -> Any:
    """Return a tensor of one element as a number."""
    return to_array(tensor).reshape(-1)[0] if to_array(tensor).size == 1 else np.nan


def _reset_rule(module: Any, kind: str) -> Reset:
    """Return the rule by the state function that was chosen when the module was made."""
    chosen = module.state_function.__name__
    now = getattr(module, "reset_delay", True)
    if chosen == "_base_int":
        return "none"
    if chosen == "_base_sub":
        return "subtract_delayed" if now else "subtract_nodelay_snntorch"
    return "zero" if kind == "Leaky" or not now else "zero_dropinput"


def _options_allow(module: Any, kind: str, name: str, notes: Findings) -> bool:
    """Report options that no chip has; False where one of them stands in the way."""
    problems = []
    if module.inhibition:
        hint = "inhibition=False; on a chip, inhibitory synapses compete over several steps"
        problems.append(("only the neuron with the largest membrane fires (inhibition)", hint))
    if kind == "RSynaptic" and not module.reset_delay:
        problems.append(("RSynaptic cannot run with reset_delay=False in snnTorch 1.0", ""))
    if module.graded_spikes_factor.numel() != 1:
        problems.append(("graded_spikes_factor has one value per neuron", "use a single number"))
    probe = torch.tensor([-1e-3, 0.0, 1e-3], dtype=module.threshold.dtype)
    with torch.no_grad():
        fires = module.spike_grad(probe).tolist()
    if fires != [0.0, 0.0, 1.0]:
        problems.append((f"its spike function gives {fires} below, at and above the threshold", ""))
    if not getattr(module, "reset_delay", True) and bool((module.threshold < 0).any()):
        problems.append(("a negative threshold with reset_delay=False", "use reset_delay=True"))
    for message, hint in problems:
        notes.add(F.unmapped_option.at(message, node=name, hint=hint))
    if module.state_quant:
        message = "state_quant rounds the membrane; the network here does not"
        notes.add(F.ignored_option.at(message, node=name, hint="the compiler chooses the levels"))
    return not problems


def _clamped(module: Any, what: str, name: str, notes: Findings) -> np.ndarray:
    """Return a decay as the module uses it."""
    value = to_array(getattr(module, what))
    used: np.ndarray = np.clip(value, 0.0, 1.0)
    if (used != value).any():
        message = f"{what} goes from {value.min():g} to {value.max():g}; used as clamped to 0..1"
        notes.add(F.clamped_parameter.at(message, node=name))
    return used


def _lapicque(module: Any, name: str, notes: Findings) -> np.ndarray | None:
    """Return the decay of a Lapicque neuron, in the module's own precision; None for others."""
    if _kind(module) != "Lapicque":
        return None
    with torch.no_grad():
        decay = to_array(1 - (module.time_step / (module.R * module.C)))
    beta = to_array(module.beta)
    if not np.allclose(beta, np.exp(decay - 1), atol=1e-6):
        message = f"beta = {beta.reshape(-1)[0]:g} is not used: R and C are"
        notes.add(F.unused_parameter.at(message, node=name))
    message = f"Lapicque decays by 1 - time_step/(R*C) = {decay.reshape(-1)[0]:g}"
    notes.add(F.unused_parameter.at(message, node=name))
    return decay


def _recurrence(module: Any, kind: str) -> Recurrence | None:
    if kind not in ("RLeaky", "RSynaptic"):
        return None
    if module.all_to_all:
        return Recurrence(module=module.recurrent)
    return Recurrence(scale=to_array(module.recurrent.V))


def _lost(module: Any, kind: str, rule: Reset) -> tuple[str, ...]:
    """Return what snnTorch's exporter does with this neuron (as of 1.0.0)."""
    if kind == "Lapicque":
        return ("all of it: Lapicque cannot be exported",)
    lost = ["the time step"]
    if rule != "zero":
        lost.append(f"the reset {rule!r}")
    if _once(module.graded_spikes_factor) != 1.0:
        lost.append("graded_spikes_factor")
    if module.beta.numel() == 1 and kind in ("Leaky", "Synaptic"):
        lost.append("all of it: a single beta for a layer cannot be exported")
    elif bool((module.beta >= 1).any()):
        lost.append("beta = 1 becomes a gain of inf/inf")
    return tuple(lost)
