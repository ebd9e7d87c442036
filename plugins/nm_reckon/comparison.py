"""Where a replay of a recorded run of ReckOn first differs from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from nm_backends.trace import Divergence, field_at
from nm_reckon.sample import GENERATORS
from nm_reckon.spec import NEURON_FIELDS

__all__ = ["ENGINE", "Comparison"]

ENGINE = "register"
_AT_END = 1 << 40  # what stands after a sample, as a tick: later than all of its ticks
_PHASES = ("STEP", "SDONE", "EPROP", "PROP")

Columns = Literal["", "neuron", "byte", "generator", "phase"]


@dataclass
class Comparison:
    """Counts the values compared, and keeps the difference that came first.

    First by sample, then by tick; within a tick, the one that was compared first. So compare in
    the order in which the chip computes.
    """

    engine: str = ENGINE
    values: int = 0
    divergence: Divergence | None = None
    _first: tuple[int, int] = (1 << 62, 0)

    def ticks(
        self, name: str, want: np.ndarray, got: np.ndarray, sample: int, ticks: np.ndarray,
        columns: Columns = "", origin: tuple[int, ...] = (0,),
    ) -> None:  # fmt: skip
        """Compare an array with one row per tick.

        Parameters
        ----------
        name
            The array in the trace.
        want, got
            Recorded and computed rows.
        sample, ticks
            Number of the sample, and the tick of each row within it.
        columns
            What the last axis numbers.
        origin
            Where the first row stands in the array of the trace.
        """
        index = self._differs(want, got)
        if index is not None:
            where = (*origin[:-1], origin[-1] + index[0], *index[1:])
            tick = int(ticks[index[0]])
            self._keep(name, (int(want[index]), int(got[index])), where, sample, tick, columns)

    def state(
        self, name: str, want: np.ndarray, got: np.ndarray, sample: int,
        columns: Columns = "", origin: tuple[int, ...] = (),
    ) -> None:  # fmt: skip
        """Compare what stands after a sample (-1: before the first).

        ``origin`` are the leading indices in the array of the trace.
        """
        want, got = np.asarray(want), np.asarray(got)
        index = self._differs(want, got)
        if index is not None:
            values = int(want[index]), int(got[index])
            self._keep(name, values, (*origin, *index), sample, None, columns)

    def outputs(
        self, data: tuple[np.ndarray, np.ndarray], ticks: tuple[np.ndarray, np.ndarray],
        sample: int, origin: int,
    ) -> None:  # fmt: skip
        """Compare bytes on the output bus and their ticks, each recorded and computed."""
        self.values += data[0].size + ticks[0].size
        both = min(len(data[0]), len(data[1]))
        differs = (data[0][:both] != data[1][:both]) | (ticks[0][:both] != ticks[1][:both])
        at = int(differs.argmax()) if differs.any() else both
        if at == max(len(data[0]), len(data[1])):
            return
        moments = [int(t[at]) for t in ticks if at < len(t)]
        same_tick = len(moments) == 2 and moments[0] == moments[1]
        name, pair = ("out_data", data) if same_tick or len(moments) == 1 else ("out_tick", ticks)
        want, got = (int(array[at]) if at < len(array) else None for array in pair)
        self._keep(name, (want, got), (origin + at,), sample, min(moments), "")

    def _differs(self, want: np.ndarray, got: np.ndarray) -> tuple[int, ...] | None:
        if want.shape != got.shape:
            raise ValueError(f"computed {got.shape}, recorded {want.shape}")
        self.values += want.size
        if np.array_equal(want, got):
            return None
        return tuple(np.argwhere(np.asarray(want != got))[0].tolist())

    def _keep(
        self, name: str, values: tuple[int | None, int | None], index: tuple[int, ...],
        sample: int, tick: int | None, columns: Columns,
    ) -> None:  # fmt: skip
        order = (sample, _AT_END if tick is None else tick)
        if order >= self._first:
            return
        self._first = order
        field, neuron = _place(name, index, values, columns)
        known = sample if sample >= 0 else None
        self.divergence = Divergence(
            self.engine, field, *values, neuron=neuron, index=index, sample=known, tick=tick
        )


def _place(
    name: str, index: tuple[int, ...], values: tuple[int | None, int | None], columns: Columns
) -> tuple[str, int | None]:
    """Return the field that differs, and the neuron."""
    if columns == "neuron":
        return name, index[-1]
    if columns == "byte":
        changed = (values[0] or 0) ^ (values[1] or 0)
        field = field_at(NEURON_FIELDS, index[-1], changed)
        return f"{name}: {field}", 2 * index[-2] + field.endswith("_odd")
    if columns in ("generator", "phase"):
        labels = GENERATORS if columns == "generator" else _PHASES
        return f"{name}: {labels[index[-1]]}", None
    return name, None
