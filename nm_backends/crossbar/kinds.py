"""Rows of one sign or of both, population by population, where a chip has several crossbars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from nm_backends.crossbar.integers import integers_of
from nm_backends.crossbar.layout import Choices
from nm_backends.crossbar.trials import Trials
from nm_backends.crossbar.wiring import Wiring
from nm_backends.fit import relative_error
from nm_backends.quantize import Quantized

__all__ = ["Split", "better_mixed", "nearer", "quantised", "said_of"]

Split = bool | tuple[bool, ...]
"""See `Choices.split`."""


def quantised(start: Callable[[bool], Quantized], wiring: Wiring, split: Split) -> Quantized:
    """Return quantised weights, those of each population for its kind of rows."""
    if isinstance(split, bool):
        return start(split)
    both, one = start(False), start(True)
    paired = Choices(split=split).by_neuron(wiring)
    return Quantized(
        np.where(paired, one.weights, both.weights), np.where(paired, one.scale, both.scale)
    )


def said_of(wiring: Wiring, choices: Choices) -> bool | dict[str, bool]:
    """Return ``split`` for people: one for all, or one for each population by its name."""
    if isinstance(choices.split, bool):
        return choices.split
    return dict(zip(wiring.names, choices.split, strict=True))


def nearer(
    wiring: Wiring, start: Callable[[bool], Quantized], fits: Callable[[Split], bool]
) -> Split:
    """Return the kind of rows that holds the weights better and has a place; of equals, of both."""
    held = {split: made.weights / made.scale for split in (False, True) for made in [start(split)]}
    asked, everywhere = wiring.weights, slice(None)

    def error(split: bool, span: slice) -> float:
        return relative_error(asked[:, span], held[split][:, span])

    each = tuple(error(True, span) < error(False, span) for _, span in wiring.spans())
    mixed = len(set(each)) > 1 and not wiring.plastic.any()
    ways: list[Split] = [each] if mixed else []
    whole = [error(split, everywhere) for split in (False, True)]
    ways += [True, False] if whole[True] < whole[False] else [False, True]
    return next((split for split in ways if fits(split)), False)


def better_mixed(
    trials: Trials, start: Callable[[bool], Quantized], order: str, fits: Callable[[Split], bool]
) -> tuple[bool, ...] | None:
    """Return kinds of rows, not all the same, that are better on the calibration spikes.

    From the better of the two kinds for all, each population in turn tries the other one.
    """
    wiring, chip, target = trials.wiring, trials.chip, trials.target
    many = len(wiring.names)
    if many < 2:
        return None

    def score(split: Split) -> float:
        if not fits(split):
            return float("inf")
        made = quantised(start, wiring, split)
        integers = integers_of(wiring, made, chip.spec, target.membranes)
        return trials.judged(integers, replace(Choices(order), split=split)).score

    least, split = min((score(one), (one,) * many) for one in (False, True))
    for i in range(many):
        tried = (*split[:i], not split[i], *split[i + 1 :])
        now = score(tried) if len(set(tried)) > 1 else least
        least, split = (now, tried) if now < least else (least, split)
    return split if len(set(split)) > 1 else None
