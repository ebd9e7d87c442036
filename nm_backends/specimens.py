"""Small random models and inputs: for tests, and for trying out a chip."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from nm_backends.discretisation import Discretisation

__all__ = ["conventions", "random_model", "random_spikes"]


def random_model(seed: int, sizes: tuple[int, ...] = (12, 10, 4), density: float = 1.0) -> Any:
    """Return a ``nir.NIRGraph``: layers of IF neurons that reset to zero, weights of both signs."""
    import nir

    rng = np.random.default_rng(seed)
    nodes: dict[str, Any] = {"input": nir.Input(input_type={"input": np.array([sizes[0]])})}
    for i, (pre, post) in enumerate(pairwise(sizes), start=1):
        weights = rng.normal(0.15, 0.4, (post, pre)) * (rng.random((post, pre)) < density)
        nodes[f"fc{i}"] = nir.Linear(weight=weights.astype(np.float32))
        ones = np.ones(post, np.float32)
        nodes[f"if{i}"] = nir.IF(r=ones, v_threshold=ones, v_reset=0 * ones)
    nodes["output"] = nir.Output(output_type={"output": np.array([sizes[-1]])})
    names = list(nodes)
    return nir.NIRGraph(nodes=nodes, edges=list(pairwise(names)))


def random_spikes(
    seed: int, steps: int = 20, batch: int = 5, inputs: int = 12, rate: float = 0.3
) -> np.ndarray:
    """Return Bernoulli spikes uint8 ``[steps, batch, inputs]``."""
    rng = np.random.default_rng(seed)
    return (rng.random((steps, batch, inputs)) < rate).astype(np.uint8)


def conventions() -> Discretisation:
    """Return what a ``.nir`` file does not say, for `random_model`."""
    from nm_backends.discretisation import Discretisation

    return Discretisation(dt=1e-3, reset="zero", spike_cmp=">", v0="zero", if_gain="r")
