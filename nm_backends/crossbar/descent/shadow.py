"""Real numbers behind the integers of a chip: what gradients move, and rounding makes integers."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nm_backends.chip import IntFormat
from nm_backends.crossbar.chip import CrossbarChip
from nm_backends.crossbar.integers import Integers

__all__ = ["Shadow", "units_of"]

_FIRST, _SECOND = 0.9, 0.99  # how long Adam remembers slopes and their squares
_STEADY, _SOON = 0.98, 10  # how long averages remember, less at first
_RELATIVE = 0.1  # of a threshold (leak, first membrane), where a weight moves by 1
_SMALL = {"threshold": 8.0, "leak": 4.0}
_EDGE = 0.45  # beyond the ends of the format; rounding brings it back


@dataclass
class Shadow:
    """Weights, thresholds, leaks, biases and first membranes as real numbers.

    Parameters
    ----------
    chip
        Whose formats limit them.
    base
        The integers to begin with.
    weights
        Which may change, bool ``[sources, neurons]``.
    signs
        For which signs a source has rows, bool ``[sources, 2]``.
    """

    chip: CrossbarChip
    base: Integers
    weights: np.ndarray
    signs: np.ndarray
    values: dict[str, np.ndarray] = field(init=False)
    _means: dict[str, np.ndarray] = field(init=False)
    _slopes: dict[str, tuple[np.ndarray, np.ndarray]] = field(init=False)
    _steps: int = 0

    def __post_init__(self) -> None:
        names = ("weights", "threshold", "leak", "bias", "start")
        self.values = {name: getattr(self.base, name).astype(np.float64) for name in names}
        self._means = {name: value.copy() for name, value in self.values.items()}
        self._slopes = {
            name: (np.zeros_like(value), np.zeros_like(value))
            for name, value in self.values.items()
        }

    @property
    def integers(self) -> Integers:
        """The integers of now."""
        return self._rounded(self.values)

    @property
    def steady(self) -> Integers:
        """The integers of a running mean: single steps are partly chance, its are less so."""
        return self._rounded(self._means)

    def _rounded(self, values: dict[str, np.ndarray]) -> Integers:
        return self.base.with_(
            **{name: np.rint(value).astype(np.int64) for name, value in values.items()}
        )

    def raise_thresholds(self, factor: float) -> None:
        """Make every neuron fire less."""
        self.values["threshold"] *= factor
        self.limit()

    def step(self, gradients: dict[str, np.ndarray], rates: dict[str, np.ndarray | float]) -> None:
        """Go one step of Adam against the gradients; what has no rate stays."""
        self._steps += 1
        for name, rate in rates.items():
            first, second = self._slopes[name]
            slope = gradients[name] * self.weights if name == "weights" else gradients[name]
            first += (1 - _FIRST) * (slope - first)
            second += (1 - _SECOND) * (slope**2 - second)
            mean = first / (1 - _FIRST**self._steps)
            size = np.sqrt(second / (1 - _SECOND**self._steps))
            self.values[name] -= rate * mean / (size + 1e-8)
        self.limit()
        part = 1 - min(_STEADY, self._steps / (self._steps + _SOON))
        for name, value in self.values.items():
            self._means[name] += part * (value - self._means[name])

    def limit(self) -> None:
        """Bring everything back to where the chip's formats end."""
        spec, values = self.chip.spec, self.values
        lift = self.base.settle * spec.weights.maximum
        low = np.where(self.signs[:, :1], spec.weights.minimum - _EDGE, 0)
        high = np.where(self.signs[:, 1:], spec.weights.maximum + _EDGE, 0)
        np.clip(values["weights"], low, high, out=values["weights"])
        for name, form in (("threshold", spec.threshold), ("leak", spec.leak)):
            np.clip(values[name], form.minimum, form.maximum - lift, out=values[name])
        for name, form in (("bias", spec.weights), ("start", spec.membrane)):
            _clip(values[name], form, lift)


def _clip(values: np.ndarray, form: IntFormat, lift: np.ndarray) -> None:
    np.clip(values, form.minimum, np.maximum(form.maximum - lift, 0), out=values)


def units_of(values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return by how much values move, in units of the chip, where a weight moves by 1."""
    high, leak = (_RELATIVE * np.maximum(values[name], least) for name, least in _SMALL.items())
    return {
        "weights": np.ones(()), "threshold": high, "leak": leak, "bias": np.ones(()), "start": high,
    }  # fmt: skip
