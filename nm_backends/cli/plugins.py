"""``nmb plugins``: what was found, what works, and why the rest does not."""

from __future__ import annotations

import click

from nm_backends.cli.output import echo_json, echo_table, json_option

__all__ = ["plugins_command"]


@click.command("plugins")
@click.option("-v", "--verbose", is_flag=True, help="Show the traceback of broken plugins.")
@click.option("--load", is_flag=True, help="Also import the code of every chip.")
@json_option
def plugins_command(verbose: bool, load: bool, as_json: bool) -> None:
    """List the plugins: name, distribution, status, and what each brings.

    A broken plugin is skipped. NM_BACKENDS_DISABLE=a,b switches plugins off by name;
    NM_BACKENDS_NO_AUTOLOAD=1 leaves only the built-in ones.
    """
    from nm_backends.entries import ChipEntry, FrontendEntry, RuleSet
    from nm_backends.registry import chips, registry

    if load or verbose:
        chips()
    rows = [
        {
            "name": plugin.name,
            "origin": plugin.candidate.origin,
            "module": plugin.candidate.module,
            "status": plugin.status,
            "reason": plugin.reason,
            "chips": plugin.names(ChipEntry),
            "frontends": plugin.names(FrontendEntry),
            "rules": plugin.names(RuleSet),
            "traceback": plugin.trace,
        }
        for plugin in registry().plugins
    ]
    if as_json:
        echo_json({"plugins": rows})
        return
    cells = [[row["name"], row["origin"], row["status"], ", ".join(_brings(row))] for row in rows]
    echo_table(("plugin", "origin", "status", "brings"), cells)
    for row in rows:
        if row["status"] == "broken":
            click.secho(f"{row['name']} ({row['origin']}): {row['reason']}", fg="red")
            if verbose:
                click.echo(row["traceback"])


def _brings(row: dict[str, object]) -> list[str]:
    kinds = {"chips": "chip", "frontends": "frontend", "rules": "rules"}
    return [f"{word} {name}" for kind, word in kinds.items() for name in list(row[kind])]  # type: ignore[call-overload]
