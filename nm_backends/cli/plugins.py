"""``nmb plugins``: what was found, what works, and why the rest does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from nm_backends.cli.output import echo_json, echo_table, json_option

if TYPE_CHECKING:
    from nm_backends.registry import Plugin

__all__ = ["plugins_command"]


@click.command("plugins")
@click.option("-v", "--verbose", is_flag=True, help="Show the traceback of broken plugins.")
@click.option("--load", is_flag=True, help="Also import the code of every chip.")
@json_option
def plugins_command(verbose: bool, load: bool, as_json: bool) -> None:
    """List the plugins, and what is wrong with broken ones.

    A broken plugin is skipped. NM_BACKENDS_DISABLE=a,b switches plugins off by name;
    NM_BACKENDS_NO_AUTOLOAD=1 leaves only the built-in ones.
    """
    from nm_backends.registry import chips, registry

    if load or verbose:
        chips()
    plugins = registry().plugins
    if as_json:
        echo_json({"plugins": [_as_dict(plugin) for plugin in plugins]})
        return
    cells = [(p.name, p.candidate.origin, p.status, ", ".join(_brings(p))) for p in plugins]
    echo_table(("plugin", "origin", "status", "brings"), cells)
    for plugin in plugins:
        if plugin.status == "broken":
            click.secho(f"{plugin.name} ({plugin.candidate.origin}): {plugin.reason}", fg="red")
            if verbose:
                click.echo(plugin.trace)


def _brings(plugin: Plugin) -> list[str]:
    words = {"ChipEntry": "chip", "FrontendEntry": "frontend", "RuleSet": "rules"}
    return [f"{words[type(entry).__name__]} {entry.name}" for entry in plugin.entries]


def _as_dict(plugin: Plugin) -> dict[str, Any]:
    return {
        "name": plugin.name,
        "origin": plugin.candidate.origin,
        "module": plugin.candidate.module,
        "status": plugin.status,
        "reason": plugin.reason,
        "brings": _brings(plugin),
        "traceback": plugin.trace,
    }
