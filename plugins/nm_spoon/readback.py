"""From the image back to the user's units: weights of a node, the network as the chip has it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from nm_backends.effective import learning
from nm_backends.readback import Realised
from nm_spoon.chain import MEAN, Chain, read_chain
from nm_spoon.neuron_lines import line_of
from nm_spoon.setup import Setup, unpack

if TYPE_CHECKING:
    from nm_backends.chip import ChipSpec
    from nm_backends.network import Projection
    from nm_backends.program import Program

__all__ = ["realised", "weights_of"]


def weights_of(program: Program, node: str, spec: ChipSpec) -> np.ndarray:
    """Return the weights of one Linear or Affine node as the image holds them.

    Returns
    -------
    numpy.ndarray
        float64 ``[outputs, inputs]`` as in NIR, in the user's units.

    Raises
    ------
    UserError
        The node is none of the network, or was joined with others.
    """
    (projection,) = learning(program.network, (node,))
    chain = _chain(program, spec)
    return np.asarray(_held(program, chain, unpack(program.image), projection).toarray().T)


def realised(program: Program, spec: ChipSpec) -> Realised:
    """Return the network with the weights of the image; what cuts and shifts is not in it."""
    chain, setup = _chain(program, spec), unpack(program.image)
    projections = [
        replace(p, weights=_held(program, chain, setup, p)) for p in program.network.projections
    ]
    return Realised(replace(program.network, projections=projections), {})


def _chain(program: Program, spec: ChipSpec) -> Chain:
    chain = read_chain(program.network, spec).chain
    assert chain is not None
    return chain


def _held(program: Program, chain: Chain, setup: Setup, p: Projection) -> sp.csr_array:
    """Return the weights of a projection in the user's units, ``[pre, post]``."""
    network = program.network
    post = network.populations[p.post]
    worth = line_of(post).slope * network.populations[p.pre].graded
    per_weight = program.layout["per_weight"]
    if p.post == chain.output.name:
        values = setup.output_weight / per_weight[1]
    elif p.post == chain.hidden.name:
        values = _unpooled(setup.hidden_weight / per_weight[0], chain)
    elif chain.conv is not None and p.post == chain.conv.name:
        return _kernels(p, chain, setup, program.layout["conv"][1], worth)
    else:
        return p.weights  # pooling
    return sp.csr_array(np.divide(values, worth, out=np.zeros_like(values), where=worth != 0))


def _unpooled(weights: np.ndarray, chain: Chain) -> np.ndarray:
    """Return weights of all four that a mean is of, where there is one."""
    if chain.pool != MEAN or chain.conv is None:
        return weights
    kernels, rows, columns = chain.conv.maps
    whole = np.zeros((kernels, rows, columns, weights.shape[1]))
    grid = weights.reshape(kernels, rows // 2, columns // 2, -1) / 4
    whole[:, : rows // 2 * 2, : columns // 2 * 2] = grid.repeat(2, axis=1).repeat(2, axis=2)
    return whole.reshape(-1, weights.shape[1])


def _kernels(
    p: Projection, chain: Chain, setup: Setup, per_weight: float, worth: np.ndarray
) -> sp.csr_array:
    """Return the matrix of the kernels that the image holds."""
    assert chain.conv is not None
    entries, geometry = sp.coo_array(p.weights), chain.conv.geometry
    c, y, x = np.unravel_index(entries.coords[0], chain.shape)
    k, v, u = np.unravel_index(entries.coords[1], chain.conv.maps)
    _, _, height, width = geometry.kernel.shape
    row = y + geometry.top - geometry.stride * v
    tap = (c * height + row) * width + x + geometry.left - geometry.stride * u
    values = setup.conv_weight[tap, k] / per_weight / worth[entries.coords[1]]
    return sp.csr_array(sp.coo_array((values, entries.coords), shape=p.weights.shape))
