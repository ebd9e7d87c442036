"""NeuroBench metrics of a program on a chip: footprint, sparsities, synaptic operations.

By the definitions of the package ``neurobench`` (Yik et al., Nature Communications 2025), through
the package itself where it is installed (extra ``neurobench``): its metrics look at torch layers,
so the weights that the chip holds are put into linear layers and the spikes that the chip fired
into its hooks. Nothing is simulated by torch.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib.util import find_spec
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from nm_backends.errors import UserError
from nm_backends.first_spikes import holds_values

if TYPE_CHECKING:
    from nm_backends.chip import ChipSpec
    from nm_backends.network import Network
    from nm_backends.program import Program

__all__ = ["NeuroBench", "measure"]


@dataclass(frozen=True)
class NeuroBench:
    """What NeuroBench's tables hold, for a network as a chip executes it.

    Parameters
    ----------
    footprint
        Bytes of the network's weights (zeros too) and neurons in the formats of the chip.
    connection_sparsity
        Share of the weights that are zero on the chip, to 4 digits.
    activation_sparsity
        Share of neurons and steps without a spike.
    effective_acs
        Accumulations per sample: nonzero weights behind inputs that spike, each once per step.
    dense
        Synaptic operations per sample if every input spiked and every weight counted.
    accuracy
        Share of right predictions, None without labels.
    chip_operations
        Synaptic operations per sample that the chip itself makes, those of idle neurons among them;
        no metric of NeuroBench.
    computed_by
        ``"neurobench"`` (the package) or ``"nm_backends"``.
    """

    footprint: float
    connection_sparsity: float
    activation_sparsity: float
    effective_acs: float
    dense: float
    accuracy: float | None
    chip_operations: float
    computed_by: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


@dataclass(frozen=True)
class _Seen:
    """What was run: weights ``[pre, post]`` with their inputs, spikes of neurons, samples."""

    layers: list[tuple[np.ndarray, np.ndarray]]  # inputs bool [time, batch, pre]
    fired: list[np.ndarray]  # [time, batch, size]
    batch: int


def measure(
    program: Program, spikes: Any, labels: Any = None, package: bool | None = None
) -> NeuroBench:
    """Run a program and return its NeuroBench metrics.

    Parameters
    ----------
    program
        For a single chip whose layers speak in spikes.
    spikes, labels
        In any form that ``program.run`` takes; the class of each sample.
    package
        True: through the package ``neurobench``, False: by the same definitions without it, None:
        through the package if it is installed.

    Raises
    ------
    UserError
        The program is on several chips or on one without spikes between its layers, or the package
        is asked for and not installed.
    """
    from nm_backends.readback import realised
    from nm_backends.spikes import prepare

    _check(program, package)
    network = realised(program).network
    given, result = prepare(program.network, spikes), program.run(spikes)
    counts = given.counts
    flat = {n: s.reshape(*counts.shape[:2], -1) for n, s in result.layers.items()}
    seen = _seen(network, counts, flat)
    installed = find_spec("neurobench") is not None
    by_package = installed if package is None else package
    found = _by_package(seen) if by_package else _by_definition(seen)
    right = None if labels is None else float(np.mean(result.prediction == np.asarray(labels)))
    return NeuroBench(
        _footprint(program, network), *found, right, float(np.mean(result.counters["sops"])),
        "neurobench" if by_package else "nm_backends",
    )  # fmt: skip


def _check(program: Program, package: bool | None) -> None:
    if hasattr(program, "parts"):
        raise UserError("neurobench: a program on several chips has no metrics of one network")
    if holds_values(program):
        raise UserError(
            f"neurobench: values, not spikes, go from layer to layer on {program.chip!r}"
        )
    if package and find_spec("neurobench") is None:
        raise UserError(
            "neurobench: the package is not installed",
            'pip install "nm-backends[neurobench]", or leave package=True out',
        )


def _seen(network: Network, counts: np.ndarray, fired: dict[str, np.ndarray]) -> _Seen:
    """Put the inputs of each projection beside its weights, delays taken into account."""
    sources, first = dict(fired), 0
    for population in network.inputs:
        sources[population.name] = counts[:, :, first : first + population.size]
        first += population.size
    layers = []
    for projection in network.projections:
        heard = np.zeros_like(sources[projection.pre], dtype=bool)
        late = min(projection.delay, len(heard))
        heard[late:] = sources[projection.pre][: len(heard) - late] > 0
        layers.append((projection.weights.toarray(), heard))
    neurons = [fired[p.name] for p in network.neurons if p.spiking]
    return _Seen(layers, neurons, counts.shape[1])


def _by_definition(seen: _Seen) -> tuple[float, float, float, float]:
    weights = sum(weight.size for weight, _ in seen.layers)
    zeros = sum(int((weight == 0).sum()) for weight, _ in seen.layers)
    places = sum(spikes.size for spikes in seen.fired)
    silent = sum(int((spikes == 0).sum()) for spikes in seen.fired)
    effective = sum(
        int(heard.sum(axis=(0, 1)) @ (weight != 0).sum(axis=1)) for weight, heard in seen.layers
    )
    dense = sum(len(heard) * weight.size for weight, heard in seen.layers)
    return (
        round(zeros / weights, 4) if weights else 0.0,
        silent / places if places else 0.0,
        effective / max(seen.batch, 1),
        float(dense),
    )


def _by_package(seen: _Seen) -> tuple[float, float, float, float]:
    import torch
    from neurobench.metrics.static import ConnectionSparsity
    from neurobench.metrics.workload import ActivationSparsity, SynapticOperations

    linear = [_linear(weight) for weight, _ in seen.layers]
    model = SimpleNamespace(
        __net__=lambda: torch.nn.Sequential(*linear),
        activation_hooks=[
            SimpleNamespace(activation_outputs=list(torch.from_numpy(spikes)))
            for spikes in seen.fired
        ],
        connection_hooks=[
            SimpleNamespace(
                inputs=list(torch.from_numpy(heard).float()),
                layer=layer,
                hook=SimpleNamespace(remove=lambda: None),
                register_hook=lambda: None,
            )
            for layer, (_, heard) in zip(linear, seen.layers, strict=True)
        ],
    )
    data = (torch.zeros(seen.batch), None)
    operations = SynapticOperations()(model, None, data)
    return (
        float(ConnectionSparsity()(model)),
        float(ActivationSparsity()(model, None, data)),
        float(operations["Effective_ACs"]),
        float(operations["Dense"]),
    )


def _linear(weight: np.ndarray) -> Any:
    import torch

    layer = torch.nn.Linear(*weight.shape, bias=False)
    layer.weight.data = torch.from_numpy(weight.T.copy()).float()
    return layer


def _footprint(program: Program, network: Network) -> float:
    """Return bytes: all weights in the chip's width, and the words of the neurons."""
    from nm_backends.assumptions import backend_of

    spec = backend_of(program).spec
    sizes = {p.name: p.size for p in (*network.inputs, *network.neurons)}
    weights = sum(sizes[q.pre] * sizes[q.post] for q in network.projections)
    words = sum(m.words * m.width for m in spec.memories if m.name.startswith("neuron"))
    bits = _stored_bits(spec) * weights
    return (bits + words / spec.neurons * sum(p.size for p in network.neurons)) / 8


def _stored_bits(spec: ChipSpec) -> int:
    """Return the bits of a synapse in the memories, without a sign that its row holds."""
    synapses = sum(m.words * m.width for m in spec.memories if not m.name.startswith("neuron"))
    return max(1, min(spec.weights.bits, synapses // spec.synapses))
