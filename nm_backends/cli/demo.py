"""``nmb demo``: the whole way, from a network to chips, in one command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nm_backends.cli.compare import print_comparison
from nm_backends.cli.output import echo_json, json_option

if TYPE_CHECKING:
    from nm_backends.demo import DemoData
    from nm_backends.deployment import DeploymentReport

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
    from nm_backends.comparing import compare
    from nm_backends.demo import demo_data
    from nm_backends.registry import registry

    names = [registry().chip(name)[0].name for name in chips] or None
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    data = demo_data(samples)
    found = compare(
        data.model,
        data.spikes,
        data.labels,
        names,
        calibrate=data.calibration,
        progress=False if as_json else None,
    )
    written = _write(found, data, folder)
    if as_json:
        chips_found = found.to_dict()["chips"]
        said = {"samples": found.samples, "float": found.accuracy, "chips": chips_found}
        echo_json({**said, "files": written})
    else:
        title = f"handwritten digits, {found.samples} test samples"
        print_comparison(found, title, brief=True)
        for path in written:
            click.echo(f"written: {path}")
    if not found.fits_somewhere:
        raise click.exceptions.Exit(1)


def _write(found: DeploymentReport, data: DemoData, folder: Path) -> list[str]:
    """Store the programs and the picture; a missing matplotlib costs only the picture."""
    from nm_backends.program import Program

    written = []
    runs = []
    for run in found.chips.values():
        if isinstance(run.program, Program):
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
