"""Which synapses of a program learn, and what rows a teacher may take."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from nm_backends.crossbar.wiring import wire
from nm_backends.rules import CompileError
from nm_morphic.learning_rules import learning_obstacles
from nm_morphic.routes import L1_BASE, L2_BASE
from nm_morphic.spec import CORES, NEURONS, ROWS
from nm_morphic.state import bit_vector

if TYPE_CHECKING:
    from nm_backends.image import Image
    from nm_backends.network import Network
    from nm_backends.program import CompileOptions, Mapping

__all__ = ["Plastic", "free_rows", "plastic_synapses", "refuse_obstacles"]

_NOBODY = -1
_STARTS = (0, L1_BASE, L2_BASE, ROWS)


@dataclass(frozen=True, eq=False)
class Plastic:
    """Synapses that learn.

    Parameters
    ----------
    synapses
        bool ``[cores * 1024, 512]``.
    places
        Of the neurons that learn, in order, int64 ``[neurons]``.
    copies
        How many of them have a copy elsewhere.
    levels, static
        Route levels of each core that hold synapses that learn, and connected ones that do not, of
        neurons that learn; bool ``[cores, 3]``.
    """

    synapses: np.ndarray
    places: np.ndarray
    copies: int
    levels: np.ndarray
    static: np.ndarray


def plastic_synapses(
    image: Image, layout: dict[str, np.ndarray], learns: np.ndarray, span: slice
) -> Plastic:
    """Find the synapses that learn.

    Parameters
    ----------
    learns
        Which sources do, to which neurons: bool ``[sources, neurons]``.
    span
        The neurons of the population that learns.
    """
    address, source = layout["address"], layout["row_source"]
    places = address[span]
    cores = source.size // ROWS
    core_of_row = np.arange(source.size) // ROWS
    synapses = np.zeros((source.size, NEURONS), bool)
    rows = np.flatnonzero(source >= 0)
    for neuron in range(span.start, span.stop):
        place = int(address[neuron])
        here = rows[core_of_row[rows] == place // NEURONS]
        synapses[here, place % NEURONS] = learns[source[here], neuron]
    connected = _flags(image, "ROW_ENABLE", cores)
    learning = synapses.any(axis=1)
    hears = np.isin(core_of_row, places // NEURONS)
    static = np.asarray(connected & hears & ~learning)
    copies = int((layout["copy"][span] >= 0).sum())
    return Plastic(synapses, places, copies, _by_level(np.asarray(learning)), _by_level(static))


def _flags(image: Image, register: str, cores: int) -> np.ndarray:
    values = [bit_vector(cast(Any, image.registers[f"{register}_{c}"])) for c in range(cores)]
    return np.asarray(np.concatenate(values) != 0)


def _by_level(rows: np.ndarray) -> np.ndarray:
    wide = rows.reshape(-1, ROWS)
    return np.stack([wide[:, a:b].any(axis=1) for a, b in pairwise(_STARTS)], axis=1)


def refuse_obstacles(made: Mapping, network: Network, options: CompileOptions) -> None:
    """Refuse layers that cannot learn where they have been placed.

    Raises
    ------
    CompileError
        With all findings of the mapping.
    """
    wiring = wire(network, options.learn)
    for name, span in wiring.spans():
        if wiring.plastic[:, span].any():
            found = plastic_synapses(made.image, made.layout, wiring.plastic, span)
            made.report.extend(learning_obstacles(found, name))
    if made.report.errors:
        raise CompileError(made.report)


def free_rows(cores: np.ndarray, layout: dict[str, np.ndarray], plastic: Plastic) -> np.ndarray:
    """Return the rows that nothing addresses, on levels that do not learn.

    Parameters
    ----------
    cores
        The program's cores, `nm_morphic.state.CORE`.

    Returns
    -------
    numpy.ndarray
        bool ``[cores, 1024]``.
    """
    taken = (layout["row_source"] != _NOBODY).reshape(-1, ROWS) | _addressed(cores)
    learns = np.repeat(plastic.levels, np.diff(_STARTS), axis=1)
    return np.asarray(~taken & ~learns)


def _addressed(cores: np.ndarray) -> np.ndarray:
    """Return the rows that spikes of neurons go to, connected or not, bool ``[cores, 1024]``."""
    found = np.zeros((cores.size, ROWS), bool)
    found[:, :NEURONS] = cores["enabled"] != 0
    for number, core in enumerate(cores):
        first = number // CORES * CORES
        for other in range(CORES):
            found[first + other, core["l1_row"][core["l1_mask"] >> other & 1 != 0]] = True
        for chip in np.unique(core["l2_chip"][core["l2_chip"] >= 0]).tolist():
            rows = core["l2_row"][core["l2_chip"] == chip]
            found[chip * CORES : chip * CORES + CORES, rows] = True
    return found
