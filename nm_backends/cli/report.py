"""``nmb report``: one page about a program, to be looked at in a browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nm_backends.cli.options import command_line
from nm_backends.cli.output import echo_json, json_option
from nm_backends.errors import UserError
from nm_backends.progress import progress

if TYPE_CHECKING:
    from nm_backends.history import History
    from nm_backends.report import Evidence

__all__ = ["report_command"]


@click.command("report")
@click.argument("program", metavar="PROGRAM.nmb")
@click.option("-o", "--output", required=True, metavar="PAGE.html", help="The page.")
@click.option("--input", "spikes", metavar="SPIKES.npz", help="Run chip and model on these.")
@click.option("--history", metavar="HISTORY.json", help="How it learned, of nmb learn.")
@click.option(
    "--sample", type=click.IntRange(0), default=0, show_default=True, help="Which one is drawn."
)
@json_option
def report_command(
    program: str,
    output: str,
    spikes: str | None,
    history: str | None,
    sample: int,
    as_json: bool,
) -> None:
    """Write one self-contained page about a program.

    The verdict, how full the chip is, which weights it holds, what was found, and, with --input
    (as for nmb run), where chip and model differ, what is lost and what a sample costs.
    """
    from nm_backends.artifact import load
    from nm_backends.cli.spikes import check_output, naming, read_spikes
    from nm_backends.files import atomic_write
    from nm_backends.report import gather, page

    check_output(output, program, spikes, history)
    loaded = load(program)
    source = read_spikes(spikes) if spikes else None
    learned = _history(history) if history else None
    with progress("reporting", 1, quiet=as_json), naming(spikes or program):
        found = gather(
            loaded,
            None if source is None else source.spikes,
            None if source is None else source.labels,
            sample=sample,
            history=learned,
            files=[path for path in (program, spikes, history) if path],
            command=command_line(),
        )
        text = page(found)
    with atomic_write(output) as aside:
        aside.write_text(text, encoding="utf-8")
    _tell(found, output, as_json)


def _history(path: str) -> History:
    from nm_backends.cli.spikes import naming
    from nm_backends.history import History

    with naming(path):
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise UserError(f"not readable ({error})", "expected a JSON file") from None
        return History.from_json(data)


def _tell(found: Evidence, output: str, as_json: bool) -> None:
    verdict = str(found.report).splitlines()[-1]
    if as_json:
        echo_json({"ok": found.report.ok, "verdict": verdict, "output": output})
        return
    click.echo(verdict)
    click.echo(f"written: {output}")
