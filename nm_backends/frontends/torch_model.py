"""Reading a live model of any framework on PyTorch: run, connect, and compare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nm_backends.discretisation import Discretisation
from nm_backends.frontends import rules as F
from nm_backends.frontends.torch_graph import Builder
from nm_backends.frontends.torch_layers import NORMS, is_dropout
from nm_backends.frontends.torch_run import observe
from nm_backends.frontends.torch_trace import leaves_of
from nm_backends.frontends.torch_verify import verify
from nm_backends.lowering import lower_collect
from nm_backends.lowering.findings import Findings
from nm_backends.rules import Diagnostic

if TYPE_CHECKING:
    from nm_backends.frontends.dialect import Dialect
    from nm_backends.frontends.neurons import Neuron

__all__ = ["read"]


def read(
    model: Any, sample: Any, dt: float | None, dialect: Dialect
) -> tuple[Any, Discretisation, list[Diagnostic]]:
    """Read a model.

    Parameters
    ----------
    model
        A ``torch.nn.Module``; it is not changed, not even its states.
    sample
        One batch, ``[time, batch, *shape]`` or ``[batch, *shape]``; None: random spikes, where the
        first layer says how many it takes.
    dt
        Time step in seconds; None: the framework's.
    dialect
        What the framework's modules mean.

    Returns
    -------
    graph
        ``nir.NIRGraph`` with the names of the user's modules; None when a finding is an error.
    discretisation, findings
        What NIR does not say, and everything that should be known.
    """
    model = _inner(model)
    notes = Findings(type(model).__qualname__)
    _training(model, notes)
    seen = observe(model, sample, dialect, notes)
    if seen is None:
        _options(model, dialect, notes)
        return None, Discretisation(framework=dialect.framework), notes.diagnostics
    step = dialect.dt([n.module for n in seen.neurons]) if dt is None else float(dt)
    builder = Builder(seen, dialect, step, notes)
    graph, found = builder.graph(), builder.discretisation()
    if graph is not None:
        _exporter(builder.neurons, dialect, notes)
        network, _ = lower_collect(graph, found)
        if network is not None:
            verify(model, seen, network, dialect, notes)
    return graph, found, notes.diagnostics


def _inner(model: Any) -> Any:
    """Return what ``torch.compile``, DataParallel and its kin are wrapped around."""
    while True:
        name = type(model).__name__
        if name == "OptimizedModule":
            model = model._orig_mod
        elif name in ("DataParallel", "DistributedDataParallel"):
            model = model.module
        else:
            return model


def _options(model: Any, dialect: Dialect, notes: Findings) -> None:
    """Say what the neurons' own options are in the way of, which may be why nothing runs."""
    for leaf in leaves_of(model, dialect.is_neuron, dialect.is_timed).values():
        if leaf.neuron:
            dialect.neuron(leaf.module, leaf.name, notes)


def _training(model: Any, notes: Findings) -> None:
    """Warn where evaluation differs from the mode that the model is in."""
    differing = [
        name
        for name, module in model.named_modules()
        if module.training and (isinstance(module, NORMS) or is_dropout(module))
    ]
    if differing:
        message = f"in training mode: {', '.join(differing[:4])}; read as in evaluation"
        notes.add(F.training_mode.at(message, node=differing[0], hint="call model.eval()"))


def _exporter(neurons: dict[str, Neuron], dialect: Dialect, notes: Findings) -> None:
    """Say what the framework's own exporter would have got wrong, each thing once."""
    lost: dict[str, list[str]] = {}
    for name, neuron in neurons.items():
        for item in neuron.lost:
            lost.setdefault(item, []).append(name)
    if lost:
        parts = [f"{item}{_where(names, neurons)}" for item, names in lost.items()]
        message = f"{dialect.exporter} would lose or misstate: {'; '.join(parts)}"
        notes.add(F.exporter_differs.at(message))


def _where(names: list[str], neurons: dict[str, Neuron]) -> str:
    """Name the neurons concerned, unless it is all of them."""
    if len(names) == len(neurons):
        return ""
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return f" ({', '.join(names[:4])}{more})"
