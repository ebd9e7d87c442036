"""``nmb demo``: the whole way, from a network to chips, in one command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nm_backends.cli.output import (
    echo_json,
    echo_provenance,
    echo_report,
    echo_table,
    estimate_dict,
    estimate_text,
    json_option,
    number,
)
from nm_backends.progress import progress

if TYPE_CHECKING:
    from nm_backends.demo import ChipRun, Demo, DemoData

__all__ = ["demo_command"]


@click.command("demo")
@click.option("--chip", "chips", multiple=True, metavar="NAME", help="Only these (repeatable).")
@click.option(
    "-o",
    "--output",
    default="nmb-demo",
    show_default=True,
    metavar="DIR",
    help="Where programs and the picture go; made if needed.",
)
@click.option("--samples", type=click.IntRange(1), help="Only the first N test samples.")
@json_option
def demo_command(chips: tuple[str, ...], output: str, samples: int | None, as_json: bool) -> None:
    """Run a digits classifier on every chip.

    The network is an snnTorch model stored as .nir; it is checked, compiled and run over the whole
    test set, and compared with the float model.
    """
    from nm_backends.demo import Demo, demo_data, run_chip, run_float
    from nm_backends.registry import registry

    names = [registry().chip(name)[0].name for name in chips] or _all_chips()
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    data = demo_data(samples)
    count = len(data.labels)
    found = Demo(count, run_float(data))
    for name in names:
        with progress(f"{count} digits on {name}", count, quiet=as_json) as advance:
            found.chips.append(run_chip(data, name, advance))
    written = _write(found, data, folder)
    if as_json:
        runs = [_as_dict(run) for run in found.chips]
        echo_json({"samples": count, "float": found.accuracy, "chips": runs, "files": written})
    else:
        _print(found)
        for path in written:
            click.echo(f"written: {path}")
    if not any(run.result for run in found.chips):
        raise click.exceptions.Exit(1)


def _all_chips() -> list[str]:
    from nm_backends.registry import chips

    return sorted(chips())


def _write(found: Demo, data: DemoData, folder: Path) -> list[str]:
    """Store the programs and the picture; a missing matplotlib costs only the picture."""
    written = []
    runs = []
    for run in found.chips:
        if run.program is not None:
            path = folder / f"digits-{run.chip}.nmb"
            run.program.save(path)
            written.append(str(path))
            one = data.spikes[:, 0]
            runs.append((run.program, one, run.program.run(one, record=("membrane",))))
    if runs:
        from nm_backends.plot import INSTALL, picture

        path = folder / "digits.png"
        try:
            picture(runs, path)
            written.append(str(path))
        except ImportError:
            click.echo(f"no picture: matplotlib is not installed ({INSTALL})", err=True)
    return written


def _print(found: Demo) -> None:
    fitting = [run for run in found.chips if run.result is not None]
    for run in found.chips:
        if run.result is None:
            echo_report(run.report)
    rows = [("accuracy", f"{found.accuracy:.1%}", *(f"{run.accuracy:.1%}" for run in fitting))]
    for name, cells in _rows(fitting).items():
        rows.append((name, "", *cells))
    title = f"handwritten digits, {found.samples} test samples"
    echo_table(("", ">float", *(f">{run.chip}" for run in fitting)), rows, title)
    for run in fitting:
        for name in ("latency", "energy"):
            echo_provenance(f"{name} on {run.chip}", getattr(run.result, name))


def _rows(runs: list[ChipRun]) -> dict[str, list[str]]:
    """Everything but the accuracy: name of the row to one cell per chip."""
    rows: dict[str, list[str]] = {}
    names = dict.fromkeys(r.name for run in runs for r in run.resources)
    for name in names:
        rows[name] = [_resource(run, name) for run in runs]
    for name, counter in (("synaptic operations", "sops"), ("clock cycles", "cycles")):
        rows[f"{name} per sample"] = [number(round(run.per_sample(counter) or 0)) for run in runs]
    rows["spikes lost, all samples"] = [number(run.total("dropped") or 0) for run in runs]
    rows["latency per sample"] = [_estimate(run, "latency") for run in runs]
    rows["energy per sample"] = [_estimate(run, "energy") for run in runs]
    return rows


def _resource(run: ChipRun, name: str) -> str:
    for r in run.resources:
        if r.name == name:
            return f"{number(r.used)} / {number(r.available)} ({r.percent:.0f} %)"
    return "-"


def _estimate(run: ChipRun, name: str) -> str:
    return estimate_text(getattr(run.result, name))


def _as_dict(run: ChipRun) -> dict[str, Any]:
    facts = {"chip": run.chip, "ok": run.report.ok, "accuracy": run.accuracy}
    if run.result is None:
        return {**facts, **run.report.to_dict()}
    return {
        **facts,
        "resources": {r.name: [r.used, r.available] for r in run.resources},
        "sops_per_sample": run.per_sample("sops"),
        "cycles_per_sample": run.per_sample("cycles"),
        "dropped": run.total("dropped"),
        "latency": estimate_dict(run.result.latency),
        "energy": estimate_dict(run.result.energy),
    }
