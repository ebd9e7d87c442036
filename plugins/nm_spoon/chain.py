"""A network as the chain of layers that SPOON computes, with what keeps it from being one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from nm_spoon import rules as R
from nm_spoon.convolution import Convolution, as_convolution, pooled_rows
from nm_spoon.neuron_lines import Line, line_of
from nm_spoon.spec import ASSUMED, Limits, limits_of

if TYPE_CHECKING:
    from nm_backends.chip import ChipSpec
    from nm_backends.network import Network, Population, Projection
    from nm_backends.rules import Diagnostic

__all__ = ["MAXIMUM", "MEAN", "UNPOOLED", "Chain", "Conv", "Dense", "Read", "read_chain"]

UNPOOLED, MAXIMUM, MEAN = 0, 1, 2
_FITTED, _REFUSED = 0.01, 0.2  # spikes per step


@dataclass(frozen=True)
class Conv:
    """The convolution: ``kernel`` and ``bias`` give values, its neurons' slope and all in them."""

    name: str
    geometry: Convolution
    kernel: np.ndarray
    bias: np.ndarray
    maps: tuple[int, int, int]


@dataclass(frozen=True)
class Dense:
    """A dense layer: ``weights`` ``[inputs, neurons]`` and ``bias`` ``[neurons]`` give values."""

    name: str
    projection: str
    weights: np.ndarray
    bias: np.ndarray
    signed: bool


@dataclass(frozen=True)
class Chain:
    """All layers; ``shape`` is that of the input: channels, rows, columns."""

    shape: tuple[int, int, int]
    conv: Conv | None
    pool: int
    pooled: str | None
    hidden: Dense
    output: Dense

    @property
    def features(self) -> int:
        """Values that the hidden layer hears."""
        return len(self.hidden.weights)


@dataclass
class Read:
    """What `read_chain` found: the chain, or None, and everything to be said."""

    chain: Chain | None = None
    findings: list[Diagnostic] = field(default_factory=list)


def read_chain(network: Network, spec: ChipSpec) -> Read:
    """Return a network as a chain, and all findings about it."""
    found = Read()
    found.findings += _structure(network)
    if not found.findings:
        found.findings += _neurons(network)
    if any(f.severity == "error" for f in found.findings):
        found.findings += _dense_size(network, spec)
        return found
    found.chain = _chain(network, found.findings)
    if found.chain is not None:
        found.findings += _sizes(found.chain, limits_of(spec))
    return found


def _structure(network: Network) -> Iterator[Diagnostic]:
    for projection in network.projections:
        if projection.delay:
            yield R.looks_back.at(
                f"the projection {projection.name} has a delay of {projection.delay} steps",
                node=projection.post, found=projection.delay, limit=0, source=ASSUMED,
            )  # fmt: skip
    if len(network.inputs) != 1:
        yield R.no_chain.at(f"{len(network.inputs)} inputs", found=len(network.inputs), limit=1)
    layers = network.neurons
    if not 2 <= len(layers) <= 4:
        yield R.no_chain.at(
            f"{len(layers)} layers of neurons", found=len(layers),
            limit="a hidden and an output layer; a convolution and its pooling before them",
        )  # fmt: skip
    names = list(network.populations)
    for before, population in pairwise(names):
        heard = [p.pre for p in network.into(population)]
        if heard != [before] and not network.populations[population].is_input:
            yield R.no_chain.at(
                f"it hears {', '.join(heard) or 'nothing'}", node=population, limit=before
            )
    shown = set(network.outputs.values())
    if shown != {names[-1]}:
        yield R.no_chain.at(
            f"what is shown is {', '.join(sorted(shown))}", found=len(shown), limit=names[-1]
        )


def _neurons(network: Network) -> Iterator[Diagnostic]:
    layers = network.neurons
    yield R.values_for_spikes.at(
        "values take the place of spikes; of an input only the first spike counts",
        hint="nmb explain SPOON010",
    )
    for place, population in enumerate(layers):
        if _may_pool(network, place):
            continue
        off = line_of(population).off
        if off > _REFUSED or (not population.spiking and place < len(layers) - 2):
            yield R.no_clipped_line.at(
                f"{population.node_type} is off by {off:.2f} spikes per step from a clipped line",
                node=population.name, found=f"{off:.2f}", limit=_REFUSED,
                hint="IF neurons with reset by subtraction are exact",
            )  # fmt: skip
        elif off > _FITTED:
            yield R.rates_are_fitted.at(
                f"rates are off by {off:.2f} spikes per step", node=population.name,
                found=f"{off:.2f}", limit=_FITTED, hint="nmb explain SPOON011",
            )  # fmt: skip
        if not population.spiking and place == len(layers) - 2:
            yield R.hidden_values_are_cut.at(
                f"{population.node_type} is cut to -1 to 1", node=population.name, limit="-1 to 1"
            )


def _may_pool(network: Network, place: int) -> bool:
    """Return whether a layer stands where pooling does: between convolution and hidden layer."""
    layers = network.neurons
    return len(layers) == 4 and place == 1 and layers[1].node_type == "Threshold"


def _dense_size(network: Network, spec: ChipSpec) -> Iterator[Diagnostic]:
    """Say that neurons are too many also where nothing else can be said about sizes."""
    flat = sum(p.size for p in network.neurons if len(p.shape) == 1)
    if flat > spec.neurons:
        yield R.too_large.at(
            f"{flat} neurons in dense layers", found=flat, limit=spec.neurons, source=ASSUMED
        )


def _chain(network: Network, findings: list[Diagnostic]) -> Chain | None:
    given = network.inputs[0]
    layers = network.neurons
    hears = {p.post: p for p in network.projections}
    shape = _three(given.shape)
    conv, pool, pooled = None, UNPOOLED, None
    if len(layers) > 2:
        conv = _conv(hears[layers[0].name], given, layers[0], shape)
        if conv is None:
            findings.append(_not_convolution(layers[0]))
            return None
    if len(layers) == 4:
        pool, pooled = MAXIMUM, layers[1].name
        if not _is_maximum(hears[pooled], layers[0], layers[1]):
            findings.append(R.no_pooling.at("not 2 x 2 pooling", node=pooled))
            return None
    hidden = _dense(hears[layers[-2].name], layers[-3] if len(layers) > 2 else given, layers[-2])
    if conv is not None and pool == UNPOOLED:
        mean = pooled_rows(hidden.weights, conv.maps)
        if mean is not None:
            pool, hidden = MEAN, _with(hidden, mean)
    return Chain(shape, conv, pool, pooled, hidden, _dense(hears[layers[-1].name], layers[-2],
                 layers[-1]))  # fmt: skip


def _with(layer: Dense, weights: np.ndarray) -> Dense:
    return Dense(layer.name, layer.projection, weights, layer.bias, layer.signed)


def _three(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return channels, rows and columns of a shape of any length."""
    if len(shape) == 3:
        return (shape[0], shape[1], shape[2])
    if len(shape) == 2:
        return (1, shape[0], shape[1])
    return (1, 1, int(np.prod(shape, dtype=np.int64)))


def _not_convolution(population: Population) -> Diagnostic:
    return R.no_convolution.at(
        f"the weights into its {population.shape} neurons are not one convolution",
        node=population.name, found=population.shape, limit="maps of one kernel each",
        hint="a third dense layer needs another chip",
    )  # fmt: skip


def _uniform(values: np.ndarray, maps: int) -> np.ndarray | None:
    """Return one value per map, or None where a map has several."""
    grid = values.reshape(maps, -1)
    return grid[:, 0] if np.allclose(grid, grid[:, :1], rtol=1e-6, atol=1e-12) else None


def _conv(
    projection: Projection, pre: Population, post: Population, shape: tuple[int, int, int]
) -> Conv | None:
    if len(post.shape) != 3 or len(pre.shape) not in (2, 3):
        return None
    maps = _three(post.shape)
    geometry = as_convolution(projection.weights, shape, maps)
    line = line_of(post)
    slope, bias = _uniform(line.slope, maps[0]), _uniform(_bias(post, line), maps[0])
    if geometry is None or slope is None or bias is None:
        return None
    kernel = geometry.kernel * (slope * pre.graded)[:, None, None, None]
    return Conv(post.name, geometry, kernel, bias, maps)


def _bias(population: Population, line: Line) -> np.ndarray:
    bias = np.zeros(population.size) if population.bias is None else population.bias
    return np.asarray(bias * line.slope + line.offset)


def _dense(projection: Projection, pre: Population, post: Population) -> Dense:
    line = line_of(post)
    weights = projection.weights.toarray() * line.slope * pre.graded
    return Dense(post.name, projection.name, weights, _bias(post, line), line.signed)


def _is_maximum(projection: Projection, pre: Population, post: Population) -> bool:
    """Return whether a layer spikes as soon as one of 2 x 2 neurons of its map does."""
    maps, halves = _three(pre.shape), _three(post.shape)
    if len(pre.shape) != 3 or halves != (maps[0], maps[1] // 2, maps[2] // 2):
        return False
    if sp.coo_array(projection.weights).nnz != 4 * post.size:
        return False
    source, target = projection.weights.nonzero()
    c, y, x = np.unravel_index(source, maps)
    k, v, u = np.unravel_index(target, halves)
    worth = projection.weights.data * pre.graded
    threshold = np.zeros(1) if post.threshold is None else post.threshold
    least = float(threshold.min()) + (post.spike_cmp == ">")  # 0 itself passes only if equal does
    passes = bool((worth > threshold.max()).all() and least > 0)
    silent = post.bias is None or not post.bias.any()
    return passes and silent and bool(((c == k) & (y // 2 == v) & (x // 2 == u)).all())


def _sizes(chain: Chain, limits: Limits) -> Iterator[Diagnostic]:
    dense = chain.hidden.weights.shape[1], chain.output.weights.shape[1]
    used = [
        ("input channels", int(np.prod(chain.shape)), limits.pixels, "pixels", ""),
        ("features", chain.features, limits.features, "features", chain.hidden.name),
        ("hidden neurons", dense[0], limits.hidden, "hidden", chain.hidden.name),
        ("outputs", dense[1], limits.outputs, "outputs", chain.output.name),
    ]
    if chain.conv is not None:
        kernel = chain.conv.kernel
        used += [
            ("kernels", len(kernel), limits.kernels, "kernels", chain.conv.name),
            ("weights in a kernel", kernel[0].size, limits.kernel_taps, "kernel_taps",
             chain.conv.name),
        ]  # fmt: skip
    for what, number, limit, assumption, node in used:
        if number > limit:
            yield R.too_large.at(
                f"{number} {what}, there is room for {limit}", node=node, found=number,
                limit=limit, source=ASSUMED,
                hint=f"not published: assumptions={{{assumption!r}: {number}}}, if you know better",
            )  # fmt: skip
