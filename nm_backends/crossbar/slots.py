"""Slots: what the host sends in a time step, before and after it becomes AER words."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from nm_backends.crossbar.chip import CrossbarChip

__all__ = ["Slots", "constant", "joined", "ordered", "words_of"]


@dataclass
class Slots:
    """Rows with their number of events, in the order of sending.

    Parameters
    ----------
    row
        Address. Rows beyond the crossbar stand for inputs that are sent synapse by synapse.
    channel, count, delay
        As ``slot_*`` in `nm_backends.crossbar.layout.Plan`.
    sign
        +1, -1, or 0 for a row with weights of both signs.
    """

    row: np.ndarray
    channel: np.ndarray
    count: np.ndarray
    delay: np.ndarray
    sign: np.ndarray

    def at(self, index: np.ndarray) -> Slots:
        """Return the slots at these places."""
        return Slots(*(getattr(self, f.name)[index] for f in fields(self)))


def joined(parts: list[Slots]) -> Slots:
    """Return one list of slots after the other."""
    return Slots(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Slots)))


def constant(row: list[int], count: list[int], sign: list[int]) -> Slots:
    """Return slots of what is sent in every step."""
    rows = np.array(row, np.int64)
    none = np.full(rows.size, -1, np.int64)
    return Slots(
        rows, none, np.array(count, np.int64), np.zeros_like(rows), np.array(sign, np.int64)
    )


def ordered(inputs: Slots, bias: Slots, rows: np.ndarray, order: str) -> Slots:
    """Join biases and inputs in the chosen order; biases come first among equals."""
    slots = joined([bias, inputs])
    if order == "ascending":
        return slots
    balance = rows[slots.row].sum(axis=1, dtype=np.int64)
    balance = np.where(slots.sign != 0, slots.sign, balance)
    key = -balance if order == "excitatory_first" else balance
    return slots.at(np.argsort(key, kind="stable"))


def words_of(
    chip: CrossbarChip, slots: Slots, rows: np.ndarray, leaks: bool
) -> dict[str, np.ndarray]:
    """Turn slots into layout arrays; the time reference comes first, if any neuron leaks.

    Parameters
    ----------
    rows
        Weights by row and neuron address, also of the rows beyond the crossbar.
    """
    slots, words = _expanded(chip, slots, rows)
    head = np.array([chip.leak_event] if leaks else [], np.int64)
    ones = np.ones(head.size, np.int64)
    return {
        "slot_word": np.concatenate([head, words]).astype(np.uint32),
        "slot_channel": np.concatenate([-ones, slots.channel]),
        "slot_count": np.concatenate([ones, slots.count]),
        "slot_delay": np.concatenate([0 * ones, slots.delay]),
    }


def _expanded(chip: CrossbarChip, slots: Slots, rows: np.ndarray) -> tuple[Slots, np.ndarray]:
    """Replace every slot beyond the crossbar by one per synapse; return the AER words as well."""
    beyond = slots.row >= chip.rows
    words = chip.row_words(np.where(beyond, 0, slots.row)).astype(np.int64)
    if chip.virtual is None or not beyond.any():
        return slots, words
    weights = rows[slots.row[beyond]]
    times = np.ones(slots.row.size, np.int64)
    times[beyond] = np.count_nonzero(weights, axis=1)
    index = np.repeat(np.arange(times.size), times)
    words = words[index]
    at, neuron = np.nonzero(weights)
    words[beyond[index]] = chip.virtual.words(neuron, weights[at, neuron].astype(np.int64))
    return slots.at(index), words
