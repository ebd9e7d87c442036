"""Following a model's forward pass: which layer receives what from which others.

Layers are the modules whose ``forward`` belongs to PyTorch or a framework of spiking neurons; the
code of the user's own modules is followed tensor by tensor (`torch_ops`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from nm_backends.frontends import torch_ops as ops
from nm_backends.frontends.torch_layers import passes
from nm_backends.frontends.values import INPUT, Term, Value

__all__ = ["Leaf", "Tracer", "leaves_of", "tensors_in"]

_FRAMEWORKS = frozenset({"torch", "snntorch", "norse", "spikingjelly"})
_CONTAINERS = frozenset({"Lift", "SequentialState", "RecurrentSequential"})
Shape = tuple[int, ...]


@dataclass
class Leaf:
    """A layer and what was seen of it.

    Parameters
    ----------
    value
        What it received in its last call.
    into, out
        Shapes of one sample at one step.
    received, gave
        What it received of the model's input, and its output, in every call; only kept where they
        are needed to compare.
    """

    name: str
    module: Any
    neuron: bool
    timed: bool
    calls: int = 0
    value: Value = field(default_factory=Value)
    lead: int = 1
    into: Shape = ()
    out: Shape = ()
    received: list[Any] = field(default_factory=list)
    gave: list[Any] = field(default_factory=list)


def leaves_of(
    model: Any, is_neuron: Callable[[Any], bool], is_timed: Callable[[Any], bool]
) -> dict[int, Leaf]:
    """Return the layers of a model by the identity of their modules, in order."""
    found: dict[int, Leaf] = {}

    def visit(name: str, module: Any) -> None:
        if id(module) in found:
            return
        if _is_layer(module) or is_neuron(module):
            neuron = is_neuron(module)
            shown = name or type(module).__name__.lower()
            found[id(module)] = Leaf(shown, module, neuron, neuron and is_timed(module))
            return
        for child, inner in module.named_children():
            visit(f"{name}.{child}" if name else child, inner)

    visit("", model)
    return found


def _is_layer(module: Any) -> bool:
    """Whether its computation is not the user's own code."""
    containers = (torch.nn.Sequential, torch.nn.ModuleList, torch.nn.ModuleDict)
    if isinstance(module, containers) or type(module).__name__ in _CONTAINERS:
        return False
    return type(module).forward.__module__.partition(".")[0] in _FRAMEWORKS


def tensors_in(value: Any) -> Iterator[Any]:
    """Every tensor in nested tuples, lists and dicts, in order."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from tensors_in(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from tensors_in(part)


class Tracer(TorchFunctionMode):  # type: ignore[misc]
    """Watches a model while it runs; use it as a context around the calls.

    Parameters
    ----------
    leaves
        The layers, from `leaves_of`.
    axes_of
        How many axes a module takes and gives for one sample; None where it does not say.
    precision
        Give every layer its input in this type: snnTorch's spikes are single, whatever the model.
    """

    def __init__(
        self,
        leaves: dict[int, Leaf],
        axes_of: Callable[[Any], tuple[int | None, int | None]],
        precision: Any = None,
    ) -> None:
        super().__init__()
        self.leaves, self.axes_of, self.precision = leaves, axes_of, precision
        self.encoders: dict[str, None] = {}
        self._known: dict[int, tuple[Any, Value]] = {}
        self._inputs_in: dict[int, Any] = {}
        self._inside = 0
        self._hooks: list[Any] = []

    def __enter__(self) -> Tracer:
        for leaf in self.leaves.values():
            enter = leaf.module.register_forward_pre_hook(self._enter)
            leave = leaf.module.register_forward_hook(self._leave, with_kwargs=True)
            self._hooks += [enter, leave]
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        for hook in self._hooks:
            hook.remove()

    def give(self, tensor: Any) -> Any:
        """Mark a tensor as the model's input."""
        self._tag(tensor, Value((Term(INPUT),)))
        return tensor

    def values(self, returned: Any) -> list[Value]:
        """Return what is known of the tensors that the model returned."""
        return [v for t in tensors_in(returned) if (v := self.of(t)) is not None]

    def of(self, tensor: Any) -> Value | None:
        """Return what is known of a tensor."""
        known = self._known.get(id(tensor))
        return known[1] if known else None

    def _tag(self, tensor: Any, value: Value) -> None:
        self._known[id(tensor)] = (tensor, value)  # kept alive, so that the identity stays its own

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if self._inside:
            return result
        if isinstance(result, Iterator):
            result = list(result)
            self._follow(func, args, kwargs, result)
            return iter(result)
        self._follow(func, args, kwargs, result)
        return result

    def _follow(self, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        operands = list(tensors_in((args, kwargs)))
        values = [self.of(t) for t in operands]
        name = getattr(func, "__name__", str(func))
        if all(v is None for v in values) or name in ops.FRESH:
            return
        if name == "__setitem__":
            if len(values) > 1 and values[-1] is not None:
                self._tag(operands[0], values[-1].at(None))
            return
        made = list(tensors_in(result))
        if all(v is None or v.is_input for v in values):
            if ops.takes_a_part(name, args):
                self.encoders["slicing"] = None
            elif name not in ops.SAME and name not in ops.PICKING and made:
                self.encoders[name] = None
            self._tag_all(made, [Value((Term(INPUT),))] * len(made))
            return
        call = ops.Call(name, args, kwargs, operands, values, made)
        self._tag_all(made, ops.results(call))
        inputs = [t for t, v in zip(operands, values, strict=True) if v is not None and v.is_input]
        if len(inputs) == 1 and len(made) == 1:
            self._inputs_in[id(made[0])] = inputs[0]

    def _tag_all(self, tensors: Iterable[Any], values: Iterable[Value]) -> None:
        for tensor, value in zip(tensors, values, strict=False):
            self._tag(tensor, value)

    def _enter(self, module: Any, args: Any) -> Any:
        self._inside += 1
        if self.precision is None or not args or not isinstance(args[0], torch.Tensor):
            return None
        given = args[0].to(self.precision)
        value = self.of(args[0])
        if value is not None:
            self._tag(given, value)
        return (given, *args[1:])

    def _leave(self, module: Any, args: Any, kwargs: Any, output: Any) -> None:
        leaf = self.leaves[id(module)]
        taken = next(tensors_in((args, kwargs)))
        value = self.of(taken) or Value(unknown="a tensor that the model makes itself")
        made = list(tensors_in(output))
        if passes(module):
            self._tag_all(made[:1], [value])
        else:
            self._see(leaf, taken, made[0], value)
            whole = leaf.timed or leaf.lead > 1 or (value.whole and not value.is_input)
            step = None if whole else leaf.calls
            leaf.calls += 1
            for state in made[1:]:
                self._tag(state, Value((Term(leaf.name, step, state=True),)))
            self._tag(made[0], Value((Term(leaf.name, step),)))
        self._inside -= 1

    def _see(self, leaf: Leaf, taken: Any, given: Any, value: Value) -> None:
        """Note shapes and, where they are needed, tensors."""
        leaf.value = value
        before, after = self.axes_of(leaf.module)
        if before is None:
            before = self._axes_from(leaf, taken, value)
        leaf.lead = taken.ndim - before
        leaf.into = tuple(taken.shape[leaf.lead :])
        leaf.out = tuple(given.shape[leaf.lead if after is None else given.ndim - after :])
        if leaf.neuron and after is None:
            leaf.out = leaf.into  # a parameter of the wrong shape may have spread the output
        given_input = taken if value.is_input else self._inputs_in.get(id(taken))
        if given_input is not None:
            leaf.received.append(given_input.detach().clone())
        if leaf.neuron:
            leaf.gave.append(given.detach().clone())

    def _axes_from(self, leaf: Leaf, taken: Any, value: Value) -> int:
        """Return how many axes one sample has: those of what was received."""
        for before in self.leaves.values():
            if value.terms and before.name == value.terms[0].node:
                return min(len(before.out), int(taken.ndim))
        lead = min(2 if leaf.timed else 1, max(taken.ndim - 1, 0))
        return int(taken.ndim - lead)
