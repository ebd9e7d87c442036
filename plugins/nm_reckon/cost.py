"""Counters to latency and energy of ReckOn, with formula, source and status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nm_backends.chip import Quantity
from nm_backends.result import Estimate
from nm_reckon.spec import SPEC

__all__ = ["estimate"]

_COUNTED = "cycles = busy + {tick:g} per tick + {event:g} per input event; outputs taken at once"


def estimate(counters: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return energy, latency, and the latency at the fast operating point."""
    return {
        "energy": _energy(counters["sops"], counters["ticks"]),
        "latency": _latency(counters["cycles"], SPEC.quantities["f_clk"]),
        "latency_fast": _latency(counters["cycles"], SPEC.quantities["f_clk_fast"]),
    }


def _latency(cycles: np.ndarray, clock: Quantity) -> Estimate:
    counted = _COUNTED.format(
        tick=SPEC.quantities["cycles_tick"].value, event=SPEC.quantities["cycles_event"].value
    )
    at = f"{clock.value / 1e6:g} MHz, {clock.condition}"
    return Estimate(
        np.asarray(cycles) / clock.value, "s", f"cycles / f_clk; {counted}",
        f"{clock.source} ({at})", clock.status,
    )  # fmt: skip


def _energy(sops: np.ndarray, ticks: np.ndarray) -> Estimate:
    """Only totals are published: the least energy of a time step, and what a SOP adds at best."""
    step, sop = SPEC.quantities["E_step_inference_min"], SPEC.quantities["E_SOP"]
    sources = "; ".join(
        f"{name}: {q.source}, {q.status} {q.condition}"
        for name, q in (("E_step_inference_min", step), ("E_SOP", sop))
    )
    value = step.value * np.asarray(ticks) + sop.value * np.asarray(sops)
    formula = "E_step_inference_min * ticks + E_SOP * SOPs"
    return Estimate(value, "J", formula, sources, "extrapolated")
