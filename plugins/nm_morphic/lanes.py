"""All neurons of a core at once: one bit of each of 512 values, as a number that kernels work with.

A value of ``b`` bits is then ``b`` such numbers (planes), and adding one to some of 512 membranes a
few logical operations per plane. Within kernels these numbers know ``& | ^ ~`` and shifts within
their eight words of 64 bits; the compiler makes of them what vector registers the machine has.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable

from nm_morphic.spec import NEURONS

__all__ = ["any_of", "every", "load", "lowest", "store"]

_WORDS = NEURONS // 64
_LANES = ir.VectorType(ir.IntType(64), _WORDS)


class _Lanes(types.Type):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(name="nm_morphic.lanes")


_lanes = _Lanes()


@register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _LANES)


def _operator(function: Any, build: str, *, shifts: bool = False) -> None:
    """Give the numbers a binary operator; the right side of a shift is one uint64 for all words."""

    @type_callable(function)  # type: ignore[untyped-decorator]
    def typed(context: Any) -> Any:
        def typer(left: Any, right: Any) -> Any:
            fits = isinstance(right, types.Integer) if shifts else right == _lanes
            return _lanes if left == _lanes and fits else None

        return typer

    @lower_builtin(function, _lanes, types.uint64 if shifts else _lanes)  # type: ignore[untyped-decorator]
    def lowered(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        right = _spread(builder, given[1]) if shifts else given[1]
        return getattr(builder, build)(given[0], right)


for _build in ("and_", "or_", "xor"):
    _operator(getattr(operator, _build), _build)
    _operator(getattr(operator, f"i{_build.rstrip('_')}"), _build)
_operator(operator.rshift, "lshr", shifts=True)
_operator(operator.lshift, "shl", shifts=True)


@type_callable(operator.invert)  # type: ignore[untyped-decorator]
def _typed_invert(context: Any) -> Any:
    return lambda lanes: _lanes if lanes == _lanes else None


@lower_builtin(operator.invert, _lanes)  # type: ignore[untyped-decorator]
def _lowered_invert(context: Any, builder: Any, signature: Any, given: Any) -> Any:
    return builder.not_(given[0])


def _spread(builder: Any, word: Any) -> Any:
    index = ir.IntType(32)
    one = builder.insert_element(ir.Constant(_LANES, ir.Undefined), word, ir.Constant(index, 0))
    order = ir.Constant(ir.VectorType(index, _WORDS), [0] * _WORDS)
    return builder.shuffle_vector(one, ir.Constant(_LANES, ir.Undefined), order)


def _at(context: Any, builder: Any, kind: Any, words: Any, first: Any) -> Any:
    array = context.make_array(kind)(context, builder, words)
    return builder.bitcast(builder.gep(array.data, [first]), _LANES.as_pointer())


@intrinsic  # type: ignore[untyped-decorator]
def load(typing: Any, words: Any, first: Any) -> Any:
    """Return eight words of a uint64 array, from its item ``first`` (as it lies in memory) on."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        found = builder.load(_at(context, builder, signature.args[0], given[0], given[1]))
        found.align = 8
        return found

    return _lanes(words, types.int64), code


@intrinsic  # type: ignore[untyped-decorator]
def store(typing: Any, words: Any, first: Any, lanes: Any) -> Any:
    """Set eight words of a uint64 array."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        place = _at(context, builder, signature.args[0], given[0], given[1])
        builder.store(given[2], place).align = 8
        return context.get_dummy_value()

    return types.void(words, types.int64, _lanes), code


@intrinsic  # type: ignore[untyped-decorator]
def every(typing: Any, word: Any) -> Any:
    """Return the same 64 bits in all words."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return _spread(builder, given[0])

    return _lanes(types.uint64), code


@intrinsic  # type: ignore[untyped-decorator]
def any_of(typing: Any, lanes: Any) -> Any:
    """Say whether a bit is set."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        all_of, index = builder.bitcast(given[0], ir.IntType(NEURONS)), ir.IntType(NEURONS)
        return builder.icmp_unsigned("!=", all_of, ir.Constant(index, 0))

    return types.boolean(_lanes), code


@intrinsic  # type: ignore[untyped-decorator]
def lowest(typing: Any, word: Any) -> Any:
    """Return the place of the lowest bit that is set, of a word that has one."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.cttz(given[0], cgutils.true_bit)

    return types.int64(types.uint64), code
