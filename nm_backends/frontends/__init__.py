"""From the user's own model object to NIR: whoever claims the object (plugins too) turns it."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import nir

    from nm_backends.discretisation import Discretisation

__all__ = ["prepare", "to_nir"]


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
        With what NIR itself cannot say in ``graph.metadata["nm_backends"]``.

    Raises
    ------
    TypeError
        No frontend knows this kind of model.
    ValueError
        The file cannot be read by the ``nir`` package (`nm_backends.lower` is more lenient).
    """
    graph, discretisation = prepare(model, None, sample, dt)
    if isinstance(graph, str | os.PathLike):
        graph = _read(graph)
    said = {} if discretisation is None else discretisation.to_metadata()
    if dt is not None:
        said["dt"] = float(dt)
    if said:
        graph.metadata["nm_backends"] = {**graph.metadata.get("nm_backends", {}), **said}
    return graph


def prepare(
    model: Any,
    discretisation: Discretisation | None,
    sample: Any = None,
    dt: float | None = None,
) -> tuple[Any, Discretisation | None]:
    """Return what the lowering can read, and the conventions that the frontend knows of.

    Paths, NIR graphs and networks pass through. What the user gives in ``discretisation`` wins over
    what the frontend found.
    """
    if isinstance(model, str | os.PathLike) or _readable(model):
        return model, discretisation
    from nm_backends.entries import load_object
    from nm_backends.registry import frontend_for

    entry = frontend_for(model)
    if entry is None:
        kind = f"{type(model).__module__}.{type(model).__qualname__}"
        raise TypeError(
            f"no frontend knows a model of type {kind}; give a .nir file or a nir.NIRGraph, "
            "or install a plugin for it (nmb plugins lists those that are there)"
        )
    graph, found = load_object(entry.loader)(model, sample, dt)
    if discretisation is not None:
        found = dataclasses.replace(found, **discretisation.to_metadata())
    return graph, found


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
