"""Many samples on the cycle-accurate engine, for hosts that do not wait until the chip is idle."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from nm_backends.eventcore.batch import check_offsets
from nm_backends.eventcore.logs import BatchLog, EventLog
from nm_backends.eventcore.requests import Driving
from nm_backends.eventcore.simulator import MAX_POPS, SETTLED, EventSimulator

__all__ = ["run_driven"]


def run_driven(
    simulator: EventSimulator, words: np.ndarray, offsets: np.ndarray, driving: Driving
) -> BatchLog:
    """Run samples one after the other, each from the present state of ``simulator``.

    Parameters
    ----------
    words, offsets
        As for `batch.run_batch`.
    driving
        As for `EventSimulator.send_timed`.

    Returns
    -------
    BatchLog
        With ``cycles``, until the chip is idle again after the last event of a sample.
    """
    bounds = check_offsets("offsets", offsets, len(words))
    simulator.prepare(simulator.decode(words), MAX_POPS)
    start = simulator.save()
    logs: list[EventLog] = []
    for first, last in pairwise(bounds):
        logs.append(simulator.send_timed(words[first:last], driving=driving))
        simulator.restore(start)
    outputs = np.array([log.out_addr.size for log in logs], np.int64)

    def summed(name: str) -> np.ndarray:
        return np.array([getattr(log, name).sum(dtype=np.int64) for log in logs], np.int64)

    return BatchLog(
        np.concatenate([np.zeros(0, np.uint8), *(log.out_addr for log in logs)]),
        np.concatenate([np.zeros(0, np.int32), *(log.out_event for log in logs)]),
        np.concatenate([[0], np.cumsum(outputs)]),
        core_cycles=summed("ev_core_cycles"),
        stall_cycles=summed("ev_stall_cycles"),
        pops=summed("ev_pops"),
        drops=summed("ev_drops"),
        sops=np.array([log.sops for log in logs], np.int64),
        outputs=outputs,
        drops_by_neuron=np.array([log.drops_by_neuron for log in logs]).reshape(len(logs), -1),
        membranes=np.zeros((0, 256), np.int16),
        cycles=np.array([log.total_cycles for log in logs], np.int64) - (SETTLED - 1),
    )
