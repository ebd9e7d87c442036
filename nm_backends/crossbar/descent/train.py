"""Descent: integers that let the chip decide as the float model does, by gradients through spikes.

No labels are needed. The float model is asked what it does on variants of the calibration spikes;
the chip's own dynamics run on the integers, and real numbers behind these follow the gradients.
Everything is seeded; results do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from nm_backends.cores import usable_cores
from nm_backends.crossbar.descent.core import Core
from nm_backends.crossbar.descent.loss import slopes_of_spikes
from nm_backends.crossbar.descent.recipe import Recipe, Room, probe
from nm_backends.crossbar.descent.shadow import Shadow
from nm_backends.crossbar.descent.variants import varied
from nm_backends.crossbar.integers import Integers
from nm_backends.crossbar.layout import Choices, plan
from nm_backends.crossbar.trials import Trials
from nm_backends.lowering.reference import run_network
from nm_backends.network import Network

__all__ = ["Descent"]

_BATCH = 32
_GROUP = 8  # samples that one thread adds up, in order
_RELATIVE = 0.1  # of a threshold (leak, first membrane) per unit of that rate
_SMALL = {"threshold": 8.0, "leak": 4.0}
_WARM = 20  # steps
_WIDTH = 0.25  # thresholds
_CALMER = 1.1


@dataclass
class Descent:
    """One run of gradient descent.

    Parameters
    ----------
    network
        The float model.
    trials
        Chip, wiring, and the spikes that it may learn from.
    choices
        How the host drives.
    recipe, room
        How it goes, and what may change.
    seed
        Of the order of samples and of their variants.
    """

    network: Network
    trials: Trials
    choices: Choices
    recipe: Recipe
    room: Room
    seed: int = 0

    def run(self, integers: Integers, seen: Callable[[Integers], None], every: int) -> None:
        """Descend from ``integers``; ``seen`` is shown those of the moment now and then."""
        random = np.random.default_rng(self.seed)
        shadow = Shadow(self.trials.chip, integers, self.room.weights, self.room.signs)
        done = 0
        while done < self.recipe.steps:
            core = self._core(shadow.integers)
            spikes = varied(self.trials.target.spikes, random)
            wanted = self._model(spikes)
            order = random.permutation(spikes.shape[1])
            for batch in np.array_split(order, max(1, round(order.size / _BATCH))):
                self._step(shadow, core, spikes[:, batch], wanted[:, batch], done)
                done += 1
                if done % every == 0 or done == self.recipe.steps:
                    seen(shadow.integers)
                if done == self.recipe.steps:
                    break

    def _core(self, integers: Integers) -> tuple[Core, dict[str, np.ndarray]]:
        wiring, chip = self.trials.wiring, self.trials.chip
        if self.room.bias:
            integers = integers.with_(bias=probe(wiring.neurons))
        made = plan(wiring, integers, chip, self.choices, self.room.signs)
        return Core.of(chip, wiring, made, self.room.bias), made.layout

    def _model(self, spikes: np.ndarray) -> np.ndarray:
        layers, _ = run_network(self.network, spikes)
        return np.concatenate([layers[name] for name in self.trials.wiring.names], axis=2)

    def _step(
        self,
        shadow: Shadow,
        planned: tuple[Core, dict[str, np.ndarray]],
        spikes: np.ndarray,
        wanted: np.ndarray,
        done: int,
    ) -> None:
        from nm_backends.crossbar.events import encode_spikes

        core, layout = planned
        integers = shadow.integers
        arguments = core.arguments(integers, encode_spikes(layout, spikes))
        found = self._gradients(core, integers, arguments, wanted.transpose(1, 0, 2))
        if found is None:
            shadow.raise_thresholds(_CALMER)
        else:
            shadow.step(found, self._rates(shadow, done))

    def _rates(self, shadow: Shadow, done: int) -> dict[str, np.ndarray | float]:
        """Return how fast everything moves: a warm start, then half a cosine down to 0."""
        part = (1 + done) / self.recipe.steps
        rate = self.recipe.rate * min(1.0, (1 + done) / _WARM) * 0.5 * (1 + np.cos(np.pi * part))
        high, leak = shadow.values["threshold"], shadow.values["leak"]
        rates: dict[str, np.ndarray | float] = {
            "weights": rate,
            "threshold": rate * _RELATIVE * np.maximum(high, _SMALL["threshold"]),
            "leak": rate * _RELATIVE * np.maximum(leak, _SMALL["leak"]),
        }
        if self.recipe.free and not self.trials.chip.signed_membrane:
            rates["start"] = rate * _RELATIVE * np.maximum(high, _SMALL["threshold"])
            if self.room.bias:
                rates["bias"] = rate
        return rates

    def _gradients(
        self, core: Core, integers: Integers, arguments: tuple[Any, ...], wanted: np.ndarray
    ) -> dict[str, np.ndarray] | None:
        """Return gradients by everything, or None where a step never ends."""
        from nm_backends.crossbar.descent import kernels

        run: Any = kernels.spikes
        differentiate: Any = kernels.gradients
        fired = np.zeros(wanted.shape, np.uint8)
        if not all(_groups(lambda a, b: run(*arguments, fired, a, b), len(fired))):
            return None
        *_, (_, last) = core.wiring.spans()
        slopes = slopes_of_spikes(fired, wanted, last, self.recipe.guide)
        effect, width = self._effect(integers), _WIDTH * integers.threshold
        width = np.maximum(width, 2.0).astype(np.float32)
        rows, neurons = core.fixed.shape

        def work(first: int, stop: int) -> list[Any]:
            sums: list[Any] = [np.zeros((rows, neurons), np.float32)]
            sums += [np.zeros(neurons, np.float32) for _ in range(3)]
            differentiate(
                *arguments, effect, width, np.float32(self.recipe.stuck),
                np.float32(self.recipe.memory), slopes, *sums, first, stop,
            )  # fmt: skip
            return sums

        parts = zip(*_groups(work, len(fired)), strict=True)
        totals: list[Any] = [sum(part[1:], part[0]) for part in parts]
        weights, bias = core.to_weights(totals[0], integers)
        found = {"weights": weights, "bias": bias}
        return found | dict(zip(("threshold", "leak", "start"), totals[1:], strict=True))

    def _effect(self, integers: Integers) -> np.ndarray:
        """Return what spikes do to neurons of later populations.

        Gradients do not follow spikes within a population: they grow without bounds.
        """
        wiring = self.trials.wiring
        effect = integers.weights[wiring.inputs :].astype(np.float32)
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
