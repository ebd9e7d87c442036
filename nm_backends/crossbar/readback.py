"""From the image back to the user's units: what the synapses of a NIR node hold now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nm_backends.crossbar.chip import CrossbarChip
from nm_backends.crossbar.realised import integers_in, weights_between
from nm_backends.crossbar.sharing import wiring_of
from nm_backends.effective import gain_of, learning
from nm_backends.errors import UserError

if TYPE_CHECKING:
    from nm_backends.program import Program

__all__ = ["weights_of"]


def weights_of(chip: CrossbarChip, program: Program, node: str) -> np.ndarray:
    """Return the weights of one Linear or Affine node as the image holds them.

    Returns
    -------
    numpy.ndarray
        float64 ``[outputs, inputs]`` as in NIR, in the user's units.

    Raises
    ------
    UserError
        The node is none of the network, was joined with others, or the gain of its neurons is 0.
    """
    (projection,) = learning(program.network, (node,))
    network = program.network
    wiring = wiring_of(program)
    post = network.populations[projection.post]
    if not (gain_of(post) * network.populations[projection.pre].graded).all():
        raise UserError(f"{node}: a spike is worth 0 at {post.name}, any weight would do")
    held = integers_in(chip, program, wiring)
    found = weights_between(network, wiring, held.weights / held.scale, projection)
    return np.asarray(found.T)
