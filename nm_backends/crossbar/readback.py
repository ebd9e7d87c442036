"""From the image back to the user's units: what the synapses of a NIR node hold now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nm_backends.crossbar.chip import CrossbarChip
from nm_backends.crossbar.wiring import gain_of, learning, wire
from nm_backends.errors import UserError

if TYPE_CHECKING:
    from nm_backends.network import Network
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
    network, layout = program.network, program.layout
    wiring = wire(network, program.options.learn)
    post = network.populations[projection.post]
    worth = gain_of(post) * network.populations[projection.pre].graded
    if not worth.all():
        raise UserError(f"{node}: a spike is worth 0 at {post.name}, any weight would do")
    stored = chip.unpack(program.image).astype(np.float64)
    by_source = np.zeros((len(wiring.weights), chip.spec.neurons))
    rows = np.flatnonzero(layout["row_source"] >= 0)
    np.add.at(by_source, layout["row_source"][rows], stored[rows])
    span = wiring.of(post.name)
    columns = by_source[:, layout["address"][span]] / (layout["scale"][span] * worth)
    pre = network.populations[projection.pre]
    if not pre.is_input:
        senders = wiring.of(pre.name)
        return np.asarray(columns[wiring.inputs :][senders].T)
    unit = wiring.channel - _first_channel(network, pre.name)
    mine = (unit >= 0) & (unit < pre.size) & (wiring.delay == projection.delay)
    found = np.zeros((pre.size, post.size))
    found[unit[mine]] = columns[: wiring.inputs][mine]
    return np.asarray(found.T)


def _first_channel(network: Network, name: str) -> int:
    names = [p.name for p in network.inputs]
    return sum(p.size for p in network.inputs[: names.index(name)])
