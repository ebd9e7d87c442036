"""``nmb compare``: all chips side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from nm_backends.cli.options import (
    command_line,
    discretisation_from,
    discretisation_options,
    model_argument,
)
from nm_backends.cli.output import (
    echo_json,
    echo_provenance,
    echo_report,
    echo_table,
    json_option,
)

if TYPE_CHECKING:
    from nm_backends.deployment import DeploymentReport

__all__ = ["compare_command", "print_comparison"]


@click.command("compare")
@model_argument
@click.option("--chip", "chips", multiple=True, metavar="NAME", help="Only these (repeatable).")
@click.option(
    "--spikes", metavar="SPIKES.npz", help="Input to run; with an array 'labels' for accuracies."
)
@click.option("--calibrate", metavar="SPIKES.npz", help="Typical input, to choose the scales by.")
@click.option("--plot", metavar="OUT.png", help="Draw accuracy over energy and latency.")
@click.option("--report", "page", metavar="PAGE.html", help="Write one page, for a browser.")
@discretisation_options
@json_option
def compare_command(
    model: str,
    chips: tuple[str, ...],
    spikes: str | None,
    calibrate: str | None,
    plot: str | None,
    page: str | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Set all chips side by side for a model.

    MODEL is a .nir file. Without spikes: where it fits and what it takes there; with spikes also
    how near to floating point it is, what it costs and what is lost. Exits with 1 when it fits no
    chip.
    """
    discretisation = discretisation_from(given)
    if plot and not spikes:
        raise click.UsageError("--plot needs --spikes: there is nothing to draw without a run")
    from nm_backends.cli.spikes import check_output, naming, read_spikes
    from nm_backends.comparing import compare

    for path in (plot, page):
        if path:
            check_output(path, model, spikes, calibrate)
    source = read_spikes(spikes) if spikes else None
    typical = read_spikes(calibrate).spikes if calibrate else None
    with naming(spikes or model):
        report = compare(
            model,
            source and source.spikes,
            source and source.labels,
            chips or None,
            discretisation,
            calibrate=typical,
            progress=False if as_json else None,
        )
    if plot and report.fits_somewhere:
        report.plot(plot)
    if page:
        _write_page(page, report, model, [path for path in (spikes, calibrate) if path])
    if as_json:
        echo_json(report.to_dict())
    else:
        print_comparison(report)
        if spikes and not calibrate:
            click.echo("compiled without calibration: give typical input, --calibrate SPIKES.npz")
        if any(map(report.warnings_of, report.chips.values())):
            click.echo(f"warnings in full: nmb check {model} --chip NAME; nmb explain CODE; --json")
        if plot and report.fits_somewhere:
            click.echo(f"written: {plot}")
        if page:
            click.echo(f"written: {page}")
    raise click.exceptions.Exit(0 if report.fits_somewhere else 1)


def _write_page(path: str, report: DeploymentReport, model: str, files: Sequence[str]) -> None:
    from nm_backends.files import atomic_write
    from nm_backends.report import comparison_page

    text = comparison_page(report, files=[model, *files], command=command_line())
    with atomic_write(path) as aside:
        aside.write_text(text, encoding="utf-8")


def print_comparison(report: DeploymentReport, title: str = "", *, brief: bool = False) -> None:
    """Print findings of chips that the model does not fit, the table, and where costs come from."""
    from nm_backends.deployment_table import head, rows
    from nm_backends.rules import Report

    for chip in report.chips.values():
        if chip.program is None:
            own = [one for one in chip.report.diagnostics if one not in report.common]
            echo_report(replace(chip.report, diagnostics=own))
        elif chip.stopped:
            click.secho(f"{chip.chip}: {chip.stopped}", fg="red")
    if report.common:
        echo_report(Report(None, report.source, report.common))
    first, *columns = head(report)
    title = title or f"{report.source}: {report.samples:,} samples"
    echo_table((first, *(f">{name}" for name in columns)), rows(report, brief=brief), title)
    for chip in report.chips.values():
        if chip.spikes_note and not brief:
            click.echo(chip.spikes_note)
        for name in ("latency", "energy"):
            echo_provenance(f"{name} on {chip.chip}", getattr(chip, name))
