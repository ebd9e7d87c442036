"""E-prop in floating point as ReckOn can do it: the terms in which users speak of learning.

One step of ``dt`` seconds, per weight, where targets are valid::

    input, recurrent    w += rate * (L[post] * e[pre] * h(v[post]) - strength * excess[post])
    output              w += rate * error[output] * e_out[pre]

``e`` is the trace of the sender: each spike adds 1, and it decays with the time constant of the
membrane (``e_out``: of the outputs). ``L = sum(error * w_out)``; ``h`` is the pseudo-derivative;
``excess`` is how far the trace of the listener is above that of a neuron at ``target_rate``. The
chip makes a step of one integer at random, so that the *mean* change is the one above.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from nm_backends.errors import UserError

__all__ = ["MATRICES", "EpropSetup", "PseudoDerivative", "Regularisation"]

MATRICES = ("input", "recurrent", "output")
_RISE = np.arange(5) * 2 / 9  # the best five levels of a ramp: errors of 1/9 at most


@dataclass(frozen=True)
class PseudoDerivative:
    """The pseudo-derivative ``h`` of the spike with respect to the membrane.

    Parameters
    ----------
    kind
        ``step``: ``gamma`` from ``start`` on. ``boxcar``: ``gamma`` within ``width`` of the
        threshold. ``triangle``: ``gamma * max(0, 1 - |v - threshold| / width)``; a chip of five
        segments follows its rising side, and stays at the top above the threshold, where a
        membrane hardly ever is after its reset. ``segments``: ``values`` between ``edges``.
    gamma
        Height.
    start
        Where the step is, in units of the membrane; None: at a third of the threshold.
    width
        In units of the membrane; None: the threshold.
    edges, values
        Four membranes, ascending, and five heights, for ``segments``.
    """

    kind: Literal["step", "boxcar", "triangle", "segments"] = "step"
    gamma: float = 1.0
    start: float | None = None
    width: float | None = None
    edges: tuple[float, ...] = ()
    values: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in ("step", "boxcar", "triangle", "segments"):
            raise UserError(
                f"pseudo-derivative {self.kind!r}: expected step, boxcar, triangle or segments"
            )
        if self.kind == "segments":
            if (len(self.edges), len(self.values)) != (4, 5) or any(np.diff(self.edges) < 0):
                raise UserError("pseudo-derivative: segments need 4 ascending edges and 5 values")
        elif not self.gamma > 0:
            raise UserError(f"pseudo-derivative: gamma is {self.gamma!r}, expected more than 0")
        if self.width is not None and not self.width > 0:
            raise UserError(f"pseudo-derivative: width is {self.width!r}, expected more than 0")

    def segments(self, threshold: float) -> tuple[np.ndarray, np.ndarray]:
        """Return four edges and the heights of the five segments between them, float64."""
        if self.kind == "segments":
            return np.array(self.edges), np.array(self.values)
        width = threshold if self.width is None else self.width
        if self.kind == "boxcar":
            edges = threshold + width * np.array([-1.0, 1, 1, 1])
            return edges, self.gamma * np.array([0.0, 1, 0, 0, 0])
        if self.kind == "triangle":
            return threshold - width + width * (_RISE[1:] - 1 / 9), self.gamma * _RISE
        start = threshold / 3 if self.start is None else self.start
        return np.full(4, start), self.gamma * np.array([0.0, 0, 0, 0, 1])


@dataclass(frozen=True)
class Regularisation:
    """What keeps neurons from firing more than ``target_rate``.

    Parameters
    ----------
    mode
        ``none``; ``additive`` lowers all weights of a neuron that fires too much; ``damped`` lets
        them grow less; ``both``.
    weights
        Which of ``input`` and ``recurrent`` are lowered; either is enough for both to be damped.
    target_rate
        Spikes per second, on average over the time constant of the membrane.
    strength
        Of ``additive``: change per spike of excess, in units of the learning rate.
    ceiling
        Of ``damped``: excess in spikes at which weights stop growing.
    always
        Also where no targets are valid. The public RTL then takes the excess of only two neurons
        for all of them.
    """

    mode: Literal["none", "additive", "damped", "both"] = "additive"
    weights: tuple[str, ...] = ("input", "recurrent")
    target_rate: float = 10.4
    strength: float = 0.5
    ceiling: float = 16.0
    always: bool = False

    def __post_init__(self) -> None:
        if self.mode not in ("none", "additive", "damped", "both"):
            raise UserError(
                f"regularisation {self.mode!r}: expected none, additive, damped or both"
            )
        if not set(self.weights) <= {"input", "recurrent"}:
            raise UserError(f"regularisation of {self.weights!r}: expected input, recurrent")
        for name in ("target_rate", "strength", "ceiling"):
            if not getattr(self, name) >= 0:
                raise UserError(f"regularisation: {name} is {getattr(self, name)!r}")
        if self.always and self.mode not in ("additive", "both"):
            raise UserError("regularisation: always needs mode additive or both")


@dataclass(frozen=True)
class EpropSetup:
    """An e-prop set-up in floating point; the defaults are those of the published test bench.

    Membranes and weights are in the user's units, times in seconds.

    Parameters
    ----------
    dt
        Time step.
    tau_m, tau_out
        Time constants of the recurrent neurons and of the outputs.
    threshold
        Firing threshold.
    scale, scale_out
        Units of the chip's membrane per unit of the user's, of neurons and of outputs (None: the
        same); membranes reach 32767 / scale.
    rates
        Learning rates of input, recurrent and output weights, per step. Input and recurrent
        weights share the pseudo-derivative, so that only their ratio is rounded to a power of two.
    pseudo_derivative, regularisation
        See there.
    task, activation
        ``classification``: errors are 1 or 0 less the output; ``regression``: the target less the
        output. ``activation`` puts a hard sigmoid of slope ``scale_out / 4096`` on the output;
        without it, errors and targets are in units of the membrane.
    weight_limits
        Largest input, recurrent and output weight needed: weights of 8 bits are so much apart.
    trace_limits
        Largest input, recurrent and output trace needed, in spikes.
    signal_limit
        Largest learning signal needed.
    """

    dt: float = 1e-3
    tau_m: float = 1.927
    tau_out: float = 0.0178
    threshold: float = 0.6
    scale: float = 1024.0
    scale_out: float | None = None
    rates: tuple[float, float, float] = (2.0**-17, 2.0**-17, 2.0**-9)
    pseudo_derivative: PseudoDerivative = PseudoDerivative()
    regularisation: Regularisation = Regularisation()
    task: Literal["classification", "regression"] = "classification"
    activation: bool = True
    weight_limits: tuple[float, float, float] = (1.0, 1.0, 1.0)
    trace_limits: tuple[float, float, float] = (64.0, 32.0, 8.0)
    signal_limit: float = 16.0

    def __post_init__(self) -> None:
        for name in ("dt", "tau_m", "tau_out", "threshold", "scale", "signal_limit"):
            _positive(name, getattr(self, name))
        for name in ("rates", "weight_limits", "trace_limits"):
            values = getattr(self, name)
            if len(values) != 3:
                raise UserError(f"{name}: {values!r}, expected one each for {', '.join(MATRICES)}")
            for value in values:
                _positive(name, value, zero=name == "rates")
        if self.task not in ("classification", "regression"):
            raise UserError(f"task is {self.task!r}, expected classification or regression")

    @property
    def scales(self) -> tuple[float, float, float]:
        """Units of the membrane that input, recurrent and output weights act on."""
        return self.scale, self.scale, self.scale_out or self.scale

    @property
    def error_unit(self) -> float:
        """Units of the chip per unit of error: 2048 where the output is between 0 and 1."""
        return 2048.0 if self.activation else self.scales[2]

    @property
    def leak(self) -> float:
        """Decay of membranes and traces per step."""
        return float(np.exp(-self.dt / self.tau_m))

    @property
    def target_trace(self) -> float:
        """Trace of a neuron that fires at the target rate, in spikes."""
        return self.regularisation.target_rate * self.dt / (1 - self.leak)

    def mean_change(
        self, matrix: str, signal: float, trace: float, h: float = 1.0, trace_post: float = 0.0
    ) -> float:
        """Return the mean change of a weight in one step, as defined at the head of this module.

        Parameters
        ----------
        matrix
            ``input``, ``recurrent`` or ``output``.
        signal
            Learning signal of the listener; for outputs, their error.
        trace, trace_post
            Traces of the sender and (recurrent trace) of the listener, in spikes.
        h
            Pseudo-derivative at the listener's membrane.
        """
        rate = self.rates[MATRICES.index(matrix)]
        if matrix == "output":
            return rate * signal * trace
        rule, mode = self.regularisation, self.regularisation.mode
        excess = max(0.0, trace_post - self.target_trace)
        grown = signal * trace * h
        if mode in ("damped", "both") and rule.weights and grown > 0:
            grown *= max(0.0, 1 - excess / rule.ceiling)
        lowers = mode in ("additive", "both") and matrix in rule.weights
        lowered = rule.strength * excess if lowers else 0.0
        return rate * (grown - lowered)

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers, names and lists."""
        return asdict(self)


def _positive(name: str, value: float, zero: bool = False) -> None:
    if not (value > 0 or (zero and value == 0)):
        raise UserError(f"{name} is {value!r}, expected {'0 or more' if zero else 'more than 0'}")
