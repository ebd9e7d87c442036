"""``program.learn``: passes over the training spikes on a chip that learns, and their history."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from nm_backends.errors import UserError
from nm_backends.first_spikes import FirstSpikes
from nm_backends.history import Epoch, History
from nm_backends.progress import shown
from nm_backends.run import refuse_learning
from nm_backends.spikes import prepare

if TYPE_CHECKING:
    from nm_backends.network import Population
    from nm_backends.program import Program

__all__ = ["Learner", "Score", "count_epoch", "epochs_learned", "learn_program", "spiking_score"]

_LEARNED = "epochs_learned"  # in the program's metadata, so that it is saved


@dataclass(frozen=True)
class Score:
    """How well a program does with learning off; see `nm_backends.history.Epoch`."""

    accuracy: float | None = None
    loss: float | None = None


class Learner(Protocol):
    """What a backend's ``learner(program, options)`` returns."""

    @property
    def options(self) -> Any:
        """The chip's learning options in use."""
        ...

    @property
    def stored(self) -> range:
        """The values that a plastic synapse can store."""
        ...

    def counts(self, targets: Any, steps: int, batch: int) -> np.ndarray:
        """Return what the teacher says, in the learner's own form, ``[any, batch, ...]``."""
        ...

    def epoch(
        self, counts: np.ndarray, taught: np.ndarray, progress: Callable[[int], None] | None
    ) -> int:
        """Learn from all samples once, into the program's image; return the spikes lost."""
        ...

    def weights(self) -> np.ndarray:
        """Return the stored values of the plastic synapses, integers ``[synapses]``."""
        ...

    def score(self, counts: np.ndarray, targets: Any, readout: str) -> Score:
        """Judge the program, with learning off, on spikes uint8 ``[time, batch, channels]``."""
        ...


def learn_program(
    program: Program,
    spikes: Any,
    targets: Any,
    epochs: int = 1,
    options: Any = None,
    validation: tuple[Any, Any] | None = None,
    shuffle: int | None = None,
    readout: str = "count",
    progress: Callable[[int], None] | bool | None = None,
) -> History:
    """Train a program with the rule of its chip; see `nm_backends.program.Program.learn`."""
    from nm_backends.assumptions import backend_of

    backend = backend_of(program)
    make: Callable[[Program, Any], Learner] | None = getattr(backend, "learner", None)
    if make is None:
        raise refuse_learning(program)
    if not isinstance(epochs, int) or epochs < 1:
        raise UserError(f"epochs is {epochs!r}, expected 1 or more")
    if readout not in ("count", "first"):
        raise UserError(f"readout is {readout!r}, expected count or first")
    counts = _counts(backend, program, spikes)
    learner = make(program, options)
    taught = learner.counts(targets, *counts.shape[:2])
    tested, wanted = counts, targets
    if validation is not None:
        tested, wanted = _counts(backend, program, validation[0]), validation[1]
    history = History(program.chip, program.options.learn, options=learner.options)
    history.measured_on = "training samples" if validation is None else "validation samples"
    history.readout = readout
    note = _notes(history, learner, lambda: learner.score(tested, wanted, readout))
    note(0)
    with shown(progress, "learning", epochs * counts.shape[1]) as advance:
        for _ in range(epochs):
            done = epochs_learned(program)
            order = _order(counts.shape[1], shuffle, done)
            first_only = isinstance(counts, FirstSpikes)
            ordered = counts.samples(order) if first_only else counts[:, order]
            lost = learner.epoch(ordered, taught[:, order], advance)
            count_epoch(program)
            note(lost)
    return history


def _counts(backend: Any, program: Program, spikes: Any) -> Any:
    """Return counts, or first spikes where the backend wants no more."""
    given = prepare(program.network, spikes)
    return given.first() if getattr(backend, "first_spikes", False) else given.counts


def epochs_learned(program: Program) -> int:
    """Return how many passes a program has learned, over all calls and before it was saved."""
    done = program.metadata.get(_LEARNED, 0)
    return done if isinstance(done, int) else 0


def count_epoch(program: Program) -> None:
    """Note in a program that it has learned for one more pass."""
    program.metadata[_LEARNED] = epochs_learned(program) + 1


def spiking_score(
    program: Program, population: Population, counts: np.ndarray, targets: Any, readout: str
) -> Score:
    """Return the share of samples that the neuron of the label decides, with its spikes."""
    wanted = np.asarray(targets)
    if wanted.ndim != 1:
        return Score()
    layer = program.run(counts).layers[population.name]
    fired = layer.reshape(*layer.shape[:2], -1)
    decided = fired.sum(axis=0, dtype=np.int64)
    silent = ~decided.any(axis=1)
    if readout == "first":
        decided = (fired > 0)[fired.any(axis=2).argmax(axis=0), np.arange(fired.shape[1])]
    chosen = np.where(silent, -1, decided.argmax(axis=1))
    return Score(float(np.mean(chosen == wanted)))


def _notes(history: History, learner: Learner, score: Callable[[], Score]) -> Callable[[int], None]:
    """Return what adds an epoch to the history, given the spikes that were lost in it."""
    stored, before = learner.stored, learner.weights()

    def note(lost: int) -> None:
        nonlocal before
        after, judged = learner.weights(), score()
        shares = np.bincount(after.astype(np.int64) - stored[0], minlength=len(stored))
        changed = int((before != after).sum())
        history.epochs.append(
            Epoch(judged.accuracy, shares.astype(np.int64), changed, lost, judged.loss, stored[0])
        )
        before = after

    return note


def _order(samples: int, seed: int | None, done: int) -> np.ndarray:
    """Return the order of samples after ``done`` epochs, whichever calls those were learned in."""
    if seed is None:
        return np.arange(samples)
    return np.random.default_rng([seed, done]).permutation(samples)
