"""Whether the values of learning options can be had at all, before anything runs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice, product
from typing import Any

from nm_backends.errors import UserError
from nm_backends.learning_options import LearningOptions
from nm_backends.study.axes import Axis
from nm_backends.study.recipe import SEED

__all__ = ["impossible_values"]

_MOST = 1000  # combinations with other options in which a value is tried
_SOME_SEED = 1


def impossible_values(
    options: type[LearningOptions], axes: Sequence[Axis]
) -> Iterator[tuple[Axis, Any, UserError]]:
    """Yield the values that a chip's learning refuses, whatever its other options are.

    A value that only some of the others exclude is none of these: its trials with them are rows
    that failed.

    Parameters
    ----------
    options
        The class of the chip's learning options.
    axes
        What varies of them; the last part of an axis' name is that of the option. Of a range both
        ends are tried.

    Yields
    ------
    tuple
        Where it stands, the value, and why the chip refuses it.
    """
    named = {axis.name.rpartition(".")[2]: axis for axis in axes}
    tried = {name: _values(axis) for name, axis in named.items()}
    for name, axis in named.items():
        for value in tried[name]:
            others = {n: values for n, values in tried.items() if n != name}
            error = _refusal(options, name, value, others)
            if error is not None:
                yield axis, value, error


def _values(axis: Axis) -> list[Any]:
    if axis.span is not None:
        return [axis.span.low, axis.span.high]
    return [_SOME_SEED if value == SEED else value for value in axis.choices]


def _refusal(
    options: type[LearningOptions], name: str, value: Any, others: Mapping[str, Sequence[Any]]
) -> UserError | None:
    """Return why a value is refused, where all combinations with others are refused."""
    error: UserError | None = None
    many = math.prod(map(len, others.values())) > _MOST
    for combination in chain(islice(product(*others.values()), _MOST), [()] if many else ()):
        beside = dict(zip(others, combination, strict=False))
        try:
            options.of({**beside, name: value})
        except (TypeError, ValueError) as refused:
            mine = refused if isinstance(refused, UserError) else UserError(str(refused))
            error = error or mine
        else:
            return None
    return error
