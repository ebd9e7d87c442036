"""Systems as files: a ``.nmb`` with several programs.

``manifest.json`` is that of a program (`nm_backends.artifact`), its ``format`` is "nm-backends
system"; ``system.json`` holds the fields of `nm_backends.system.program.System`, all its programs
among them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from nm_backends.artifact import SYSTEM_FORMAT, check_program, write_object
from nm_backends.assumptions import backend_of
from nm_backends.container import ArtifactError
from nm_backends.network_check import check_network
from nm_backends.system.pieces import source_of

if TYPE_CHECKING:
    from nm_backends.system.program import Part, System

__all__ = ["check_system", "save"]


def save(system: System, path: str | os.PathLike[str]) -> None:
    """Write a system to a ``.nmb`` file."""
    check_system(system, f"{path} not written")
    write_object(system, SYSTEM_FORMAT, "system.json", path)


def check_system(system: System, name: str) -> None:
    """Raise `ArtifactError` unless the chips can execute ``system`` without surprises."""
    problems = [f"network: {line}" for line in check_network(system.network)]
    problems = problems or list(_problems(system))
    if problems:
        raise ArtifactError(f"{name}: {problems[0]}", "compile the model again")
    for i, part in enumerate(system.parts):
        check_program(part.program, backend_of(system), f"{name}: chip {i}")


def _problems(system: System) -> Iterator[str]:
    if not system.parts:
        yield "no chips"
    for i, part in enumerate(system.parts):
        if part.program.chip != system.chip:
            yield f"chip {i}: another kind than {system.chip}"
        elif problem := _part_problem(part, system):
            yield f"chip {i}: {problem}"
            return
    for population in system.network.neurons:
        here = [p.neurons[population.name] for p in system.parts if population.name in p.neurons]
        found = np.sort(np.concatenate([np.zeros(0, np.int64), *here]))
        if not population.spiking:  # whose membranes several chips may add up
            found = np.unique(found)
        if not np.array_equal(found, np.arange(population.size)):
            yield f"{population.name}: not every neuron is on one chip"


def _part_problem(part: Part, system: System) -> str:
    """Return what is wrong with the place of a part in the whole, or nothing."""
    network = system.network
    if part.level < 0:
        return "a negative level"
    sizes = {p.name: p.size for p in part.program.network.neurons}
    if set(part.neurons) != set(sizes) or not part.neurons:
        return "other neurons than its program has"
    for name, index in part.neurons.items():
        if name not in network.populations or network.populations[name].is_input:
            return f"{name!r} is no population of neurons"
        if index.dtype != np.int64 or index.shape != (sizes[name],) or (np.diff(index) <= 0).any():
            return f"{name}: not {sizes[name]} ascending neurons"
    for population in part.program.network.inputs:
        name, late = source_of(population.name, network)
        if name not in network.populations or network.populations[name].size != population.size:
            return f"input {population.name!r} stands for nothing of that size"
        source = network.populations[name]
        if not source.is_input and not late and _level(system, name) >= part.level:
            return f"hears {name} of its own or a later level within a step"
    return ""


def _level(system: System, name: str) -> int:
    return max((p.level for p in system.parts if name in p.neurons), default=1 << 62)
