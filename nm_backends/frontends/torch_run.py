"""Running a copy of the user's model on a sample, to see what is connected to what."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nm_backends.frontends import rules as F
from nm_backends.frontends.torch_trace import Leaf, Tracer, leaves_of, tensors_in
from nm_backends.frontends.values import Value

if TYPE_CHECKING:
    from nm_backends.frontends.dialect import Dialect
    from nm_backends.lowering.findings import Findings

__all__ = ["Observed", "observe", "recorded"]

_MOST_STEPS, _STATIC_STEPS = 100, 8
_MADE_UP = (20, 4, 0.3)  # time steps, samples, chance of a spike


@dataclass
class Observed:
    """What was seen of a model.

    Parameters
    ----------
    leaves
        The layers that were called, by name.
    returned
        What is known of the tensors that the model returned.
    inputs
        What it was called with, one call after another.
    encoders
        Operations on the input before the first layer.
    """

    leaves: dict[str, Leaf]
    returned: list[Value]
    inputs: list[Any]
    encoders: tuple[str, ...] = ()

    @property
    def neurons(self) -> list[Leaf]:
        """The layers of neurons."""
        return [leaf for leaf in self.leaves.values() if leaf.neuron]

    @property
    def steps(self) -> int:
        """Number of time steps."""
        return max((len(n.gave[0]) if n.timed else n.calls for n in self.neurons), default=1)

    @property
    def loops(self) -> bool:
        """Whether the model goes through the time steps itself."""
        return any(n.timed or n.calls > len(self.inputs) for n in self.neurons)


def observe(model: Any, sample: Any, dialect: Dialect, notes: Findings) -> Observed | None:
    """Run the model and watch; None with the reason in ``notes`` where that does not work."""
    try:
        given = _tensor(sample, model) if sample is not None else _made_up(model, dialect)
    except (TypeError, ValueError, RuntimeError) as error:
        notes.add(F.cannot_run.at(f"the sample is not an array of numbers: {error}"))
        return None
    if given is None:
        message = "the shape of the input is not known"
        hint = "give a batch: sample=batch"
        notes.add(F.needs_sample.at(message, hint=hint))
        return None
    seen, problem = _first_that_works(model, given, dialect)
    if seen is None:
        rule, hint = F.cannot_run, _hint(problem, dialect)
        if sample is None:
            rule, hint = F.needs_sample, "give a batch: sample=batch"
        notes.add(rule.at(f"the model cannot be run: {problem}", hint=hint))
        return None
    if seen.encoders:
        names = ", ".join(seen.encoders)
        notes.add(F.encodes_itself.at(f"the input goes through {names} before the first layer"))
    _check_calls(seen, notes)
    return seen


def _first_that_works(model: Any, given: Any, dialect: Dialect) -> tuple[Observed | None, str]:
    """Try the sample as a whole, then step by step."""
    problems = []
    ways = [[given] * _STATIC_STEPS, list(given[:_MOST_STEPS])]
    if given.ndim > 2 and not _tells_axes(model, dialect):
        ways.reverse()  # nothing but the sample says so: [time, batch, ...]
    for inputs in ways:
        try:
            seen = recorded(model, inputs[:1], dialect)
            if _plausible(seen) and not seen.loops:
                seen = recorded(model, inputs, dialect)
            if _plausible(seen):
                return seen, ""
        except Exception as error:  # whatever the user's own code raises
            lines = str(error).strip().splitlines() or [""]
            problems.append(f"{type(error).__name__}: {lines[0][:200]}")
    return None, problems[-1] if problems else "its layers receive arrays with too many axes"


def _tells_axes(model: Any, dialect: Dialect) -> bool:
    """Whether a layer of the model says how many axes a sample has."""
    leaves = leaves_of(model, dialect.is_neuron, dialect.is_timed).values()
    return any(dialect.axes(leaf.module)[0] is not None or leaf.timed for leaf in leaves)


def recorded(
    model: Any, inputs: Sequence[Any], dialect: Dialect, *, double: bool = False
) -> Observed:
    """Run a copy of the model on its inputs, in evaluation mode."""
    own = _copied(model)
    own.eval().cpu()
    if double:
        own.double()
        inputs = [x.double() for x in inputs]
    dialect.reset(own)
    leaves = leaves_of(own, dialect.is_neuron, dialect.is_timed)
    precision = torch.double if double else None
    with torch.no_grad(), Tracer(leaves, dialect.axes, precision) as tracer:
        results = dialect.run(own, [tracer.give(x.clone()) for x in inputs])
    called = {leaf.name: leaf for leaf in leaves.values() if leaf.calls}
    return Observed(called, tracer.values(results[-1]), list(inputs), tuple(tracer.encoders))


def _copied(model: Any) -> Any:
    """Return a copy; states that hang on a gradient are cut off, which deepcopy would refuse."""
    held = (t for module in model.modules() for t in tensors_in(vars(module)))
    memo = {id(t): t.detach().clone() for t in held if not t.is_leaf}
    return copy.deepcopy(model, memo)


def _plausible(seen: Observed) -> bool:
    """Whether no layer took the time axis for a batch axis.

    Layers before a loop over time may take all steps at once; neurons that take one may not.
    """
    if any(n.timed for n in seen.neurons):
        return True
    asked = seen.neurons if seen.loops else seen.leaves.values()
    return all(leaf.lead <= 1 for leaf in asked)


def _tensor(sample: Any, model: Any) -> Any:
    """Return the sample as a tensor in the model's precision; of pairs, the first."""
    if isinstance(sample, list | tuple) and sample and hasattr(sample[0], "shape"):
        sample = sample[0]
    tensor = torch.as_tensor(np.asarray(sample) if not torch.is_tensor(sample) else sample)
    tensor = tensor.detach().cpu()
    return tensor.to(_dtype(model)) if tensor.ndim else tensor[None].to(_dtype(model))


def _dtype(model: Any) -> Any:
    kinds = (p.dtype for p in model.parameters() if p.dtype.is_floating_point)
    return next(kinds, torch.float32)


def _made_up(model: Any, dialect: Dialect) -> Any | None:
    """Return random spikes where the first layer says how many it takes."""
    for leaf in leaves_of(model, dialect.is_neuron, dialect.is_timed).values():
        if isinstance(leaf.module, torch.nn.Conv1d | torch.nn.Conv2d):
            return None
        size = getattr(leaf.module, "in_features", getattr(leaf.module, "input_size", None))
        if size is not None:
            steps, batch, chance = _MADE_UP
            spikes = np.random.default_rng(0).random((steps, batch, int(size))) < chance
            return torch.as_tensor(spikes).to(_dtype(model))
    return None


def _hint(problem: str, dialect: Dialect) -> str:
    if "tuple" in problem and dialect.framework == "snntorch":
        return "neurons of snnTorch in an nn.Sequential need init_hidden=True"
    if "argument" in problem:
        return "wrap the model in a module whose forward takes the input alone"
    return "nmb calls model(sample), or model(sample[0]) for models of one time step"


def _check_calls(seen: Observed, notes: Findings) -> None:
    steps = seen.steps
    for leaf in seen.leaves.values():
        # A layer that takes everything is called once, one that goes back not in the first step.
        often = {1} if leaf.timed else {steps} if leaf.neuron else {1, steps - 1, steps}
        if leaf.calls not in often:
            message = f"called {leaf.calls} times in {steps} time steps"
            notes.add(F.called_unevenly.at(message, node=leaf.name))
