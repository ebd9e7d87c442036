"""One sample as a host drives it through ReckOn's pins, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nm_reckon.spec import OUTPUTS

__all__ = ["GENERATORS", "Sample", "SampleLog"]

# Order of the generators' states wherever ``lfsr`` is an array: what each one is for.
GENERATORS = (
    "input updates", "recurrent updates", "output updates",
    "membrane rounding, even", "membrane rounding, odd", "output membrane rounding",
    "input trace rounding, even", "input trace rounding, odd",
    "recurrent trace rounding, even", "recurrent trace rounding, odd",
    "output trace rounding, even", "output trace rounding, odd",
    "noise",
)  # fmt: skip


@dataclass
class Sample:
    """What the host does between the rise and the fall of ``SAMPLE``.

    Tick 0 only propagates the events of tick 0; each later tick steps the neurons, may learn and
    send, and then propagates. ``SAMPLE`` falls before the last tick, which steps and counts a vote
    but neither learns nor propagates.

    Parameters
    ----------
    ticks
        Number of ticks, 2 or more.
    ev_tick, ev_addr
        Input events: tick before which an event is sent (ascending), and input address. Events of
        one address within a tick merge.
    target_valid, infer_acc
        Pins ``TARGET_VALID`` and ``INFER_ACC`` at each tick, uint8 ``[ticks]``; None is low.
    label, label_tick
        The label, -1 for none, and the tick before which the host sends it; -1 is never. A label
        sent before tick 0 is forgotten by the chip, which then asks for it.
    label_on_request
        What the host answers when the chip asks for a label, uint8 ``[ticks]``; None is ``label``.
    reg_target
        What it answers in regression mode, int16 ``[ticks, 16]``. A chip that asks for targets that
        the host does not have waits for ever, and such a sample is refused.
    tick_period
        Clock cycles from one tick to the next; None is a host that waits until the chip is ready.
        Cycles that answering the chip takes the host are not counted.
    """

    ticks: int
    ev_tick: np.ndarray
    ev_addr: np.ndarray
    target_valid: np.ndarray | None = None
    infer_acc: np.ndarray | None = None
    label: int = -1
    label_tick: int = -1
    label_on_request: np.ndarray | None = None
    reg_target: np.ndarray | None = None
    tick_period: int | None = None


def _none(*shape: int, kind: type = np.int32) -> np.ndarray:
    return np.empty(shape, kind)


@dataclass
class SampleLog:
    """What came back, and what was recorded on the way; arrays not asked for are empty.

    Parameters
    ----------
    out_data, out_tick
        Bytes on the output bus, uint8, and the tick in which each was sent, int32.
    busy
        Clock cycles in the states STEP, SDONE, EPROP and PROP, int64 ``[4]``, over all ticks.
    events, spikes_fired, sops, updates
        Events after merging, spikes, synaptic operations (neurons visited by a propagation) and
        weights changed by learning.
    spikes
        Neurons that fired at each tick, uint8 ``[ticks, 256]`` (``record="spikes"``).
    oneur_step, oneur_ready
        Output membranes after the leak of each tick and when the chip is ready again, int16
        ``[ticks, 16]`` (``record="outputs"``).
    winner_count
        Votes per output after each tick, uint16 ``[ticks, 16]`` (``record="outputs"``).
    lfsr
        States of the 13 `GENERATORS` when the chip is ready again, uint32 ``[ticks, 13]``
        (``record="lfsr"``).
    cycles
        As ``busy`` for each tick, int32 ``[ticks, 4]`` (``record="cycles"``).
    timing_errors
        Ticks that came while the chip was busy with the tick before, int32 (``tick_period``). All
        else is as if the host had waited: the chip itself goes wrong in ways of its own.
    halted
        Tick at which the chip halted because of one (``SPI_ERROR_HALT``), or -1.
    saturated
        How often the membranes of 256 neurons and 16 outputs stopped at their lower and upper
        limit, int32 ``[2, 272]`` (``record="losses"``; noise that takes part is left out).
    mem_step, mem_ready
        Neuron memory after the step of a tick and when ready again, uint8 ``[n, 128, 16]``, for the
        ticks of ``capture``.
    """

    out_data: np.ndarray
    out_tick: np.ndarray
    busy: np.ndarray
    events: int = 0
    spikes_fired: int = 0
    sops: int = 0
    updates: int = 0
    timing_errors: np.ndarray = field(default_factory=lambda: _none(0))
    halted: int = -1
    spikes: np.ndarray = field(default_factory=lambda: _none(0, 256, kind=np.uint8))
    oneur_step: np.ndarray = field(default_factory=lambda: _none(0, OUTPUTS, kind=np.int16))
    oneur_ready: np.ndarray = field(default_factory=lambda: _none(0, OUTPUTS, kind=np.int16))
    winner_count: np.ndarray = field(default_factory=lambda: _none(0, OUTPUTS, kind=np.uint16))
    lfsr: np.ndarray = field(default_factory=lambda: _none(0, 13, kind=np.uint32))
    cycles: np.ndarray = field(default_factory=lambda: _none(0, 4))
    saturated: np.ndarray = field(default_factory=lambda: np.zeros((2, 272), np.int32))
    mem_step: np.ndarray = field(default_factory=lambda: _none(0, 128, 16, kind=np.uint8))
    mem_ready: np.ndarray = field(default_factory=lambda: _none(0, 128, 16, kind=np.uint8))
