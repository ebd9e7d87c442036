"""From the image back to the user's units: what the synapses of a NIR node hold now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nm_backends.effective import gain_of, learning
from nm_backends.errors import UserError
from nm_reckon.image import input_weights, output_weights, recurrent_weights
from nm_reckon.schedule import schedule
from nm_reckon.topology import topology

if TYPE_CHECKING:
    from nm_backends.program import Program

__all__ = ["weights_of"]


def weights_of(program: Program, node: str) -> np.ndarray:
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
    network, layout, image = program.network, program.layout, program.image
    (projection,) = learning(network, (node,))
    wired = topology(network, schedule(network))
    pre, post = network.populations[projection.pre], network.populations[projection.post]
    worth = gain_of(post) * pre.graded
    if not worth.all():
        raise UserError(f"{node}: a spike is worth 0 at {post.name}, any weight would do")
    sources = wired.sources(network, projection)
    span = {**dict(wired.spans()), **dict(wired.output_spans())}[post.name]
    address = layout["address"]
    if not post.spiking:
        matrix, shift, column = output_weights(image), "WOUT", np.arange(span.start, span.stop)
        scale, rows = layout["out_scale"][span], address[sources]
    elif pre.is_input:
        matrix, shift, column = input_weights(image), "WINP", address[span]
        scale, rows = layout["scale"][span], sources
    else:
        matrix, shift, column = recurrent_weights(image), "WREC", address[span]
        scale, rows = layout["scale"][span], address[sources]
    held = matrix[np.ix_(rows, column)].astype(np.float64)
    held[sources < 0] = 0.0
    unit = 1 << int(np.asarray(image.registers[f"SPI_FP_LOC_{shift}"]))
    return np.asarray((held * unit / (scale * worth)).T)
