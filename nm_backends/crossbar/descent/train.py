"""Descent: integers that let the chip decide as the float model does, by gradients through spikes.

No labels are needed. The float model is asked what it does on variants of the calibration spikes;
the chip's own dynamics run on the integers, and real numbers behind these follow the gradients.
Everything is seeded; results do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from nm_backends.crossbar.descent.core import Core
from nm_backends.crossbar.descent.loss import slopes_of_spikes
from nm_backends.crossbar.descent.passes import backward, forward
from nm_backends.crossbar.descent.recipe import Recipe, Room, core_for
from nm_backends.crossbar.descent.shadow import Shadow, units_of
from nm_backends.crossbar.descent.variants import partly_varied
from nm_backends.crossbar.integers import Integers
from nm_backends.crossbar.layout import Choices
from nm_backends.crossbar.trials import Trials
from nm_backends.lowering.reference import run_network
from nm_backends.network import Network

__all__ = ["Descent"]

_BATCH = 32
_WARM = 20  # steps
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

    def run(self, integers: Integers, seen: Callable[[list[Integers]], None], every: int) -> None:
        """Descend from ``integers``; show ``seen`` those of now and of the mean at times."""
        random = np.random.default_rng(self.seed)
        shadow = Shadow(self.trials.chip, integers, self.room.weights, self.room.signs)
        done = 0
        while done < self.recipe.steps:
            core = self._core(shadow.integers)
            spikes = partly_varied(self.trials.target.spikes, self.recipe.given, random)
            wanted = self._model(spikes)
            order = random.permutation(spikes.shape[1])
            for batch in np.array_split(order, max(1, round(order.size / _BATCH))):
                self._step(shadow, core, spikes[:, batch], wanted[:, batch], done)
                done += 1
                if done % every == 0 or done == self.recipe.steps:
                    seen([shadow.integers, shadow.steady])
                if done == self.recipe.steps:
                    break

    def _core(self, integers: Integers) -> tuple[Core, dict[str, np.ndarray]]:
        return core_for(self.trials.chip, self.trials.wiring, integers, self.choices, self.room)

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
        units = units_of(shadow.values)
        names = ("weights", "threshold", "leak")
        rates: dict[str, np.ndarray | float] = {name: rate * units[name] for name in names}
        if self.recipe.free and not self.trials.chip.signed_membrane:
            rates["start"] = rate * units["start"]
            if self.room.bias:
                rates["bias"] = rate
        return rates

    def _gradients(
        self, core: Core, integers: Integers, arguments: tuple[Any, ...], wanted: np.ndarray
    ) -> dict[str, np.ndarray] | None:
        """Return gradients by everything, or None where a step never ends."""
        fired = forward(arguments)
        if fired is None:
            return None
        *_, (_, last) = core.wiring.spans()
        slopes = slopes_of_spikes(fired, wanted, last, self.recipe.guide)
        return backward(core, integers, arguments, slopes, self.recipe.memory, self.recipe.stuck)
