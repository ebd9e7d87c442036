"""From the user's own model object to NIR: whoever claims the object (plugins too) turns it."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import nir

    from nm_backends.discretisation import Discretisation
    from nm_backends.network import Network
    from nm_backends.rules import Diagnostic, Report

__all__ = ["Prepared", "as_sample", "lower_any", "prepare", "to_nir"]


@dataclass(frozen=True)
class Prepared:
    """What the lowering can read, and what a frontend knows beside it.

    Parameters
    ----------
    model
        A path, a NIR graph or a `Network`; None when ``findings`` hold an error.
    discretisation
        The conventions of the frontend, overridden by those of the user.
    findings
        What the frontend found in the user's object.
    source
        Name of the object for messages; empty where the lowering names it.
    """

    model: Any
    discretisation: Discretisation | None = None
    findings: Sequence[Diagnostic] = ()
    source: str = ""


def to_nir(model: Any, sample: Any = None, dt: float | None = None) -> nir.NIRGraph:
    """Turn a model into a NIR graph that says how it is to be discretised.

    Parameters
    ----------
    model
        Path of a ``.nir`` file, a ``nir.NIRGraph``, or an object that a frontend claims.
    sample
        One batch of input, for frontends that trace the model.
    dt
        Time step in seconds, noted in the graph's metadata.

    Returns
    -------
    nir.NIRGraph
        With what NIR itself cannot say in ``graph.metadata["nm_backends"]``. Warnings of the
        frontend are printed on stderr.

    Raises
    ------
    TypeError
        No frontend knows this kind of model.
    CompileError
        The model holds something that NIR cannot say; with all findings.
    ValueError
        The file cannot be read by the ``nir`` package (`nm_backends.lower` is more lenient).
    """
    from nm_backends.rules import CompileError, Report

    found = prepare(model, None, sample, dt)
    report = Report(source=found.source, diagnostics=list(found.findings))
    if not report.ok:
        raise CompileError(report)
    for finding in report.warnings:
        print(finding, file=sys.stderr)
    graph = found.model
    if isinstance(graph, str | os.PathLike):
        graph = _read(graph)
    said = {} if found.discretisation is None else found.discretisation.to_metadata()
    if dt is not None:
        said["dt"] = float(dt)
    if said:
        graph.metadata["nm_backends"] = {**graph.metadata.get("nm_backends", {}), **said}
    return graph


def lower_any(
    model: Any, discretisation: Discretisation | None = None, sample: Any = None
) -> tuple[Network | None, Report]:
    """Lower whatever `prepare` takes; return the network, None if it has errors, and a report."""
    from nm_backends.lowering import lower_collect

    found = prepare(model, discretisation, sample)
    return lower_collect(
        found.model, found.discretisation, known=found.findings, source=found.source
    )


def as_sample(*given: Any) -> Any:
    """Return the first of ``given`` that a model can be run on: an array, not a list of events."""
    for spikes in given:
        names = getattr(getattr(spikes, "dtype", None), "names", None)
        if hasattr(spikes, "shape") and hasattr(spikes, "dtype") and names is None:
            return spikes
    return None


def prepare(
    model: Any,
    discretisation: Discretisation | None,
    sample: Any = None,
    dt: float | None = None,
) -> Prepared:
    """Return what the lowering can read, and the conventions that the frontend knows of.

    Paths, NIR graphs and networks pass through. What the user gives in ``discretisation`` wins over
    what the frontend found.
    """
    if isinstance(model, str | os.PathLike) or _readable(model):
        return Prepared(model, discretisation)
    from nm_backends.entries import load_object
    from nm_backends.registry import frontend_for

    entry = frontend_for(model)
    if entry is None:
        raise TypeError(_unclaimed(model))
    if dt is None and discretisation is not None:
        dt = discretisation.dt
    graph, found, *findings = load_object(entry.loader)(model, sample, dt)
    if discretisation is not None:
        found = _merged(found, discretisation)
    return Prepared(graph, found, tuple(findings[0] if findings else ()), type(model).__qualname__)


def _unclaimed(model: Any) -> str:
    kind = f"{type(model).__module__}.{type(model).__qualname__}"
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(model, torch.nn.Module):
        return f"this {kind} holds no neurons of snnTorch, Norse or SpikingJelly"
    return (
        f"no frontend knows a model of type {kind}; give a .nir file or a nir.NIRGraph, "
        "or install a plugin for it (nmb plugins lists those that are there)"
    )


def _merged(found: Discretisation, wished: Discretisation) -> Discretisation:
    """Return ``found`` overridden by what the user wishes; values for single nodes one by one."""
    changes = wished.to_metadata()
    for name, value in changes.items():
        before = getattr(found, name)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            changes[name] = {**before, **value}
    return dataclasses.replace(found, **changes)


def _readable(model: Any) -> bool:
    """Whether the lowering takes it: a Network, a NIR graph or node, or plain data of one."""
    package = type(model).__module__.partition(".")[0]
    return package in ("nir", "nm_backends") or isinstance(model, dict)


def _read(path: str | os.PathLike[str]) -> nir.NIRGraph:
    import nir

    try:
        return nir.read(path)
    except OSError:
        raise
    except Exception as error:  # nir raises bare assertions and key errors on older files
        raise ValueError(
            f"{os.fspath(path)}: the nir package cannot read this file "
            f"({type(error).__name__}: {error}); nmb.lower reads it more leniently"
        ) from error
