"""The events that the host sends in a time step, in order, as the slots of a layout."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nm_backends.crossbar.wiring import Wiring
from nm_morphic.allot import Row
from nm_morphic.bias import BiasRows
from nm_morphic.events import CORE_SHIFT, REFERENCE, TOGETHER

__all__ = ["slots"]


@dataclass(frozen=True)
class _Group:
    """Rows of several cores that are driven at the same time."""

    rows: tuple[Row, ...]
    balance: int
    channel: int
    delay: int
    times: int


def slots(
    wiring: Wiring, rows: list[Row], balance: np.ndarray, bias: BiasRows, order: str, leaks: bool
) -> dict[str, np.ndarray]:
    """Return the ``slot_*`` arrays of `nm_backends.crossbar.layout.Plan`.

    Parameters
    ----------
    rows
        Those of inputs, cores of a source and sign one after the other.
    balance
        Sum of the weights of each of these rows.
    order
        See `nm_backends.crossbar.layout.Choices`; biases come first among equals.
    leaks
        Whether a time reference begins the step.
    """
    groups = [*_of_bias(bias), *_of_inputs(wiring, rows, balance)]
    if order != "ascending":
        sign = -1 if order == "excitatory_first" else 1
        groups.sort(key=lambda group: sign * group.balance)
    found = [(REFERENCE, -1, 0)] if leaks else []
    for group in groups:
        found += _words(group)
    word, channel, delay = np.array(found, np.int64).reshape(-1, 3).T
    return {
        "slot_word": word.astype(np.uint32),
        "slot_channel": channel,
        "slot_count": np.ones_like(word),
        "slot_delay": delay,
    }


def _words(group: _Group) -> list[tuple[int, int, int]]:
    once = [
        (row.core << CORE_SHIFT | row.row | (TOGETHER if i else 0), group.channel, group.delay)
        for i, row in enumerate(group.rows)
    ]
    return once * group.times


def _of_bias(bias: BiasRows) -> list[_Group]:
    by_part: dict[tuple[int, int], list[int]] = {}
    for i, part in enumerate(bias.parts):
        by_part.setdefault(part, []).append(i)
    return [
        _Group(
            tuple(bias.rows[i] for i in which),
            _tendency(bias.rows[which[0]], sum(int(bias.values[i].sum()) for i in which)),
            -1, 0, times,
        )
        for (_, times), which in by_part.items()
    ]  # fmt: skip


def _of_inputs(wiring: Wiring, rows: list[Row], balance: np.ndarray) -> list[_Group]:
    by_source: dict[tuple[int, int], list[int]] = {}
    weights, channel, delay = balance.tolist(), wiring.channel.tolist(), wiring.delay.tolist()
    for i, row in enumerate(rows):
        by_source.setdefault((row.source, row.sign), []).append(i)
    return [
        _Group(
            tuple(rows[i] for i in which),
            _tendency(rows[which[0]], sum(weights[i] for i in which)),
            channel[line], delay[line], 1,
        )
        for line, which in _of_lines(wiring, by_source)
    ]  # fmt: skip


def _of_lines(
    wiring: Wiring, by_source: dict[tuple[int, int], list[int]]
) -> list[tuple[int, list[int]]]:
    """Return every line with the rows of its source; line by line where lines share rows."""
    lines: dict[int, list[int]] = {}
    for line, source in enumerate(wiring.source.tolist()):
        lines.setdefault(source, []).append(line)
    found = [
        (line, which) for (source, _), which in by_source.items() for line in lines.get(source, ())
    ]
    return sorted(found, key=lambda one: one[0]) if wiring.shares else found


def _tendency(row: Row, balance: int) -> int:
    """Return what the order goes by: the sign of the row, or else the sum of its weights."""
    return row.sign or balance
