"""Options of ``nmb compile`` that are choices of a compilation, and what they become."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from nm_backends.cli.options import assume_option, assumed

if TYPE_CHECKING:
    from nm_backends.program import CompileOptions

__all__ = ["choice_options", "choices_from"]

Command = TypeVar("Command", bound=Callable[..., Any])

_WHETHER = ("auto", "never", "always")
_CHOICES = {
    "order": (
        ("auto", "ascending", "excitatory_first", "inhibitory_first"),
        "Order of the events of one time step.",
    ),
    "scale": (("auto", "maxabs", "calibrated"), "How real weights become integers."),
    "row_pairs": (_WHETHER, "One row per sign for inputs with weights of both signs."),
    "share_rows": (_WHETHER, "One row of a crossbar for input channels with the same weights."),
    "settle": (_WHETHER, "Test thresholds once, at the end of a time step."),
    "descent": (
        _WHETHER,
        "Find integers by gradients through the chip's dynamics (auto: from 256 samples on).",
    ),
    "lateral": (
        ("auto", "never"),
        "Synapses within hidden layers, where a chip loses charge below zero.",
    ),
}
_LEARN = click.option(
    "--learn",
    multiple=True,
    metavar="NODE",
    help="A layer whose synapses may learn on the chip (repeatable); see nmb learn.",
)


def _option(name: str) -> Callable[[Command], Command]:
    values, text = _CHOICES[name]
    flag = f"--{name.replace('_', '-')}"
    return click.option(
        flag, type=click.Choice(values), default="auto", show_default=True, help=text
    )


def choice_options(command: Command) -> Command:
    """Add the options that `CompileOptions` has."""
    for option in (assume_option, _LEARN, *map(_option, reversed(_CHOICES))):
        command = option(command)
    return command


def choices_from(given: dict[str, Any]) -> CompileOptions:
    """Take the choices out of what was given, and make `CompileOptions` of them."""
    from nm_backends.program import CompileOptions

    chosen = {name: given.pop(name) for name in _CHOICES}
    other = assumed(given.pop("assume"))
    return CompileOptions(**chosen, learn=given.pop("learn"), assumptions=other)
