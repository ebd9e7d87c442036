"""``nmb learn``: train a program with the rule of its chip."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from nm_backends.cli.output import echo_json, json_option
from nm_backends.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from nm_backends.cli.spikes import SpikeFile
    from nm_backends.history import History
    from nm_backends.program import Program

__all__ = ["learn_command", "parsed_options", "wanted_targets"]

_SPIKES = "SPIKES.npz"


@click.command("learn")
@click.argument("program", metavar="PROGRAM.nmb")
@click.option("--input", "spikes", required=True, metavar=_SPIKES, help="Training spikes, labels.")
@click.option("--targets", metavar="TARGETS.npy", help="What should come out, if not in SPIKES.")
@click.option("-o", "--output", required=True, metavar="LEARNED.nmb", help="The learned program.")
@click.option("--epochs", type=click.IntRange(1), default=1, show_default=True, help="Passes.")
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    help="Option of the chip's rule, such as thetamem=20 (repeatable).",
)
@click.option("--validation", metavar=_SPIKES, help="Spikes and labels that are judged.")
@click.option("--shuffle", type=int, metavar="SEED", help="Order samples at random in every pass.")
@click.option(
    "--readout",
    type=click.Choice(("count", "first")),
    default="count",
    show_default=True,
    help="The neuron that fires (or wins) most, or the one that fires first.",
)
@click.option("--history", metavar="HISTORY.json", help="Store accuracy and weights over passes.")
@click.option("--plot", metavar="CURVE.png", help="Draw the learning curve (needs matplotlib).")
@click.option(
    "--to-nir",
    nargs=2,
    metavar="MODEL.nir LEARNED.nir",
    help="Write the model that PROGRAM was compiled from with the learned weights.",
)
@json_option
def learn_command(
    program: str,
    spikes: str,
    targets: str | None,
    output: str,
    epochs: int,
    options: tuple[str, ...],
    validation: str | None,
    shuffle: int | None,
    readout: Any,
    history: str | None,
    plot: str | None,
    to_nir: tuple[str, str] | None,
    as_json: bool,
) -> None:
    """Train a compiled program on the chip, with the chip's own rule.

    PROGRAM was compiled with --learn NODE. SPIKES is as for nmb run, with an array 'labels' (the
    neuron that should fire for each sample) or 'targets' (what should come out in each step).
    """
    from nm_backends.artifact import load_single
    from nm_backends.cli.spikes import check_output, naming, read_spikes

    inputs = (program, spikes, targets, validation, to_nir[0] if to_nir else None)
    for path in (output, history, plot, to_nir[1] if to_nir else None):
        if path:
            check_output(path, *inputs)
    source, tested = read_spikes(spikes), read_spikes(validation) if validation else None
    wanted = wanted_targets(source, targets)
    loaded = load_single(program, "chips do not learn together")
    with naming(spikes):
        learned = loaded.learn(
            source.spikes,
            wanted,
            epochs,
            parsed_options(options) or None,
            (tested.spikes, _targets(tested)) if tested else None,
            shuffle,
            readout,
            False if as_json else None,
        )
    loaded.save(output)
    written = [output, *_write(loaded, learned, history, plot, to_nir)]
    if as_json:
        echo_json({**learned.to_json(), "program": output, "files": written})
        return
    click.echo(str(learned))
    for path in written:
        click.echo(f"written: {path}")


def wanted_targets(source: SpikeFile, targets: str | None) -> np.ndarray:
    """Return what should come out: from its own file, or from that of the spikes."""
    from nm_backends.cli.spikes import read_targets

    return _targets(source) if targets is None else read_targets(targets)


def _targets(source: SpikeFile) -> np.ndarray:
    found = source.labels if source.targets is None else source.targets
    if found is None:
        raise UserError(
            f"{source.path}: no array 'labels'",
            "expected the index of the neuron that should fire, one per sample, or an array "
            "'targets' of what should come out (or give --targets)",
        )
    return found


def parsed_options(options: tuple[str, ...]) -> dict[str, Any]:
    """Read ``NAME=VALUE``: whole numbers, numbers, true, false, none, or text."""
    found: dict[str, Any] = {}
    for text in options:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"{text!r}: expected NAME=VALUE", param_hint="--option")
        found[name] = _value(value)
    return found


def _value(text: str) -> Any:
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _write(
    program: Program,
    learned: History,
    history: str | None,
    plot: str | None,
    to_nir: tuple[str, str] | None,
) -> list[str]:
    from nm_backends.files import atomic_write

    written = []
    if history:
        with atomic_write(history) as aside:
            aside.write_text(json.dumps(learned.to_json(), indent=2) + "\n", encoding="utf-8")
        written.append(history)
    if plot:
        from nm_backends.plot import save_history

        save_history(learned, plot)
        written.append(plot)
    if to_nir:
        import nir

        graph = program.to_nir(to_nir[0])
        with atomic_write(to_nir[1]) as aside:
            nir.write(aside, graph)
        written.append(to_nir[1])
    return written
