"""From a network to the chip's image: read the chain, scale its layers, fill the memories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nm_backends.effective import parameter
from nm_backends.errors import UserError
from nm_backends.first_spikes import FirstSpikes
from nm_backends.fit import relative_error
from nm_backends.image import Image
from nm_backends.program import Fit, Mapping, PopulationFit, Resource
from nm_backends.rules import Report
from nm_spoon import rules as R
from nm_spoon.activations import activations
from nm_spoon.chain import Chain, Conv, Dense, read_chain
from nm_spoon.feedback import random_signs
from nm_spoon.float_model import FloatRun, float_run, pooled
from nm_spoon.quantise import Range, Scaled, convolved, dense_sums, quantise
from nm_spoon.setup import Setup, pack
from nm_spoon.spec import Limits, limits_of, spec_of

if TYPE_CHECKING:
    from nm_backends.network import Network
    from nm_backends.program import CompileOptions
    from nm_spoon.assumptions import Assumptions

__all__ = ["map_network"]

_SAMPLES = 512  # of the calibration, that are looked at
_RATES = (7, 13)  # hidden and output, where a layer learns and nobody says
_SEED = 0xACE1


@dataclass(frozen=True)
class _Layers:
    conv: Scaled | None
    hidden: Scaled
    output: Scaled


def map_network(
    network: Network,
    options: CompileOptions,
    calibration: FirstSpikes | np.ndarray | None,
    assumed: Assumptions,
) -> Mapping:
    """Quantise, place and build the image.

    Parameters
    ----------
    calibration
        First spikes of typical samples, or None.
    """
    spec = spec_of(assumed)
    read = read_chain(network, spec)
    report = Report("spoon", network.source, list(read.findings))
    chain = read.chain
    if chain is None or not report.ok:
        return Mapping(Image(), {}, [], Fit(), report)
    learns = _learning(network, chain, options.learn, report)
    inputs = _inputs(calibration)
    wanted = None if inputs is None else float_run(chain, inputs / 255.0)
    layers = _scaled(chain, inputs, wanted, assumed, learns)
    setup = _setup(chain, layers, learns)
    metadata = _measured(setup, assumed, inputs, wanted, layers, report)
    if inputs is None:
        report.add(R.scales_are_guessed.at("no calibration: scales follow from the weights"))
    layout = {
        "unit": np.array([layers.hidden.unit, layers.output.unit]),
        "per_weight": np.array([layers.hidden.per_weight, layers.output.per_weight]),
        "conv": np.array([] if layers.conv is None else
                         [layers.conv.unit, layers.conv.per_weight]),
    }  # fmt: skip
    return Mapping(
        pack(setup, spec), layout, _resources(chain, limits_of(spec)),
        _fit(network, chain, layers), report, metadata,
    )  # fmt: skip


def _inputs(calibration: FirstSpikes | np.ndarray | None) -> np.ndarray | None:
    return None if calibration is None else activations(FirstSpikes.of(calibration))[:_SAMPLES]


def _learning(
    network: Network, chain: Chain, nodes: tuple[str, ...], report: Report
) -> tuple[bool, bool]:
    """Return whether the hidden and the output layer learn."""
    into = {p.post: p.nodes for p in network.projections}
    layers = [into[chain.hidden.name], into[chain.output.name]]
    known = {node for nodes_ in into.values() for node in nodes_}
    for node in nodes:
        if node not in known:
            raise UserError(f"node {node!r}: no such weight node in {network.source}")
        if not any(node in found for found in layers):
            report.add(R.cannot_learn.at("it does not learn on this chip", node=node))
    return any(n in layers[0] for n in nodes), any(n in layers[1] for n in nodes)


def _scaled(
    chain: Chain,
    inputs: np.ndarray | None,
    wanted: FloatRun | None,
    assumed: Assumptions,
    learns: tuple[bool, bool],
) -> _Layers:
    """Scale layer by layer; each is judged on what the layers before make of the samples."""
    conv, unit, seen, bits = None, 255.0, inputs, (assumed.weight_bits, assumed.dense_bits)
    if chain.conv is not None:
        conv = _conv(chain, chain.conv, inputs, wanted, assumed)
        unit = conv.unit
        seen = None if inputs is None else _features(chain, chain.conv, conv, inputs)
    form = _form(chain.hidden, hidden=True)
    given = None if seen is None or wanted is None else (seen, wanted.hidden)
    hidden = _dense(chain.hidden, unit, form, bits, given, learns[0])
    given = None if seen is None or wanted is None else (
        _stored(dense_sums(seen, hidden.weights, hidden.bias), hidden.shift, form), wanted.output
    )  # fmt: skip
    last = _form(chain.output, hidden=False)
    return _Layers(conv, hidden, _dense(chain.output, hidden.unit, last, bits, given, learns[1]))


def _dense(
    layer: Dense,
    unit: float,
    form: Range,
    bits: tuple[int, int],
    given: tuple[np.ndarray, np.ndarray] | None,
    learns: bool,
) -> Scaled:
    return quantise(layer.weights, layer.bias, unit, form, bits, dense_sums, given, learns)


def _form(layer: Dense, hidden: bool) -> Range:
    if not layer.signed:
        return Range(0, 255, 0, 255, (0.0, 1.0))
    if hidden:
        return Range(-128, 127, 0, 128, (-1.0, 1.0))
    return Range(0, 255, 128, 127, None)


def _conv(
    chain: Chain, conv: Conv, inputs: np.ndarray | None, wanted: FloatRun | None, a: Assumptions
) -> Scaled:
    sums = convolved(conv.geometry, chain.shape, conv.maps)
    given = None if inputs is None or wanted is None else (inputs, wanted.maps)
    form = Range(0, 255, 0, 255, (0.0, 1.0))
    return quantise(conv.kernel, conv.bias, 255.0, form, (a.weight_bits, a.conv_bits), sums, given)


def _features(chain: Chain, conv: Conv, scaled: Scaled, inputs: np.ndarray) -> np.ndarray:
    sums = convolved(conv.geometry, chain.shape, conv.maps)
    maps = _stored(
        sums(inputs, scaled.weights, scaled.bias), scaled.shift, Range(0, 255, 0, 255, None)
    )
    features = np.floor(pooled(maps, chain.pool))
    return np.asarray(features.reshape(len(features), -1))


def _stored(sums: np.ndarray, shift: int, form: Range) -> np.ndarray:
    return np.asarray(np.clip(np.floor(sums / 2.0**shift) + form.mid, form.low, form.high))


def _setup(chain: Chain, layers: _Layers, learns: tuple[bool, bool]) -> Setup:
    conv, scaled = chain.conv, layers.conv
    registers = {
        "INPUT_CHANNELS": chain.shape[0], "INPUT_HEIGHT": chain.shape[1],
        "INPUT_WIDTH": chain.shape[2], "CONV_KERNELS": 0, "KERNEL_HEIGHT": 0, "KERNEL_WIDTH": 0,
        "CONV_STRIDE": 1, "CONV_TOP": 0, "CONV_LEFT": 0, "MAP_HEIGHT": 0, "MAP_WIDTH": 0,
        "CONV_SHIFT": 0, "POOL_MODE": 0,
        "HIDDEN_NEURONS": chain.hidden.bias.size, "HIDDEN_SHIFT": layers.hidden.shift,
        "HIDDEN_SIGNED": int(chain.hidden.signed), "OUTPUT_NEURONS": chain.output.bias.size,
        "OUTPUT_SHIFT": layers.output.shift,
        "OUTPUT_MID": 128 if chain.output.signed else 0,
        "LEARN": learns[0] + 2 * learns[1], "RATE_HIDDEN": _RATES[0], "RATE_OUTPUT": _RATES[1],
        "LFSR": _SEED,
    }  # fmt: skip
    none = np.zeros((0, 0), np.int32), np.zeros(0, np.int32)
    if conv is not None and scaled is not None:
        registers |= _conv_registers(conv, scaled, chain.pool)
        taps = scaled.weights.reshape(len(conv.kernel), -1).T
        none = np.ascontiguousarray(taps), scaled.bias
    return Setup(
        registers, *none, layers.hidden.weights, layers.hidden.bias, layers.output.weights,
        layers.output.bias, random_signs(chain.output.bias.size, chain.hidden.bias.size, 0),
    )  # fmt: skip


def _conv_registers(conv: Conv, scaled: Scaled, pool: int) -> dict[str, int]:
    kernels, _, height, width = conv.kernel.shape
    return {
        "CONV_KERNELS": kernels, "KERNEL_HEIGHT": height, "KERNEL_WIDTH": width,
        "CONV_STRIDE": conv.geometry.stride, "CONV_TOP": conv.geometry.top,
        "CONV_LEFT": conv.geometry.left, "MAP_HEIGHT": conv.maps[1], "MAP_WIDTH": conv.maps[2],
        "CONV_SHIFT": scaled.shift, "POOL_MODE": pool,
    }  # fmt: skip


def _measured(
    setup: Setup,
    assumed: Assumptions,
    inputs: np.ndarray | None,
    wanted: FloatRun | None,
    layers: _Layers,
    report: Report,
) -> dict[str, object]:
    """Run the samples on the chip; say how near it is to the model, and where sums saturate."""
    if inputs is None or wanted is None:
        return {}
    from nm_spoon.engine import plan_of, run

    seen = run(plan_of(setup, assumed), inputs)
    stopped = int(seen.counts[:, 2].sum())
    if stopped:
        report.add(R.accumulators_saturate.at(
            f"sums stop at their limits {stopped:,} times on {len(inputs)} samples",
            found=f"{stopped:,}", limit="0", hint="nmb explain SPOON013",
        ))  # fmt: skip
    mid = setup.registers["OUTPUT_MID"]
    chosen = seen.outputs.argmax(axis=1)
    return {
        "calibration_samples": len(inputs),
        "decisions_agree": float(np.mean(chosen == wanted.output.argmax(axis=1))),
        "snr_hidden_db": _snr(wanted.hidden, seen.hidden / layers.hidden.unit),
        "snr_output_db": _snr(wanted.output, (seen.outputs - mid) / layers.output.unit),
    }


def _snr(wanted: np.ndarray, found: np.ndarray) -> float:
    """Return signal to noise in dB, at most 300."""
    noise = float(np.linalg.norm(wanted - found))
    signal = float(np.linalg.norm(wanted))
    return 20.0 * float(np.log10(signal / noise)) if noise > 1e-15 * signal else 300.0


def _resources(chain: Chain, limits: Limits) -> list[Resource]:
    hidden, outputs = chain.hidden.bias.size, chain.output.bias.size
    kernels, taps = (0, 0) if chain.conv is None else (
        len(chain.conv.kernel), chain.conv.kernel[0].size
    )  # fmt: skip
    return [
        Resource("input addresses", int(np.prod(chain.shape)), limits.pixels),
        Resource("kernels", kernels, limits.kernels),
        Resource("weights of a kernel", taps, limits.kernel_taps),
        Resource("features", chain.features, limits.features),
        Resource("hidden neurons", hidden, limits.hidden),
        Resource("outputs", outputs, limits.outputs),
    ]


def _fit(network: Network, chain: Chain, layers: _Layers) -> Fit:
    found = {}
    if chain.conv is not None and layers.conv is not None:
        found[chain.conv.name] = _fitted(network, chain.conv.name, chain.conv.kernel, layers.conv)
    for layer, scaled in ((chain.hidden, layers.hidden), (chain.output, layers.output)):
        found[layer.name] = _fitted(network, layer.name, layer.weights, scaled)
    return Fit(found)


def _fitted(network: Network, name: str, weights: np.ndarray, scaled: Scaled) -> PopulationFit:
    """Compare weights as asked for and as realised; thresholds and leaks are in the scales."""
    population = network.populations[name]
    threshold, none = parameter(population, "threshold"), np.zeros(population.size)
    there = weights != 0
    beyond = np.abs(weights * scaled.per_weight) > np.abs(scaled.weights) + 0.5
    error = relative_error(weights, scaled.weights / scaled.per_weight)
    return PopulationFit(
        name, scaled.unit, threshold.copy(), threshold.copy(), none, none.copy(), error, 0.0, 0.0,
        int(there.sum()), int((there & beyond).sum()), int((there & (scaled.weights == 0)).sum()),
    )  # fmt: skip
