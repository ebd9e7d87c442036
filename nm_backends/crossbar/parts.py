"""Parts of a network that is cut over several crossbars: what one chip can hold of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from nm_backends.crossbar.demand import demand
from nm_backends.crossbar.hosted import choose_hosted, room_for_inputs
from nm_backends.crossbar.sharing import with_shared_rows
from nm_backends.crossbar.wiring import Wiring, wire

if TYPE_CHECKING:
    from nm_backends.crossbar.chip import CrossbarChip
    from nm_backends.network import Network
    from nm_backends.rules import Diagnostic

__all__ = ["LIFTED", "check_part", "spikes_of_sources"]

LIFTED = (
    "too_many_neurons",
    "too_many_rows",
    "too_many_copies",
    "stored_twice",
    "delay_too_long",
    "immediate_recurrence",
)
"""Shared rules that do not hold for a network that may be cut, and whose spikes the host sends."""


def check_part(chip: CrossbarChip, network: Network) -> Iterator[Diagnostic]:
    """Yield what keeps a part, all of whose sources are inputs, from one chip."""
    spec, source = chip.spec, chip.spec.sources[0]
    neurons = sum(p.size for p in network.neurons)
    node = max(network.neurons, key=lambda p: p.size).name
    if neurons > spec.neurons:
        yield chip.rules["too_many_neurons"].at(
            f"{neurons:,} neurons do not fit one {spec.name}",
            node=node,
            found=f"{neurons:,} neurons",
            limit=f"{spec.neurons} neurons",
            source=source,
        )
        return
    need = demand(network, chip.row_pairs)
    wiring = with_shared_rows(chip, wire(network))
    if choose_hosted(chip, wiring) is None:
        reach = chip.virtual.neurons if chip.virtual else 0
        yield chip.rules["too_many_rows"].at(
            f"{need.input_rows:,} rows are needed for {need.channels:,} input channels, and the "
            f"virtual events by which the host can be synapses reach {reach} of {neurons} neurons",
            node=node,
            found=f"{need.input_rows:,} rows",
            limit=f"{room_for_inputs(chip, wiring)} rows",
            source=source,
            hint="fewer neurons, inputs or weights on one chip",
        )


def spikes_of_sources(calibration: np.ndarray, wiring: Wiring) -> np.ndarray:
    """Return how often each source that is an input spikes."""
    counts = calibration.sum(axis=(0, 1), dtype=np.int64)[wiring.channel]
    return np.bincount(wiring.source, counts, wiring.inputs)
