"""From an e-prop set-up in floating point to ReckOn's registers, and what had to be rounded."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nm_backends.errors import UserError
from nm_reckon.eprop_registers import (
    ONE,
    SIGNAL_BITS,
    TRACES,
    WEIGHTS,
    describe,
    height_unit,
    learning_rate,
    signal_unit,
    tau_of,
    three,
)
from nm_reckon.eprop_setup import MATRICES, EpropSetup, Regularisation

__all__ = ["Proposal", "Rounded", "propose"]

_GUARD = (1 << 27) - 1  # largest update term that is safe: bit 31 of 16 of them is a guard bit
_LOWEST = 0x7000


@dataclass(frozen=True)
class Rounded:
    """One number of a set-up: asked for, realised, and the relative error."""

    name: str
    unit: str
    asked: float
    realised: float

    @property
    def error(self) -> float:
        """Relative error; infinite where 0 was asked for and something else came."""
        if self.asked == self.realised:
            return 0.0
        return abs(self.realised / self.asked - 1) if self.asked else math.inf

    def __str__(self) -> str:
        return (
            f"{self.name:28} {self.asked:12.5g} {self.realised:12.5g} {self.unit:10} "
            f"{self.error:8.2%}"
        )


@dataclass(frozen=True)
class Proposal:
    """Registers for a set-up, and what had to be rounded.

    Parameters
    ----------
    registers
        Register name to its content; signed ones as two's complement.
    alpha, thr
        Leak factor (16 bits, its upper nibble is a bit of ``SPI_ALPHA_CONF``) and threshold of the
        neuron words.
    asked, realised
        The set-up as it was given, and as the registers realise it.
    """

    registers: dict[str, int]
    alpha: int
    thr: int
    asked: EpropSetup
    realised: EpropSetup

    @property
    def items(self) -> list[Rounded]:
        """Every number, asked for and realised."""
        return list(_compared(self.asked, self.realised))

    @property
    def rounded(self) -> list[Rounded]:
        """Those that are off by more than one in a million."""
        return [item for item in self.items if item.error > 1e-6]

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers, names and lists."""
        return {
            "registers": dict(self.registers),
            "alpha": self.alpha,
            "thr": self.thr,
            "items": [
                {"name": i.name, "unit": i.unit, "asked": i.asked, "realised": i.realised,
                 "error": i.error}
                for i in self.items
            ],
        }  # fmt: skip

    def __str__(self) -> str:
        head = f"{'':28} {'asked':>12} {'realised':>12} {'':10} {'error':>8}"
        registers = [f"{name} = {value}" for name, value in self.registers.items()]
        neurons = f"neuron words: alpha = {self.alpha:#06x}, thr = {self.thr}"
        return "\n".join([head, *map(str, self.items), "", neurons, *registers])


def propose(setup: EpropSetup) -> Proposal:
    """Return the registers that realise a set-up best.

    Raises
    ------
    UserError
        Something is out of the chip's reach: what, and how far.
    """
    thr = _fits("threshold", round(setup.threshold * setup.scale), 1, 32767)
    alpha, kappa = _leak(setup), round(128 * math.exp(-setup.dt / setup.tau_out))
    registers = {
        "SPI_KAPPA": kappa,
        "SPI_REGRESSION": int(setup.task == "regression"),
        "SPI_NO_OUT_ACT": int(not setup.activation),
        **{f"SPI_FP_LOC_{n}": p for n, p in zip(WEIGHTS, _weight_points(setup), strict=True)},
        **{f"SPI_FP_LOC_{n[0]}": p for n, p in zip(TRACES, _trace_points(setup), strict=True)},
    }
    registers["SPI_LEARN_SIG_SCALE"] = _signal_scale(setup, registers)
    registers |= _rates(setup, registers)
    registers |= _regularisation(replace(setup, tau_m=tau_of(alpha, setup.dt)), registers)
    realised = describe(registers, alpha, thr, setup.scale, setup.dt, setup.scale_out)
    return Proposal(registers, alpha, thr, setup, _as_asked(realised, setup))


def _fits(name: str, value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise UserError(f"{name}: {value} in the chip's units, expected {low} to {high}")
    return value


def _leak(setup: EpropSetup) -> int:
    alpha = round(setup.leak * ONE)
    if alpha < _LOWEST:
        shortest = tau_of(_LOWEST, setup.dt)
        raise UserError(
            f"tau_m is {setup.tau_m:g} s, a leak factor of {setup.leak:.4f} in a step of "
            f"{setup.dt:g} s; the chip has {_LOWEST / ONE:g} to 1",
            f"take a time constant of {shortest:.3g} s or more, or shorter steps",
        )
    return alpha


def _point(name: str, exponent: float, down: bool) -> int:
    """Return a radix point of 3 bits, rounded so that the range asked for is there."""
    point = math.floor(exponent + 1e-9) if down else math.ceil(exponent - 1e-9)
    if (point < 0 and down) or (point > 7 and not down):
        raise UserError(f"{name}: out of range by a factor of {2 ** abs(point - 7 * (not down))}")
    return min(7, max(0, point))


def _weight_points(setup: EpropSetup) -> list[int]:
    return [
        _point(f"{name} weights up to {limit:g}", math.log2(limit * scale / 128), down=False)
        for name, limit, scale in zip(MATRICES, setup.weight_limits, setup.scales, strict=True)
    ]


def _trace_points(setup: EpropSetup) -> list[int]:
    return [
        _point(f"{name} traces up to {limit:g} spikes", bits - math.log2(each * limit), down=True)
        for name, (_, bits, each), limit in zip(MATRICES, TRACES, setup.trace_limits, strict=True)
    ]


def _signal_scale(setup: EpropSetup, registers: Mapping[str, Any]) -> int:
    unit = signal_unit({**registers, "SPI_LEARN_SIG_SCALE": 0}, setup)
    shift = math.floor(math.log2(2**SIGNAL_BITS / (unit * setup.signal_limit)) + 1e-9)
    return _fits("signal_limit, as a shift of learning signals", shift, 0, 15)


def _rates(setup: EpropSetup, registers: dict[str, int]) -> dict[str, int]:
    """Return the segments of h and the shifts of the probabilities."""
    edges, values = setup.pseudo_derivative.segments(setup.threshold)
    top = float(np.abs(values).max()) or 1.0
    best = math.inf
    found: dict[str, int] = {}
    for height in range(1, _highest(registers) + 1):
        chip = [_fits("h", round(value / top * height), -16, 15) for value in values]
        shifts = _shifts(setup, registers, height / top)
        missed = max(abs(chip[i] / height - values[i] / top) for i in range(5))
        cost = missed + max(abs(missing) for _, missing in shifts)
        if cost < best - 1e-9:
            best, found = cost, _segments(edges * setup.scale, chip) | _moves(setup, shifts)
    return found


def _highest(registers: Mapping[str, int]) -> int:
    """Return the largest height for which no update term reaches the guard bit."""
    traces = max((1 << 12 - registers[f"SPI_FP_LOC_{name}"]) - 1 for name in ("TINP", "TREC"))
    return min(15, max(1, _GUARD // (((1 << SIGNAL_BITS) - 1) * traces)))


def _shifts(
    setup: EpropSetup, registers: Mapping[str, int], height: float
) -> list[tuple[int, float]]:
    """Return the shift of each matrix, and what is missing to the rate asked for, in octaves."""
    zero = {f"SPI_LR_{side}_{name}": 0 for side in "PR" for name in WEIGHTS}
    found = []
    for matrix, rate in enumerate(setup.rates):
        unit = learning_rate({**registers, **zero}, matrix, setup, height)
        octaves = math.log2(rate / unit) if rate else 0.0
        shift = _fits(f"learning rate {rate:g}, as a shift", round(octaves), -31, 31)
        found.append((shift, octaves - shift))
    return found


def _segments(edges: np.ndarray, heights: list[int]) -> dict[str, int]:
    chip = [_fits("edge of h", round(edge), -32768, 32767) for edge in edges.tolist()]
    return {f"SPI_THR_H_{i}": edge & 0xFFFF for i, edge in enumerate(chip)} | {
        f"SPI_H_{i}": height & 31 for i, height in enumerate(heights)
    }


def _moves(setup: EpropSetup, shifts: list[tuple[int, float]]) -> dict[str, int]:
    """Return shift registers, and e-prop switched off for rates of 0."""
    found: dict[str, int] = {}
    for name, (shift, _) in zip(WEIGHTS, shifts, strict=True):
        found |= {f"SPI_LR_R_{name}": max(0, -shift), f"SPI_LR_P_{name}": max(0, shift)}
    return found | {"SPI_DO_EPROP": sum(bool(rate) << i for i, rate in enumerate(setup.rates))}


def _regularisation(setup: EpropSetup, registers: dict[str, int]) -> dict[str, int]:
    rule = setup.regularisation
    code = {"none": 0, "damped": 1, "additive": 2, "both": 3}[rule.mode] | 4 * rule.always
    most = (1 << 12 - registers["SPI_FP_LOC_TREC"]) - 1
    target = round(8 * setup.target_trace) if code else 0
    if target > most:
        raise UserError(
            f"target rate {rule.target_rate:g} Hz: its trace is {target / 8:g} spikes, recurrent "
            f"traces end at {(most + 1) / 8:g}",
            "raise trace_limits, or lower the target rate",
        )
    found = {
        "SPI_REGUL_MODE": code,
        "SPI_REGUL_W": sum(bool(name in rule.weights) << i for i, name in enumerate(MATRICES[:2])),
        "SPI_REGUL_F0": target,
        "SPI_REGUL_K_MUL": 0,
    }
    shift = 0
    if rule.mode in ("additive", "both"):
        unit = signal_unit(registers, setup) * _asked_height(setup, registers)
        shift = round(math.log2(rule.strength * unit)) if rule.strength else -31
        _fits(f"strength {rule.strength:g}, as a shift", shift, -31, 31)
    if rule.mode in ("damped", "both"):
        octaves = round(math.log2(rule.ceiling / 2)) if rule.ceiling else 0
        found["SPI_REGUL_K_MUL"] = _fits("ceiling, as a shift", octaves, 0, 31)
    for name in ("INP", "REC"):
        found |= {f"SPI_REGUL_K_{name}_R": max(0, -shift), f"SPI_REGUL_K_{name}_P": max(0, shift)}
    return found


def _asked_height(setup: EpropSetup, registers: Mapping[str, Any]) -> float:
    """Return the chip's units per height of 1, in the user's heights."""
    _, values = setup.pseudo_derivative.segments(setup.threshold)
    return height_unit(registers) / (float(np.abs(values).max()) or 1.0)


def _as_asked(realised: EpropSetup, asked: EpropSetup) -> EpropSetup:
    """Put heights back into the user's units, where the rates take up the difference."""
    _, values = asked.pseudo_derivative.segments(asked.threshold)
    top = float(np.abs(values).max()) or 1.0
    shape = realised.pseudo_derivative
    if shape.kind == "step":
        shape = replace(shape, gamma=shape.gamma * top)
    else:
        shape = replace(shape, values=tuple(top * value for value in shape.values))
    first, second, third = realised.rates
    rule = replace(realised.regularisation, strength=realised.regularisation.strength * top)
    rates = (first / top, second / top, third)
    rates = three(rate if wanted else 0.0 for rate, wanted in zip(rates, asked.rates, strict=True))
    return replace(realised, pseudo_derivative=shape, rates=rates, regularisation=rule)


def _compared(asked: EpropSetup, realised: EpropSetup) -> Iterator[Rounded]:
    for name, unit in (("tau_m", "s"), ("tau_out", "s"), ("threshold", "")):
        yield Rounded(name, unit, getattr(asked, name), getattr(realised, name))
    for field, unit in (("rates", ""), ("weight_limits", ""), ("trace_limits", "spikes")):
        for name, a, b in zip(
            MATRICES, getattr(asked, field), getattr(realised, field), strict=True
        ):
            yield Rounded(f"{field}, {name}", unit, a, b)
    yield Rounded("signal_limit", "", asked.signal_limit, realised.signal_limit)
    for name, a, b in zip(
        ("edge", "height"),
        asked.pseudo_derivative.segments(asked.threshold),
        realised.pseudo_derivative.segments(realised.threshold),
        strict=True,
    ):
        for i, (x, y) in enumerate(zip(a.tolist(), b.tolist(), strict=True)):
            yield Rounded(f"pseudo-derivative, {name} {i}", "", x, y)
    yield from _compared_rules(asked.regularisation, realised.regularisation)


def _compared_rules(asked: Regularisation, realised: Regularisation) -> Iterator[Rounded]:
    used = {
        "target_rate": asked.mode != "none",
        "strength": asked.mode in ("additive", "both"),
        "ceiling": asked.mode in ("damped", "both"),
    }
    for name, unit in (("target_rate", "Hz"), ("strength", ""), ("ceiling", "spikes")):
        if used[name]:
            yield Rounded(f"regularisation, {name}", unit, getattr(asked, name),
                          getattr(realised, name))  # fmt: skip
