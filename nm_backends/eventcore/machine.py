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
from nm_backends.fixed import RING, kernel, ring_push

__all__ = [
    "CONFIG", "CORE", "DROPS", "EVENT_COUNTS", "NEURONS", "OUTPUTS", "POPS", "ROOM", "SOPS",
    "STALL", "TALLY", "WORK", "CoreModel", "configure", "execute_signature", "serve",
]  # fmt: skip

NEURONS = 256
ROOM = NEURONS + 1  # outputs that one operation can cause, at most

CORE, STALL, POPS, DROPS, SOPS, OUTPUTS, TALLY = range(7)
EVENT_COUNTS = 4  # those up to DROPS are also kept per event

CONFIG = np.dtype(
    [
        ("fifo_depth", np.int64),
        ("closed", np.int64),  # spikes go back into the scheduler
        ("from_rows", np.int64),  # outputs are the rows served, not the spikes generated
        ("row_position", np.int64),  # neuron at which a row's own address goes out
        ("monitoring", np.int64),  # outputs are states of that neuron, and of its synapse ...
        ("monitored_row", np.int64),  # ... in this row
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

WORK = np.dtype(
    [
        ("items", np.int32, RING),  # the scheduler
        ("head", np.int64),
        ("held", np.int64),
        ("event", np.int64),  # index of the input event at work
        ("budget", np.int64),  # pops left to it
        ("tally", np.int64, TALLY),
        ("dropped", np.int64, NEURONS),
        ("used", np.int64),
        ("out", np.int64, 8 * ROOM),  # event << 8 | address
        ("cycle", np.int64, ROOM),  # of the outputs, where the engine notes it at once
    ],
    align=True,
)
"""What changes while an engine runs, besides neurons and synapses.

One record rather than many arrays: within a kernel a record is a bare pointer, an array a counted
reference, and counting costs more than a row of neurons.
"""


@dataclass(frozen=True, eq=False)
class CoreModel:
    """A chip, as its engines see it.

    Parameters
    ----------
    execute
        The compiled operations, see the module's text.
    counting
        As ``execute``, and counts into ``saturated`` of the neurons' state (see `saturations`).
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
    counting: Callable[..., Any]
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
    config["fifo_depth"] = model.fifo_depth
    config["closed"], config["from_rows"], config["row_position"] = closed, from_rows, row_position
    config["length"] = [sweep + model.row_tail, 2, 2, sweep, 2, words, words * NEURONS]
    config["sops"] = [neurons, 1, 0, 0, 1, 0, 0]
    config["sweeps"][0, [ROW, LEAK_ALL]] = 1
    config["last"][0, LEAK_ALL] = neurons - 1
    config["last"][0, ROW] = -1 if model.row_tail else neurons - 1
    return config


@kernel()
def serve(
    execute: Any, config: Any, neurons: Any, synapses: Any, work: Any, operation: int
) -> None:
    """Execute one operation, push its spikes and put them out.

    A spike that finds the scheduler full is lost there, but appears at the output all the same
    (``scheduler.v``, ``aer_out.v``). There must be `ROOM` for outputs.
    """
    kind = operation >> KIND_SHIFT
    fired = execute(neurons, synapses, operation)
    work.tally[CORE] += config.length[kind]
    work.tally[SOPS] += config.sops[kind]
    if config.from_rows and kind == ROW:
        _put_out(config, work, kind, operation & ARGUMENT, config.row_position)
    for j in range(fired):
        neuron = np.int64(neurons.fired[j])
        if config.closed and not ring_push(work, neuron, config.fifo_depth):
            work.tally[DROPS] += 1
            work.dropped[neuron] += 1
        if not config.from_rows:
            _put_out(config, work, kind, neuron, neuron * config.sweeps[kind])


@kernel()
def _put_out(config: Any, work: Any, kind: int, address: int, position: int) -> None:
    """Output an address, and count the stall unless it comes with the operation's last cycle."""
    work.out[work.used] = work.event << 8 | address
    work.used += 1
    if position != config.last[kind]:
        work.tally[STALL] += config.output_cycles
