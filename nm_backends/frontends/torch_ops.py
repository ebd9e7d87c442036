"""Operations between the layers of a model: what becomes of the values that they take."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from nm_backends.frontends.values import Value

__all__ = ["FRESH", "PICKING", "READOUT", "SAME", "Call", "results", "takes_a_part"]

SAME = frozenset(
    {"view", "view_as", "reshape", "reshape_as", "flatten", "unflatten", "squeeze", "unsqueeze"}
    | {"contiguous", "to", "float", "double", "type", "type_as", "clone", "detach", "cpu", "cuda"}
    | {"requires_grad_", "alias", "__get__", "to_dense"}
)
"""Operations whose result holds the same values (their order is compared afterwards)."""
PICKING = frozenset({"__getitem__", "select", "unbind", "__iter__"})
READOUT = frozenset(
    {"sum", "mean", "max", "amax", "argmax", "softmax", "log_softmax", "cumsum"}
    | {"stack", "cat", "vstack", "permute", "transpose"}
)
"""What may be done with recorded spikes before they are returned."""
FRESH = frozenset(
    {"zeros_like", "ones_like", "empty_like", "full_like", "rand_like", "randn_like"}
    | {"new_zeros", "new_ones", "new_empty", "new_full", "new_tensor"}
)
"""What takes nothing but the shape of a value."""
_JOINING = frozenset({"stack", "cat", "vstack", "concat", "concatenate"})
_ADDING = frozenset({"add", "add_", "__add__", "__radd__", "__iadd__"})
_TAKING = frozenset({"sub", "sub_", "__sub__", "__isub__", "subtract"})
_MULTIPLYING = frozenset({"mul", "mul_", "__mul__", "__rmul__", "__imul__", "multiply"})
_DIVIDING = frozenset({"div", "div_", "__truediv__", "__itruediv__", "divide"})


@dataclass(frozen=True)
class Call:
    """One operation; ``values`` belong to the tensors ``operands`` among its arguments."""

    name: str
    args: Sequence[Any]
    kwargs: dict[str, Any]
    operands: list[Any]
    values: list[Value | None]
    made: list[Any]


def results(call: Call) -> list[Value]:
    """Return what is known of each tensor that the operation made."""
    first = next(v for v in call.values if v is not None)
    if call.name in ("unbind", "__iter__") and first.whole:
        return [first.at(step) for step in range(len(call.made))]
    return [_result(call, first)] * len(call.made)


def takes_a_part(name: str, args: Sequence[Any]) -> bool:
    """Whether an index keeps some of the values of an axis behind the first."""
    index = args[-1] if name == "__getitem__" else None
    return isinstance(index, tuple) and any(
        isinstance(p, slice) and p != slice(None) for p in index[1:]
    )


def _result(call: Call, first: Value) -> Value:
    if call.name in SAME or _changes_nothing(call):
        return first
    if call.name in PICKING:
        return _picked(call, first)
    if call.name in _JOINING:
        return _joined(call)
    if call.name in _ADDING:
        return _sum(call, 1.0)
    if call.name in _TAKING:
        return _sum(call, -1.0)
    if call.name in _MULTIPLYING | _DIVIDING | {"neg", "__neg__"}:
        return _scaled(call, first)
    return _lost(call)


def _lost(call: Call) -> Value:
    """Return a value that remembers where it came from, and what happened to it."""
    total = Value()
    for value in call.values:
        if value is not None:
            total = total.plus(value)
    return Value(total.terms, total.unknown or call.name)


def _changes_nothing(call: Call) -> bool:
    """Whether it is a dropout that lets everything pass."""
    return call.name == "dropout" and torch.equal(call.made[0], call.operands[0])


def _picked(call: Call, value: Value) -> Value:
    """Return one step of recorded values, or the same value under another view."""
    index = call.args[-1] if call.name == "__getitem__" else call.args[2:3]
    parts = index if isinstance(index, tuple) else (index,)
    steps = [p for p in parts if type(p) is int]
    rest = [p for p in parts if p is not None and p is not Ellipsis and p != slice(None)]
    if value.whole and len(steps) == 1 and len(rest) == 1:
        step = int(steps[0])
        return value.at(step if step >= 0 else None)
    return value if not rest else _lost(call)


def _joined(call: Call) -> Value:
    """Return recorded values put together; other joins are not followed."""
    known = [v for v in call.values if v is not None]
    same = len(known) == len(call.values) and all(v.alike(known[0]) for v in known)
    return known[-1].at(None) if same else _lost(call)


def _sum(call: Call, sign: float) -> Value:
    if len(call.operands) != 2 or call.kwargs.get("alpha", 1) != 1:
        only = call.values[0]
        nothing = [a for a in call.args if isinstance(a, numbers.Real)] == [0]
        return only if only is not None and nothing and sign > 0 else _lost(call)
    left, right = call.values
    if left is None or right is None:
        known, other = (right, 0) if left is None else (left, 1)
        if known is None or bool((call.operands[other] != 0).any()):
            return _lost(call)
        return known.times(sign) if known is right else known
    return left.plus(right.times(sign))


def _scaled(call: Call, value: Value) -> Value:
    if call.name in ("neg", "__neg__"):
        return value.times(-1.0)
    numbers_given = [a for a in call.args if isinstance(a, numbers.Real)]
    constants = [
        t for t, v in zip(call.operands, call.values, strict=True) if v is None and t.numel() == 1
    ]
    factors = [float(f) for f in (*numbers_given, *constants)]
    if len(factors) != 1 or len([v for v in call.values if v is not None]) != 1:
        return _lost(call)
    return value.times(1 / factors[0] if call.name in _DIVIDING else factors[0])
