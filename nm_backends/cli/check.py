"""``nmb check``: what is in the way of a model, or of a program, on a chip."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from nm_backends.cli.options import (
    assume_option,
    assumed,
    chips_option,
    discretisation_from,
    discretisation_options,
    model_argument,
    number_of,
)
from nm_backends.cli.output import echo_json, echo_report, json_option

if TYPE_CHECKING:
    from nm_backends.rules import Report

__all__ = ["check_command"]


@click.command("check")
@model_argument
@click.option("--chip", metavar="NAME", help="See: nmb chips. A program has its own.")
@click.option("--spikes", metavar="SPIKES.npz", help="Input to run: what will be lost, and where.")
@click.option("--calibrate", metavar="SPIKES.npz", help="Typical input, to compile with.")
@chips_option
@assume_option
@discretisation_options
@json_option
def check_command(
    model: str,
    chip: str | None,
    spikes: str | None,
    calibrate: str | None,
    chips: str | None,
    assume: tuple[str, ...],
    as_json: bool,
    **given: Any,
) -> None:
    """Say what is in the way of a model on a chip.

    MODEL is a .nir file, or a program (.nmb): then its memories and registers are looked at, which
    may have been changed by hand. Everything is reported at once, with what to change. With spikes
    the model is compiled and run, and the findings say where spikes and charge are lost. A model
    that does not fit is told what would hold it: more chips, or others. Exits with 1 when the model
    does not fit.
    """
    discretisation = discretisation_from(given)
    if calibrate and (not spikes or model.endswith(".nmb")):
        raise click.UsageError("--calibrate is for models that are compiled: give --spikes, too.")
    for name, value in (("--assume", assume), ("--chips", chips)):
        if value and model.endswith(".nmb"):
            raise click.UsageError(f"{name} is for models: a program has its own.")
    run, typical, other = _spikes(spikes), _spikes(calibrate), assumed(assume)
    if model.endswith(".nmb"):
        report = _checked_program(model, chip, run)
    elif chip is None:
        raise click.UsageError("Missing option '--chip'.")
    else:
        from nm_backends.compiler import check
        from nm_backends.registry import registry

        registry().chip(chip)  # an unknown chip is told before anything is read
        report = check(
            model, chip, discretisation, spikes=run, calibrate=typical, assumptions=other,
            chips=number_of(chips),
        )  # fmt: skip
    if as_json:
        echo_json(report.to_dict())
    else:
        echo_report(report)
    raise click.exceptions.Exit(0 if report.ok else 1)


def _spikes(path: str | None) -> Any:
    if path is None:
        return None
    from nm_backends.cli.spikes import read_spikes

    return read_spikes(path).spikes


def _checked_program(path: str, chip: str | None, spikes: Any) -> Report:
    from nm_backends.artifact import load

    program = load(path)
    if chip not in (None, program.chip):
        raise click.UsageError(f"{path} is a program of {program.chip}, not of {chip}.")
    return program.check(spikes)
