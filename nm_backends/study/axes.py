"""What varies in a study: a list of choices, or a range; and the points that they span."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from nm_backends.errors import UserError, did_you_mean

__all__ = ["Axis", "Point", "Span", "axis_of", "drawn", "grid"]

Point = dict[str, Any]
"""Axis name to value."""
_SPAN_FIELDS = ("low", "high", "log", "steps")


@dataclass(frozen=True)
class Span:
    """A range from ``low`` to ``high``, both included; whole numbers where both ends are."""

    low: float
    high: float
    log: bool = False
    steps: int | None = None

    @property
    def whole(self) -> bool:
        """Whether values are integers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def at(self, share: float) -> float:
        """Return the value at a share of the way, 0 to 1."""
        if self.log:
            value = math.exp(math.log(self.low) + share * math.log(self.high / self.low))
            value = min(max(value, self.low), self.high)
        else:
            value = self.low + share * (self.high - self.low)
        return round(value) if self.whole else float(value)


@dataclass(frozen=True)
class Axis:
    """One thing that is varied, or that has one value in all trials.

    Parameters
    ----------
    name
        Table and field, such as ``compile.scale`` or ``learn.odin.thetamem``.
    choices
        Its values; empty where it is a range.
    span
        The range, or None.
    """

    name: str
    choices: tuple[Any, ...] = ()
    span: Span | None = None

    @property
    def varies(self) -> bool:
        """Whether it has more than one value."""
        return self.span is not None or len(self.choices) > 1

    def values(self) -> Sequence[Any]:
        """Return the values of a grid."""
        if self.span is None:
            return self.choices
        steps = self.span.steps
        if steps is None:
            raise UserError(
                f"{self.name} is a range without steps, which a grid cannot have",
                "say steps=N, or make the study random ([random]) or tuned ([tune])",
            )
        shares = np.linspace(0, 1, steps) if steps > 1 else np.zeros(1)
        return list(dict.fromkeys(self.span.at(float(share)) for share in shares))

    def draw(self, random: np.random.Generator) -> Any:
        """Return one value at random."""
        if self.span is None:
            return self.choices[int(random.integers(len(self.choices)))]
        if self.span.whole and not self.span.log:
            return int(random.integers(int(self.span.low), int(self.span.high) + 1))
        return self.span.at(float(random.random()))


def axis_of(name: str, given: Any, where: str, *, takes_list: bool = False) -> Axis:
    """Read an axis: a value, a list of values, or ``{low, high}``.

    Parameters
    ----------
    where
        File and field, for errors.
    takes_list
        The value itself is a list, so that choices are lists of lists.
    """
    if isinstance(given, Mapping) and {"low", "high"} & set(given):
        return Axis(name, span=_span(given, where))
    several = isinstance(given, list | tuple | range)
    if several and takes_list and not any(isinstance(item, list | tuple) for item in given):
        return Axis(name, (list(given),))
    values = list(given) if several else [given]
    if not values:
        raise UserError(f"{where}: an empty list", "give one value at least, or leave it out")
    twice = [v for i, v in enumerate(values) if v in values[:i]]
    if twice:
        raise UserError(f"{where}: {twice[0]!r} stands twice")
    return Axis(name, tuple(values))


def _span(given: Mapping[str, Any], where: str) -> Span:
    unknown = [key for key in given if key not in _SPAN_FIELDS]
    if unknown:
        raise UserError(
            f"{where}: a range has no {unknown[0]!r}", did_you_mean(unknown[0], _SPAN_FIELDS)
        )
    low, high = given.get("low"), given.get("high")
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (low, high))
    if not numbers or not low < high:  # type: ignore[operator]
        raise UserError(f"{where}: from {low!r} to {high!r} is no range", "low < high, numbers")
    log, steps = given.get("log", False), given.get("steps")
    if not isinstance(log, bool) or (log and low <= 0):  # type: ignore[operator]
        raise UserError(f"{where}: log is {log!r} for a range from {low!r}", "log needs low > 0")
    if steps is not None and (not isinstance(steps, int) or isinstance(steps, bool) or steps < 1):
        raise UserError(f"{where}: steps is {steps!r}, expected 1 or more")
    return Span(low, high, log, steps)  # type: ignore[arg-type]


def grid(axes: Sequence[Axis]) -> Iterator[Point]:
    """Yield every combination; the last axis varies fastest."""
    names = [axis.name for axis in axes]
    for values in product(*(axis.values() for axis in axes)):
        yield dict(zip(names, values, strict=True))


def drawn(axes: Sequence[Axis], random: np.random.Generator) -> Point:
    """Return one combination at random."""
    return {axis.name: axis.draw(random) for axis in axes}
