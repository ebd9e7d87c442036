"""``nmb chips``: which chips there are, and what is known about each."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from nm_backends.cli.output import echo_json, echo_table, json_option, number

if TYPE_CHECKING:
    from nm_backends.chip import ChipSpec, IntFormat

__all__ = ["chips_command"]


@click.command("chips")
@click.argument("name", required=False)
@click.option("--assumptions", is_flag=True, help="What is taken for granted about the chip.")
@json_option
def chips_command(name: str | None, assumptions: bool, as_json: bool) -> None:
    """List the chips, or print the full sheet of one.

    With --assumptions: what is not published about the chip, and what is assumed instead. Other
    values are given to nmb compile --assume NAME=VALUE.
    """
    if assumptions:
        if name is None:
            raise click.UsageError("--assumptions: of which chip?")
        _assumptions(name, as_json)
    elif name is None:
        _list(as_json)
    else:
        _sheet(name, as_json)


def _list(as_json: bool) -> None:
    from nm_backends.entries import ChipEntry
    from nm_backends.registry import registry

    found = sorted(registry().entries(ChipEntry), key=lambda pair: pair[0].name)
    rows = [
        {
            "name": entry.name,
            "version": plugin.candidate.version,
            "origin": plugin.candidate.origin,
            "neurons": entry.neurons,
            "rows": entry.rows,
            "synapses": entry.synapses,
            "summary": entry.summary,
        }
        for entry, plugin in found
    ]
    if as_json:
        echo_json({"chips": rows})
        return
    columns = ("chip", "version", "origin", ">neurons", ">rows", ">synapses", "summary")
    cells = [[number(v) if isinstance(v, int) else v for v in row.values()] for row in rows]
    echo_table(columns, cells)


def _sheet(name: str, as_json: bool) -> None:
    from nm_backends.registry import get_backend, registry

    entry, plugin = registry().chip(name)
    spec = get_backend(name).spec
    if as_json:
        sheet = asdict(spec)
        echo_json({**sheet, "origin": plugin.candidate.origin, "unsupported": entry.unsupported})
        return
    click.secho(f"{spec.name}: {spec.summary}", bold=True)
    click.echo(f"from {plugin.candidate.origin}, version {plugin.candidate.version or '-'}")
    _dimensions(spec)
    _tables(spec)
    for note in spec.notes:
        click.echo(f"note: {note}")
    for source in spec.sources:
        click.echo(f"source: {source}")
    for test, reason in entry.unsupported.items():
        click.echo(f"not supported: {test}: {reason}")


def _assumptions(name: str, as_json: bool) -> None:
    from nm_backends.assumptions import assumptions_of, describe
    from nm_backends.registry import get_backend

    backend = get_backend(name)
    if as_json:
        echo_json({"chip": name, "assumptions": [asdict(a) for a in assumptions_of(backend)]})
    else:
        click.echo(describe(backend) or f"nothing about {name} is assumed")


def _dimensions(spec: ChipSpec) -> None:
    rows = [
        ("neurons", number(spec.neurons)),
        ("rows", number(spec.rows) if spec.rows else "inputs have their own addresses"),
        ("synapses", number(spec.synapses)),
        ("weights", f"{_format(spec.weights)}, sign per {spec.sign}"),
        ("membrane", _format(spec.membrane)),
        ("threshold", _format(spec.threshold)),
        ("leak", _format(spec.leak)),
        ("NIR neurons", ", ".join(spec.node_types)),
    ]
    echo_table(("dimension", "value"), rows)


def _tables(spec: ChipSpec) -> None:
    if spec.memories:
        memories = [(m.name, number(m.words), m.width, m.doc) for m in spec.memories]
        echo_table(("memory", ">words", ">bits", ""), memories)
    if spec.registers:
        registers = [(r.name, r.address, r.width, r.doc) for r in spec.registers]
        echo_table(("register", ">address", ">bits", ""), registers)
    if spec.quantities:
        quantities = spec.quantities.items()
        echo_table(
            ("quantity", ">value", "unit", "status", "condition", "source"),
            [(n, f"{q.value:g}", q.unit, q.status, q.condition, q.source) for n, q in quantities],
        )


def _format(form: IntFormat) -> str:
    return f"{form.bits} bits, {form.minimum}..{form.maximum}"
