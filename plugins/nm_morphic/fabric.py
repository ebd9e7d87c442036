"""The mesh that the rounds work on: targets of neurons, links, and what travels."""

from __future__ import annotations

import numpy as np

from nm_backends.errors import UserError
from nm_backends.image import Image
from nm_morphic.assumptions import Assumptions
from nm_morphic.routes import L1_BASE, L2_BASE, unpack
from nm_morphic.spec import CORES, NEURONS

__all__ = [
    "BUSIEST", "COMING", "MESH", "OUTPUT", "PACKETS", "PENDING", "SHARE", "SPIKE", "load_routes",
]  # fmt: skip

SPIKE = np.dtype([("core", np.int32), ("slot", np.int32), ("neuron", np.int32), ("root", np.int32)])
"""A spike of a round; ``slot`` is the place of the event that caused it in its core's queue."""

PENDING = np.dtype(
    [("due", np.int64), ("chip", np.int32), ("row", np.int32), ("slot", np.int32),
     ("root", np.int32), ("core", np.int32), ("neuron", np.int32)]
)  # fmt: skip
"""A packet on its way to another chip, until the round in which it is due, and who sent it."""

OUTPUT = np.dtype(
    [("chip", np.int32), ("core", np.int32), ("neuron", np.int32), ("event", np.int32),
     ("cycle", np.int64)]
)  # fmt: skip
"""An output event; ``event`` is the index of the input event that caused it, in the end."""

SHARE = np.dtype(
    [(name, np.int64) for name in (
        "part", "low", "high", "holding", "turn", "round", "clock", "ranks", "waiting", "left",
        "used", "served", "fired",
    )]
)  # fmt: skip
"""What one thread works on, and how far it is: cores ``low .. high - 1``; ``holding`` is 1 unless
the events of this round are time references, which take no places in FIFOs; ``turn`` says which of
two places in turn holds the round; ``ranks`` are its events, ``waiting`` the packets under way,
``left`` the events that may still be served for this group, ``used`` the outputs so far,
``served`` whether the round has been served, ``fired`` its spikes."""

MESH = np.dtype(
    [("columns", np.int64), ("y_first", np.int64), ("hop_latency", np.int64),
     ("depth", np.int64), ("meshed", np.int64)]
)  # fmt: skip
"""The mesh: chips along x, the order of routes, latency, depth of FIFOs, are there L2 routes."""

PACKETS, BUSIEST, COMING = range(3)
"""Planes of the counters of links, int64 ``[planes, chips, 4]`` (directions as in `routes.path`):
packets, the most in one round, and from here on those of this round and of rounds to come."""


def load_routes(
    cores: np.ndarray, images: list[Image], columns: int, held: Assumptions
) -> tuple[np.ndarray, np.ndarray]:
    """Set the targets of all neurons of a mesh of chips, row after row.

    Returns
    -------
    mesh, links
        `MESH`, ``[1]``, and the counters of links.

    Raises
    ------
    UserError
        A route that leads out of the mesh.
    """
    words = np.stack([image.memories["route"] for image in images])
    values = words.astype(np.int64) @ (1 << 8 * np.arange(words.shape[-1]))
    found = unpack(values.reshape(-1, NEURONS))
    number = np.arange(len(images) * CORES)[:, None]
    dx, dy, chip = found["dx"], found["dy"], number // CORES
    x, y = chip % columns + dx, chip // columns + dy
    outside = (x < 0) | (x >= columns) | (y < 0) | (y >= len(images) // columns)
    for core, neuron in np.argwhere(outside)[:1]:
        raise UserError(
            f"route of chip {core // CORES}, core {core % CORES}, neuron {neuron}: dx "
            f"{dx[core, neuron]}, dy {dy[core, neuron]} leads out of a mesh of "
            f"{columns} x {len(images) // columns} chips"
        )
    routed, own, mask = (dx != 0) | (dy != 0), number % CORES, found["l1_mask"]
    cores["l1_mask"] = mask & (1 << own) - 1 | mask >> own << own + 1
    cores["l1_row"] = found["l1_row"] + L1_BASE
    cores["l2_chip"] = np.where(routed, y * columns + x, -1)
    cores["l2_row"] = found["l2_row"] + L2_BASE
    cores["dx"], cores["dy"] = dx, dy
    rounds = int((abs(dx) + abs(dy)).max()) * held.hop_latency + 1
    mesh = np.zeros(1, MESH)
    mesh["columns"], mesh["y_first"] = columns, held.route_order == "yx"
    mesh["hop_latency"], mesh["depth"] = held.hop_latency, held.fifo_depth
    mesh["meshed"] = routed.any()
    return mesh, np.zeros((COMING + rounds, len(images), 4), np.int64)
