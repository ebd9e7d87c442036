"""What weights alone cannot tell: thresholds, leaks and the order of events, chosen by trial.

The chip tests thresholds at every event, leaks by a constant and (where membranes are unsigned)
forgets charge below zero. How much that matters depends on the spikes; it is measured on the chip's
own engine. Everything is deterministic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from nm_backends.crossbar.integers import Integers
from nm_backends.crossbar.layout import Choices
from nm_backends.crossbar.trials import Trials

__all__ = ["polish", "tune"]

Move = Callable[[np.ndarray], np.ndarray]
_FACTORS = (0.65, 0.8, 0.9, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0)
_STEPS = (-3, -2, -1, 1, 2, 3)
_POLISHED = 32  # neurons of the last population that are still tried one by one


def tune(trials: Trials, integers: Integers, choices: Choices, *, fine: bool) -> Integers:
    """Adjust thresholds and leaks of each neuron so that it fires as often as in the model.

    Populations come in evaluation order, so that each hears what the chip's earlier ones say. All
    neurons of a population are tried at once and each keeps what suits it best.

    Parameters
    ----------
    fine
        Whether to go on after the coarse steps of the thresholds.
    """
    for _, span in trials.wiring.spans():
        for name, moves in _fine_moves(trials) if fine else _coarse_moves(trials):
            integers = _best_per_neuron(trials, integers, choices, span, name, moves)
    return integers


def polish(trials: Trials, integers: Integers, choices: Choices) -> Integers:
    """Adjust by `Trials.score`: whole populations, and the last one neuron by neuron."""
    least = trials.judged(integers, choices).score
    for _, span in trials.wiring.spans():
        for name, move in _uniform(trials):
            integers, least = _if_better(trials, integers, choices, name, span, move, least)
    singles = range(span.start, span.stop if span.stop - span.start <= _POLISHED else span.start)
    for n in singles:
        for by in (-2, -1, 1, 2):
            one, move = slice(n, n + 1), _moved(trials, "threshold", by)
            integers, least = _if_better(trials, integers, choices, "threshold", one, move, least)
    return integers


def _scaled(trials: Trials, factor: float) -> Move:
    form = trials.chip.spec.threshold
    low, high = form.minimum, form.maximum
    return lambda old: np.asarray(np.clip(np.rint(old * factor), low, high), np.int64)


def _moved(trials: Trials, name: str, by: int) -> Move:
    form = getattr(trials.chip.spec, name)
    low, high = form.minimum, form.maximum
    return lambda old: np.asarray(np.clip(old + by, low, high))


def _coarse_moves(trials: Trials) -> Iterable[tuple[str, list[Move]]]:
    yield "threshold", [_scaled(trials, factor) for factor in _FACTORS]


def _fine_moves(trials: Trials) -> Iterable[tuple[str, list[Move]]]:
    yield "leak", [_moved(trials, "leak", by) for by in _STEPS]
    yield "threshold", [_moved(trials, "threshold", by) for by in _STEPS]
    yield "leak", [_moved(trials, "leak", by) for by in (-1, 1)]


def _uniform(trials: Trials) -> Iterable[tuple[str, Move]]:
    for factor in (0.8, 0.9, 0.95, 1.05, 1.1, 1.25):
        yield "threshold", _scaled(trials, factor)
    for by in (-1, 1):
        yield "leak", _moved(trials, "leak", by)


def _best_per_neuron(
    trials: Trials,
    integers: Integers,
    choices: Choices,
    span: slice,
    name: str,
    moves: list[Move],
) -> Integers:
    start = getattr(integers, name)
    best, least = start.copy(), trials.judged(integers, choices).errors
    total = least[span].sum()
    if not total:
        return integers
    for move in moves:
        values = _with(start, span, move)
        errors = trials.judged(integers.with_(**{name: values}), choices).errors
        better = np.zeros(best.size, bool)
        better[span] = errors[span] < least[span]
        best = np.where(better, values, best)
        least = np.where(better, errors, least)
    tried = integers.with_(**{name: best})
    # Neurons that listen to each other were tried together but are now mixed: ask once more.
    after = trials.judged(tried, choices).errors[span].sum()
    return tried if after < total else integers


def _if_better(
    trials: Trials,
    integers: Integers,
    choices: Choices,
    name: str,
    span: slice,
    move: Move,
    least: float,
) -> tuple[Integers, float]:
    tried = integers.with_(**{name: _with(getattr(integers, name), span, move)})
    score = trials.judged(tried, choices).score
    return (tried, score) if score < least else (integers, least)


def _with(values: np.ndarray, span: slice, move: Move) -> np.ndarray:
    changed = values.copy()
    changed[span] = move(values[span])
    return np.asarray(changed)
