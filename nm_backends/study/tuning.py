"""Tuning: Optuna chooses the trials, batch by batch, and gives up on bad learning curves.

A batch is chosen when all of the one before are known, whoever ran them, and a trial that was run
before is taken from the database: so an interrupted study goes on as if nothing had happened, and
gives the same table on any engine. Every seed of the study is run; their mean counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nm_backends.errors import UserError
from nm_backends.study.axes import Axis, Point
from nm_backends.study.description import Study
from nm_backends.study.engines import Engine
from nm_backends.study.recipe import Trial, axes_for, trial_at
from nm_backends.study.running import run_pending, varied
from nm_backends.study.sources import Collected
from nm_backends.study.store import Store

__all__ = ["rungs", "tune"]


@dataclass
class _Asked:
    """A trial of Optuna, and those of the study that answer it: one per seed."""

    asked: Any
    points: list[Point]
    trials: list[Trial] = field(default_factory=list)
    reported: int = 0
    pruned: bool = False


def tune(study: Study, found: Collected, store: Store, engine: Engine, quiet: bool) -> None:
    """Run a study whose trials Optuna chooses.

    Raises
    ------
    UserError
        Optuna is not installed.
    """
    from nm_backends.progress import progress

    plan = study.plan
    optimiser = _optimiser(study)
    store.begin(study.name, [], varied(study))
    done = number = 0
    with progress("tuning", plan.trials, quiet=quiet) as advance:
        while done < plan.trials:
            size = min(plan.batch, plan.trials - done)
            batch = [_ask(optimiser, study, found) for _ in range(size)]
            for epochs in _rungs_of(batch) if _prunes(study) else [None]:
                _climb(batch, epochs, study, found, store, engine)
            for one in batch:
                number = _tell(optimiser, one, study, store, number)
            done += len(batch)
            advance(len(batch))


def _optimiser(study: Study) -> Any:
    try:
        import optuna
    except ImportError:
        raise UserError(
            "tuning needs Optuna, which is not installed", 'pip install "nm-backends[tune]"'
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pruner = optuna.pruners.MedianPruner() if _prunes(study) else optuna.pruners.NopPruner()
    return optuna.create_study(
        direction="maximize" if study.plan.maximise else "minimize",
        sampler=optuna.samplers.TPESampler(seed=study.plan.seed),
        pruner=pruner,
    )


def _prunes(study: Study) -> bool:
    """Whether learning curves, which are of accuracies, say how good a trial will be."""
    plan = study.plan
    return bool(study.learns) and plan.prune and plan.maximise and plan.objective == "accuracy"


def rungs(last: int) -> Iterator[int]:
    """Yield after how many passes a trial is judged: 1, 2, 4, ..., and the last."""
    now = 1
    while now < last:
        yield now
        now *= 2
    yield last


def _rungs_of(batch: Sequence[_Asked]) -> list[int]:
    """Return the passes after which any trial of a batch is judged."""
    lasts = [one.points[0].get("learn.epochs", 1) for one in batch]
    return sorted({rung for last in lasts for rung in rungs(last)})


def _ask(optimiser: Any, study: Study, found: Collected) -> _Asked:
    asked = optimiser.ask()
    chip = _suggested(asked, Axis("chip", study.chips))
    axes = [axis for axis in axes_for(study, found, chip) if axis.name not in ("chip", "seed")]
    point = {"chip": chip, **{axis.name: _suggested(asked, axis) for axis in axes}}
    seeds = next(axis.choices for axis in study.axes if axis.name == "seed")
    return _Asked(asked, [{**point, "seed": seed} for seed in seeds])


def _suggested(asked: Any, axis: Axis) -> Any:
    """Return Optuna's choice; choices go by their index, since they may be lists and tables."""
    span = axis.span
    if span is None:
        choices = axis.choices
        if len(choices) == 1:
            return choices[0]
        return choices[asked.suggest_categorical(axis.name, list(range(len(choices))))]
    if span.whole:
        return int(asked.suggest_int(axis.name, span.low, span.high, log=span.log))
    return float(asked.suggest_float(axis.name, span.low, span.high, log=span.log))


def _climb(
    batch: Sequence[_Asked], epochs: int | None, study: Study, found: Collected, store: Store,
    engine: Engine,
) -> None:  # fmt: skip
    """Run what is left of a batch, for so many passes; then give up on what is worse than most."""
    left = [one for one in batch if not one.pruned]
    for one in left:
        points = one.points
        if epochs is not None and "learn.layers" in points[0]:
            most = points[0].get("learn.epochs", 1)
            points = [{**point, "learn.epochs": min(epochs, most)} for point in points]
        one.trials = [trial_at(n, point, study, found) for n, point in enumerate(points)]
    run_pending([trial for one in left for trial in one.trials], found, store, engine)
    for one in left if epochs is not None else []:
        _report(one, store)


def _report(one: _Asked, store: Store) -> None:
    rows = [store.get(trial.key) or {} for trial in one.trials]
    curves = [json.loads(row["curve"]) for row in rows if row.get("curve")]
    if len(curves) < len(rows):
        return  # it failed, or does not learn
    mean = np.mean(np.array(curves, float), axis=0)
    for step in range(one.reported + 1, len(mean)):
        one.asked.report(float(mean[step]), step)
    one.reported = len(mean) - 1
    finished = one.trials[0].point.get("learn.epochs", 1) >= one.points[0].get("learn.epochs", 1)
    one.pruned = not finished and bool(one.asked.should_prune())


def _tell(optimiser: Any, one: _Asked, study: Study, store: Store, number: int) -> int:
    """Tell Optuna how a trial went, and note its points; return the next number."""
    from optuna.trial import TrialState

    rows = [store.get(trial.key) or {} for trial in one.trials]
    values = [row.get(study.plan.objective) for row in rows if row.get("status") == "ok"]
    known = [value for value in values if value is not None]
    if one.pruned:
        optimiser.tell(one.asked, state=TrialState.PRUNED)
    elif len(known) < len(rows):
        optimiser.tell(one.asked, state=TrialState.FAIL)
    else:
        optimiser.tell(one.asked, float(np.mean(known)))
    noted = [
        Trial(number + n, {**trial.point, "pruned": one.pruned}, trial.recipe)
        for n, trial in enumerate(one.trials)
    ]
    store.add(noted)
    return number + len(noted)
