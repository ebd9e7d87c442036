"""Options that several commands share, and what they become."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from nm_backends.discretisation import Discretisation
    from nm_backends.system.compiling import Chips

__all__ = [
    "assume_option", "assumed", "chip_option", "chips_option", "command_line",
    "discretisation_from", "discretisation_options", "model_argument", "number_of",
]  # fmt: skip

Command = TypeVar("Command", bound=Callable[..., Any])

FRAMEWORKS = ("snntorch", "norse", "spikingjelly", "lava", "nir")
RESETS = (
    "zero",
    "subtract",
    "subtract_delayed",
    "subtract_nodelay_snntorch",
    "zero_dropinput",
    "none",
)

# Paths stay text: what is wrong with a file is told by the code that reads it, with a rule code.
model_argument = click.argument("model", metavar="MODEL")
chips_option = click.option(
    "--chips",
    metavar="auto|N|time",
    help="Cut the network over several chips; time: one chip is all parts in turn.",
)
chip_option = click.option("--chip", required=True, metavar="NAME", help="See: nmb chips.")

assume_option = click.option(
    "--assume",
    multiple=True,
    metavar="NAME=VALUE",
    help="Instead of an assumption about the chip (repeatable); see nmb chips NAME --assumptions.",
)


def number_of(chips: str | None) -> Chips | None:
    """Return what ``--chips`` says; the compiler refuses what is neither a number nor a word."""
    return cast("Chips | None", int(chips) if chips and chips.isdecimal() else chips)


def assumed(given: tuple[str, ...]) -> dict[str, str]:
    """Return the assumptions that were given."""
    pairs = [text.partition("=") for text in given]
    if not all(name and value for name, _, value in pairs):
        raise click.BadParameter("expected NAME=VALUE", param_hint="--assume")
    return {name: value for name, _, value in pairs}


def command_line() -> str:
    """Return the command that is running, as one would type it again."""
    context = click.get_current_context()
    words, last = ["nmb", str(context.info_name)], []
    for item in context.command.params:
        name = str(item.name)
        if context.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        value = context.params[name]
        if isinstance(item, click.Argument):
            last.append(str(value))
        elif isinstance(item, click.Option) and item.is_flag:
            words.append((item.opts if value else item.secondary_opts or item.opts)[-1])
        else:
            for one in value if item.multiple else [value]:
                words += [item.opts[-1], str(one)]
    return shlex.join([*words[:2], *last, *words[2:]])


_PER_NODE = "one value for all, or NODE=VALUE (repeatable)"
_OPTIONS = (
    click.option("--dt", type=float, metavar="SECONDS", help="Time step."),
    click.option(
        "--framework",
        type=click.Choice(FRAMEWORKS),
        help="Conventions of the framework that trained the model.",
    ),
    click.option(
        "--reset",
        multiple=True,
        metavar="RULE",
        help=f"Reset rule ({', '.join(RESETS)}): {_PER_NODE}.",
    ),
    click.option("--spike-cmp", type=click.Choice((">", ">=")), help="Comparison with threshold."),
    click.option(
        "--graded", multiple=True, metavar="NODE=FACTOR", help="What a spike of NODE is worth."
    ),
    click.option(
        "--v0", multiple=True, help=f"Initial membrane: zero, v_leak, v_reset, number; {_PER_NODE}."
    ),
    click.option("--if-gain", type=click.Choice(("r", "r*dt", "auto")), help="Gain of IF nodes."),
    click.option(
        "--w-in", multiple=True, help=f"Input weight of CubaLIF, tau_syn/dt or number; {_PER_NODE}."
    ),
    click.option("--v-reset", multiple=True, help=f"Reset potential: {_PER_NODE}."),
    click.option(
        "--snap/--no-snap",
        default=None,
        help="Undo the float32 rounding of decays and gains that exporters cause.",
    ),
)
NAMES = (
    "dt",
    "framework",
    "reset",
    "spike_cmp",
    "graded",
    "v0",
    "if_gain",
    "w_in",
    "v_reset",
    "snap",
)


def discretisation_options(command: Command) -> Command:
    """Add the options that say what a ``.nir`` file does not."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def discretisation_from(given: Mapping[str, Any]) -> Discretisation | None:
    """Make a `Discretisation` of the options; None when none of them was given."""
    values = {
        "dt": given["dt"],
        "framework": given["framework"],
        "reset": _per_node("--reset", given["reset"], _reset),
        "spike_cmp": given["spike_cmp"],
        "graded": _nodes_only("--graded", given["graded"]),
        "v0": _per_node("--v0", given["v0"], _number_or("zero", "v_leak", "v_reset")),
        "if_gain": given["if_gain"],
        "w_in": _per_node("--w-in", given["w_in"], _number_or("tau_syn/dt")),
        "v_reset": _per_node("--v-reset", given["v_reset"], _number_or()),
        "snap": given["snap"],
    }
    if all(value is None for value in values.values()):
        return None
    from nm_backends.discretisation import Discretisation

    return Discretisation(**values)


def _per_node(option: str, given: tuple[str, ...], parse: Callable[[str], Any]) -> Any:
    """Return None, one value, or ``{node: value}``."""
    if not given:
        return None
    try:
        if len(given) == 1 and "=" not in given[0]:
            return parse(given[0])
        pairs = [text.rpartition("=") for text in given]
        if not all(node for node, _, _ in pairs):
            raise click.BadParameter("expected " + _PER_NODE, param_hint=option)
        return {node: parse(value) for node, _, value in pairs}
    except ValueError as error:
        raise click.BadParameter(f"{error}; expected {_PER_NODE}", param_hint=option) from None


def _nodes_only(option: str, given: tuple[str, ...]) -> Any:
    if given and any("=" not in text for text in given):
        raise click.BadParameter("expected NODE=FACTOR", param_hint=option)
    return _per_node(option, given, float)


def _reset(text: str) -> str:
    if text not in RESETS:
        raise ValueError(f"{text!r} is not one of {', '.join(RESETS)}")
    return text


def _number_or(*words: str) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        return text if text in words else float(text)

    return parse
