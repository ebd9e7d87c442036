"""NIR neuron nodes as populations: continuous time constants become decays and gains per step."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from nm_backends.lowering import repairs as W
from nm_backends.lowering import rules as E
from nm_backends.lowering.geometry import Shape
from nm_backends.lowering.model import SPIKING, Node
from nm_backends.lowering.operators import fitted
from nm_backends.lowering.settings import Settings
from nm_backends.network import Population
from nm_backends.rules import Report

__all__ = ["population", "pseudo_population", "snap"]

_SNAP_WITHIN = 2e-6
_SLOW_STEPS = 2000
_RATIO_TOLERANCE = 1e-6


def snap(values: np.ndarray, within: bool | float = True) -> np.ndarray:
    """Return ``values`` moved to the nearest 1/1000 or 1/4096 where that is near.

    ``within`` is the distance; True: 2e-6, False: nothing is moved.

    Never onto 0: a small gain must not become none.
    """
    reach = _SNAP_WITHIN if within is True else float(within)
    if not reach:
        return values
    with np.errstate(over="ignore"):  # infinite, and so not near
        best = np.round(values * 4096) / 4096
        thousandth = np.round(values * 1000) / 1000
    nearer = np.abs(thousandth - values) <= np.abs(best - values)
    best = np.where(nearer, thousandth, best)
    close = (np.abs(best - values) <= reach) & (best != 0.0)
    return np.where(close, best, values)


def population(node: Node, shape: Shape, settings: Settings, report: Report) -> Population:
    """Return the population of a neuron node; defects of its parameters are reported."""
    size = math.prod(shape)
    values = {
        name: np.array(np.broadcast_to(fitted(value, shape), shape), dtype=np.float64).reshape(-1)
        for name, value in node.fields.items()
        if isinstance(value, np.ndarray)
    }
    made = Population(node.name, shape, node.kind, spiking=node.kind in SPIKING)
    made.bias, made.spike_cmp = np.zeros(size), settings.spike_cmp
    if node.kind == "Threshold":
        return _threshold(made, values["threshold"], node, settings)
    before = len(report.errors)
    _dynamics(made, node, values, settings, report)
    if len(report.errors) > before:
        return made
    v_leak = values.get("v_leak", np.zeros(size))
    v_reset = np.zeros(size)
    if made.spiking:
        made.threshold = values["v_threshold"]
        made.v_reset = v_reset = settings.v_reset(node, values["v_reset"])
        made.reset = settings.reset(node)
        made.graded = settings.graded(node)
    else:
        made.reset = "none"
    made.v0 = settings.v0(node, v_leak, v_reset)
    return made


def pseudo_population(name: str, shape: Shape) -> Population:
    """Return neurons that show a weighted sum as it is, for outputs that no neuron makes."""
    size = math.prod(shape)
    zero = np.zeros(size)
    return Population(
        name,
        shape,
        "Linear",
        spiking=False,
        decay=zero,
        gain=np.ones(size),
        leak=zero.copy(),
        v0=zero.copy(),
        bias=zero.copy(),
        reset="none",
    )


def _threshold(
    made: Population, threshold: np.ndarray, node: Node, settings: Settings
) -> Population:
    size = made.size
    made.decay, made.gain, made.leak = np.zeros(size), np.ones(size), np.zeros(size)
    made.threshold, made.v_reset, made.v0 = threshold, np.zeros(size), np.zeros(size)
    made.reset, made.graded = "none", settings.graded(node)
    return made


def _dynamics(
    made: Population, node: Node, values: dict[str, np.ndarray], settings: Settings, report: Report
) -> None:
    """Set decays, gains and leak."""
    if node.kind in ("IF", "I"):
        made.decay, made.leak = np.ones(made.size), np.zeros(made.size)
        gain = _integrator_gain(node, values["r"], settings, report)
        made.gain = snap(gain, settings.snap)
        return
    name = "tau" if "tau" in values else "tau_mem"
    if "tau_syn" in values:
        tau_syn = values["tau_syn"]
        w_in = settings.w_in(node, values["w_in"], tau_syn)
        made.decay_syn, made.gain_syn = _pair(
            node, "tau_syn", tau_syn, "w_in", w_in, settings, report
        )
    made.decay, made.gain = _pair(node, name, values[name], "r", values["r"], settings, report)
    with np.errstate(over="ignore", invalid="ignore"):
        made.leak = (1.0 - made.decay) * values["v_leak"]
    if not np.isfinite(made.leak).all() and np.isfinite(made.decay).all():
        message = "the leak (1 - decay)*v_leak is too large for a number"
        report.add(E.not_finite.at(message, node=node.name))


def _pair(
    node: Node,
    tau_name: str,
    tau: np.ndarray,
    factor_name: str,
    factor: np.ndarray,
    settings: Settings,
    report: Report,
) -> tuple[np.ndarray, np.ndarray]:
    """Return ``1 - dt/tau`` and ``factor*dt/tau``; both infinite mean 1 and 1."""
    endless = np.isposinf(tau)
    _check_tau(node, tau_name, tau, factor_name, factor, report)
    ratio = np.zeros_like(tau)
    positive = (tau > 0) & ~endless
    with np.errstate(over="ignore", invalid="ignore"):  # reported below
        np.divide(settings.dt, tau, out=ratio, where=positive)
        gain = np.where(endless, 1.0, np.where(np.isfinite(factor), factor, 0.0) * ratio)
    _check_ratio(node, tau_name, tau, ratio, settings, report)
    if not np.isfinite(gain).all():
        message = f"the gain {factor_name}*dt/{tau_name} is too large for a number"
        report.add(E.not_finite.at(message, node=node.name))
        return ratio, gain
    decay = 1.0 - ratio
    snapped = snap(decay, settings.snap)  # but never onto 1: a slow neuron must keep its leak
    decay = np.where((snapped == 1.0) & (ratio != 0), decay, snapped)
    return decay, snap(gain, settings.snap)


def _check_tau(
    node: Node, name: str, tau: np.ndarray, factor_name: str, factor: np.ndarray, report: Report
) -> None:
    bad = np.flatnonzero(tau <= 0)
    if bad.size:
        message = f"{name}[{bad[0]}] is {tau[bad[0]]:g}{_more(bad)}; time constants are positive"
        report.add(E.bad_time_constant.at(message, node=node.name, found=f"{tau[bad[0]]:g} s"))
    endless, unbounded = np.isposinf(tau), np.isposinf(factor)
    deaf = np.flatnonzero(endless & ~unbounded)
    if deaf.size:
        message = (
            f"{name}[{deaf[0]}] is inf but {factor_name}[{deaf[0]}] is "
            f"{factor[deaf[0]]:g}{_more(deaf)}: the gain would be zero"
        )
        report.add(E.infinite_tau.at(message, node=node.name))
    wild = np.flatnonzero(unbounded & ~endless)
    if wild.size:
        message = f"{factor_name}[{wild[0]}] is inf{_more(wild)}"
        report.add(E.not_finite.at(message, node=node.name, found="inf", limit="finite numbers"))


def _check_ratio(
    node: Node, name: str, tau: np.ndarray, ratio: np.ndarray, settings: Settings, report: Report
) -> None:
    worst = int(ratio.argmax())
    text = f"dt/{name} = {ratio[worst]:g} (dt {settings.dt:g} s, {name}[{worst}] {tau[worst]:g} s)"
    if ratio[worst] > 2 * (1 + _RATIO_TOLERANCE):
        hint = "give the dt that belongs to this model"
        if ratio[worst] > 10:
            hint += "; or tau is wrong: Norse 1.1 exports it 1000 times too small unless dt=1.0"
        message = f"the time step is too long: {text}"
        found = f"{ratio[worst]:g}"
        finding = E.unstable_step.at(message, node=node.name, limit="2", found=found, hint=hint)
        lenient = not settings.strict and np.isfinite(ratio[worst])
        report.add(replace(finding, severity="warning") if lenient else finding)
    elif ratio[worst] > 1 + _RATIO_TOLERANCE:
        message = f"the time step is longer than the time constant: {text}"
        report.add(W.coarse_step.at(message, node=node.name, found=f"{ratio[worst]:g}", limit="1"))
    slow = (ratio > 0) & (ratio < 1 / _SLOW_STEPS)
    if slow.any():
        first = int(slow.argmax())
        message = f"{name}[{first}] = {tau[first]:g} s is {1 / ratio[first]:,.0f} time steps"
        hint = "are the time constants of this file in ms or in steps? then say the dt in that unit"
        report.add(W.slow_neuron.at(message, node=node.name, hint=hint))


def _more(indices: np.ndarray) -> str:
    return f" (and {indices.size - 1} more)" if indices.size > 1 else ""


def _integrator_gain(node: Node, r: np.ndarray, settings: Settings, report: Report) -> np.ndarray:
    wild = np.flatnonzero(~np.isfinite(r))
    if wild.size:
        message = f"r[{wild[0]}] is {r[wild[0]]}{_more(wild)}"
        report.add(E.not_finite.at(message, node=node.name, found=str(r[wild[0]])))
    scaled = r * settings.dt
    if settings.if_gain == "r":
        return r
    if settings.if_gain == "auto":
        if np.allclose(r, 1.0, rtol=0, atol=1e-5):
            return r
        if not np.allclose(scaled, 1.0, rtol=0, atol=1e-5):
            message = f"neither r ({r[0]:g}) nor r*dt ({scaled[0]:g}) is 1; r*dt is assumed"
            hint = "say Discretisation(if_gain='r') or 'r*dt'"
            report.add(W.assumed_if_gain.at(message, node=node.name, hint=hint))
    return scaled
