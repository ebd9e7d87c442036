"""What is assumed about a chip where nothing is published: named choices, to be corrected.

A backend of a chip that is partly unknown holds a frozen dataclass whose fields are made with
`choice`. Users see all of them (``nmb chips NAME --assumptions``, ``report.assumptions``) and give
other values where they know better (``nmb.compile(..., assumptions={...})``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from nm_backends.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from nm_backends.chip import Backend
    from nm_backends.program import CompileOptions, Program
    from nm_backends.system.program import System

__all__ = [
    "Assumption",
    "assume",
    "assumptions_of",
    "backend_for",
    "backend_of",
    "check_values",
    "choice",
    "describe",
    "made",
]


@dataclass(frozen=True)
class Assumption:
    """One choice: its value, whether that is the default, what is open, what it means, and why."""

    name: str
    value: bool | int | float | str
    default: bool
    still_open: str
    chosen: str
    why: str


def choice(default: Any, still_open: str, chosen: str, why: str) -> Any:
    """Return the dataclass field of a choice; its type is that of the default."""
    return field(default=default, metadata={"open": still_open, "chosen": chosen, "why": why})


def check_values(
    held: Any,
    ranges: Iterable[tuple[str, float, float]],
    allowed: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Refuse values that a chip's simulator cannot take; called by the dataclass of its choices.

    Parameters
    ----------
    held
        The dataclass.
    ranges
        Name, least and greatest value of each number.
    allowed
        Words that a name may have; of others the default is the only one.

    Raises
    ------
    UserError
        It names the assumption and what was expected.
    """
    for name, low, high in ranges:
        value = getattr(held, name)
        if not low <= value <= high:
            raise UserError(f"assumption {name}: {value}, expected {low}..{high}")
    for item in fields(held):
        words = (allowed or {}).get(item.name, (item.default,))
        value = getattr(held, item.name)
        if isinstance(item.default, str) and value not in words:
            known = ", ".join(map(repr, words))
            raise UserError(
                f"assumption {item.name}: {value!r}, expected one of {known}: the simulator knows "
                "no other"
            )


def assumptions_of(held: Any) -> list[Assumption]:
    """Return all choices of a dataclass or of the backend that holds it, in their order.

    A backend that assumes nothing gives an empty list.
    """
    chosen = getattr(held, "assumptions", None) if hasattr(held, "spec") else held
    return [] if chosen is None else [_assumption(chosen, item) for item in fields(chosen)]


def _assumption(chosen: Any, item: Any) -> Assumption:
    value, about = getattr(chosen, item.name), item.metadata
    default = value == item.default
    return Assumption(item.name, value, default, about["open"], about["chosen"], about["why"])


def describe(held: Any) -> str:
    """Return all choices as text, three lines each."""
    lines = []
    for one in assumptions_of(held):
        mark = "" if one.default else "  (not the default)"
        lines += [
            f"{one.name} = {one.value}{mark}",
            f"    open: {one.still_open}",
            f"    chosen: {one.chosen} [{one.why}]",
        ]
    return "\n".join(lines)


def made(kind: Any, given: Mapping[str, Any]) -> Any:
    """Return the dataclass ``kind`` with some values changed; numbers may come as text.

    Raises
    ------
    UserError
        An unknown name, a value of another type, or one that ``kind`` itself refuses.
    """
    defaults = {item.name: item.default for item in fields(kind)}
    for name in given:
        if name not in defaults:
            raise UserError(f"no assumption {str(name)!r}", did_you_mean(str(name), defaults))
    return kind(**{name: _typed(name, value, defaults[name]) for name, value in given.items()})


def _typed(name: str, value: Any, default: Any) -> Any:
    kind = type(default)
    if kind is bool and isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if kind in (int, float) and not isinstance(value, bool):
        try:
            found = kind(value)
        except (TypeError, ValueError):
            found = None
        if found is not None and (isinstance(value, str) or found == value):
            return found
    elif type(value) is kind:
        return value
    raise UserError(f"assumption {name}: {value!r}, expected a value like {default!r}")


def assume(backend: Backend, given: Mapping[str, Any]) -> Backend:
    """Return the backend of a chip about which ``given`` is assumed instead of the defaults.

    Raises
    ------
    UserError
        Nothing is assumed about the chip, or see `made`.
    """
    return _assumed(cast(Any, backend), tuple(sorted(given.items()))) if given else backend


@lru_cache(maxsize=16)
def _assumed(backend: Any, given: tuple[tuple[str, Any], ...]) -> Backend:
    if getattr(backend, "assumptions", None) is None:
        raise UserError(
            f"nothing about {backend.spec.name} is assumed: {given[0][0]!r} cannot be changed"
        )
    changed: Backend = backend.assuming(made(type(backend.assumptions), dict(given)))
    return changed


def backend_of(program: Program | System) -> Backend:
    """Return the backend of a program's chip, under the assumptions that it was compiled with.

    Or of its mesh of chips (`nm_backends.mesh`).
    """
    return backend_for(program.chip, program.options)


def backend_for(chip: str, options: CompileOptions) -> Backend:
    """Return the backend of a chip under the assumptions of ``options``, or of that many chips."""
    from nm_backends.registry import get_backend

    given = getattr(options, "assumptions", {})  # of what is not yet known to be a program
    backend: Any = assume(get_backend(chip), given)
    chips = getattr(options, "chips", 1)
    if chips == 1:
        return cast("Backend", backend)
    sizes = getattr(backend, "mesh_sizes", ())
    if chips not in sizes:
        raise UserError(
            f"options.chips: {chips} chips of {chip} make no mesh",
            f"{', '.join(map(str, sizes[:12]))}..."
            if sizes
            else "compile(chips=...) cuts networks",
        )
    return cast("Backend", backend.meshed(chips))
