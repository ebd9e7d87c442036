"""What teachers of spiking layers have in common, whatever the chip."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nm_backends.effective import learning
from nm_backends.errors import UserError

if TYPE_CHECKING:
    from nm_backends.network import Population
    from nm_backends.program import Program

__all__ = ["taught_counts", "taught_population"]


def taught_population(program: Program) -> Population:
    """Return the population whose synapses learn, according to ``program.options.learn``.

    Raises
    ------
    UserError
        There is none, or more than one.
    """
    nodes = program.options.learn
    if not nodes:
        raise UserError(
            "program.learn: no synapse of this program may change",
            "name the layers that learn: compile with CompileOptions(learn=('fc',)) "
            "(nmb compile --learn fc)",
        )
    posts = {p.post for p in learning(program.network, nodes)}
    if len(posts) > 1:
        raise UserError(
            f"program.learn: {', '.join(nodes)} end at {', '.join(sorted(posts))}",
            "a teacher drives one population: learn one layer at a time",
        )
    return program.network.populations[posts.pop()]


def taught_counts(population: Population, targets: Any, steps: int, batch: int) -> np.ndarray:
    """Return what the teacher says, uint8 ``[time, batch, 2 * size]``: excite, then inhibit.

    Parameters
    ----------
    population
        Whom it teaches.
    targets
        Labels ``[batch]``, the index of the neuron that should fire, taught in every step; or
        spikes ``[time, batch, size]``, where each neuron is excited in the steps in which it
        should fire (1), inhibited in those in which it should not (0), and left alone where
        they are negative.

    Raises
    ------
    UserError
        Targets of another kind or shape, or a label of no neuron.
    """
    size = population.size
    wanted = np.asarray(targets)
    if wanted.dtype.kind not in "bui":
        raise UserError(f"targets: {wanted.dtype}, expected labels or spikes (integers)")
    if wanted.shape == (batch,):
        if batch and not 0 <= int(wanted.min()) <= int(wanted.max()) < size:
            raise UserError(
                f"targets: {wanted.min()} to {wanted.max()}, but {population.name} has "
                f"neurons 0 to {size - 1}"
            )
        each = (wanted[:, None] == np.arange(size)).astype(np.int8)
        wanted = np.broadcast_to(each, (steps, batch, size))
    elif wanted.shape[:2] == (steps, batch) and wanted[0, 0].size == size:
        wanted = wanted.reshape(steps, batch, size)
    else:
        raise UserError(
            f"targets: shape {list(wanted.shape)}, expected labels [{batch}] or spikes "
            f"[{steps}, {batch}, {size}]"
        )
    return np.concatenate([wanted > 0, wanted == 0], axis=2).astype(np.uint8)
