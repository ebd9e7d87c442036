"""What ReckOn's learning registers mean in floating point.

The chip changes a weight by one in a step with the probability (integers; ``<<`` and ``>>`` are
powers of two)::

    P = LS * T * h / 2**32 << LR_P >> LR_R       input, recurrent; T: 8 per spike of trace
    P = err * T_out / 2**28 << LR_P >> LR_R      output; T_out: 2 per spike of trace
    LS = sum(err * w_out) << LEARN_SIG_SCALE >> 12

and one unit of a weight is ``2**FP / scale`` of the user's (RTL, ``srnn.v``). All that follows is
these three lines in the units of `EpropSetup`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from nm_reckon.eprop_setup import MATRICES, EpropSetup, PseudoDerivative, Regularisation

__all__ = [
    "ONE",
    "SIGNAL_BITS",
    "TRACES",
    "WEIGHTS",
    "describe",
    "height_unit",
    "learning_rate",
    "signal_unit",
    "tau_of",
    "three",
    "weight_unit",
]

WEIGHTS = ("WINP", "WREC", "WOUT")
TRACES = (("TINP", 12, 8), ("TREC", 12, 8), ("TOUT", 10, 2))  # register, bits, per spike
SIGNAL_BITS = 15
ONE = 1 << 15  # leak factor of 1
_SIGNAL_SHIFT = 12
_WORD = (32, 32, 28)  # bits of the update term of each matrix


def describe(
    registers: Mapping[str, Any],
    alpha: int,
    thr: int,
    scale: float = 1024.0,
    dt: float = 1e-3,
    scale_out: float | None = None,
) -> EpropSetup:
    """Return what registers mean in floating point; the inverse of `propose`.

    Heights of the pseudo-derivative and learning rates only matter as products: the largest
    height is taken as 1.

    Parameters
    ----------
    registers
        Register names to their content, signed ones as two's complement.
    alpha, thr
        Leak factor (16 bits) and threshold of the neuron words.
    scale, scale_out
        Units of the chip's membrane per unit of the user's, see `EpropSetup`.
    dt
        Seconds per tick.
    """
    base = EpropSetup(
        dt=dt,
        tau_m=tau_of(alpha, dt),
        tau_out=_decay_time(registers["SPI_KAPPA"] / 128, dt),
        threshold=thr / scale,
        scale=scale,
        scale_out=scale_out,
        task="regression" if registers["SPI_REGRESSION"] else "classification",
        activation=not registers["SPI_NO_OUT_ACT"],
        trace_limits=three(
            2 ** (bits - registers[f"SPI_FP_LOC_{name}"]) / each for name, bits, each in TRACES
        ),
    )
    limits = three(128 * weight_unit(registers, m, base) for m in range(3))
    signal = signal_unit(registers, base)
    shape = _shape(registers, scale)
    rates = three(learning_rate(registers, m, base, height_unit(registers)) for m in range(3))
    return replace(
        base,
        weight_limits=limits,
        signal_limit=2**SIGNAL_BITS / signal,
        pseudo_derivative=shape,
        rates=rates,
        regularisation=_rule(registers, base, signal * height_unit(registers)),
    )


def _decay_time(factor: float, dt: float) -> float:
    if factor >= 1:
        return math.inf
    return -dt / math.log(factor) if factor > 0 else dt * 1e-3


def tau_of(alpha: int, dt: float) -> float:
    """Return the time constant of a leak factor of 16 bits, in seconds."""
    return _decay_time(alpha / ONE, dt)


def three(values: Iterable[float]) -> tuple[float, float, float]:
    """Return three numbers as a tuple of three."""
    first, second, third = values
    return first, second, third


def weight_unit(registers: Mapping[str, Any], matrix: int, setup: EpropSetup) -> float:
    """Return one unit of a weight in the user's units."""
    return float(2 ** registers[f"SPI_FP_LOC_{WEIGHTS[matrix]}"] / setup.scales[matrix])


def signal_unit(registers: Mapping[str, Any], setup: EpropSetup) -> float:
    """Return the chip's learning signal for a signal of 1."""
    shift = registers["SPI_LEARN_SIG_SCALE"] - _SIGNAL_SHIFT
    return float(setup.error_unit / weight_unit(registers, 2, setup) * 2**shift)


def _signed(value: int, bits: int) -> int:
    return int(value) - (1 << bits) * (int(value) >> (bits - 1) & 1)


def _heights(registers: Mapping[str, Any]) -> list[int]:
    return [_signed(registers[f"SPI_H_{i}"], 5) for i in range(5)]


def height_unit(registers: Mapping[str, Any]) -> int:
    """Return the chip's units per height of 1: its largest height, or 1."""
    return max(1, *map(abs, _heights(registers)))


def _shape(registers: Mapping[str, Any], scale: float) -> PseudoDerivative:
    edges = tuple(_signed(registers[f"SPI_THR_H_{i}"], 16) / scale for i in range(4))
    heights = _heights(registers)
    unit = height_unit(registers)
    if not any(heights[:4]) and heights[4] > 0:
        return PseudoDerivative("step", gamma=heights[4] / unit, start=max(edges))
    # An edge that does not ascend has an empty segment before it: the first that matches counts.
    ascending = tuple(np.maximum.accumulate(edges).tolist())
    return PseudoDerivative(
        "segments", edges=ascending, values=tuple(height / unit for height in heights)
    )


def learning_rate(
    registers: Mapping[str, Any], matrix: int, setup: EpropSetup, height: float
) -> float:
    """Return the learning rate of a matrix, where a height of 1 is ``height`` on the chip."""
    name = WEIGHTS[matrix]
    shift = registers[f"SPI_LR_P_{name}"] - registers[f"SPI_LR_R_{name}"] - _WORD[matrix]
    signal = setup.error_unit if matrix == 2 else signal_unit(registers, setup) * height
    unit = weight_unit(registers, matrix, setup)
    return float(unit * signal * TRACES[matrix][2] * 2.0**shift)


def _rule(registers: Mapping[str, Any], setup: EpropSetup, unit: float) -> Regularisation:
    """Return the regularisation of registers; ``unit`` is the term of a signal and h of 1."""
    code = int(registers["SPI_REGUL_MODE"])
    shift = registers["SPI_REGUL_K_REC_P"] - registers["SPI_REGUL_K_REC_R"]
    trace = registers["SPI_REGUL_F0"] / 8
    rate = trace * (1 - setup.leak) / setup.dt
    modes = ("none", "damped", "additive", "both")
    return Regularisation(
        mode=modes[code & 3],  # type: ignore[arg-type]
        weights=tuple(n for i, n in enumerate(MATRICES[:2]) if registers["SPI_REGUL_W"] >> i & 1),
        target_rate=rate,
        strength=2.0**shift / unit,
        ceiling=2.0 ** (registers["SPI_REGUL_K_MUL"] + 1),
        always=code >= 6,
    )
