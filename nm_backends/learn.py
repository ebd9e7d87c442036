"""``program.learn``: passes over the training spikes on a chip that learns, and their history."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from nm_backends.errors import UserError
from nm_backends.history import Epoch, History
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
    progress: Callable[[int], None] | None = None,
) -> History:
    """Train a program with the rule of its chip; see `nm_backends.program.Program.learn`."""
    from nm_backends.registry import get_backend

    backend = get_backend(program.chip)
    make: Callable[[Program, Any], Learner] | None = getattr(backend, "learner", None)
    if make is None:
        raise refuse_learning(program)
    if not isinstance(epochs, int) or epochs < 1:
        raise UserError(f"epochs is {epochs!r}, expected 1 or more")
    counts = prepare(program.network, spikes).counts
    learner = make(program, options)
    taught = learner.counts(targets, *counts.shape[:2])
    tested, labels = (counts, targets) if validation is None else validation
    history = History(program.chip, program.options.learn, options=learner.options)
    history.measured_on = "training samples" if validation is None else "validation samples"
    order = np.arange(counts.shape[1])
    random = None if shuffle is None else np.random.default_rng(shuffle)
    before = learner.weights()
    size = backend.spec.weights.maximum + 1
    history.epochs.append(_state(program, learner, tested, labels, before, before, 0, size))
    for _ in range(epochs):
        if random is not None:
            order = random.permutation(counts.shape[1])
        lost = learner.epoch(counts[:, order], taught[:, order], progress)
        after = learner.weights()
        history.epochs.append(_state(program, learner, tested, labels, before, after, lost, size))
        before = after
    return history


def _state(
    program: Program, learner: Learner, tested: Any, labels: Any,
    before: np.ndarray, after: np.ndarray, lost: int, values: int,
) -> Epoch:  # fmt: skip
    return Epoch(
        _accuracy(program, learner, tested, labels),
        np.bincount(after, minlength=values).astype(np.int64),
        int((before != after).sum()),
        lost,
    )


def _accuracy(program: Program, learner: Learner, tested: Any, labels: Any) -> float | None:
    """Return the share of samples in which the neuron of the label fires most."""
    wanted = np.asarray(labels)
    if wanted.ndim != 1:
        return None
    layer = program.run(tested).layers[learner.population.name]
    fired = layer.reshape(*layer.shape[:2], -1).sum(axis=0, dtype=np.int64)
    return float(np.mean(fired.argmax(axis=1) == wanted))
