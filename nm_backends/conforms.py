"""Does a value agree with a type annotation: just enough of typing for our data classes."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin

__all__ = ["conforms"]


def conforms(value: object, hint: Any) -> bool:
    """Return whether ``value`` is what ``hint`` (an evaluated annotation) says.

    Knows ``Any``, ``object``, classes, ``None``, unions, ``Literal``, lists, dicts, mappings and
    tuples. An int will do for a float; a bool is not a number.

    Examples
    --------
    >>> conforms({"fc1": (2, 3)}, dict[str, tuple[int, ...]])
    True
    >>> conforms(True, int | None)
    False
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any or hint is object:
        return True
    if hint is None or hint is type(None):
        return value is None
    if origin in (Union, types.UnionType):
        return any(conforms(value, one) for one in arguments)
    if origin is Literal:
        return any(type(value) is type(one) and value == one for one in arguments)
    if origin is tuple:
        return isinstance(value, tuple) and _tuple(value, arguments)
    if origin is list:
        return isinstance(value, list) and all(conforms(v, arguments[0]) for v in value)
    if origin in (dict, Mapping):
        return isinstance(value, dict) and all(
            conforms(k, arguments[0]) and conforms(v, arguments[1]) for k, v in value.items()
        )
    if hint in (int, float):
        number = (int, float) if hint is float else int
        return isinstance(value, number) and not isinstance(value, bool)
    # np.ndarray may be spelled with parameters; its dtype and shape are checked elsewhere
    return isinstance(value, origin or hint)


def _tuple(value: tuple[object, ...], hints: tuple[Any, ...]) -> bool:
    if len(hints) == 2 and hints[1] is Ellipsis:
        return all(conforms(v, hints[0]) for v in value)
    return len(value) == len(hints) and all(map(conforms, value, hints))
