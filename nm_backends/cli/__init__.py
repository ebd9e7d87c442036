"""The command line ``nmb``. Commands are small modules, imported when one is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from nm_backends import __version__
from nm_backends.cli.guard import guarded

__all__ = ["cli", "main"]

COMMANDS = {
    "chips": "chips",
    "plugins": "plugins",
    "lower": "lower",
    "check": "check",
    "compile": "compile",
    "run": "run",
    "learn": "learn",
    "compare": "compare",
    "sweep": "sweep",
    "report": "report",
    "export": "export",
    "verify": "verify",
    "explain": "explain",
    "demo": "demo",
}


class Commands(click.Group):
    """The built-in commands, imported one by one, and those that plugins add."""

    _with_plugins = False

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the built-in commands in the order of use, then those of plugins."""
        self._add_plugins()
        return [*COMMANDS, *sorted(set(self.commands) - set(COMMANDS))]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import a command; plugins are asked only for names that are not built in."""
        if name in COMMANDS:
            module = import_module(f"nm_backends.cli.{COMMANDS[name]}")
            command: click.Command = getattr(module, f"{name}_command")
            return command
        self._add_plugins()
        return super().get_command(ctx, name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; an unknown one gets the closest names."""
        name = args[0] if args else ""
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            from nm_backends.errors import did_you_mean

            hint = did_you_mean(name, self.list_commands(ctx))
            ctx.fail(f"No such command {name!r}; {hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; no error of any kind becomes a traceback."""
        with guarded(ctx):
            return super().invoke(ctx)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Print the help; a broken plugin is named, not fatal."""
        with guarded(ctx):
            super().format_help(ctx, formatter)

    def _add_plugins(self) -> None:
        if not self._with_plugins:
            self._with_plugins = True
            from nm_backends.registry import registry

            registry().add_commands(self)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nmb")
def cli() -> None:
    """Check, map, run bit for bit and program spiking networks on neuromorphic chips.

    Start with: nmb demo. Then: nmb check model.nir --chip tinyodin
    """


def main() -> None:
    """Run ``nmb``."""
    cli(prog_name="nmb")
