"""What both engines share: the state they drive and the service of one operation.

A core is a scheduler FIFO, a time-multiplexed neuron array and two AER links (ODIN documentation,
"Architecture"). What a neuron and a synapse do is the chip's own; it hands over one compiled
function ``execute(neurons, synapses, operation) -> number of spikes``, which leaves the addresses
of the neurons that emit a spike, ascending, in ``neurons.fired``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numba import types

from nm_backends.eventcore.operations import ARGUMENT, KIND_SHIFT, KINDS, LEAK_ALL, ROW
from nm_backends.fixed import kernel, ring_push

__all__ = [
    "CONFIG", "CORE", "DROPS", "NEURONS", "OUTPUTS", "POPS", "ROOM", "SOPS", "STALL", "TALLY",
    "CoreModel", "configure", "execute_signature", "serve",
]

NEURONS = 256
ROOM = NEURONS + 1  # outputs that one operation can cause, at most

CORE, STALL, POPS, DROPS, SOPS, OUTPUTS, TALLY = range(7)

CONFIG = np.dtype(
    [
        ("closed", np.int64),  # spikes go back into the scheduler
        ("from_rows", np.int64),  # outputs are the rows served, not the spikes generated
        ("row_position", np.int64),  # neuron at which a row's own address goes out
        ("plastic", np.int64),  # operations can change synapses
        ("output_cycles", np.int64),  # the controller stands still that long per output
        ("max_pops", np.int64),
        ("length", np.int64, KINDS),  # controller cycles
        ("sops", np.int64, KINDS),
        ("sweeps", np.int64, KINDS),  # the operation visits the neurons in order
        ("last", np.int64, KINDS),  # position whose output stalls nothing, it being the last cycle
    ],
    align=True,
)


@dataclass(frozen=True, eq=False)
class CoreModel:
    """A chip, as its engines see it.

    Parameters
    ----------
    execute
        The compiled operations, see the module's text.
    decode
        Compiled function from input events to operations.
    neurons, synapses
        Structured dtypes of the state. ``neurons`` has at least ``membrane`` and ``fired``, int16
        ``[256]``.
    fifo_depth
        Places in the scheduler; the event being served keeps its place until it is done.
    event_bits
        Width of the input AER address.
    output_cycles
        Controller cycles that an output takes with a host that answers at once.
    row_tail
        Cycles that a neuron event takes after its last neuron.
    """

    name: str
    execute: Callable[..., Any]
    decode: Callable[..., Any]
    neurons: np.dtype[Any]
    synapses: np.dtype[Any]
    fifo_depth: int
    event_bits: int
    output_cycles: int
    row_tail: int


def execute_signature(neurons: np.dtype[Any], synapses: np.dtype[Any]) -> Any:
    """Return the numba signature that a chip's ``execute`` must be compiled with."""
    return types.int64(numba.from_dtype(neurons), numba.from_dtype(synapses), types.int64)


def configure(
    model: CoreModel, *, closed: bool, from_rows: bool, row_position: int, neurons: int = NEURONS
) -> np.ndarray:
    """Return the configuration record of a core in which rows sweep the first ``neurons`` neurons.

    Every neuron takes two cycles (read, write); so do operations on a single neuron. A bistability
    operation takes two cycles per word of eight synapses (``controller.v``, states of the same
    names).
    """
    config = np.zeros(1, CONFIG)
    sweep = 2 * neurons
    words = 2 * NEURONS // 8
    config["closed"], config["from_rows"], config["row_position"] = closed, from_rows, row_position
    config["length"] = [sweep + model.row_tail, 2, 2, sweep, 2, words, words * NEURONS]
    config["sops"] = [neurons, 1, 0, 0, 1, 0, 0]
    config["sweeps"][0, [ROW, LEAK_ALL]] = 1
    config["last"][0, LEAK_ALL] = neurons - 1
    config["last"][0, ROW] = -1 if model.row_tail else neurons - 1
    return config


@kernel()
def serve(
    execute: Any, config: Any, neurons: Any, synapses: Any, ring: np.ndarray, held: np.ndarray,
    operation: int, event: int, out: np.ndarray, used: int, tally: np.ndarray, dropped: np.ndarray,
) -> int:
    """Execute one operation: push and put out its spikes; return how many outputs there are now.

    ``out`` receives ``event << 8 | address``. A spike that finds the scheduler full is lost there,
    but appears at the output all the same (``scheduler.v``, ``aer_out.v``).
    """
    kind = operation >> KIND_SHIFT
    fired = execute(neurons, synapses, operation)
    tally[CORE] += config.length[kind]
    tally[SOPS] += config.sops[kind]
    if config.from_rows:
        if kind == ROW:
            out[used] = event << 8 | operation & ARGUMENT
            used += 1
            if config.row_position != config.last[ROW]:
                tally[STALL] += config.output_cycles
    if fired == 0:
        return used
    for j in range(fired):
        neuron = np.int64(neurons.fired[j])
        if config.closed and not ring_push(ring, held, neuron):
            tally[DROPS] += 1
            dropped[neuron] += 1
        if not config.from_rows:
            out[used] = event << 8 | neuron
            used += 1
            if neuron * config.sweeps[kind] != config.last[kind]:
                tally[STALL] += config.output_cycles
    return used
