"""``nmb.sweep``: a study from its description to its table."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

from nm_backends.errors import UserError
from nm_backends.study.axes import Axis
from nm_backends.study.description import Study, read_study
from nm_backends.study.engines import Engine, Here, Processes
from nm_backends.study.recipe import Trial, text_of, trial_at, trials
from nm_backends.study.results import StudyResults
from nm_backends.study.sources import Collected, collect
from nm_backends.study.store import Store

__all__ = ["database_of", "engine_of", "found_trial", "points_of", "run_pending", "sweep", "varied"]

_ALWAYS = ("model", "chip")


def sweep(
    study: Any,
    database: str | os.PathLike[str] | None = None,
    *,
    engine: Literal["processes", "here", "dask"] = "processes",
    workers: int | None = None,
    scheduler: str | None = None,
    retry: bool = False,
    progress: bool | None = None,
) -> StudyResults:
    """Run the trials of a study that have not been run yet, and return its table.

    Parameters
    ----------
    study
        Path of a TOML file, or a mapping of the same form (`nm_backends.study.description`).
    database
        The SQLite file that keeps the trials (`nm_backends.study.store`); by default the study's
        name with the suffix ``.sqlite``, beside the TOML file or in the current folder.
    engine
        ``processes`` (all cores of this machine), ``here`` (in this process), or ``dask``.
    workers
        Number of processes; by default one per usable core.
    scheduler
        For ``dask``: the address of the scheduler.
    retry
        Whether trials that crashed, or killed their worker, are run again.
    progress
        None shows a progress bar on stderr where a person is watching, False none.

    Returns
    -------
    StudyResults
        The table: the same, bit for bit, whichever engine ran it, with or without interruptions.

    Raises
    ------
    UserError
        The description is wrong, a file cannot be read, or another sweep writes the database. What
        happens to a single trial is a row of the table.

    Notes
    -----
    A script that calls this needs the guard ``if __name__ == "__main__":``, as all scripts that
    start processes do; ``engine="here"`` starts none.
    """
    plan = read_study(study)
    runner = engine_of(engine, workers, scheduler)
    found = collect(plan)
    with Store(database or database_of(study, plan)) as store, runner:
        if plan.plan.kind == "tune":
            from nm_backends.study.tuning import tune

            tune(plan, found, store, runner, progress is False)
        else:
            chosen = list(trials(plan, found))
            store.begin(plan.name, chosen, varied(plan))
            _run(chosen, found, store, runner, retry, progress is False)
        return StudyResults.of(plan, store)


def engine_of(name: str, workers: int | None, scheduler: str | None) -> Engine:
    """Return an engine by its name."""
    if workers is not None and (not isinstance(workers, int) or workers < 1):
        raise UserError(f"workers is {workers!r}, expected 1 or more")
    if scheduler is not None and name != "dask":
        raise UserError(f"scheduler is for the engine dask, not for {name}")
    if name == "dask":
        from nm_backends.study.dask_engine import Dask

        cluster: Engine = Dask(scheduler)
        return cluster
    if name not in ("processes", "here"):
        raise UserError(f"engine is {name!r}, expected processes, here or dask")
    runner: Engine = Here() if name == "here" else Processes(workers)
    return runner


def database_of(given: Any, study: Study) -> Path:
    """Return where a study is kept by default."""
    folder = study.folder if isinstance(given, str | os.PathLike) else Path.cwd()
    return folder / f"{study.name}.sqlite"


def varied(study: Study) -> list[str]:
    """Return the names of what differs between trials, for the columns of the table."""
    several = ["data"] if len(study.data) > 1 else []
    axes: list[Axis] = [axis for axis in study.axes if axis.varies]
    names = [*_ALWAYS, *several, *(axis.name for axis in axes)]
    if study.plan.kind == "tune":  # how far a trial came before it was given up
        names += ["learn.epochs"] if study.learns and "learn.epochs" not in names else []
        names.append("pruned")
    return names


def points_of(study: Study, found: Collected, database: str | os.PathLike[str]) -> list[Trial]:
    """Return the trials of a study; those of tuning as far as they are in its database."""
    if study.plan.kind != "tune":
        return list(trials(study, found))
    with Store(database) as store:
        return [trial_at(number, point, study, found) for number, point in store.points()]


def found_trial(study: Study, named: str, points: Sequence[Trial]) -> Trial:
    """Return the trial with a number, or whose key begins with a text.

    Raises
    ------
    UserError
        There is none, or there are several.
    """
    if named.isdecimal() and len(named) < 8:
        matching = [t for t in points if t.number == int(named)]
    else:
        matching = [t for t in points if t.key.startswith(named)]
    if not matching or len({t.key for t in matching}) > 1:
        raise UserError(
            f"{study.name}: {'several trials have' if matching else 'no trial has'} "
            f"the number or key {named!r}",
            f"trials are numbered 0 to {max(len(points) - 1, 0):,}",
        )
    return matching[0]


def _run(
    chosen: Sequence[Trial],
    found: Collected,
    store: Store,
    engine: Engine,
    retry: bool,
    quiet: bool,
) -> None:
    """Run what is not known, and show how far it is."""
    from nm_backends.progress import progress

    known = store.known(retry=retry)
    missing = len({t.key for t in chosen} - known)
    title = f"{len(chosen) - missing:,} known, running"
    with progress(title, missing, quiet=quiet or not missing) as advance:
        run_pending(chosen, found, store, engine, known, advance)


def run_pending(
    chosen: Sequence[Trial],
    found: Collected,
    store: Store,
    engine: Engine,
    known: Collection[str] | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> None:
    """Run the trials whose keys are not known, each recipe once; keep every outcome at once."""
    there = store.known() if known is None else known
    pending = list({t.key: t for t in chosen if t.key not in there}.values())
    pending.sort(key=_neighbours)
    if not pending:
        return
    with closing(engine.run(found.bundle, pending)) as finished:
        for trial, outcome in finished:
            store.put(trial, outcome)
            advance(1)


def _neighbours(trial: Trial) -> tuple[str, ...]:
    """Sort trials so that those that share a float run, then a compilation, come together."""
    recipe = trial.recipe
    shared = ("model", "discretisation", "data", "seed", "chip", "compile", "assumptions")
    return (*(text_of({"": recipe[name]}) for name in shared), trial.key)
