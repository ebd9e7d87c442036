"""What learning on the chip gives back: how accuracy and weights went, pass by pass."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["Epoch", "History"]


@dataclass(frozen=True)
class Epoch:
    """The state after one pass over the training spikes; epoch 0 is that before the first.

    Parameters
    ----------
    accuracy
        Share of samples whose prediction is right with learning off, or None where targets are no
        labels.
    weights
        Number of plastic synapses at each stored value, int64 ``[values]``.
    changed
        Synapses whose stored value is not that of the epoch before.
    spikes_dropped
        Spikes that the full scheduler lost during the pass.
    """

    accuracy: float | None
    weights: np.ndarray
    changed: int
    spikes_dropped: int = 0

    @property
    def mean(self) -> float:
        """Mean stored value of the plastic synapses."""
        total = int(self.weights.sum())
        return float(np.arange(self.weights.size) @ self.weights) / max(1, total)

    @property
    def saturated(self) -> float:
        """Share of the plastic synapses at either end of their range."""
        return float(self.weights[0] + self.weights[-1]) / max(1, int(self.weights.sum()))


@dataclass
class History:
    """The outcome of ``program.learn``: one `Epoch` before the first pass and after each.

    ``measured_on`` and ``readout`` say what the accuracies are of, ``options`` what drove the
    learning.
    """

    chip: str
    nodes: tuple[str, ...]
    epochs: list[Epoch] = field(default_factory=list)
    measured_on: str = "training samples"
    readout: str = "count"
    options: Any = None

    @property
    def accuracy(self) -> np.ndarray:
        """Accuracy before the first pass and after each, float64 ``[epochs + 1]`` (NaN: none)."""
        return np.array([np.nan if e.accuracy is None else e.accuracy for e in self.epochs])

    @property
    def weight_mean(self) -> np.ndarray:
        """Mean stored value of the plastic synapses, float64 ``[epochs + 1]``."""
        return np.array([e.mean for e in self.epochs])

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers and lists."""
        return {
            "chip": self.chip,
            "learning": list(self.nodes),
            "measured_on": self.measured_on,
            "readout": self.readout,
            "options": vars(self.options) if self.options is not None else None,
            "epochs": [
                {
                    "accuracy": e.accuracy,
                    "weight_mean": e.mean,
                    "saturated": e.saturated,
                    "weights": e.weights.tolist(),
                    "changed": e.changed,
                    "spikes_dropped": e.spikes_dropped,
                }
                for e in self.epochs
            ],
        }

    def __str__(self) -> str:
        measured = f"accuracy: {self.measured_on}, {self.readout}"
        head = f"{self.chip} learned {', '.join(self.nodes)} ({measured})"
        lines = [head, "", "epoch  accuracy  mean weight  saturated  changed"]
        for i, e in enumerate(self.epochs):
            accuracy = "-" if e.accuracy is None else f"{e.accuracy:.1%}"
            lines.append(
                f"{i:5}  {accuracy:>8}  {e.mean:11.2f}  {e.saturated:9.1%}  {e.changed:7,}"
            )
        return "\n".join(lines)

    def plot(self, axes: Any = None) -> Any:
        """Draw accuracy and mean weight over epochs; return the axes (needs matplotlib)."""
        from nm_backends.plot import draw_history

        return draw_history(self, axes)
