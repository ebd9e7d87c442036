"""Fields of nodes: from whatever a file or an exporter left there to arrays that can be trusted."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from nm_backends.lowering import repairs as W
from nm_backends.lowering import rules as E
from nm_backends.lowering.model import FIELDS, MAX_SYNAPSES, REQUIRED, Node
from nm_backends.rules import Report

__all__ = ["as_array", "check_node", "clean", "did_you_mean", "text", "whole_numbers"]

_TEXT_FIELDS = frozenset({"padding"})
_SHAPE_FIELDS = frozenset({"shape", "input_type", "input_shape"})
_WHOLE_FIELDS = frozenset(
    {"stride", "padding", "dilation", "groups", "kernel_size", "start_dim", "end_dim"}
)
_MOST_NAMES, _LONGEST_NAME = 200, 200
_IGNORED = frozenset({"type", "metadata", "input_type", "output_type", "name"})
_MAY_BE_INFINITE = frozenset({"tau", "tau_mem", "tau_syn", "r", "w_in"})


def clean(name: object) -> str:
    """Return a name as printable text; bytes are decoded, control characters escaped."""
    raw = name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else str(name)
    if raw.isprintable():
        return raw
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in raw)


def text(value: object) -> str | None:
    """Return text that may come as str, bytes or a one-element array; None if it is not text."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    if isinstance(value, (str, bytes)):
        return clean(value)
    return None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint with the most similar names, or all of them when there are few."""
    names = list(known)
    if len(names) > _MOST_NAMES or len(name) > _LONGEST_NAME:
        return ""  # similarity takes its time
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if close:
        return "did you mean " + " or ".join(map(repr, close)) + "?"
    if 0 < len(names) <= 12:
        return "there are: " + ", ".join(names)
    return ""


def as_array(value: object) -> np.ndarray | None:
    """Return real numbers as an array (float64 for anything but integers); None if they are not.

    Tensors of other libraries are taken through their own conversion, without importing them.
    """
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError):
        return None
    if array.dtype.kind == "b":
        return array.astype(np.int64)
    if array.dtype.kind in "iu":
        return array
    if array.dtype.kind != "f":
        return None
    with np.errstate(all="ignore"):  # what is not a number is found later, and named
        return np.asarray(array, dtype=np.float64)


def whole_numbers(value: object) -> tuple[int, ...] | None:
    """Return a number or a flat list of whole numbers as a tuple of Python ints, else None."""
    array = as_array(value)
    if array is None or array.ndim > 1 or array.size > 32:
        return None
    numbers = [float(v) if array.dtype.kind == "f" else int(v) for v in array.reshape(-1).tolist()]
    if any(isinstance(v, float) and not v.is_integer() for v in numbers):
        return None
    return tuple(int(v) for v in numbers)


def check_node(node: Node, raw: dict[str, Any], report: Report) -> None:
    """Fill ``node.fields`` from ``raw``; every defect is a finding."""
    known = FIELDS[node.kind]
    before = len(report.errors)
    for name in raw:
        if name not in known and name not in _IGNORED:
            report.add(
                W.unused_field.at(f"{node.kind} has no field {clean(name)!r}", node=node.name)
            )
    for name, default in known.items():
        if raw.get(name) is None:
            _absent(node, name, default, report)
        elif name in _SHAPE_FIELDS:
            _shape(node, name, raw[name], report)
        elif name in _WHOLE_FIELDS:
            _whole(node, name, raw[name], report)
        else:
            _numbers(node, name, raw[name], report)
    node.broken = len(report.errors) > before


def _absent(node: Node, name: str, default: Any, report: Report) -> None:
    if default is REQUIRED:
        report.add(E.missing_field.at(f"{node.kind} has no {name}", node=node.name))
        return
    node.fields[name] = default if default is None else np.asarray(default)
    node.defaulted.add(name)
    if name in _SHAPE_FIELDS or (node.kind == "Flatten"):
        return
    assumed = "kernel_size" if default is None else f"{default:g}"
    report.add(
        W.default_field.at(f"{node.kind} has no {name}; {assumed} is assumed", node=node.name)
    )


def _shape(node: Node, name: str, value: Any, report: Report) -> None:
    if isinstance(value, dict):
        value = next(iter(value.values()), None)
    numbers = None if value is None else whole_numbers(value)
    if value is not None and numbers is None:
        message = f"{name} is not a list of whole numbers"
        report.add(E.bad_field.at(message, node=node.name, found=_show(value)))
    node.fields[name] = numbers


def _whole(node: Node, name: str, value: Any, report: Report) -> None:
    word = text(value)
    if word is not None and name in _TEXT_FIELDS and word in ("same", "valid"):
        node.fields[name] = word
        return
    numbers = whole_numbers(value)
    if numbers is None or len(numbers) not in (1, 2):
        also = ", 'same' or 'valid'" if name in _TEXT_FIELDS else ""
        message = f"{name} must be one or two whole numbers{also}"
        report.add(E.bad_field.at(message, node=node.name, found=_show(value)))
    node.fields[name] = np.asarray(numbers if numbers else (1,))


def _numbers(node: Node, name: str, value: Any, report: Report) -> None:
    array = as_array(value)
    if array is None:
        message = f"{name} is not an array of real numbers"
        report.add(E.bad_field.at(message, node=node.name, found=_show(value)))
        return
    if array.size > MAX_SYNAPSES:
        message = f"{name} has {array.size:,} elements"
        report.add(E.too_large.at(message, node=node.name, limit=f"{MAX_SYNAPSES:,}"))
        return
    if array.size == 0:
        message = f"{name} is empty"
        report.add(E.bad_field.at(message, node=node.name, found=f"shape {array.shape}"))
        return
    array = array.astype(np.float64, copy=False)
    if not _finite(node, name, array, report):
        return
    node.fields[name] = array


def _finite(node: Node, name: str, array: np.ndarray, report: Report) -> bool:
    bad = np.isnan(array) | np.isneginf(array)
    if name not in _MAY_BE_INFINITE:
        bad |= np.isposinf(array)
    if not bad.any():
        return True
    first = np.unravel_index(int(bad.argmax()), array.shape)
    index = f"[{', '.join(str(int(i)) for i in first)}]" if array.ndim else ""
    count = int(bad.sum())
    more = f" (and {count - 1} more)" if count > 1 else ""
    value = array[first] if array.ndim else array[()]
    message = f"{name}{index} is {value}{more}"
    report.add(E.not_finite.at(message, node=node.name, found=str(value), limit="finite numbers"))
    return False


def _show(value: Any) -> str:
    """Describe a wrong value without printing a whole array."""
    word = text(value)
    if word is not None:
        return repr(word if len(word) <= 60 else word[:57] + "...")
    if hasattr(value, "shape") and math.prod(value.shape) > 8:
        return f"{type(value).__name__} of shape {tuple(value.shape)}"
    shown = clean(repr(value))
    return shown if len(shown) <= 60 else shown[:57] + "..."
