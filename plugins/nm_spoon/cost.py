"""Energy and latency, as far as anything is published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nm_backends.result import Estimate
from nm_spoon.assumptions import Assumptions
from nm_spoon.spec import ABSTRACT, ASSUMED, spec_of

if TYPE_CHECKING:
    from nm_spoon.setup import Setup

__all__ = ["classification", "dense_macs", "estimate", "learning_energy"]


def dense_macs(setup: Setup) -> int:
    """Return the products of a sample whose inputs, features and hidden values are all not 0."""
    kernels, rows, columns = setup.maps
    taps = len(setup.conv_weight) if setup.registers["CONV_KERNELS"] else 0
    hidden, outputs = setup.hidden_bias.size, setup.output_bias.size
    return kernels * rows * columns * taps + setup.features * hidden + hidden * outputs


def _published() -> int:
    """Return the same of the topology that is assumed to be the published one."""
    a = Assumptions()
    maps = a.kernels * 12 * 12  # 28 x 28 under 5 x 5 kernels that move by 2
    return maps * a.kernel_taps + a.features * a.hidden + a.hidden * a.outputs


def classification(products: np.ndarray) -> Estimate:
    """Return the energy of classifications: the published one, or in proportion to products.

    Parameters
    ----------
    products
        `dense_macs` of each sample.
    """
    whole = spec_of(Assumptions()).quantities["E_classification"]
    ratio = np.asarray(products) / _published()
    known = bool((ratio == 1).all())
    more = f"; in proportion to products: {ASSUMED}"
    return Estimate(
        whole.value * ratio, "J",
        "E_classification" if known else f"E_classification * products / {_published()}",
        f"{whole.source} ({whole.condition})" + ("" if known else more),
        whole.status if known else "extrapolated",
    )  # fmt: skip


def learning_energy(products: np.ndarray) -> Estimate:
    """Return the energy of classifications with learning on; see `classification`."""
    plain = classification(products)
    overhead = spec_of(Assumptions()).quantities["learning_overhead"].value
    return Estimate(
        np.asarray(plain.value) * (1 + overhead), "J", f"({plain.formula}) * {1 + overhead:g}",
        f"{plain.source}; 16.8 % of power for learning: {ABSTRACT}; of what: {ASSUMED}",
        "extrapolated",
    )  # fmt: skip


def estimate(counters: Mapping[str, np.ndarray], assumed: Assumptions) -> dict[str, Any]:
    """Return energy, and latency where a clock is assumed."""
    found: dict[str, Any] = {"energy": classification(counters["products"])}
    clock = assumed.clock_hz
    if clock:
        found["latency"] = Estimate(
            np.asarray(counters["cycles"]) / clock, "s", "cycles / clock_hz, "
            f"{assumed.macs_per_cycle} products per cycle", ASSUMED, "unconfirmed",
        )  # fmt: skip
    else:
        found["latency_note"] = "no clock frequency is published for SPOON (assume clock_hz)"
    return found
