"""``nmb verify``: replay recorded hardware traces and compare every bit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from nm_backends.cli.output import echo_json, echo_table, json_option, number
from nm_backends.errors import UnknownNameError, UserError
from nm_backends.progress import progress

if TYPE_CHECKING:
    from nm_backends.trace import TraceVerdict

__all__ = ["verify_command"]

SHOWN = 12  # traces that differ, printed one by one; --json has them all


@click.command("verify")
@click.argument("traces", nargs=-1, required=True, metavar="TRACES...")
@click.option("--chip", metavar="NAME", help="Replay on this chip, whatever the traces say.")
@json_option
def verify_command(traces: tuple[str, ...], chip: str | None, as_json: bool) -> None:
    """Compare recorded hardware traces bit for bit.

    TRACES are .npz files recorded from RTL, FPGA or silicon; each names its chip, or is recognised
    by what it holds. The simulator starts from the recorded state, gets the recorded events, and
    must reproduce outputs, memories and clock cycles. Exits with 1 when one differs or cannot be
    replayed.
    """
    verdicts: list[TraceVerdict] = []
    unusable: dict[str, UserError] = {}
    with progress("replaying", len(traces), quiet=as_json) as advance:
        for path in traces:
            try:
                verdicts.append(_verify(path, chip))
            except UserError as error:  # this file is no trace: the others may be
                if len(traces) == 1:
                    raise
                unusable[path] = error
            advance(1)
    ok = not unusable and all(verdict.ok for verdict in verdicts)
    if as_json:
        said = [verdict.to_dict() for verdict in verdicts]
        errors = [{"file": path, "message": str(error)} for path, error in unusable.items()]
        echo_json({"ok": ok, "traces": said, "unusable": errors})
    else:
        _print(verdicts, unusable)
    raise click.exceptions.Exit(0 if ok else 1)


def _verify(path: str, chip: str | None) -> TraceVerdict:
    from nm_backends.registry import get_backend

    name = chip or _chip_of(path)
    try:
        backend = get_backend(name)
    except UnknownNameError as error:
        raise UnknownNameError(f"{path}: {error}", error.hint) from error
    return backend.verify(path)


def _chip_of(path: str) -> str:
    """Return the chip that a trace names, in lower case, or whose backend recognises it."""
    from nm_backends.trace import TraceError, array_names, load_trace

    names = array_names(path)
    claimed = None if "meta" in names else _claimed(names)
    if claimed:
        return claimed
    chip = load_trace(path, {}).meta.get("chip")
    if not isinstance(chip, str) or not chip:
        raise TraceError(f"{path}: meta names no chip", "say which with --chip")
    return chip.lower()


def _claimed(arrays: frozenset[str]) -> str | None:
    """Return the chip that knows traces with these arrays, which do not say whose they are."""
    from nm_backends.registry import chips, get_backend

    for name in chips():
        recognises = getattr(get_backend(name), "recognises", None)
        if recognises is not None and recognises(arrays):
            return name
    return None


def _print(verdicts: list[TraceVerdict], unusable: dict[str, UserError]) -> None:
    rows = []
    for chip in sorted({verdict.chip for verdict in verdicts}):
        mine = [verdict for verdict in verdicts if verdict.chip == chip]
        exact = sum(verdict.ok for verdict in mine)
        differ = sum(verdict.divergence is not None for verdict in mine)
        rest = len(mine) - exact - differ
        rows.append((chip, len(mine), exact, differ, rest, *_counts(mine)))
    columns = (
        "chip",
        ">traces",
        ">exact",
        ">differ",
        ">not replayed",
        "engines",
        ">events",
        ">values compared",
    )
    if rows:
        echo_table(columns, rows)
    bad = [verdict for verdict in verdicts if not verdict.ok]
    lines = [str(verdict) for verdict in bad]
    lines += [str(error) for error in unusable.values()]
    for line in lines[:SHOWN]:
        click.secho(line[:1000], fg="red")
    if len(lines) > SHOWN:
        click.echo(f"... and {len(lines) - SHOWN} more (--json has them all)")
    if not lines:
        click.secho(f"all {len(verdicts)} traces are reproduced bit for bit", fg="green")


def _counts(verdicts: list[TraceVerdict]) -> tuple[str, str, str]:
    engines: dict[str, int] = {}
    totals: dict[str, Any] = {"events": 0, "values": 0}
    for verdict in verdicts:
        for engine in verdict.engines:
            engines[engine] = engines.get(engine, 0) + 1
        for name in totals:
            totals[name] += verdict.counts.get(name, 0)
    used = ", ".join(f"{name} ({count})" for name, count in engines.items()) or "none"
    return used, number(totals["events"]), number(totals["values"])
