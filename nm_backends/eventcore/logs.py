"""What a run on an event-driven core leaves behind."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

__all__ = ["BatchLog", "EventLog", "Snapshots"]


@dataclass
class Snapshots:
    """The chip's state after given numbers of completed events.

    Parameters
    ----------
    after
        Numbers of events, int32 ``[k]``.
    arrays
        State array name to ``[k, ...]``: ``neuron`` words, ``synapse_crc32`` and, where the chip
        has them, the flags ``up`` and ``down``.
    """

    after: np.ndarray
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    def __getattr__(self, name: str) -> np.ndarray:
        try:
            return np.asarray(self.__dict__["arrays"][name])
        except KeyError:
            raise AttributeError(name) from None


@dataclass
class EventLog:
    """One sequence of input events and all that came of it, per event.

    Arrays are named as in a recorded trace. ``ev_*`` have one element per input event, ``out_*``
    one per output event. Those that need a clock are None after `EventSimulator.send`.

    Parameters
    ----------
    out_addr, out_event, out_cycle
        Output address, the index of the input event that caused it, and the cycle of its request.
    ev_core_cycles, ev_stall_cycles, ev_reqdn_cycles
        Controller cycles of work, behind an output, and waiting for the host's release.
    ev_pops, ev_drops
        Events served from the scheduler; spikes lost because it was full.
    drops_by_neuron
        The lost spikes by the neuron that fired, int64 ``[256]``.
    sops
        Synaptic operations, see `BatchLog`.
    membranes
        int16 ``[events, 256]``, if asked for.
    """

    out_addr: np.ndarray
    out_event: np.ndarray
    ev_core_cycles: np.ndarray
    ev_stall_cycles: np.ndarray
    ev_pops: np.ndarray
    ev_drops: np.ndarray
    drops_by_neuron: np.ndarray
    sops: int
    membranes: np.ndarray | None = None
    snapshots: Snapshots | None = None
    out_cycle: np.ndarray | None = None
    ev_req_cycle: np.ndarray | None = None
    ev_accept_cycle: np.ndarray | None = None
    ev_ack_cycle: np.ndarray | None = None
    ev_done_cycle: np.ndarray | None = None
    ev_reqdn_cycles: np.ndarray | None = None
    total_cycles: int | None = None


@dataclass
class BatchLog:
    """Independent samples, each run from the image's state.

    Parameters
    ----------
    out_addr, out_event
        Output events of all samples: address, and index of the causing event within its sample.
        Sample ``s`` owns ``out_offsets[s] : out_offsets[s + 1]``.
    core_cycles, stall_cycles, pops, drops, outputs
        Per sample, int64 ``[S]``.
    sops
        Per sample: 256 for each neuron event (fewer where the chip sweeps fewer neurons), whether
        the synapses are in use or not; 1 for each virtual or single-synapse event.
    drops_by_neuron
        Spikes lost because the scheduler was full, by neuron, int64 ``[S, 256]``.
    membranes
        int16 ``[marks, 256]``.
    saturated
        How often each membrane stopped at its lower and at its upper limit, int64 ``[S, 2, 256]``,
        where that was asked for.
    cycles
        All clock cycles of each sample, int64 ``[S]``, where an engine with a clock ran it.
    more
        Counters that only some chips have, by name, int64 ``[S]``.
    """

    out_addr: np.ndarray
    out_event: np.ndarray
    out_offsets: np.ndarray
    core_cycles: np.ndarray
    stall_cycles: np.ndarray
    pops: np.ndarray
    drops: np.ndarray
    sops: np.ndarray
    outputs: np.ndarray
    drops_by_neuron: np.ndarray
    membranes: np.ndarray
    cycles: np.ndarray | None = None
    saturated: np.ndarray | None = None
    more: dict[str, np.ndarray] = field(default_factory=dict)
