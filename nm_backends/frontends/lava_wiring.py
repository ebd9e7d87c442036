"""Who is who in a Lava network, who is connected to whom, and how the values arrive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np

__all__ = ["Wire", "count_up", "find", "given_name", "kind_of", "names", "sources"]

_KINDS = {
    "lava.proc.lif.process": ("LIF", "LIFReset", "LearningLIF"),
    "lava.proc.dense.process": ("Dense", "DelayDense", "LearningDense"),
    "lava.proc.sparse.process": ("Sparse", "DelaySparse", "LearningSparse"),
    "lava.proc.conv.process": ("Conv",),
}


@dataclass(frozen=True)
class Wire:
    """What arrives at an InPort from one OutPort.

    Parameters
    ----------
    port
        The OutPort.
    order
        For every element that arrives, flat, the flat index of what was sent.
    """

    port: Any
    order: np.ndarray

    @property
    def straight(self) -> bool:
        """Whether everything arrives in the order in which it was sent."""
        return bool((self.order == np.arange(self.order.size)).all())


def kind_of(process: Any) -> str:
    """Return the name of a process that can be read, or nothing.

    A class that inherits from one of Lava's has a model, and so a behaviour, of its own.
    """
    kind = type(process)
    return kind.__name__ if kind.__name__ in _KINDS.get(kind.__module__, ()) else ""


def find(process: Any) -> list[Any]:
    """Return all processes that are connected with ``process``, in the order they were made."""
    from lava.magma.compiler.compiler_graphs import find_processes

    return sorted(set(find_processes(process)), key=lambda p: p.id)


def sources(port: Any) -> Iterator[Wire]:
    """Find everything that arrives at an InPort.

    Raises
    ------
    NotImplementedError
        Ports are concatenated on the way.
    """
    for incoming in port.in_connections:
        for found in _upstream(incoming):
            yield Wire(found.port, found.order.reshape(-1))


def _upstream(port: Any) -> Iterator[Wire]:
    if not hasattr(port, "_parent_port"):  # a port of a process, not one on the way
        if port.in_connections:
            yield from (found for p in port.in_connections for found in _upstream(p))
        else:
            size = int(np.prod(port.shape))
            yield Wire(port, np.arange(size).reshape(port.shape))
        return
    kind = type(port).__name__
    if kind not in ("ReshapePort", "TransposePort"):
        raise NotImplementedError(kind)
    for incoming in port.in_connections:
        for found in _upstream(incoming):
            turned = found.order.reshape(port.shape) if kind == "ReshapePort" else None
            yield Wire(found.port, found.order.transpose(port.axes) if turned is None else turned)


def given_name(process: Any) -> str:
    """Return the name that the user gave to a process, as a node name."""
    automatic = process.name == f"Process_{process.id}"
    return "" if automatic else str(process.name).replace(".", "_").replace("/", "_")


def names(processes: list[Any]) -> dict[Any, str]:
    """Return node names: the user's, or kind and number where Lava chose the name itself."""
    found: dict[Any, str] = {}
    for process in processes:
        name = given_name(process)
        wanted = count_up(name) if name else count_up(kind_of(process).lower(), first=1)
        taken = set(found.values())
        found[process] = next(n for n in wanted if n not in taken)
    return found


def count_up(name: str, first: int = 0) -> Iterator[str]:
    """Give a name, numbered from 1 on; the first one bare, unless ``first`` is 1."""
    return (f"{name}{n or ''}" for n in count(first))
