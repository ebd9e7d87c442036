"""Is this object a chip backend? Asked once, when it is imported, so that nonsense has a name."""

from __future__ import annotations

from typing import Any

from nm_backends.chip import Backend, ChipSpec, IntFormat
from nm_backends.entries import ChipEntry
from nm_backends.errors import PluginError
from nm_backends.rules import Rule

__all__ = ["check_backend"]

METHODS = ("map", "execute", "write_stream", "read_stream", "estimate", "verify")


def check_backend(entry: ChipEntry, backend: object) -> None:
    """Raise `PluginError` unless ``backend`` implements `Backend` as ``entry`` declares it."""
    members = ("spec", "rules", *METHODS)
    missing = [name for name in members if not hasattr(backend, name)]
    if missing or not isinstance(backend, Backend):
        raise PluginError(f"backend {entry.backend} lacks {', '.join(missing)}")
    for name in METHODS:
        if not callable(getattr(backend, name)):
            raise PluginError(f"backend {entry.backend}: {name} is not a method")
    _check_spec(entry, backend.spec)
    _check_rules(entry, backend.rules)


def _check_spec(entry: ChipEntry, spec: Any) -> None:
    if not isinstance(spec, ChipSpec):
        raise PluginError(f"spec is {type(spec).__name__}, expected ChipSpec")
    if spec.name != entry.name:
        raise PluginError(f"spec is of {spec.name!r}, the plugin declares {entry.name!r}")
    for dimension in ("neurons", "rows", "synapses"):
        declared, found = getattr(entry, dimension), getattr(spec, dimension)
        if declared != found:
            raise PluginError(f"spec has {found} {dimension}, the plugin declares {declared}")
    for name in ("weights", "membrane", "threshold", "leak"):
        _check_format(name, getattr(spec, name))


def _check_format(name: str, form: Any) -> None:
    if not isinstance(form, IntFormat):
        raise PluginError(f"spec.{name} is {form!r}, expected IntFormat")
    span = form.maximum - form.minimum
    if form.bits < 1 or span < 0 or span >= 2**form.bits:
        raise PluginError(
            f"spec.{name}: {form.minimum}..{form.maximum} is not a range of {form.bits} bits"
        )


def _check_rules(entry: ChipEntry, rules: Any) -> None:
    seen: set[str] = set()
    for item in rules:
        if not isinstance(item, Rule):
            raise PluginError(f"rules of {entry.backend} hold {item!r}, expected Rule")
        if item.code in seen:
            raise PluginError(f"rule {item.code} stands twice")
        seen.add(item.code)
