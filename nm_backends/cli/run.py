"""``nmb run``: execute a program bit for bit, or a model in floating point."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from nm_backends.cli.options import discretisation_from, discretisation_options
from nm_backends.cli.output import (
    echo_json,
    echo_provenance,
    echo_table,
    estimate_dict,
    estimate_text,
    json_option,
    number,
)
from nm_backends.errors import UserError
from nm_backends.progress import progress

if TYPE_CHECKING:
    import numpy as np

    from nm_backends.cli.spikes import SpikeFile
    from nm_backends.discretisation import Discretisation
    from nm_backends.result import Result

__all__ = ["run_command"]


@click.command("run")
@click.argument("program", metavar="PROGRAM.nmb")
@click.option("--input", "spikes", required=True, metavar="SPIKES.npz", help="Input spikes.")
@click.option("-o", "--output", metavar="OUT.npz", help="Store spikes, readout and counters.")
@click.option(
    "--record",
    multiple=True,
    type=click.Choice(("membrane", "losses", "ticks")),
    help="Record more (repeatable); ticks: how long each step takes.",
)
@click.option(
    "--driving",
    type=click.Choice(("idle", "back_to_back", "continuous")),
    default="idle",
    show_default=True,
    help="How the host drives the chip: see Data in the documentation.",
)
@click.option(
    "--rebin",
    metavar="FACTOR",
    help="Steps of the spikes that are one of the program, or 1/N; see nmb compile --search-dt.",
)
@click.option("--reference", is_flag=True, help="PROGRAM is a .nir model: run it in float.")
@discretisation_options
@json_option
def run_command(
    program: str,
    spikes: str,
    output: str | None,
    record: tuple[str, ...],
    driving: Any,
    rebin: str | None,
    reference: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Run a compiled program on input spikes.

    SPIKES is .npy or .npz: an array 'spikes' (or one array only), [time, batch, *input shape] or
    [time, *input shape], boolean or small counts. With an array 'labels' the accuracy is printed.
    Or a folder of recordings (nm_backends.recordings). What is larger than memory is read in parts,
    and its result has no spikes: see Data in the documentation.
    """
    from nm_backends.cli.spikes import check_output, read_any, write_arrays

    if output:
        check_output(output, program, spikes)
    discretisation = discretisation_from(given)
    if discretisation and not reference:
        raise click.UsageError("a program is discretised already; use --reference with a .nir file")
    source = read_any(spikes)
    if rebin:
        from nm_backends.timestep import rebin as on_steps

        source = replace(source, spikes=on_steps(source.spikes, rebin))
    if reference and driving != "idle":
        raise click.UsageError("--driving is about a chip, --reference about none")
    if reference:
        result = _run_float(program, source, record, discretisation)
    else:
        result = _run(program, source, record, as_json, driving)
    samples = len(result.prediction)
    if source.labels is not None and len(source.labels) != samples:
        raise UserError(
            f"{spikes}: {len(source.labels)} labels for {samples} samples",
            "expected one label per sample; leave the array 'labels' out if there are none",
        )
    if output:
        write_arrays(output, _arrays(result))
    _tell(result, source, output, as_json)


def _run_float(
    path: str,
    source: SpikeFile,
    record: tuple[str, ...],
    discretisation: Discretisation | None,
) -> Result:
    from nm_backends.api import lower
    from nm_backends.cli.spikes import naming
    from nm_backends.run import reference

    network = lower(path, discretisation)
    with naming(source.path):
        return reference(network, source.spikes, record=record)


def _run(
    path: str,
    source: SpikeFile,
    record: tuple[str, ...],
    quiet: bool,
    driving: Any,
) -> Result:
    from nm_backends.artifact import load
    from nm_backends.cli.spikes import naming
    from nm_backends.spikes import prepare

    program = load(path)
    with naming(source.path):
        known = hasattr(source.spikes, "starts")  # recordings
        samples = len(source.spikes) if known else prepare(program.network, source.spikes).samples
    with progress("running", samples, quiet=quiet) as advance:
        return program.run(source.spikes, record, progress=advance, driving=driving)


def _arrays(result: Result) -> dict[str, np.ndarray]:
    """Name what is stored: ``spikes``, ``readout``, ``layers/NODE``, ``membranes/NODE`` ..."""
    arrays = {"readout": result.readout}
    if hasattr(result, "spikes"):
        arrays["spikes"] = result.spikes
    for kind in ("layers", "membranes", "counters"):
        arrays |= {f"{kind}/{name}": v for name, v in getattr(result, kind, {}).items()}
    for kind, nodes in result.losses.items():
        arrays |= {f"losses/{kind}/{name}": counts for name, counts in nodes.items()}
    return arrays


def _tell(result: Result, source: SpikeFile, output: str | None, as_json: bool) -> None:
    facts = _facts(result, source)
    estimates = {name: getattr(result, name) for name in ("latency", "energy")}
    if as_json:
        costs = {name: estimate_dict(value) for name, value in estimates.items()}
        real = result.real_time and result.real_time.to_dict()
        echo_json({**facts, **costs, "real_time": real, "output": output})
        return
    rows = [(name.replace("_", " "), _cell(value)) for name, value in facts.items()]
    rows += [(f"{n} per sample", estimate_text(e)) for n, e in estimates.items() if e]
    echo_table(("", "value"), rows)
    for name, estimate in estimates.items():
        echo_provenance(name, estimate)
    if result.real_time:
        click.echo(f"real time, steps of {result.real_time.dt:g} s: {result.real_time}")
    if output:
        click.echo(f"written: {output}")


def _facts(result: Result, source: SpikeFile) -> dict[str, Any]:
    """Summarise a run: means per sample."""
    import numpy as np

    from nm_backends.losses import Tally

    prediction = result.prediction
    facts: dict[str, Any] = {"samples": len(prediction), "prediction": prediction}
    if source.labels is not None:
        facts["accuracy"] = float(np.mean(prediction == source.labels))
    means = {name: v.mean() for name, v in result.counters.items() if np.ndim(v) == 1}
    facts |= {f"{name}_per_sample": float(mean) for name, mean in means.items()}
    return facts | Tally.of([result]).summary()


def _cell(value: Any) -> str:
    if hasattr(value, "__len__"):
        head = " ".join(map(str, value[:20]))
        return head + (" ..." if len(value) > 20 else "")
    return number(value)
