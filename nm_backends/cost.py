"""Counters to latency and energy, each with formula, source of its constants, and status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np

from nm_backends.chip import ChipSpec, Quantity, Status
from nm_backends.result import Estimate

__all__ = ["energy", "estimate", "latency", "weakest"]

_CYCLES = "cycles = core + stall + {wait:g} per served event + {handshake:g} per input event"


def weakest(quantities: Sequence[Quantity]) -> Status:
    """Return the status that deserves the least trust."""
    order = list(get_args(Status))
    return max((q.status for q in quantities), key=order.index)


def latency(spec: ChipSpec, cycles: np.ndarray) -> Estimate:
    """Return the time per sample at the clock that the chip's sources state, in seconds.

    The host waits for 8 idle cycles before each event and answers requests at once.
    """
    clock = spec.quantities["f_clk"]
    counted = _CYCLES.format(
        wait=spec.quantities["cycles_wait"].value,
        handshake=spec.quantities["cycles_handshake"].value,
    )
    at = (
        f"{clock.value / 1e6:g} MHz, {clock.condition}"
        if clock.condition
        else f"{clock.value / 1e6:g} MHz"
    )
    return Estimate(
        np.asarray(cycles) / clock.value,
        "s",
        f"cycles / f_clk; {counted}",
        f"{clock.source} ({at})",
        clock.status,
    )


def energy(spec: ChipSpec, cycles: np.ndarray, sops: np.ndarray) -> Estimate | None:
    """Return the energy per sample in joules, or None where no constants are published."""
    names = ("E_SOP", "P_leak", "P_idle", "f_clk")
    if not all(name in spec.quantities for name in names):
        return None
    used = [spec.quantities[name] for name in names]
    e_sop, p_leak, p_idle, f_clk = (q.value for q in used)
    seconds = np.asarray(cycles) / f_clk
    value = e_sop * np.asarray(sops) + (p_leak + p_idle * f_clk) * seconds
    sources = "; ".join(f"{n}: {q.source}, {q.status}" for n, q in zip(names, used, strict=True))
    formula = "E_SOP * SOPs + (P_leak + P_idle * f_clk) * cycles / f_clk"
    return Estimate(value, "J", formula, sources, weakest(used))


def estimate(
    spec: ChipSpec, counters: Mapping[str, np.ndarray], no_energy: str = ""
) -> dict[str, Any]:
    """Return ``energy`` and ``latency``, and ``energy_note`` where there is no energy."""
    found: dict[str, Any] = {
        "energy": energy(spec, counters["cycles"], counters["sops"]),
        "latency": latency(spec, counters["cycles"]),
    }
    if found["energy"] is None:
        found["energy_note"] = no_energy or f"no energy figures are published for {spec.name}"
    return found
