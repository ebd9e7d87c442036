"""``nmb export``: the programming stream and the memory images for the real chip."""

from __future__ import annotations

import click

from nm_backends.cli.output import echo_json, json_option

__all__ = ["export_command"]


@click.command("export")
@click.argument("program", metavar="PROGRAM.nmb")
@click.option("-o", "--output", required=True, metavar="DIR", help="Where to; made if needed.")
@click.option("--input", "spikes", metavar="SPIKES.npz", help="Also write the AER words of these.")
@click.option("--learn", is_flag=True, help="Let the chip learn: labels or targets of the input.")
@click.option("--targets", metavar="TARGETS.npy", help="What should come out, if not in SPIKES.")
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    help="With --learn: option of the chip's rule, such as thetamem=20 (repeatable).",
)
@json_option
def export_command(
    program: str,
    output: str,
    spikes: str | None,
    learn: bool,
    targets: str | None,
    options: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write what a lab sends to the real chip.

    SPI transactions in a safe order, memory images, and (with --input) the AER words. With --learn
    the chip is programmed to learn, the AER words hold the teacher's events, and what must be in
    the memories that learn afterwards is written, too.
    """
    if learn and not spikes:
        raise click.UsageError("--learn needs --input.")
    if not learn and (targets or options):
        raise click.UsageError("--targets and --option need --learn.")
    from nm_backends.artifact import load
    from nm_backends.cli.learn import parsed_options, wanted_targets
    from nm_backends.cli.spikes import read_spikes

    loaded = load(program)
    source = read_spikes(spikes) if spikes else None
    wanted = wanted_targets(source, targets) if learn and source else None
    given = source.spikes if source else None
    written = loaded.export(output, given, wanted, parsed_options(options) or None)
    if as_json:
        echo_json({"directory": output, "files": [path.name for path in written]})
        return
    for path in written:
        click.echo(path)
