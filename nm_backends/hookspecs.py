"""The hooks of a plugin. Each registers light, frozen descriptions; code is imported when used."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import click

    from nm_backends.entries import ChipEntry, FrontendEntry, RuleSet

hookspec = pluggy.HookspecMarker("nm_backends")
hookimpl = pluggy.HookimplMarker("nm_backends")


@hookspec
def nm_register_chips(register: Callable[[ChipEntry], None]) -> None:
    """Call ``register`` once per chip that this plugin can check, compile for and simulate."""


@hookspec
def nm_register_frontends(register: Callable[[FrontendEntry], None]) -> None:
    """Call ``register`` once per kind of model object that this plugin can turn into NIR."""


@hookspec
def nm_register_rules(register: Callable[[RuleSet], None]) -> None:
    """Call ``register`` once per set of extra rules that ``check`` shall apply to models."""


@hookspec
def nm_register_commands(cli: click.Group) -> None:
    """Add commands to ``nmb``; import what a command needs inside the command."""
