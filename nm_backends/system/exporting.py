"""What a lab needs to program and drive several chips: an export of each, and the routes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nm_backends.artifact import ArtifactError
from nm_backends.assumptions import backend_of
from nm_backends.files import atomic_write
from nm_backends.spikes import prepare
from nm_backends.system.artifact import check_system
from nm_backends.system.pieces import source_of
from nm_backends.system.running import chip_inputs

if TYPE_CHECKING:
    from nm_backends.system.program import System

__all__ = ["ROUTES", "export", "read_routes"]

ROUTES = "routes.csv"
_HEAD = "from_chip,address,to_chip,node,neuron,steps_later"
_README = """{source} on {chips} x {chip}
{rule}
chip0 ... chip{last} hold what programs and drives each chip; begin with the README.txt in each.

routes.csv says what the host does with a spike: an output address of one chip is an input (node and
neuron) of another, whose input_map.csv lists the words to send for it; steps_later 1 means in the
next time step. A spike that several chips hear has a line for each. Inputs of the network itself
stand in the input_map.csv of the chips under their own names.

{driving}{turns}"""
_DRIVING = """\
In every time step, chips go level by level ({levels}):
the chips of a level are sent the words of their input_map.csv from top to bottom, and when they
are idle, their output events are the inputs of later levels in the same step.
"""
_TURNS = """
There is one chip, and it is all of these in turn: program it as chip0, send it all time steps of
all samples and keep what comes out, program it as chip1, and so on.
"""


def export(system: System, directory: str | os.PathLike[str], spikes: Any = None) -> list[Path]:
    """Write ``chip0``... (see `nm_backends.export.export`), ``routes.csv`` and ``README.txt``.

    Parameters
    ----------
    spikes
        As for ``system.run``: every chip's events and predicted outputs are written, too.

    Raises
    ------
    ArtifactError
        ``directory`` holds something else, or the system does not fit its chips.
    """
    from nm_backends.export import export as export_chip

    folder = Path(directory)
    check_system(system, "system")
    _refuse_foreign(folder, len(system.parts))
    given: list[Any] = [None] * len(system.parts)
    if spikes is not None:
        given = list(chip_inputs(system, prepare(system.network, spikes).counts))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ROUTES).unlink(missing_ok=True)
    written: list[Path] = []
    for i, part in enumerate(system.parts):
        written += export_chip(part.program, folder / f"chip{i}", given[i])
    for name, text in (("README.txt", _readme(system)), (ROUTES, _routes_text(system))):
        with atomic_write(folder / name) as aside:
            aside.write_text(text, encoding="utf-8")
        written.append(folder / name)
    return written


def read_routes(directory: str | os.PathLike[str]) -> list[tuple[int, int, int, str, int, int]]:
    """Return the lines of ``routes.csv``: chip, address, chip, node, neuron, steps later."""
    path = Path(directory) / ROUTES
    try:
        head, *lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path}: {error}") from error
    if head != _HEAD:
        raise ArtifactError(f"{path}: not the routes of an export")
    found = []
    for line in lines:
        chip, address, to, rest = line.split(",", 3)
        node, neuron, late = rest.rsplit(",", 2)
        found.append((int(chip), int(address), int(to), node, int(neuron), int(late)))
    return found


def _refuse_foreign(folder: Path, chips: int) -> None:
    """Refuse a directory with anything in it that this export would not write."""
    if folder.exists() and not folder.is_dir():
        raise ArtifactError(f"{folder}: is not a directory", "give another name")
    ours = {ROUTES, "README.txt", *(f"chip{i}" for i in range(chips))}
    odd = sorted({p.name for p in folder.iterdir()} - ours) if folder.exists() else []
    if odd:
        raise ArtifactError(
            f"{folder}: holds {odd[0]!r}, which is not of this export", "give an empty directory"
        )


def _readme(system: System) -> str:
    levels = sorted({p.level for p in system.parts})
    names = [
        " and ".join(f"chip{i}" for i, p in enumerate(system.parts) if p.level == level)
        for level in levels
    ]
    order, own = ", then ".join(names), getattr(backend_of(system), "system_readme", None)
    return _README.format(
        source=Path(system.network.source).name,
        chips=len(system.parts),
        chip=system.chip,
        rule="=" * 72,
        last=len(system.parts) - 1,
        driving=own(system, order) if own else _DRIVING.format(levels=order),
        turns=_TURNS if system.shared else "",
    )


def _routes_text(system: System) -> str:
    return "\n".join([_HEAD, *(",".join(map(str, line)) for line in _routes(system))]) + "\n"


def _routes(system: System) -> Iterator[tuple[int, int, int, str, int, int]]:
    """Yield where every output event that is heard goes."""
    backend = backend_of(system)
    listeners = [_listening(system, q) for q in range(len(system.parts))]
    for p, part in enumerate(system.parts):
        for event in backend.plan_events(part.program, None).outputs:  # type: ignore[attr-defined]
            if not event.counts:
                continue
            neuron = int(part.neurons[event.node][event.neuron])
            for q, heard in enumerate(listeners):
                for node, late in heard.get((event.node, neuron), ()):
                    yield p, event.address, q, node, neuron, late


def _listening(system: System, chip: int) -> dict[tuple[str, int], list[tuple[str, int]]]:
    """Return by source neuron the inputs of a chip that it drives."""
    found: dict[tuple[str, int], list[tuple[str, int]]] = {}
    part = system.parts[chip]
    for projection in part.program.network.projections:
        if projection.pre in part.neurons:
            continue
        name, late = source_of(projection.pre, system.network)
        pointers = projection.weights.indptr
        for neuron in (pointers[1:] > pointers[:-1]).nonzero()[0].tolist():
            inputs = found.setdefault((name, neuron), [])
            if (projection.pre, late) not in inputs:
                inputs.append((projection.pre, late))
    return found
