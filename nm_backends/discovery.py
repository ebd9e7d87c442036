"""Finding plugins: entry points, or the source tree when nothing is installed."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

__all__ = ["GROUP", "Candidate", "candidates", "disabled_names"]

GROUP = "nm_backends"
DISTRIBUTION = "nm-backends"


@dataclass(frozen=True)
class Candidate:
    """A plugin that was found, not yet imported.

    Parameters
    ----------
    name
        Name of the entry point.
    module
        What the entry point names.
    distribution, version
        Where it comes from.
    builtin
        Whether it belongs to the distribution ``nm-backends`` itself.
    """

    name: str
    module: str
    distribution: str = DISTRIBUTION
    version: str = ""
    builtin: bool = False

    @property
    def origin(self) -> str:
        """How lists and warnings speak of where it comes from."""
        return "built in" if self.builtin else f"{self.distribution} {self.version}".strip()

    def load(self) -> ModuleType:
        """Import the plugin (``"package.module"``, or ``"package.module:object"``)."""
        module, _, attribute = self.module.partition(":")
        loaded = import_module(module)
        for part in filter(None, attribute.split(".")):
            loaded = getattr(loaded, part)
        return loaded


def candidates() -> list[Candidate]:
    """Return every plugin there is: built-in ones first, then third parties by name.

    ``NM_BACKENDS_NO_AUTOLOAD=1`` leaves the third parties out. Without an installed distribution
    (running from the source tree) the built-in ones are the packages beside this one.
    """
    found = list(dict.fromkeys(map(_from_entry_point, entry_points(group=GROUP))))
    builtin = [c for c in found if c.builtin] or list(_from_source_tree())
    third = [] if _switch("NM_BACKENDS_NO_AUTOLOAD") else [c for c in found if not c.builtin]
    return _by_name(builtin) + _by_name(third)


def disabled_names() -> set[str]:
    """Return the plugin names in ``NM_BACKENDS_DISABLE``."""
    return {name.strip() for name in os.environ.get("NM_BACKENDS_DISABLE", "").split(",")} - {""}


def _switch(variable: str) -> bool:
    return os.environ.get(variable, "").lower() not in ("", "0", "no", "false")


def _by_name(found: Iterable[Candidate]) -> list[Candidate]:
    return sorted(found, key=lambda c: (c.name, c.distribution))


def _from_entry_point(point: EntryPoint) -> Candidate:
    name = point.dist.name if point.dist else "unknown distribution"
    version = point.dist.version if point.dist else ""
    builtin = re.sub(r"[-_.]+", "-", name).lower() == DISTRIBUTION
    return Candidate(point.name, point.value, name, version, builtin)


def _from_source_tree() -> Iterator[Candidate]:
    """Find the packages of ``plugins/`` beside this package, and make them importable."""
    folder = Path(__file__).resolve().parent.parent / "plugins"
    packages = sorted(p.parent for p in folder.glob("nm_*/__init__.py"))
    if packages and str(folder) not in sys.path:
        sys.path.append(str(folder))
    yield Candidate("frontends", "nm_backends.frontends.plugin", builtin=True)
    for package in packages:
        yield Candidate(package.name.removeprefix("nm_"), package.name, builtin=True)
