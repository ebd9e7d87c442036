"""Counters to latency and energy, each with formula, source of its constants, and status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np

from nm_backends.chip import ChipSpec, Quantity, Status
from nm_backends.result import Estimate

__all__ = ["energy", "estimate", "latency", "power", "weakest"]

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


def power(spec: ChipSpec, sops_per_second: Any, clock_hz: Any = None) -> Estimate | None:
    """Return the power of a chip that runs all the time, in watts; None where it is not published.

    Parameters
    ----------
    sops_per_second
        Synaptic operations, those of neurons that are swept but not in use among them.
    clock_hz
        Clock; None: the one that the chip's sources state. A slower one costs less while it waits.
    """
    used = _constants(spec)
    if used is None:
        return None
    e_sop, p_leak, p_idle, f_clk = (q.value for q in used.values())
    clock = f_clk if clock_hz is None else np.asarray(clock_hz)
    value = p_leak + p_idle * clock + e_sop * np.asarray(sops_per_second)
    return Estimate(value, "W", "P_leak + P_idle * f_clk + E_SOP * r_SOP", *_provenance(used))


def _constants(spec: ChipSpec) -> dict[str, Quantity] | None:
    names = ("E_SOP", "P_leak", "P_idle", "f_clk")
    if not all(name in spec.quantities for name in names):
        return None
    return {name: spec.quantities[name] for name in names}


def _provenance(used: Mapping[str, Quantity]) -> tuple[str, Status]:
    sources = "; ".join(f"{name}: {q.source}, {q.status}" for name, q in used.items())
    return sources, weakest(tuple(used.values()))


def energy(spec: ChipSpec, cycles: np.ndarray, sops: np.ndarray) -> Estimate | None:
    """Return the energy per sample in joules, or None where no constants are published."""
    used = _constants(spec)
    if used is None:
        return None
    e_sop, p_leak, p_idle, f_clk = (q.value for q in used.values())
    seconds = np.asarray(cycles) / f_clk
    value = e_sop * np.asarray(sops) + (p_leak + p_idle * f_clk) * seconds
    formula = "E_SOP * SOPs + (P_leak + P_idle * f_clk) * cycles / f_clk"
    return Estimate(value, "J", formula, *_provenance(used))


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
