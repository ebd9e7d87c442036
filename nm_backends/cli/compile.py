"""``nmb compile``: from a model to a program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import click

from nm_backends.cli.choices import choice_options, choices_from
from nm_backends.cli.options import (
    chip_option,
    chips_option,
    discretisation_from,
    discretisation_options,
    model_argument,
    number_of,
)
from nm_backends.cli.output import echo_json, echo_report, json_option
from nm_backends.progress import progress

if TYPE_CHECKING:
    from nm_backends.discretisation import Discretisation
    from nm_backends.dt_search import DtSearch
    from nm_backends.program import CompileOptions, Program
    from nm_backends.system.program import System

__all__ = ["compile_command"]


@click.command("compile")
@model_argument
@chip_option
@click.option("-o", "--output", required=True, metavar="PROGRAM.nmb", help="The program.")
@click.option(
    "--calibrate",
    metavar="SPIKES.npz",
    help="Typical input, to choose the scales by; with an array 'labels' for accuracies.",
)
@click.option(
    "--search-dt",
    metavar="FACTORS",
    help="Try time steps that are so many times the model's, such as 1,2,1/2, and take the best.",
)
@click.option("--prune", is_flag=True, help="Leave out neurons that no output depends on.")
@click.option("--targets", metavar="LABELS.npz", help="Labels of the calibration samples.")
@chips_option
@choice_options
@discretisation_options
@json_option
def compile_command(
    model: str,
    chip: str,
    output: str,
    calibrate: str | None,
    search_dt: str | None,
    prune: bool,
    targets: str | None,
    chips: str | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Quantise and place a model: the program of a chip.

    MODEL is a .nir file; the program goes to PROGRAM.nmb.
    """
    options, discretisation = choices_from(given), discretisation_from(given)
    from nm_backends.cli.spikes import check_output
    from nm_backends.registry import registry

    registry().chip(chip)
    check_output(output, model, calibrate, targets)
    typical = _typical(calibrate, targets)
    source = _source(model, prune, discretisation)
    with progress("compiling", 1, quiet=as_json):
        found: DtSearch | None = None
        if search_dt:
            found = _searched(source, chip, typical, search_dt, discretisation, options, chips)
            program: Program | System = cast("Program", found.best.program)  # it compiled
        else:
            program = _compiled(source, chip, typical, discretisation, options, chips)
        program.save(output)
    _tell(program, output, found, as_json)


def _compiled(
    source: Any,
    chip: str,
    typical: tuple[Any, Any],
    discretisation: Discretisation | None,
    options: CompileOptions,
    chips: str | None,
) -> Program | System:
    from nm_backends.compiler import check, compile_model
    from nm_backends.rules import CompileError

    (spikes, labels), cut = typical, number_of(chips)
    how: dict[str, Any] = {"chips": cut, "targets": labels}
    try:
        made: Program | System = compile_model(source, chip, discretisation, spikes, options, **how)
    except CompileError:
        found = check(source, chip, discretisation, assumptions=options.assumptions)
        if cut is not None or found.ok:
            raise
        raise CompileError(found) from None  # it says what would hold the model, too
    return made


def _tell(program: Program | System, output: str, found: DtSearch | None, as_json: bool) -> None:
    if as_json:
        tried = {"time_steps": found.to_dict()} if found else {}
        facts = {"program": output, **_describe_program(program), **tried}
        echo_json({**program.report.to_dict(), **facts})
        return
    echo_report(program.report)
    for text in ([f"{found}\n"] if found else []) + [str(program), f"written: {output}"]:
        click.echo(text)


def _source(model: str, prune: bool, discretisation: Discretisation | None) -> Any:
    """Return what is compiled: the path, or the network without what is not needed."""
    if not prune:
        return model
    from nm_backends.lowering import lower_collect
    from nm_backends.pruning import pruned
    from nm_backends.rules import CompileError

    network, report = lower_collect(model, discretisation)
    if network is None:
        raise CompileError(report)
    return pruned(network)


def _searched(
    source: Any,
    chip: str,
    typical: tuple[Any, Any],
    factors: str,
    discretisation: Discretisation | None,
    options: CompileOptions,
    chips: str | None,
) -> DtSearch:
    from nm_backends.dt_search import search_dt

    if typical[0] is None:
        raise click.UsageError("--search-dt compares by running: give --calibrate, too.")
    if chips is not None:
        raise click.UsageError("--search-dt is for one chip: leave --chips out.")
    return search_dt(source, chip, *typical, factors.split(","), discretisation, options=options)


def _typical(calibrate: str | None, targets: str | None) -> tuple[Any, Any]:
    """Read calibration spikes, and their labels from the same file or another."""
    from nm_backends.cli.spikes import read_spikes, read_targets

    if calibrate is None:
        if targets is not None:
            raise click.UsageError("--targets are the labels of --calibrate: give it, too.")
        return None, None
    found = read_spikes(calibrate)
    return found.spikes, found.labels if targets is None else read_targets(targets)


def _describe_program(program: Program | System) -> dict[str, Any]:
    return {
        "resources": [
            {"name": r.name, "used": r.used, "available": r.available, "percent": r.percent}
            for r in program.resources
        ],
        "fit": {
            f.name: {
                "scale": f.scale,
                "weights": f.weights,
                "clipped": f.clipped,
                "zeroed": f.zeroed,
                "weight_error": f.weight_error,
                "weight_snr_db": f.weight_snr if f.weight_error else None,
                "threshold_error": f.threshold_error,
                "leak_error": f.leak_error,
                "spike_agreement": f.spike_agreement,
            }
            for f in program.fit.populations.values()
        },
        "accuracy": program.fit.accuracy,
        "float_accuracy": program.fit.float_accuracy,
        "judged_samples": program.fit.judged_samples,
    }
