"""The plain arrays by which kernels run a planned core: rows by event, neurons in use alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nm_backends.crossbar.chip import CrossbarChip
from nm_backends.crossbar.integers import Integers
from nm_backends.crossbar.layout import Plan
from nm_backends.crossbar.wiring import Wiring

if TYPE_CHECKING:
    from nm_backends.crossbar.events import Encoded

__all__ = ["Core"]

_BIAS = -2


@dataclass
class Core:
    """What is where on a planned core.

    Parameters
    ----------
    chip, wiring
        Of the plan.
    address
        Row addresses, int64 ``[rows]``; kernels know rows by their place in this list.
    source, sign
        As ``row_source`` and ``row_sign`` of the layout.
    fixed
        Contents of the rows, float32 ``[rows, neurons]``; those of sources are filled in later.
    sender, sender_row
        Neurons and their rows (-2: none) in the order in which those that fire at one event are
        served; empty where no neuron drives a row.
    lift
        See `Integers.settle`, int64 ``[neurons]``.
    biased
        Whether the rows of biases (of one event per step) follow the integers.
    """

    chip: CrossbarChip
    wiring: Wiring
    address: np.ndarray
    source: np.ndarray
    sign: np.ndarray
    fixed: np.ndarray
    sender: np.ndarray
    sender_row: np.ndarray
    lift: np.ndarray
    biased: bool = False

    @classmethod
    def of(cls, chip: CrossbarChip, wiring: Wiring, made: Plan, biased: bool = False) -> Core:
        """Read a plan."""
        layout = made.layout
        address = np.flatnonzero(layout["row_source"] != -1)
        fixed = made.contents.weights[address][:, layout["address"]].astype(np.float32)
        sender, sender_row = np.zeros(0, np.int64), np.zeros(0, np.int64)
        if not made.contents.open_loop:
            copy = layout["copy"]
            neuron = np.concatenate([np.arange(copy.size), np.flatnonzero(copy >= 0)])
            place = np.concatenate([layout["address"], copy[copy >= 0]])
            order = np.argsort(place)
            row_at = np.full(chip.spec.rows, -2, np.int64)
            row_at[address] = np.arange(address.size)
            sender, sender_row = neuron[order], row_at[place[order]]
        return cls(
            chip,
            wiring,
            address,
            layout["row_source"][address],
            layout["row_sign"][address],
            fixed,
            sender,
            sender_row,
            layout["lift"],
            biased,
        )

    def operations(self, words: np.ndarray) -> np.ndarray:
        """Return rows (-1: leak) from the words that the host sends, int32."""
        row_at = np.full(self.chip.spec.rows, -2, np.int32)
        row_at[self.address] = np.arange(self.address.size)
        found = np.full(words.size, -1, np.int32)
        row = words != self.chip.leak_event
        found[row] = row_at[
            (words[row].astype(np.int64) - self.chip.row_event) // self.chip.row_step
        ]
        return found

    def rows(self, integers: Integers) -> np.ndarray:
        """Return what the rows hold, float32 ``[rows, neurons]``."""
        held = self.fixed.copy()
        for at, values in self._by_row(integers):
            sign = self.sign[at, None]
            held[at] = np.where((sign == 0) | (values * sign > 0), values, 0)
        return np.asarray(held)

    def to_weights(self, by_row: np.ndarray, integers: Integers) -> tuple[np.ndarray, np.ndarray]:
        """Return gradients by weights and biases from those by rows.

        A synapse of 0 is in neither row of a source that has one for each sign: half of either.
        """
        weights, bias = np.zeros(integers.weights.shape), np.zeros(integers.bias.shape)
        for at, values in self._by_row(integers):
            sign = self.sign[at, None]
            mine = np.where(values == 0, 0.5, values * sign > 0)
            found = by_row[at] * np.where(sign == 0, 1.0, mine)
            if self.source[at[0]] == _BIAS:
                bias += found.sum(axis=0)
            else:
                np.add.at(weights, self.source[at], found)
        return weights, bias

    def _by_row(self, integers: Integers) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Go through the rows that follow the integers, with what these say for both signs."""
        of = np.flatnonzero(self.source >= 0)
        if of.size:
            yield of, integers.weights[self.source[of]]
        of = np.flatnonzero(self.source == _BIAS)
        if of.size and self.biased:
            yield of, np.broadcast_to(integers.bias, (of.size, integers.bias.size))

    def arguments(self, integers: Integers, coded: Encoded) -> tuple[Any, ...]:
        """Return the first arguments of both kernels."""
        spec = self.chip.spec
        state = (integers.threshold, integers.leak, integers.start)
        depth = int(self.chip.number("scheduler_depth"))
        return (
            self.operations(coded.words),
            coded.offsets,
            coded.step_end,
            self.rows(integers),
            self.sender_row,
            self.sender,
            *((values + self.lift).astype(np.float32) for values in state),
            np.float32(spec.membrane.minimum),
            np.float32(spec.membrane.maximum),
            depth,
        )
