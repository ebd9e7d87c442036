"""``nmb lower``, ``nmb check`` and ``nmb compile``: from a model to a program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import click

from nm_backends.cli.options import (
    assume_option,
    assumed,
    chip_option,
    discretisation_from,
    discretisation_options,
    model_argument,
)
from nm_backends.cli.output import (
    echo_json,
    echo_report,
    echo_table,
    json_option,
    number,
)
from nm_backends.progress import progress

if TYPE_CHECKING:
    from nm_backends.network import Network
    from nm_backends.program import CompileOptions, Program
    from nm_backends.rules import Report
    from nm_backends.system.program import System

__all__ = ["check_command", "compile_command", "lower_command"]

_WHETHER = ("auto", "never", "always")


@click.command("lower")
@model_argument
@discretisation_options
@json_option
def lower_command(model: str, as_json: bool, **given: Any) -> None:
    """Print the network in discrete time.

    MODEL is a .nir file. Everything that had to be repaired or assumed is printed with it.
    """
    discretisation = discretisation_from(given)
    from nm_backends.lowering import lower_collect

    network, report = lower_collect(model, discretisation)
    if as_json:
        echo_json({**report.to_dict(), "network": _describe(network) if network else None})
    else:
        if network is not None:
            _print_network(network)
        echo_report(report)
    raise click.exceptions.Exit(0 if report.ok and network is not None else 1)


@click.command("check")
@model_argument
@click.option("--chip", metavar="NAME", help="See: nmb chips. A program has its own.")
@click.option("--spikes", metavar="SPIKES.npz", help="Input to run: what will be lost, and where.")
@click.option("--calibrate", metavar="SPIKES.npz", help="Typical input, to compile with.")
@assume_option
@discretisation_options
@json_option
def check_command(
    model: str,
    chip: str | None,
    spikes: str | None,
    calibrate: str | None,
    assume: tuple[str, ...],
    as_json: bool,
    **given: Any,
) -> None:
    """Say what is in the way of a model on a chip.

    MODEL is a .nir file, or a program (.nmb): then its memories and registers are looked at, which
    may have been changed by hand. Everything is reported at once, with what to change. With spikes
    the model is compiled and run, and the findings say where spikes and charge are lost. Exits with
    1 when the model does not fit.
    """
    discretisation = discretisation_from(given)
    if calibrate and (not spikes or model.endswith(".nmb")):
        raise click.UsageError("--calibrate is for models that are compiled: give --spikes, too.")
    if assume and model.endswith(".nmb"):
        raise click.UsageError("--assume is for models: a program has its own assumptions.")
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
            model, chip, discretisation, spikes=run, calibrate=typical, assumptions=other
        )
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
@click.option(
    "--order",
    type=click.Choice(("auto", "ascending", "excitatory_first", "inhibitory_first")),
    default="auto",
    show_default=True,
    help="Order of the events of one time step.",
)
@click.option(
    "--scale",
    type=click.Choice(("auto", "maxabs", "calibrated")),
    default="auto",
    show_default=True,
    help="How real weights become integers.",
)
@click.option(
    "--row-pairs",
    type=click.Choice(_WHETHER),
    default="auto",
    show_default=True,
    help="One row per sign for inputs with weights of both signs.",
)
@click.option(
    "--share-rows",
    type=click.Choice(_WHETHER),
    default="auto",
    show_default=True,
    help="One row of a crossbar for input channels with the same weights.",
)
@click.option(
    "--settle",
    type=click.Choice(_WHETHER),
    default="auto",
    show_default=True,
    help="Test thresholds once, at the end of a time step.",
)
@click.option(
    "--descent",
    type=click.Choice(_WHETHER),
    default="auto",
    show_default=True,
    help="Find integers by gradients through the chip's dynamics (auto: from 256 samples on).",
)
@click.option(
    "--lateral",
    type=click.Choice(("auto", "never")),
    default="auto",
    show_default=True,
    help="Synapses within hidden layers, where a chip loses charge below zero.",
)
@click.option(
    "--chips",
    metavar="auto|N|time",
    help="Cut the network over several chips; time: one chip is all parts in turn.",
)
@click.option(
    "--learn",
    multiple=True,
    metavar="NODE",
    help="A layer whose synapses may learn on the chip (repeatable); see nmb learn.",
)
@assume_option
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
    order: Any,
    scale: Any,
    row_pairs: Any,
    share_rows: Any,
    settle: Any,
    descent: Any,
    lateral: Any,
    chips: str | None,
    learn: tuple[str, ...],
    assume: tuple[str, ...],
    as_json: bool,
    **given: Any,
) -> None:
    """Quantise and place a model: the program of a chip.

    MODEL is a .nir file; the program goes to PROGRAM.nmb.
    """
    discretisation = discretisation_from(given)
    from nm_backends.cli.spikes import check_output
    from nm_backends.compiler import compile_model
    from nm_backends.program import CompileOptions
    from nm_backends.registry import registry

    registry().chip(chip)
    check_output(output, model, calibrate, targets)
    spikes, labels = _typical(calibrate, targets)
    options = CompileOptions(
        order,
        scale,
        row_pairs,
        settle,
        learn,
        share_rows=share_rows,
        descent=descent,
        lateral=lateral,
        assumptions=assumed(assume),
    )
    source = _source(model, prune, discretisation)
    with progress("compiling", 1, quiet=as_json):
        if search_dt:
            found = _searched(
                source, chip, (spikes, labels, search_dt), discretisation, options, chips
            )
            program: Program | System = found.best.program
        else:
            found, cut = None, int(chips) if chips and chips.isdecimal() else chips
            program = compile_model(
                source, chip, discretisation, spikes, options, chips=cast(Any, cut), targets=labels
            )
        program.save(output)
    if as_json:
        tried = {"time_steps": found.to_dict()} if found else {}
        facts = {"program": output, **_describe_program(program), **tried}
        echo_json({**program.report.to_dict(), **facts})
        return
    echo_report(program.report)
    for text in ([f"{found}\n"] if found else []) + [str(program), f"written: {output}"]:
        click.echo(text)


def _source(model: str, prune: bool, discretisation: Any) -> Any:
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
    model: Any,
    chip: str,
    given: tuple[Any, Any, str],
    discretisation: Any,
    options: CompileOptions,
    chips: str | None,
) -> Any:
    """Search the time step; ``given`` are spikes, labels and the factors as text."""
    from nm_backends.dt_search import search_dt

    spikes, labels, factors = given
    if spikes is None:
        raise click.UsageError("--search-dt compares by running: give --calibrate, too.")
    if chips is not None:
        raise click.UsageError("--search-dt is for one chip: leave --chips out.")
    return search_dt(
        model, chip, spikes, labels, factors.split(","), discretisation, options=options
    )


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


def _describe(network: Network) -> dict[str, Any]:
    return {
        "source": network.source,
        "discretisation": vars(network.discretisation),
        "populations": [
            {
                "name": p.name,
                "type": p.node_type,
                "shape": p.shape,
                "size": p.size,
                "spiking": p.spiking,
                "reset": None if p.is_input or not p.spiking else p.reset,
                "spike_cmp": None if p.is_input or not p.spiking else p.spike_cmp,
                **{name: _span(getattr(p, name)) for name in SPANS},
            }
            for p in network.populations.values()
        ],
        "projections": [
            {
                "pre": p.pre,
                "post": p.post,
                "synapses": p.weights.nnz,
                "delay": p.delay,
                "nodes": p.nodes,
            }
            for p in network.projections
        ],
        "outputs": network.outputs,
    }


SPANS = ("decay", "gain", "leak", "decay_syn", "gain_syn", "threshold", "v_reset", "v0", "bias")


def _span(values: Any) -> list[float] | None:
    """Smallest and largest value of a parameter."""
    return None if values is None or not len(values) else [float(values.min()), float(values.max())]


def _print_network(network: Network) -> None:
    populations = [
        (
            p.name,
            p.node_type,
            "x".join(map(str, p.shape)),
            *(_text(getattr(p, name)) for name in ("decay", "gain", "leak", "threshold")),
            p.reset if p.spiking and not p.is_input else "",
        )
        for p in network.populations.values()
    ]
    columns = ("population", "type", ">shape", ">decay", ">gain", ">leak", ">threshold", "reset")
    echo_table(columns, populations, network.source)
    projections = [
        (p.pre, p.post, number(p.weights.nnz), p.delay, ", ".join(p.nodes))
        for p in network.projections
    ]
    echo_table(("from", "to", ">synapses", ">delay", "through"), projections)
    for text in network.discretisation.assumed:
        click.echo(f"assumed: {text}")


def _text(values: Any) -> str:
    span = _span(values)
    if span is None:
        return ""
    low, high = span
    return f"{low:.4g}" if low == high else f"{low:.4g}..{high:.4g}"
