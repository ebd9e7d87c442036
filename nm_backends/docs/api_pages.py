"""The API reference: which objects it shows; the text is that of their docstrings."""

from __future__ import annotations

import nm_backends

__all__ = ["PLUGIN_MODULES", "api_pages", "home_of"]

_PUBLIC = """\
# Python

`import nm_backends as nmb`; these names are imported when they are used. What results are made of
stands below them.

"""
_PLUGINS = """\
# For plugin authors

What a chip, a frontend or a set of rules is made of; see the
[tutorial](../tutorials/chip-plugin.md).

"""
MORE = (
    "nm_backends.result.Estimate",
    "nm_backends.summary.Summary",
    "nm_backends.real_time.RealTime",
    "nm_backends.neurobench.measure",
    "nm_backends.neurobench.NeuroBench",
)
PLUGIN_MODULES = (
    "nm_backends.chip",
    "nm_backends.entries",
    "nm_backends.hookspecs",
    "nm_backends.rules",
    "nm_backends.image",
    "nm_backends.trace",
    "nm_backends.testing",
)


def home_of(name: str) -> str:
    """Return the full name of what a public name of ``nm_backends`` stands for."""
    module, _, attribute = nm_backends._HOME[name].partition(":")
    return f"nm_backends.{module}.{attribute or name}"


def api_pages() -> dict[str, str]:
    """Return the pages by their paths."""
    names = [name for name in nm_backends.__all__ if name in nm_backends._HOME]
    shown = {home_of(name): f"nm_backends.{name}" for name in names} | {n: n for n in MORE}
    public = "\n".join(_shown(target, heading) for target, heading in shown.items())
    # Some of these objects stand on the other page already, which links lead to.
    plugins = "\n".join(_shown(m, m) + "      skip_local_inventory: true\n" for m in PLUGIN_MODULES)
    return {"api/index.md": _PUBLIC + public, "api/plugins.md": _PLUGINS + plugins}


def _shown(target: str, heading: str) -> str:
    return f"::: {target}\n    options:\n      heading: {heading}\n"
