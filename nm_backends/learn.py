"""``program.learn``: passes over the training spikes on a chip that learns, and their history."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from nm_backends.errors import UserError
from nm_backends.history import Epoch, History
from nm_backends.progress import progress as progress_bar
from nm_backends.run import refuse_learning
from nm_backends.spikes import prepare

if TYPE_CHECKING:
    from nm_backends.network import Population
    from nm_backends.program import Program

__all__ = ["Learner", "learn_program"]


class Learner(Protocol):
    """What a backend's ``learner(program, options)`` returns."""

    @property
    def population(self) -> Population:
        """The population that the teacher drives."""
        ...

    @property
    def options(self) -> Any:
        """The chip's learning options in use."""
        ...

    def counts(self, targets: Any, steps: int, batch: int) -> np.ndarray:
        """Return what the teacher says, in the learner's own channels."""
        ...

    def epoch(
        self, counts: np.ndarray, taught: np.ndarray, progress: Callable[[int], None] | None
    ) -> int:
        """Learn from all samples once, into the program's image; return the spikes lost."""
        ...

    def weights(self) -> np.ndarray:
        """Return the stored values of the plastic synapses."""
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
    from nm_backends.registry import get_backend

    backend = get_backend(program.chip)
    make: Callable[[Program, Any], Learner] | None = getattr(backend, "learner", None)
    if make is None:
        raise refuse_learning(program)
    if not isinstance(epochs, int) or epochs < 1:
        raise UserError(f"epochs is {epochs!r}, expected 1 or more")
    if readout not in ("count", "first"):
        raise UserError(f"readout is {readout!r}, expected count or first")
    counts = prepare(program.network, spikes).counts
    learner = make(program, options)
    taught = learner.counts(targets, *counts.shape[:2])
    tested, labels = (counts, targets) if validation is None else validation
    history = History(program.chip, program.options.learn, options=learner.options)
    history.measured_on = "training samples" if validation is None else "validation samples"
    history.readout = readout
    values = backend.spec.weights.maximum + 1
    before = learner.weights()

    def note(lost: int) -> None:
        nonlocal before
        after = learner.weights()
        accuracy = _accuracy(program, learner, tested, labels, readout)
        shares = np.bincount(after, minlength=values).astype(np.int64)
        history.epochs.append(Epoch(accuracy, shares, int((before != after).sum()), lost))
        before = after

    note(0)
    with _shown(progress, epochs * counts.shape[1]) as advance:
        for order in _orders(counts.shape[1], epochs, shuffle):
            note(learner.epoch(counts[:, order], taught[:, order], advance))
    return history


def _orders(samples: int, epochs: int, seed: int | None) -> Iterator[np.ndarray]:
    random = None if seed is None else np.random.default_rng(seed)
    for _ in range(epochs):
        yield np.arange(samples) if random is None else random.permutation(samples)


def _shown(
    wanted: Callable[[int], None] | bool | None, total: int
) -> AbstractContextManager[Callable[[int], None]]:
    if callable(wanted):
        return nullcontext(wanted)
    return progress_bar("learning", total, quiet=wanted is False)


def _accuracy(
    program: Program, learner: Learner, tested: Any, labels: Any, readout: str
) -> float | None:
    """Return the share of samples that the neuron of the label decides."""
    wanted = np.asarray(labels)
    if wanted.ndim != 1:
        return None
    layer = program.run(tested).layers[learner.population.name]
    fired = layer.reshape(*layer.shape[:2], -1)
    decided = fired.sum(axis=0, dtype=np.int64)
    silent = ~decided.any(axis=1)
    if readout == "first":
        decided = (fired > 0)[fired.any(axis=2).argmax(axis=0), np.arange(fired.shape[1])]
    chosen = np.where(silent, -1, decided.argmax(axis=1))
    return float(np.mean(chosen == wanted))
