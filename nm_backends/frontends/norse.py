"""Models of Norse, read from the modules themselves (Norse 1.1).

``tau_mem_inv`` and ``tau_syn_inv`` are per second and each module has its own ``dt``. The input is
added to the current before the membrane sees it, so that a current jumps by the input itself.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

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

_CURRENT = frozenset({"lif_feed_forward_step", "lif_step", "li_feed_forward_step", "li_step"})
_BOX = frozenset({"lif_box_feed_forward_step", "li_box_feed_forward_step"})
_INTEGRATE = frozenset({"iaf_feed_forward_step", "iaf_step"})
_TIMED = frozenset({"SNN", "SNNRecurrent"})
_NEURONS = frozenset({"SNNCell", "SNNRecurrentCell", "LILinearCell", *_TIMED})


def load(
    model: Any, sample: Any = None, dt: float | None = None
) -> tuple[Any, Discretisation, list[Diagnostic]]:
    """Read a model of Norse neurons; see `nm_backends.frontends.torch_model.read`."""
    return read(model, sample, dt, _Norse())


class _Norse:
    """What Norse's modules mean."""

    framework: Framework = "norse"
    spike_cmp: SpikeCmp = ">"
    exporter = "norse.torch.to_nir"

    def is_neuron(self, module: Any) -> bool:
        """Cells and layers of neurons, with and without time."""
        return bool(_bases(module) & _NEURONS)

    def is_timed(self, module: Any) -> bool:
        """Layers such as ``LIF``; cells such as ``LIFCell`` take one step."""
        return bool(_bases(module) & _TIMED)

    def axes(self, module: Any) -> tuple[int | None, int | None]:
        """Neurons with weights of their own take and give vectors."""
        return (1, 1) if hasattr(module, "input_weights") else axes_of(module)

    def dt(self, neurons: Sequence[Any]) -> float:
        """Return the time step of the first neuron that has one."""
        return next((float(n.dt) for n in neurons if hasattr(n, "dt")), 1e-3)

    def reset(self, model: Any) -> None:
        """Norse's modules hold no states."""

    def run(self, model: Any, inputs: Sequence[Any]) -> list[Any]:
        """Call the model once for each input, with the state that it returned."""
        stateful = "state" in inspect.signature(model.forward).parameters
        returned, state = [], None
        for x in inputs:
            if not stateful:
                returned.append(model(x))
                continue
            output, state = model(x, state)
            returned.append(output)
        return returned

    def neuron(self, module: Any, name: str, notes: Findings) -> Neuron | None:
        """Return what a neuron computes."""
        step = _step_of(module)
        if step not in _CURRENT | _BOX | _INTEGRATE:
            message = f"{type(module).__name__} cannot be mapped"
            hint = "use LIF, LIFBox, LI, LIBox or IAF"
            notes.add(F.unmapped_layer.at(message, node=name, hint=hint))
            return None
        p = module.p
        reset, v_reset = _reset_of(p), to_array(getattr(p, "v_reset", 0.0))
        if reset is None:
            message = f"reset_method {p.reset_method.__name__!r} is not known"
            notes.add(F.unmapped_option.at(message, node=name, hint="reset_value, reset_subtract"))
            return None
        integrates = step in _INTEGRATE
        gain = 1.0 if integrates else module.dt * to_array(p.tau_mem_inv)
        synaptic = step in _CURRENT
        return Neuron(
            decay=1.0 if integrates else 1.0 - gain,
            gain=gain,
            v_leak=0.0 if integrates else to_array(p.v_leak),
            threshold=to_array(p.v_th) if hasattr(p, "v_th") else None,
            v_reset=v_reset,
            decay_syn=1.0 - module.dt * to_array(p.tau_syn_inv) if synaptic else None,
            reset=reset if hasattr(p, "v_th") else "none",
            v0="v_reset" if integrates else "v_leak",
            recurrence=_recurrence(module),
            weight=to_array(module.input_weights) if hasattr(module, "input_weights") else None,
            lost=_lost(module, step, reset, v_reset),
        )


def _bases(module: Any) -> set[str]:
    return {base.__name__ for base in type(module).__mro__ if base.__module__.startswith("norse.")}


def _step_of(module: Any) -> str:
    """Return the name of the function that computes one step."""
    if type(module).__name__ == "LILinearCell":
        return "li_step"
    return getattr(module.activation, "__name__", "")


def _reset_of(p: Any) -> Reset | None:
    """Return the reset rule; None for a function of the user's own."""
    name = getattr(getattr(p, "reset_method", None), "__name__", "reset_value")
    rules: dict[str, Reset] = {"reset_value": "zero", "reset_subtract": "subtract"}
    return rules.get(name)


def _recurrence(module: Any) -> Recurrence | None:
    weights = getattr(module, "recurrent_weights", None)
    return None if weights is None else Recurrence("recurrent_weights", weight=to_array(weights))


def _lost(module: Any, step: str, reset: Reset, v_reset: Any) -> tuple[str, ...]:
    """Return what Norse's exporter does with this neuron (as of 1.1.0)."""
    if type(module).__name__ not in ("LIFCell", "LIFBoxCell", "LIBoxCell", "IAFCell"):
        return ("all of it: this kind of neuron cannot be exported",)
    lost = ["the time step"]
    if step not in _INTEGRATE:
        lost.append("tau, which is 1000 times too small unless exported with dt=1.0")
    if step in _CURRENT:
        lost.append("w_in, which is tau_syn/dt and is written as 1")
    if reset != "zero":
        lost.append(f"the reset {reset!r}")
    if v_reset.any():
        lost.append("v_reset")
    return tuple(lost)
