"""Whether the network that was read from a model does what the model did on the sample."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from nm_backends.frontends import rules as F
from nm_backends.frontends.torch_layers import to_array
from nm_backends.frontends.torch_run import recorded

if TYPE_CHECKING:
    from nm_backends.frontends.dialect import Dialect
    from nm_backends.frontends.torch_run import Observed
    from nm_backends.frontends.torch_trace import Leaf
    from nm_backends.lowering.findings import Findings
    from nm_backends.network import Network

__all__ = ["verify"]

_MEMBRANE_TOLERANCE = 1e-4
_SAMPLES = 16  # of the batch; running the network is the expensive part


def verify(model: Any, seen: Observed, network: Network, dialect: Dialect, notes: Findings) -> None:
    """Run the network on what the model received, and report layers that differ.

    A difference that is gone in double precision is one of rounding.
    """
    single = _differences(seen, network)
    if single is None:
        message = "what the first layer received could not be told from the rest of the model"
        notes.add(F.not_compared.at(message))
    if not single:
        return
    try:
        double = _differences(recorded(model, seen.inputs, dialect, double=True), network)
    except Exception:  # the user's code may insist on its precision
        double = single
    name, (wrong, all_of) = next(iter((double or single).items()))
    text = f"{wrong:,} of {all_of:,} values of this layer differ between the model and the network"
    if double:
        hint = "set the model's states to their defaults; a module may hold code of its own"
        if seen.encoders:
            changed = ", ".join(seen.encoders)
            hint = f"the model changes its input ({changed}), perhaps not for all layers alike"
        notes.add(F.not_reproduced.at(text, node=name, hint=hint))
    else:
        notes.add(F.rounding_decides.at(f"{text} because of rounding", node=name))


def _differences(seen: Observed, network: Network) -> dict[str, tuple[int, int]] | None:
    """Return layer to (wrong, all) values, for layers with wrong ones, in order of evaluation.

    None where the input of the first layer was not seen as an array ``[time, batch, ...]``.
    """
    from nm_backends.lowering.reference import run_network

    leaves = {n: leaf for n, leaf in seen.leaves.items() if n in network.populations}
    steps = seen.steps
    first = next((leaf for leaf in leaves.values() if leaf.neuron), None)
    given = _input(seen, steps, network.input_size, _outputs(first, steps)) if first else None
    if given is None:
        return None
    layers, membranes = run_network(network, given[:, :_SAMPLES])
    found = {}
    for population in network.neurons:
        leaf = leaves.get(population.name)
        if leaf is None or not leaf.neuron:
            continue
        theirs = _outputs(leaf, steps)[:, :_SAMPLES]
        if population.spiking:
            wrong = int((layers[population.name] * population.graded != theirs).sum())
        else:
            near = np.isclose(
                membranes[population.name], theirs, _MEMBRANE_TOLERANCE, _MEMBRANE_TOLERANCE
            )
            wrong = int((~near).sum())
        if wrong:
            found[population.name] = (wrong, theirs.size)
    return found


def _outputs(leaf: Leaf, steps: int) -> np.ndarray:
    """Return what a layer gave as ``[time, batch, size]``."""
    return _stacked(leaf.gave).reshape(steps, -1, math.prod(leaf.out))


def _stacked(tensors: list[Any]) -> np.ndarray:
    """Return tensors of any precision as one array."""
    return np.stack([to_array(t) for t in tensors])


def _input(seen: Observed, steps: int, size: int, like: np.ndarray) -> np.ndarray | None:
    """Return what the first layer received as ``[time, batch, size]``; one step is repeated."""
    for leaf in seen.leaves.values():
        if len(leaf.received) not in (1, leaf.calls):
            continue
        whole = _stacked(leaf.received)
        batch = like.shape[1]
        if whole.size == steps * batch * size:
            return np.asarray(whole.reshape(steps, batch, size))
        if whole.size == batch * size:
            return np.tile(whole.reshape(1, batch, size), (steps, 1, 1))
    return None
