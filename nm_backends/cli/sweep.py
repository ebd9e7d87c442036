"""``nmb sweep``: many trials, described in one file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from nm_backends.cli.output import echo_json, echo_table, json_option

if TYPE_CHECKING:
    from nm_backends.study.description import Study
    from nm_backends.study.results import StudyResults

__all__ = ["sweep_command"]

_SCREEN = 40  # rows of the table; the database, --json and --save have them all


@click.command("sweep")
@click.argument("study", metavar="STUDY.toml")
@click.option("--database", metavar="FILE.sqlite", help="Where trials are kept; default: beside.")
@click.option(
    "--engine",
    type=click.Choice(("processes", "here", "dask")),
    default="processes",
    show_default=True,
    help="Who runs trials: processes of this machine, this process, or a Dask cluster.",
)
@click.option("--workers", type=click.IntRange(1), help="Processes; default: one per core.")
@click.option(
    "--scheduler", metavar="ADDRESS", help="Of the Dask cluster, such as tcp://host:8786."
)
@click.option("--retry", is_flag=True, help="Run trials again that crashed or killed a worker.")
@click.option("--show", metavar="TRIAL", help="Print what runs this trial alone (number or key).")
@click.option("--only", metavar="TRIAL", help="Run this trial alone, anew, and compare its row.")
@click.option("--save", metavar="OUT", help="Write the table: .csv, or .parquet (needs pyarrow).")
@click.option("--pareto", metavar="OUT.png", help="Draw accuracy over energy and latency.")
@click.option("--parallel", metavar="OUT.png", help="Draw parallel coordinates.")
@json_option
def sweep_command(
    study: str,
    database: str | None,
    engine: Any,
    workers: int | None,
    scheduler: str | None,
    retry: bool,
    show: str | None,
    only: str | None,
    save: str | None,
    pareto: str | None,
    parallel: str | None,
    as_json: bool,
) -> None:
    """Run a study: models x chips x options x seeds, each trial once.

    STUDY.toml says what is varied (see Sweeps in the documentation). Trials are kept in an SQLite
    file as they finish: however a sweep ends, the same command goes on with what is missing. Exits
    with 1 when no trial has a result.
    """
    from nm_backends.cli.spikes import check_output
    from nm_backends.study.description import read_study
    from nm_backends.study.running import sweep

    plan = read_study(study)
    if show or only:
        _one(plan, study, database, show, only, as_json)
        return
    for path in filter(None, (save, pareto, parallel)):
        check_output(path, study)
    results = _swept(sweep, study, database, engine, workers, scheduler, retry, as_json)
    written = _write(results, save, pareto, parallel)
    if as_json:
        echo_json({**results.to_dict(), "files": written})
    else:
        _print(results, written)
    raise click.exceptions.Exit(0 if results.ok else 1)


def _swept(
    sweep: Any, study: str, database: str | None, engine: Any, workers: int | None,
    scheduler: str | None, retry: bool, as_json: bool,
) -> StudyResults:  # fmt: skip
    try:
        results: StudyResults = sweep(
            study, database, engine=engine, workers=workers, scheduler=scheduler, retry=retry,
            progress=False if as_json else None,
        )  # fmt: skip
    except KeyboardInterrupt:
        click.echo("what has finished is kept: the same command goes on from here", err=True)
        raise
    return results


def _write(
    results: StudyResults, save: str | None, pareto: str | None, parallel: str | None
) -> list[str]:
    if save:
        results.save(save)
    if pareto:
        results.pareto(pareto)
    if parallel:
        results.parallel(parallel)
    return [path for path in (save, pareto, parallel) if path]


def _print(results: StudyResults, written: list[str]) -> None:
    head, rows = results.cells()
    left = 1 + len(results.varied) + 1
    titles = [name if 0 < i < left else f">{name}" for i, name in enumerate(head)]
    echo_table(titles, rows[:_SCREEN], results.name)
    if len(rows) > _SCREEN:
        click.echo(f"... and {len(rows) - _SCREEN:,} more trials (--save, --json, the database)")
    click.echo(results.summary)
    for path in (str(results.database), *written):
        click.echo(f"written: {path}")


def _one(
    plan: Study, path: str, database: str | None, show: str | None, only: str | None, as_json: bool
) -> None:
    """Show one trial, or run it again."""
    from nm_backends.errors import UserError
    from nm_backends.study.reproduce import difference, shown
    from nm_backends.study.running import database_of, found_trial, points_of
    from nm_backends.study.sources import collect
    from nm_backends.study.store import Store
    from nm_backends.study.trial import run_trial

    found, place = collect(plan), database or database_of(path, plan)
    points = points_of(plan, found, place)
    trial = found_trial(plan, str(show or only), points)
    if show:
        text = shown(plan, found, trial, path)
        data = {"trial": trial.number, "key": trial.key, "recipe": trial.recipe, "text": text}
        echo_json(data) if as_json else click.echo(text)
        return
    row = run_trial(found.bundle, trial.recipe).row
    with Store(place) as store:
        differs = difference(store.get(trial.key), row)
    if as_json:
        echo_json({"trial": trial.number, "key": trial.key, **row, "differs": differs})
    else:
        echo_table(("column", "value"), [(k, v) for k, v in row.items() if v is not None])
    if differs:
        raise UserError(f"trial {trial.number} came out otherwise: {'; '.join(differs)}")
