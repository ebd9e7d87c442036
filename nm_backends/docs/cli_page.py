"""The command line as a page: click's own help of every command."""

from __future__ import annotations

from collections.abc import Iterator

import click

__all__ = ["cli_page", "commands"]

_WIDTH = 96
_HEAD = """\
# Command line

Exit codes: 0 it worked, 1 the check or the verification failed, 2 wrong use. `--json` prints one
object on standard output. What follows is `nmb COMMAND --help`.

"""


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield every command with its name, in the order of ``nmb --help``."""
    from nm_backends.cli import cli

    context = click.Context(cli, info_name="nmb")
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        if command is not None:
            yield name, command


def cli_page() -> str:
    """Return the page."""
    return _HEAD + "\n".join(_section(name, command) for name, command in commands())


def _section(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=f"nmb {name}", terminal_width=_WIDTH)
    return f"## nmb {name}\n\n```text\n{command.get_help(context)}\n```\n"
