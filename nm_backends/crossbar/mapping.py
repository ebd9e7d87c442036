"""From a network to a crossbar program."""

from __future__ import annotations

import numpy as np

from nm_backends.crossbar.chip import CrossbarChip
from nm_backends.crossbar.integers import integers_of
from nm_backends.crossbar.layout import Choices, plan
from nm_backends.crossbar.wiring import wire
from nm_backends.network import Network
from nm_backends.program import CompileOptions, Fit, Mapping
from nm_backends.quantize import quantize_maxabs
from nm_backends.rules import Report


def map_network(
    chip: CrossbarChip,
    network: Network,
    options: CompileOptions,
    calibration: np.ndarray | None,
) -> Mapping:
    wiring = wire(network)
    spec = chip.spec
    q = quantize_maxabs(wiring.weights, wiring.threshold, wiring.strict, spec.weights, spec.threshold.maximum)
    ints = integers_of(wiring, q, spec)
    made = plan(wiring, ints, chip, Choices())
    return Mapping(chip.pack(made.contents), made.layout, [], Fit(), Report(spec.name, network.source))
