"""What a run gives back: spikes, membranes, counters, and what they cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from nm_backends.real_time import RealTime

__all__ = ["Estimate", "RawRun", "Result", "counts_most"]


def counts_most(counter: str) -> bool:
    """Whether a counter is the most that there was of something, which is not summed up."""
    return counter.endswith("_max")


@dataclass(frozen=True)
class Estimate:
    """An estimated figure: value and unit, the formula, the source of its constants, its status.

    ``status`` is the weakest status among the constants used: ``measured``, ``published``,
    ``computed``, ``extrapolated`` or ``unconfirmed``.
    """

    value: np.ndarray | float
    unit: str
    formula: str
    source: str
    status: str

    @property
    def mean(self) -> float:
        """Mean over the samples."""
        return float(np.mean(self.value))

    def __str__(self) -> str:
        return f"{self.mean:.4g} {self.unit} ({self.status}: {self.source})"


@dataclass
class RawRun:
    """What a backend's ``execute`` returns, before axes and units are put in order.

    Parameters
    ----------
    layers
        Population name to spike counts, uint8 ``[time, batch, size]``.
    membranes
        Population name to membrane at the end of each step, in the chip's integer unit.
    counters
        Name to an array with one value per sample ``[batch]``, or one per sample and address
        ``[batch, addresses]``. Every chip has ``events_in``, ``events_out``, ``sops``,
        ``cycles`` and ``dropped``.
    potentials
        Population that does not spike to its membrane at the end of each step, float64
        ``[time, batch, size]`` in the user's units; always there.
    decisions
        What else a chip says about each sample, ``[batch, ...]`` (its ``label``...), for the
        result's ``metadata``.
    losses
        Kind of loss to population to counts per neuron (or input channel) over all samples, int64
        ``[size]``; see `nm_backends.losses`. With ``record=("losses",)`` also what is too dear to
        count in every run.
    """

    layers: dict[str, np.ndarray]
    membranes: dict[str, np.ndarray] = field(default_factory=dict)
    counters: dict[str, np.ndarray] = field(default_factory=dict)
    potentials: dict[str, np.ndarray] = field(default_factory=dict)
    decisions: dict[str, np.ndarray] = field(default_factory=dict)
    losses: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)


@dataclass
class Result:
    """The outcome of ``program.run`` or ``nmb.reference``.

    Parameters
    ----------
    spikes
        Spikes of the (first) output node, with the axes of the input: ``[time, batch, *shape]``,
        or ``[time, *shape]`` when a single sample without batch axis was given. Counts per step;
        the membrane where the output does not spike.
    layers
        The same for every spiking node, under the user's own node name.
    membranes
        Recorded with ``record=("membrane",)``: membrane at the end of each step. That of nodes that
        do not spike is always there, in the user's units.
    readout
        What a classifier looks at: spike counts of the output ``[batch, *shape]``, or the membrane
        of the last step where the output does not spike.
    counters
        Counted operations, see `RawRun`.
    energy, latency
        `Estimate` per sample, or None where the chip publishes no constants (and for the float
        reference).
    real_time
        Whether the chip is fast enough for the time step (`nm_backends.real_time.RealTime`); None
        without a time step or a latency.
    losses
        Where spikes and charge were lost: kind to node to an array ``[*shape]`` over its neurons,
        for all samples together; the kinds are those of `nm_backends.losses`.
    """

    spikes: np.ndarray
    layers: dict[str, np.ndarray]
    readout: np.ndarray
    membranes: dict[str, np.ndarray] = field(default_factory=dict)
    counters: dict[str, np.ndarray] = field(default_factory=dict)
    energy: Estimate | None = None
    latency: Estimate | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    losses: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    real_time: RealTime | None = None

    def __repr__(self) -> str:
        from nm_backends.tables import result_text

        return result_text(self)

    @property
    def steps(self) -> int:
        """Time steps of a sample."""
        return len(self.spikes)

    @property
    def prediction(self) -> np.ndarray:
        """Index of the largest readout per sample (the first among equals)."""
        readout = self.readout if self.readout.ndim > 1 else self.readout[None]
        flat = readout.reshape(len(readout), -1)
        return np.asarray(flat.argmax(axis=1))

    def plot(self, sample: int = 0, reference: Result | None = None) -> list[Any]:
        """Draw who fires when in one sample (needs matplotlib).

        Parameters
        ----------
        sample
            Which one.
        reference
            The result of the model on the same spikes (``nmb.reference``): then the picture shows
            where chip and model differ.

        Returns
        -------
        list
            matplotlib axes: spikes; and the membranes of the output, if recorded. In a notebook
            the figure is shown; elsewhere ``axes[0].figure.savefig(...)`` stores it.

        Raises
        ------
        UserError
            There is no such sample, or the reference is of another network.
        """
        from nm_backends.plot import draw_result

        return draw_result(self, sample, reference)

    def _repr_html_(self) -> str:
        from nm_backends.html import result_html

        return result_html(self)
