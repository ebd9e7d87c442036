"""Whether to descend and from where; the integers that do best on held-out spikes are kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from nm_backends.agreement import readout_agreement
from nm_backends.crossbar.choose import Chosen
from nm_backends.crossbar.descent.recipe import FAR, NEAR, Recipe, room_for, tamed
from nm_backends.crossbar.descent.train import Descent
from nm_backends.crossbar.descent.variants import varied
from nm_backends.crossbar.integers import Integers
from nm_backends.crossbar.trials import Target, Trials
from nm_backends.network import Network
from nm_backends.program import CompileOptions
from nm_backends.progress import progress

__all__ = ["by_descent", "held_out", "with_variants", "worth_it"]

_FEWEST = 256  # samples
_HELD, _MOST_HELD = 0.25, 128
_GOOD = 0.93  # decisions: no second descent
_LOOKS = 12  # at held-out samples, per descent
_SEED = 20
_LARGEST = 4e9  # updates of membranes


def worth_it(everything: Trials, options: CompileOptions, events: int) -> bool:
    """Say whether there are samples enough to learn from, and the network is small enough.

    Parameters
    ----------
    events
        Of all samples, on the way that would be descended from.
    """
    wiring = everything.wiring
    samples = everything.target.spikes.shape[1]
    if options.descent == "never" or wiring.hosted.any() or samples < 2:
        return False
    if options.descent == "always":
        return True
    per_sample = events / samples * wiring.neurons
    return bool(samples >= _FEWEST and per_sample * 32 * NEAR.steps <= _LARGEST)


def held_out(samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Return which samples are learned from and which decide, both ascending."""
    held = min(max(1, round(_HELD * samples)), _MOST_HELD)
    order = np.random.default_rng(_SEED).permutation(samples)
    return np.sort(order[held:]), np.sort(order[:held])


def with_variants(network: Network, trials: Trials) -> Trials:
    """Return trials on the same samples and on a variant of each: less is decided by chance."""
    given = trials.target.spikes
    more = np.concatenate([given, varied(given, np.random.default_rng(_SEED))], axis=1)
    return Trials(trials.chip, trials.wiring, Target.of(network, trials.wiring, more))


@dataclass
class _Best:
    """The best integers so far, by held-out samples."""

    trials: Trials
    least: float = field(default=float("inf"))
    chosen: Chosen | None = None
    decisions: float = 0.0

    def consider(self, chosen: Chosen) -> None:
        """Keep it if it is better than what was there."""
        outcome = self.trials.run(chosen.integers, chosen.choices)
        score = self.trials.score(outcome)
        if score >= self.least and self.chosen is not None:
            return
        *_, (_, last) = self.trials.wiring.spans()
        self.least, self.chosen = score, chosen
        wanted = self.trials.target.fired[:, :, last]
        self.decisions = readout_agreement(outcome.fired[:, :, last], wanted)


def by_descent(
    network: Network, everything: Trials, options: CompileOptions, ways: list[Chosen]
) -> Chosen:
    """Descend from the best of ``ways``, and from a tamed start where that does not lead far.

    Whatever is best on the held-out samples and variants of them is taken, and may be one of
    ``ways`` as it is.
    """
    learned, held = held_out(everything.target.spikes.shape[1])
    trials, best = everything.on(learned), _Best(with_variants(network, everything.on(held)))
    for way in ways:
        best.consider(way)
    assert best.chosen is not None
    first = best.chosen
    with progress("calibrating", NEAR.steps + FAR.steps) as advance:
        second = _second(trials, options, ways)
        if second is None or not trials.wiring.loops:
            _descend(network, trials, first, NEAR, options, best, advance)
        if second is not None and best.decisions < _GOOD:
            _descend(network, trials, second, FAR, options, best, advance)
    return best.chosen


def _second(trials: Trials, options: CompileOptions, ways: list[Chosen]) -> Chosen | None:
    """Return the tamed start, or None where it is no other than the first."""
    if options.settle == "always" or not (trials.wiring.loops or not trials.chip.signed_membrane):
        return None
    plain = next((way for way in ways if not way.integers.settle.any()), None)
    return None if plain is None else Chosen(tamed(trials, plain.integers), plain.choices)


def _descend(
    network: Network,
    trials: Trials,
    start: Chosen,
    recipe: Recipe,
    options: CompileOptions,
    best: _Best,
    advance: Callable[[int], None],
) -> None:
    choices, every = start.choices, recipe.steps // _LOOKS
    lateral = options.lateral == "auto"
    room = room_for(trials.chip, trials.wiring, start.integers, choices, recipe.free, lateral)

    def seen(found: list[Integers]) -> None:
        for integers in found:
            best.consider(Chosen(integers, choices))
        advance(every)

    Descent(network, trials, choices, recipe, room).run(start.integers, seen, every)
