"""Forward and backward through a planned core, over groups of samples, on all cores."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from nm_backends.cores import usable_cores
from nm_backends.crossbar.descent.core import Core
from nm_backends.crossbar.integers import Integers
from nm_backends.crossbar.wiring import Wiring

__all__ = ["backward", "forward"]

_GROUP = 8  # samples that one thread adds up, in order
_WIDTH = 0.25  # thresholds


def forward(arguments: tuple[Any, ...]) -> np.ndarray | None:
    """Return spikes uint8 ``[batch, time, neurons]``, or None where a step never ends.

    Parameters
    ----------
    arguments
        Those of `Core.arguments`.
    """
    from nm_backends.crossbar.descent import kernels

    run: Any = kernels.spikes
    fired = np.zeros((*arguments[2].shape, arguments[6].size), np.uint8)
    idle = _groups(lambda a, b: run(*arguments, fired, a, b), len(fired))
    return fired if all(idle) else None


def backward(
    core: Core,
    integers: Integers,
    arguments: tuple[Any, ...],
    slopes: np.ndarray,
    memory: float,
    stuck: float,
) -> dict[str, np.ndarray]:
    """Return gradients by weights, biases, thresholds, leaks and first membranes.

    Parameters
    ----------
    slopes
        Gradient of the loss by each spike, float32 ``[batch, time, neurons]``.
    memory, stuck
        See `nm_backends.crossbar.descent.kernels.gradients`.
    """
    from nm_backends.crossbar.descent import kernels

    differentiate: Any = kernels.gradients
    effect = _effect(core.wiring, integers)
    width = np.maximum(_WIDTH * integers.threshold, 2.0).astype(np.float32)
    rows, neurons = core.fixed.shape

    def work(first: int, stop: int) -> list[Any]:
        sums: list[Any] = [np.zeros((rows, neurons), np.float32)]
        sums += [np.zeros(neurons, np.float32) for _ in range(3)]
        differentiate(
            *arguments, effect, width, np.float32(stuck), np.float32(memory), slopes, *sums,
            first, stop,
        )  # fmt: skip
        return sums

    parts = zip(*_groups(work, len(slopes)), strict=True)
    totals: list[Any] = [sum(part[1:], part[0]) for part in parts]
    weights, bias = core.to_weights(totals[0], integers)
    found = {"weights": weights, "bias": bias}
    return found | dict(zip(("threshold", "leak", "start"), totals[1:], strict=True))


def _effect(wiring: Wiring, integers: Integers) -> np.ndarray:
    """Return what spikes do to neurons of later populations.

    Gradients do not follow spikes within a population: they grow without bounds.
    """
    effect = integers.weights[wiring.inputs :].astype(np.float32, order="C")
    for _, span in wiring.spans():
        effect[span, span] = 0
    return effect


def _groups(work: Callable[[int, int], Any], samples: int) -> list[Any]:
    """Call ``work`` for groups of samples, on all cores; results in order."""
    edges = [(a, min(a + _GROUP, samples)) for a in range(0, samples, _GROUP)]
    if usable_cores() == 1 or len(edges) == 1:
        return [work(*edge) for edge in edges]
    with ThreadPoolExecutor(usable_cores()) as pool:
        return list(pool.map(lambda edge: work(*edge), edges))
