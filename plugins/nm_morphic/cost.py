"""Counters to time, energy and power of MorphIC, with formula, source and status.

A served event costs 512 synaptic operations of two cycles each, whether neurons are in use or not;
the four cores work at the same time. At 1.2 V only the energy per operation and the clock are
published: absolute power there is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from nm_backends import cost
from nm_backends.chip import Quantity
from nm_backends.errors import UserError
from nm_backends.result import Estimate
from nm_morphic.spec import CORES, SPEC

__all__ = ["VOLTAGES", "dynamic_energy", "estimate", "operating_time", "power"]

VOLTAGES = {"0.8 V": ("f_clk", "E_SOP"), "1.2 V": ("f_clk_fast", "E_SOP_fast")}
"""Supply to the names of its clock and its energy per operation."""


def dynamic_energy(sops: Any, voltage: str = "0.8 V") -> Estimate:
    """Return what synaptic operations add to leakage and idle power, in joules."""
    _, per_sop = _constants(voltage)
    return _derived(per_sop.value * np.asarray(sops), "J", "E_SOP * SOPs", per_sop)


def operating_time(sops: Any, cores: int = CORES, voltage: str = "0.8 V") -> Estimate:
    """Return the time of synaptic operations in seconds, when ``cores`` share them evenly.

    ``MeshLog.busy_cycles`` says how evenly they do.
    """
    if cores < 1:
        raise UserError(f"cores: {cores}, expected at least 1")
    clock, _ = _constants(voltage)
    cycles = SPEC.quantities["cycles_per_neuron"].value * np.asarray(sops) / cores
    formula = f"2 * SOPs / ({cores} * f_clk)"
    return _derived(cycles / clock.value, "s", formula, clock)


def power(
    sops_per_second: float, clock_hz: float | None = None, voltage: str = "0.8 V"
) -> Estimate:
    """Return the power of one chip, leakage included, in watts.

    Raises
    ------
    UserError
        At 1.2 V, where leakage and idle power are not published; more operations than the clock
        allows.
    """
    clock, per_sop = _constants(voltage)
    if voltage != "0.8 V":
        raise UserError(
            f"power at {voltage}: leakage and idle power are not published",
            "dynamic_energy gives what operations add; absolute power is known at 0.8 V",
        )
    rate = clock.value if clock_hz is None else clock_hz
    most = CORES * rate / SPEC.quantities["cycles_per_neuron"].value
    if not 0 < rate <= clock.value or not 0 <= sops_per_second <= most:
        raise UserError(
            f"power: {rate:g} Hz, {sops_per_second:g} SOP/s, at most {clock.value:g} Hz and "
            f"{most:g} SOP/s"
        )
    leak, idle = SPEC.quantities["P_leak"], SPEC.quantities["P_idle"]
    value = leak.value + idle.value * rate + per_sop.value * sops_per_second
    return _derived(value, "W", "P_leak + P_idle * f_clk + E_SOP * r_SOP", leak, idle, per_sop)


def estimate(counters: Mapping[str, np.ndarray], chips: int = 1) -> dict[str, Any]:
    """Return ``energy`` (all of it, of so many chips) and ``latency`` at 0.8 V.

    And ``energy_dynamic``, what the operations take without leakage and idle power.
    """
    found = cost.estimate(SPEC, counters)
    dynamic = dynamic_energy(counters["sops"])
    if chips > 1:  # each leaks and idles
        total, one = found["energy"], dynamic.value
        formula = f"E_SOP * SOPs + {chips} chips * (P_leak + P_idle * f_clk) * cycles / f_clk"
        value = one + chips * (np.asarray(total.value) - one)
        found["energy"] = replace(total, value=value, formula=formula)
    return {**found, "energy_dynamic": dynamic}


def _constants(voltage: str) -> tuple[Quantity, Quantity]:
    if voltage not in VOLTAGES:
        raise UserError(f"voltage {voltage!r}: expected one of " + ", ".join(map(repr, VOLTAGES)))
    clock, energy = VOLTAGES[voltage]
    return SPEC.quantities[clock], SPEC.quantities[energy]


def _derived(value: Any, unit: str, formula: str, *used: Quantity) -> Estimate:
    sources = "; ".join(f"{q.source}, {q.status}, {q.condition}" for q in used)
    return Estimate(value, unit, formula, sources, cost.weakest(used))
