"""Chips that route spikes among themselves: one program for all of them, on as few as possible.

A backend of such a chip has ``meshed(chips)``, the backend of a mesh of so many, ``mesh_sizes``,
the numbers of chips that make one, ascending, and ``chips``. What a program was compiled for stands
in ``options.chips``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nm_backends.errors import UserError
from nm_backends.registry import rules_of
from nm_backends.rules import Report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nm_backends.chip import Backend
    from nm_backends.network import Network

__all__ = ["asked", "is_meshed", "meshes", "smallest_mesh"]

_SAME = 3  # sizes


def is_meshed(backend: Any) -> bool:
    """Say whether several chips of this kind route spikes among themselves."""
    return hasattr(backend, "meshed")


def asked(network: Network, backend: Backend) -> Report:
    """Ask all rules of a chip, and those that plugins add, about a network."""
    report = Report(backend.spec.name)
    for rule in (*backend.rules, *rules_of(backend.spec.name)):
        if rule.check is not None:
            report.extend(rule.check(network, backend.spec))
    return report


def meshes(network: Network, backend: Any, most: int) -> Iterator[tuple[int, Any, Report]]:
    """Yield meshes that grow, with what their rules say of a network, until one holds it.

    It ends, too, where several sizes in a row find the same in the way: something that more chips
    do not change, such as how many neurons a single core can hear.
    """
    said: list[set[tuple[str, str, str, str]]] = []
    for size in (n for n in backend.mesh_sizes if n <= most):
        mesh = backend.meshed(size)
        found = asked(network, mesh)
        yield size, mesh, found
        said.append({(d.code, d.node, d.found, d.limit) for d in found.errors})
        if found.ok or (len(said) >= _SAME and all(one == said[-1] for one in said[-_SAME:])):
            return


def smallest_mesh(network: Network, report: Report, backend: Any, chips: Any) -> Any:
    """Return the backend of the smallest mesh that holds a network, at most so many chips.

    The findings of the chip's rules in ``report`` become those of that mesh; where none is large
    enough, those of the largest.

    Parameters
    ----------
    chips
        A number, or ``"auto"``.
    """
    if chips == "time":
        raise UserError(
            f"chips='time': chips of {backend.spec.name} form a mesh, none is several in turn",
            "chips='auto', or a number",
        )
    most = max(backend.mesh_sizes) if chips == "auto" else chips
    before = asked(network, backend).diagnostics
    *_, (_, mesh, found) = meshes(network, backend, most)
    report.diagnostics = [d for d in report.diagnostics if d not in before]
    report.extend(found.diagnostics)
    return mesh
