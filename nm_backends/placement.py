"""Who gets which row and which neuron of a crossbar."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Placement", "RowUse", "place", "use_rows"]


@dataclass
class RowUse:
    """Rows of one kind, in the order of their sources.

    Parameters
    ----------
    row
        Address, int64 ``[n]``.
    source
        Index of the source, int64 ``[n]``.
    sign
        +1 and -1 for the excitatory and the inhibitory row of a source, 0 for both in one.
    """

    row: np.ndarray
    source: np.ndarray
    sign: np.ndarray


@dataclass
class Placement:
    """Where everything sits.

    Parameters
    ----------
    address
        Chip neuron of each network neuron, int64 ``[neurons]``.
    copy
        Its second place, or -1.
    senders
        The rows of neurons: source is the network neuron.
    inputs
        The rows of inputs.
    free
        Rows that nothing uses, ascending.
    places
        Number of chip neurons in use: ``0 .. places - 1``.
    """

    address: np.ndarray
    copy: np.ndarray
    senders: RowUse
    inputs: RowUse
    free: np.ndarray
    places: int


def place(
    input_signs: np.ndarray,
    neuron_signs: np.ndarray,
    rows: int,
    *,
    split_inputs: bool,
    split_neurons: bool,
    first: int = 0,
) -> Placement:
    """Give neurons the first places, in order, and inputs the rows after them.

    Of neurons that fire at the same event, the one at the lower place is heard first. The two
    copies of a neuron sit side by side, inhibitory first, so that what a spike takes away arrives
    before what it adds; or all rows of one sign sit before all of the other. Where no neuron drives
    a row, neurons and inputs do not meet and both begin at 0.

    Parameters
    ----------
    input_signs, neuron_signs
        bool ``[sources, 2]``: whether a source has negative and positive weights.
    rows
        Rows of the crossbar.
    split_inputs, split_neurons
        Whether weights of two signs need two rows.
    first
        1 or -1: the sign of the neurons' rows that come before all others; 0: none does.
    """
    closed = bool(neuron_signs.any())
    size = np.ones(len(neuron_signs), np.int64)
    if split_neurons:
        size += neuron_signs.all(axis=1)
    places = int(size.sum())
    address, copy = _addresses(size, neuron_signs, first if split_neurons else 0)
    senders = use_rows(neuron_signs, split_neurons)
    second = np.concatenate([[False], senders.source[1:] == senders.source[:-1]])
    senders.row = np.where(second, copy[senders.source], address[senders.source])
    inputs = use_rows(input_signs, split_inputs)
    begin = places if closed else 0
    inputs.row = begin + np.arange(inputs.source.size)
    free = np.arange(begin + inputs.source.size, rows)
    return Placement(address, copy, senders, inputs, free, places)


def _addresses(size: np.ndarray, signs: np.ndarray, first: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of neurons (of their inhibitory rows) and of second copies, or -1."""
    twice = size == 2
    if not first:
        address = np.cumsum(size) - size
        return address, np.where(twice, address + 1, -1)
    excitatory = np.concatenate([signs[:, 1] & ~twice, np.ones(int(twice.sum()), bool)])
    late = excitatory if first < 0 else ~excitatory
    taken = np.empty(late.size, np.int64)
    taken[np.argsort(late, kind="stable")] = np.arange(late.size)
    copy = np.full(len(size), -1, np.int64)
    copy[twice] = taken[len(size) :]
    return taken[: len(size)], copy


def use_rows(signs: np.ndarray, split: bool) -> RowUse:
    """List the rows that sources need, inhibitory before excitatory; addresses come later."""
    if not split:
        source = np.flatnonzero(signs.any(axis=1))
        return RowUse(source, source, np.zeros_like(source))
    source, column = np.nonzero(signs)
    return RowUse(source, source, 2 * column - 1)
