"""What learning on the chip gives back: how accuracy and weights went, pass by pass."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nm_backends.errors import UserError

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
    loss
        Mean squared error of the output, or None where targets are labels or spikes.
    lowest
        The smallest stored value, that of ``weights[0]``: negative where weights have a sign.
    """

    accuracy: float | None
    weights: np.ndarray
    changed: int
    spikes_dropped: int = 0
    loss: float | None = None
    lowest: int = 0

    @property
    def values(self) -> np.ndarray:
        """The stored values that ``weights`` counts, int64."""
        return np.arange(self.weights.size) + self.lowest

    @property
    def mean(self) -> float:
        """Mean stored value of the plastic synapses."""
        return float(self.values @ self.weights) / max(1, int(self.weights.sum()))

    @property
    def spread(self) -> float:
        """Standard deviation of the stored values of the plastic synapses."""
        squares = (self.values - self.mean) ** 2
        return float(np.sqrt(squares @ self.weights / max(1, int(self.weights.sum()))))

    @property
    def saturated(self) -> float:
        """Share of the plastic synapses at either end of their range."""
        return float(self.weights[0] + self.weights[-1]) / max(1, int(self.weights.sum()))


@dataclass
class History:
    """The outcome of ``program.learn``: one `Epoch` before the first pass and after each.

    ``measured_on`` and ``readout`` say what accuracies and losses are of, ``options`` how it
    learned.
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
    def loss(self) -> np.ndarray:
        """Loss before the first pass and after each, float64 ``[epochs + 1]`` (NaN: none)."""
        return np.array([np.nan if e.loss is None else e.loss for e in self.epochs])

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
            "options": _plain(self.options),
            "epochs": [
                {
                    "accuracy": e.accuracy,
                    "loss": e.loss,
                    "weight_mean": e.mean,
                    "weight_spread": e.spread,
                    "saturated": e.saturated,
                    "weights": e.weights.tolist(),
                    "lowest": e.lowest,
                    "changed": e.changed,
                    "spikes_dropped": e.spikes_dropped,
                }
                for e in self.epochs
            ],
        }

    @classmethod
    def from_json(cls, data: Any) -> History:
        """Return the history that `to_json` turned into plain numbers and lists.

        Raises
        ------
        UserError
            It is none.
        """
        try:
            epochs = [
                Epoch(
                    _number(e["accuracy"]), np.array(e["weights"], np.int64), int(e["changed"]),
                    int(e["spikes_dropped"]), _number(e["loss"]), int(e["lowest"]),
                )
                for e in data["epochs"]
            ]  # fmt: skip
            nodes = tuple(map(str, data["learning"]))
            judged, readout = str(data["measured_on"]), str(data["readout"])
            return cls(str(data["chip"]), nodes, epochs, judged, readout, data["options"])
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"no history of learning ({type(error).__name__}: {error})",
                "expected what nmb learn --history writes",
            ) from None

    def __repr__(self) -> str:
        lossy = any(e.loss is not None for e in self.epochs)
        name = "loss" if lossy else "accuracy"
        head = f"{self.chip} learned {', '.join(self.nodes)} "
        head += f"({name}: {self.measured_on}{'' if lossy else f', {self.readout}'})"
        lines = [head, "", f"epoch  {name:>8}  mean weight  spread  saturated  changed"]
        for i, e in enumerate(self.epochs):
            lines.append(
                f"{i:5}  {_judged(e, lossy):>8}  {e.mean:11.2f}  {e.spread:6.2f}  "
                f"{e.saturated:9.1%}  {e.changed:7,}"
            )
        return "\n".join(lines)

    def plot(self, axes: Any = None) -> Any:
        """Draw accuracy or loss, and mean weight; return the axes (needs matplotlib)."""
        from nm_backends.plot import draw_history

        return draw_history(self, axes)


def _judged(epoch: Epoch, lossy: bool) -> str:
    if lossy:
        return "-" if epoch.loss is None else f"{epoch.loss:.4g}"
    return "-" if epoch.accuracy is None else f"{epoch.accuracy:.1%}"


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _plain(options: Any) -> Any:
    if isinstance(options, dict):
        return options
    plain = getattr(options, "to_json", None)
    return plain() if plain else vars(options) if options is not None else None
