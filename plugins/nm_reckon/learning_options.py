"""The options of e-prop on the chip, in the terms of the field, and as registers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

import numpy as np

from nm_backends.errors import UserError, did_you_mean
from nm_backends.learning_options import LearningOptions
from nm_reckon.eprop_registers import describe
from nm_reckon.eprop_setup import EpropSetup, PseudoDerivative, Regularisation
from nm_reckon.propose import Proposal, propose
from nm_reckon.spec import REGISTERS, RESET_SEEDS

__all__ = ["LEARNING_REGISTERS", "ReckonLearning", "seed_registers"]

_REGISTER = {register.name: register for register in REGISTERS}
_RATES = ("rate_input", "rate_recurrent", "rate_output")
_TRACES = ("trace_input", "trace_recurrent", "trace_output")

# What the options decide; the other registers are the mapping's, or the host's.
LEARNING_REGISTERS = tuple(
    name
    for name in _REGISTER
    if name.startswith(("SPI_LR_", "SPI_H_", "SPI_THR_H_", "SPI_REGUL_", "SPI_FP_LOC_T"))
    or name in ("SPI_LEARN_SIG_SCALE", "SPI_REGRESSION", "SPI_NO_OUT_ACT", "SPI_EN_STOCH_ROUND")
)


@dataclass(frozen=True)
class ReckonLearning(LearningOptions):
    """How ReckOn learns: e-prop, for labels or for the course of the outputs.

    See `nm_reckon.eprop_setup` for the update in floating point, and `nm_reckon.propose` for how it
    becomes registers: rates are powers of two, so that they are off by up to 41 %; ``proposal``
    says by how much. Membranes and weights are in the user's units. The defaults are those of the
    published test bench, for a threshold of 0.6 and weights of about 0.1.

    Parameters
    ----------
    rate_input, rate_recurrent, rate_output
        Learning rates per step; 0: these weights stay.
    halve_every
        Epochs after which the rates become half of what they were; 0: never.
    pseudo_derivative, gamma, start, width
        See `PseudoDerivative`: ``step``, ``boxcar`` or ``triangle``, or such an object.
    regularisation, regularised, target_rate, strength, ceiling, always
        See `Regularisation`: ``none`` (or None), ``additive``, ``damped`` or ``both``;
        ``regularised`` are the weights that it acts on.
    signal_limit
        Largest learning signal; the smaller, the finer.
    trace_input, trace_recurrent, trace_output
        Largest traces, in spikes; the smaller, the finer.
    activation
        Whether outputs pass a hard sigmoid before they are compared with targets, which are then
        0 to 1; None: for labels only.
    stochastic_rounding
        Membranes, traces and outputs round at random, so that small values leak too.
    window
        Steps in which outputs have a target and are judged: the last so many, or ``(first, last)``
        with ``last`` excluded; None: all.
    seed
        Of all generators, where the learning of a program begins; None: what its image holds.
        They run on from epoch to epoch, and from call to call.
    registers
        Contents of registers that replace what follows from the above, by name.
    """

    rate_input: float = 2.0**-17
    rate_recurrent: float = 2.0**-17
    rate_output: float = 2.0**-9
    halve_every: int = 0
    pseudo_derivative: Literal["step", "boxcar", "triangle"] | PseudoDerivative = "step"
    gamma: float = 1.0
    start: float | None = None
    width: float | None = None
    regularisation: Literal["none", "additive", "damped", "both"] | None = "additive"
    regularised: tuple[str, ...] = ("input", "recurrent")
    target_rate: float = 10.4
    strength: float = 0.5
    ceiling: float = 16.0
    always: bool = False
    signal_limit: float = 16.0
    trace_input: float = 64.0
    trace_recurrent: float = 32.0
    trace_output: float = 8.0
    activation: bool | None = None
    stochastic_rounding: bool = True
    window: int | tuple[int, int] | None = None
    seed: int | None = None
    registers: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in (*_RATES, "target_rate", "strength", "ceiling"):
            _number(name, getattr(self, name), 0.0)
        for name in ("gamma", "signal_limit", *_TRACES):
            _number(name, getattr(self, name), 1e-12)
        self.whole("halve_every", 0)
        if self.seed is not None:
            self.whole("seed", 0)
        _check_window(self.window)
        for name, value in self.registers.items():
            _check_register(name, value)
        self.setup(EpropSetup(), regression=False)  # names of modes, signs of widths

    @classmethod
    def gather(cls, given: dict[Any, Any]) -> dict[Any, Any]:
        """Take names of registers (``SPI_...``) among the names."""
        raw = {name: given.pop(name) for name in list(given) if str(name).startswith("SPI_")}
        if raw:
            given["registers"] = {**given.get("registers", {}), **raw}
        return given

    @classmethod
    def from_registers(
        cls, registers: Mapping[str, Any], base: EpropSetup, alpha: int, thr: int
    ) -> ReckonLearning:
        """Return the options that registers amount to; the inverse of `proposal`.

        Parameters
        ----------
        registers
            Register names to their content.
        base
            Units and time step (``scale``, ``scale_out``, ``dt``).
        alpha, thr
            Leak factor and threshold of the neuron words.
        """
        found = describe(registers, alpha, thr, base.scale, base.dt, base.scale_out)
        rule, learned = found.regularisation, int(registers["SPI_DO_EPROP"])
        rates = [rate if learned >> i & 1 else 0.0 for i, rate in enumerate(found.rates)]
        return cls(
            rate_input=rates[0],
            rate_recurrent=rates[1],
            rate_output=rates[2],
            trace_input=found.trace_limits[0],
            trace_recurrent=found.trace_limits[1],
            trace_output=found.trace_limits[2],
            pseudo_derivative=found.pseudo_derivative,
            regularisation=rule.mode,
            regularised=rule.weights,
            target_rate=rule.target_rate,
            strength=rule.strength,
            ceiling=rule.ceiling,
            always=rule.always,
            signal_limit=found.signal_limit,
            activation=found.activation,
            stochastic_rounding=bool(registers["SPI_EN_STOCH_ROUND"]),
        )

    def setup(self, base: EpropSetup, regression: bool, epoch: int = 0) -> EpropSetup:
        """Return the set-up in floating point.

        Parameters
        ----------
        base
            What the program decides: time constants, threshold, units, ranges of weights.
        regression
            Whether targets are values rather than labels.
        epoch
            Epochs learned so far.
        """
        halved = 2.0 ** -(epoch // self.halve_every) if self.halve_every else 1.0
        first, second, third = (getattr(self, name) * halved for name in _RATES)
        shape = self.pseudo_derivative
        if not isinstance(shape, PseudoDerivative):
            shape = PseudoDerivative(shape, self.gamma, self.start, self.width)
        return replace(
            base,
            rates=(first, second, third),
            pseudo_derivative=shape,
            regularisation=Regularisation(
                self.regularisation or "none", tuple(self.regularised), self.target_rate,
                self.strength, self.ceiling, self.always,
            ),
            task="regression" if regression else "classification",
            activation=not regression if self.activation is None else self.activation,
            trace_limits=(self.trace_input, self.trace_recurrent, self.trace_output),
            signal_limit=self.signal_limit,
        )  # fmt: skip

    def proposal(self, base: EpropSetup, regression: bool = False, epoch: int = 0) -> Proposal:
        """Return registers, and what had to be rounded; see `setup`."""
        return propose(self.setup(base, regression, epoch))

    def contents(self, base: EpropSetup, regression: bool, epoch: int = 0) -> dict[str, int]:
        """Return the contents of `LEARNING_REGISTERS`, and of those that ``registers`` names."""
        proposed = self.proposal(base, regression, epoch).registers
        proposed["SPI_EN_STOCH_ROUND"] = int(self.stochastic_rounding)
        kept = {name: proposed[name] for name in LEARNING_REGISTERS}
        return kept | {name: _raw(name, value) for name, value in self.registers.items()}

    def steps(self, steps: int) -> tuple[int, int]:
        """Return the first step with a target and the one after the last, of ``steps``."""
        if self.window is None:
            return 0, steps
        if isinstance(self.window, tuple):
            first, last = self.window
            if last > steps:
                raise UserError(
                    f"ReckonLearning: window {self.window} of a sample of {steps} steps",
                    "the window must end with the sample or before",
                )
            return first, last
        return max(0, steps - self.window), steps

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers, names and lists."""
        values: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        shape = self.pseudo_derivative
        if isinstance(shape, PseudoDerivative):
            values["pseudo_derivative"] = dict(vars(shape))
        return values | {"registers": dict(self.registers)}


def seed_registers(seed: int) -> dict[str, int]:
    """Return random contents, none of them zero, for the seed registers."""
    random = np.random.default_rng(seed)
    found = {}
    for name in RESET_SEEDS:
        width = _REGISTER[name].width
        parts = (15, 15) if width == 30 else (width,)  # two generators of 15 bits
        value = 0
        for bits in parts:
            value = value << bits | int(random.integers(1, 1 << bits))
        found[name] = value
    return found


def _number(name: str, value: Any, low: float) -> None:
    right = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not right or not low <= value < float("inf"):
        least = "0 or more" if low == 0 else "more than 0"
        raise UserError(f"ReckonLearning: {name} is {value!r}, expected a number, {least}")


def _check_window(window: Any) -> None:
    pair = isinstance(window, tuple) and len(window) == 2
    values = window if pair else (1,) if window is None else (window,)
    whole = all(isinstance(v, int) and not isinstance(v, bool) for v in values)
    if not whole or (pair and not 0 <= window[0] < window[1]) or (not pair and values[0] < 1):
        raise UserError(
            f"ReckonLearning: window is {window!r}, expected a number of steps, (first, last) or "
            "None"
        )


def _check_register(name: str, value: Any) -> None:
    register = _REGISTER.get(name)
    if register is None or register.name == "SPI_ALPHA_CONF":
        raise UserError(f"ReckonLearning: registers names {name!r}", did_you_mean(name, _REGISTER))
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or not -(1 << register.width - 1) <= value < 1 << register.width:
        raise UserError(
            f"ReckonLearning: {name} is {value!r}, expected an integer of {register.width} bits"
        )


def _raw(name: str, value: int) -> int:
    return value & ((1 << _REGISTER[name].width) - 1)
