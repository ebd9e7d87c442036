"""The network as the chip holds it: integer weights, biases, thresholds, leaks and first states."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields, replace

import numpy as np

from nm_backends.chip import ChipSpec
from nm_backends.crossbar.wiring import Wiring
from nm_backends.fit import even_leaks, fitted_leaks
from nm_backends.quantize import Quantized, integer_thresholds

__all__ = ["Integers", "integers_of", "lateral_synapses"]


@dataclass
class Integers:
    """A `Wiring` in chip units.

    Parameters
    ----------
    weights
        int64 ``[sources, neurons]``.
    bias, threshold, leak, start
        int64 ``[neurons]``.
    scale
        Chip units per unit of the user's membrane, float64 ``[neurons]``.
    settle
        Trigger events per neuron, int64 ``[neurons]``, the same for all of a population; 0 is off.
        The threshold is raised out of reach while a step's charge arrives; at its end this many
        events of the largest weight lift the membranes to it. Those that fire go to 0, and the
        next time reference, stronger by the lift, brings the others down again and leaves those at
        0: so thresholds are tested once per step, as in the model, at the price of charge below 0.
    """

    weights: np.ndarray
    bias: np.ndarray
    threshold: np.ndarray
    leak: np.ndarray
    start: np.ndarray
    scale: np.ndarray
    settle: np.ndarray

    def with_(self, **changes: np.ndarray) -> Integers:
        """Return the same with some arrays replaced."""
        return replace(self, **changes)

    def digest(self) -> bytes:
        """Return the same bytes for equal integers only."""
        made = hashlib.sha256()
        for field in fields(self):
            made.update(np.ascontiguousarray(getattr(self, field.name)).tobytes())
        return made.digest()


def integers_of(
    wiring: Wiring,
    quantized: Quantized,
    spec: ChipSpec,
    membranes: np.ndarray | None = None,
) -> Integers:
    """Bring everything to the scales of the quantised weights.

    Parameters
    ----------
    membranes
        Shifted real membranes ``[samples, neurons]`` by which leaks are fitted; without them the
        membrane is taken to be anywhere between rest and threshold equally often.
    """
    scale = quantized.scale
    strict = wiring.strict
    threshold = integer_thresholds(wiring.threshold, scale, strict)
    low, high = spec.threshold.minimum, spec.threshold.maximum
    if membranes is None:
        leak = even_leaks(wiring.decay, scale, wiring.threshold, spec.leak)
    else:
        leak = fitted_leaks(wiring.decay, scale, membranes, spec.leak, spec.membrane.signed)
    start = np.rint(wiring.start * scale)
    return Integers(
        quantized.weights,
        np.rint(wiring.bias * scale).astype(np.int64),
        np.clip(threshold, low, high),
        leak,
        np.clip(start, spec.membrane.minimum, spec.membrane.maximum).astype(np.int64),
        scale,
        np.zeros_like(leak),
    )


def lateral_synapses(wiring: Wiring, integers: Integers, span: slice) -> int:
    """Count the synapses within a population that the model does not have."""
    rows = slice(wiring.inputs + span.start, wiring.inputs + span.stop)
    extra = (integers.weights[rows, span] != 0) & (wiring.weights[rows, span] == 0)
    return int(np.count_nonzero(extra & ~wiring.plastic[rows, span]))
