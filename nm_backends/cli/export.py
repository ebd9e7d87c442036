"""``nmb export``: the programming stream and the memory images for the real chip."""

from __future__ import annotations

import click

from nm_backends.cli.output import echo_json, json_option

__all__ = ["export_command"]


@click.command("export")
@click.argument("program", metavar="PROGRAM.nmb")
@click.option("-o", "--output", required=True, metavar="DIR", help="Where to; made if needed.")
@click.option("--input", "spikes", metavar="SPIKES.npz", help="Also write the AER words of these.")
@json_option
def export_command(program: str, output: str, spikes: str | None, as_json: bool) -> None:
    """Write what a lab sends to the real chip.

    SPI transactions in a safe order, memory images, and (with --input) the AER words.
    """
    from nm_backends.artifact import load
    from nm_backends.cli.spikes import read_spikes
    from nm_backends.export import export

    loaded = load(program)
    source = read_spikes(spikes) if spikes else None
    written = export(loaded, output, source.spikes if source else None)
    if as_json:
        echo_json({"directory": output, "files": [path.name for path in written]})
        return
    for path in written:
        click.echo(path)
