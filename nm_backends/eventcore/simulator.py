"""The Python side of both engines: events checked and decoded in, logs out."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np

from nm_backends.chip import ChipSpec
from nm_backends.errors import UserError
from nm_backends.eventcore.errors import LivelockError, UnsupportedByEngine
from nm_backends.eventcore.fast import compile_fast
from nm_backends.eventcore.logs import EventLog, Snapshots
from nm_backends.eventcore.machine import (
    CORE,
    DROPS,
    EVENT_COUNTS,
    NEURONS,
    POPS,
    SOPS,
    STALL,
    TALLY,
    WORK,
    CoreModel,
)
from nm_backends.eventcore.requests import (
    DRIVING,
    Driving,
    check_schedule,
    check_snaps,
    check_timing,
)
from nm_backends.eventcore.timed import STAMPS, TIMING, compile_timed
from nm_backends.image import Image
from nm_backends.image_check import check_image

__all__ = ["MAX_POPS", "SETTLED", "Driving", "EventSimulator"]

MAX_POPS = 1 << 17
"""Scheduled events that one input event may cause before it counts as a livelock (67 M cycles)."""

SETTLED = 8
"""Idle cycles after which the chip counts as done, however it is driven."""


@dataclass(frozen=True)
class _Plan:
    """A checked request to send events, and the state to go back to."""

    operations: np.ndarray
    snaps: list[int] | None
    max_pops: int
    saved: tuple[np.ndarray, ...]


class EventSimulator(ABC):
    """A chip in the state given by an image, executing input events bit for bit.

    Both engines work on the same state: `send` is fast and has no clock, `send_timed` accounts for
    every cycle. A chip's own simulator says how its memories become that state and back.

    Parameters
    ----------
    image
        What the chip has been programmed with.
    """

    spec: ClassVar[ChipSpec]
    model: CoreModel
    neurons: np.ndarray
    synapses: np.ndarray
    config: np.ndarray

    def __init__(self, image: Image) -> None:
        problems = check_image(image, self.spec)
        if problems:
            raise UserError(f"image of {self.spec.name}: " + "; ".join(problems))
        if image.registers["SPI_GATE_ACTIVITY"]:
            raise UserError(
                f"image of {self.spec.name}: SPI_GATE_ACTIVITY is 1, the chip answers no event",
                "it is 1 while the chip is programmed; an image holds the value during the run, 0",
            )
        self._start = image.copy()
        self._load(self._start)

    @abstractmethod
    def _load(self, image: Image) -> None:
        """Set ``neurons``, ``synapses`` and ``config`` (one record each) from ``image``."""

    @abstractmethod
    def _memories(self) -> dict[str, np.ndarray]:
        """Return the memories in their present state."""

    def _snapshot(self) -> dict[str, np.ndarray | int]:
        memories = self._memories()
        crc = zlib.crc32(memories["synapse"].tobytes())
        return {"neuron": memories["neuron"], "synapse_crc32": np.uint32(crc)}

    def image(self) -> Image:
        """Return the present state as an image; registers are as programmed."""
        return Image(self._memories(), self._start.copy().registers)

    @property
    def membrane(self) -> np.ndarray:
        """Membrane of every neuron now, int16 ``[256]``."""
        return np.array(self.neurons["membrane"][0])

    def decode(self, events: np.ndarray) -> np.ndarray:
        """Return the operations, int32, that input events stand for; refuse impossible events."""
        words = np.asarray(events)
        if words.ndim != 1 or (words.dtype.kind not in "ui" and words.size):
            raise UserError(f"events: {words.dtype}{list(words.shape)}, expected integers [n]")
        bits = self.model.event_bits
        if words.size and (int(words.min()) < 0 or int(words.max()) >> bits):
            bad = int(np.flatnonzero((words < 0) | (words >= 1 << bits))[0])
            raise UserError(f"event {bad}: {words[bad]} does not fit {bits} address bits")
        operations: np.ndarray = self.model.decode(np.ascontiguousarray(words, np.uint32))
        return operations

    def may_learn(self, operations: np.ndarray) -> bool:
        """Whether ``operations`` can change a synapse in the present state."""
        return False

    def send(
        self,
        events: np.ndarray,
        *,
        snap_after: Iterable[int] | None = None,
        membrane: bool = False,
        max_pops: int = MAX_POPS,
    ) -> EventLog:
        """Send events, each when the chip is idle, and go on from the present state.

        Parameters
        ----------
        events
            Input AER addresses, unsigned integers ``[n]``.
        snap_after
            Numbers of completed events after which the state is recorded.
        membrane
            Record all membranes after every event.
        max_pops
            Scheduled events that one input event may cause, see `LivelockError`. The state is that
            from before the call when this is raised.
        """
        if refused := self.needs_clock():
            raise refused
        plan = self._plan(events, snap_after, max_pops)
        total = plan.operations.size
        run = compile_fast(self.model)
        log = np.zeros((total, EVENT_COUNTS), np.int32)
        tally, dropped = np.zeros((1, TALLY), np.int64), np.zeros((1, NEURONS), np.int64)
        membranes = np.zeros((total if membrane else 0, NEURONS), np.int16)

        def segment(part: slice, status: np.ndarray) -> tuple[np.ndarray, ...]:
            span = np.array([0, part.stop - part.start], np.int64)
            marks = np.arange(span[1] if membrane else 0, dtype=np.int64)
            out, used = run(
                self.model.execute, self.config, np.zeros(1, WORK), self.neurons[:0], self.neurons,
                self.synapses[:0], self.synapses, plan.operations[part], span, 0, 1,
                marks, np.array([0, marks.size], np.int64), membranes[part], log[part],
                tally, dropped, status,
            )  # fmt: skip
            return (out[:used],)

        (addresses, causes), snapshots = self._run_segments(plan, segment)
        return EventLog(
            addresses,
            causes,
            **_per_event(log),
            drops_by_neuron=dropped[0],
            sops=int(tally[0, SOPS]),
            membranes=membranes if membrane else None,
            snapshots=snapshots,
        )

    def send_timed(
        self,
        events: np.ndarray,
        *,
        driving: Driving = "idle",
        req_cycle: np.ndarray | None = None,
        ack_delay: int = 0,
        release_delay: int = 0,
        idle_cycles: int = 8,
        snap_after: Iterable[int] | None = None,
        max_pops: int = MAX_POPS,
    ) -> EventLog:
        """Send events with a clock and go on from the present state; cycle 0 is now.

        Parameters
        ----------
        driving
            When REQ rises: ``"idle"``, after ``idle_cycles`` idle cycles (canonical);
            ``"back_to_back"``, as soon as the last handshake is over; ``"scheduled"``, in the
            cycles of ``req_cycle``, or as soon as possible after.
        ack_delay
            Cycles that the host waits before it answers either edge of an output request.
        release_delay
            Cycles that the host waits after ACK before it lowers REQ.
        snap_after
            As for `send`; canonical driving only.
        """
        plan = self._plan(events, snap_after, max_pops, ack_delay)
        total = plan.operations.size
        check_timing(driving, idle_cycles, ack_delay, release_delay, plan.snaps)
        schedule = check_schedule(driving, req_cycle, total)
        timing = np.zeros(1, TIMING)
        timing["driving"], timing["idle_cycles"] = DRIVING[driving], idle_cycles
        timing["release_delay"] = release_delay
        run = self._timed_engine()
        stamps = np.zeros((total, len(STAMPS)), np.int64)
        counts, dropped = np.zeros((total, TALLY), np.int64), np.zeros(NEURONS, np.int64)

        def segment(part: slice, status: np.ndarray) -> tuple[np.ndarray, ...]:
            out, cycles, used = run(
                self.model.execute, self.config, timing, np.zeros(1, WORK), self.neurons,
                self.synapses, plan.operations[part], schedule, stamps[part], counts[part],
                dropped, status,
            )  # fmt: skip
            return out[:used], cycles[:used]

        (addresses, causes, cycles), snapshots = self._run_segments(plan, segment)
        settled = idle_cycles if driving == "idle" else SETTLED
        log = EventLog(
            addresses,
            causes,
            **_per_event(counts),
            drops_by_neuron=dropped,
            sops=int(counts[:, SOPS].sum()),
            snapshots=snapshots,
            out_cycle=cycles,
            total_cycles=int(timing["now"][0]) + settled - 1,
        )
        for column, name in enumerate(STAMPS[:4]):
            setattr(log, f"ev_{name}_cycle", stamps[:, column].copy())
        log.ev_reqdn_cycles = stamps[:, 4].astype(np.int32)
        return log

    def _plan(
        self,
        events: np.ndarray,
        snap_after: Iterable[int] | None,
        max_pops: int,
        ack_delay: int = 0,
    ) -> _Plan:
        operations = self.decode(events)
        snaps = check_snaps(snap_after, operations.size)
        self.prepare(operations, max_pops, ack_delay)
        return _Plan(operations, snaps, max_pops, self.save())

    def save(self) -> tuple[np.ndarray, ...]:
        """Return copies of all that a run can change."""
        plastic = self.config["plastic"][0]
        return self.neurons.copy(), (self.synapses if plastic else self.synapses[:0]).copy()

    def restore(self, saved: tuple[np.ndarray, ...]) -> None:
        """Go back to the state that `save` returned."""
        self.neurons[:] = saved[0]
        if saved[1].size:
            self.synapses[:] = saved[1]

    def needs_clock(self) -> UnsupportedByEngine | None:
        """Return why the transaction engine cannot execute the present state, if so."""
        return None

    def _timed_engine(self) -> Callable[..., Any]:
        return cast(Callable[..., Any], compile_timed(self.model))

    def why_endless(self) -> str:
        """Return what in the present state is known to keep the chip busy for ever, or ``""``."""
        return ""

    def stopped(self, status: np.ndarray, event: int, max_pops: int) -> Exception:
        """Return why an engine gave up, ``status[0]`` not being 0."""
        why = self.why_endless()
        return LivelockError(int(status[1]), event, int(status[3]), max_pops, why)

    def prepare(self, operations: np.ndarray, max_pops: int, ack_delay: int = 0) -> None:
        """Set what the engines need to know about a run before it starts."""
        if max_pops < 1:
            raise UserError(f"max_pops {max_pops}: expected 1 or more")
        self.config["plastic"] = self.may_learn(operations)
        self.config["max_pops"] = max_pops
        self.config["output_cycles"] = self.model.output_cycles + 2 * ack_delay

    def _run_segments(
        self, plan: _Plan, segment: Callable[[slice, np.ndarray], tuple[np.ndarray, ...]]
    ) -> tuple[list[np.ndarray], Snapshots | None]:
        """Run from snapshot to snapshot; return output addresses, causes and further columns."""
        outputs, states = [], []
        for begin, end, snap in _segments(plan.snaps, plan.operations.size):
            status = np.zeros(4, np.int64)
            packed, *columns = segment(slice(begin, end), status)
            if status[0]:
                self.restore(plan.saved)
                raise self.stopped(status, begin + int(status[2]), plan.max_pops)
            causes = ((packed >> 8) + begin).astype(np.int32)
            outputs.append((packed.astype(np.uint8), causes, *columns))
            states += [self._snapshot()] * snap
        joined = [np.concatenate(part) for part in zip(*outputs, strict=True)]
        return joined, _stack(plan.snaps, states)


def _per_event(counts: np.ndarray) -> dict[str, Any]:
    names = {CORE: "core_cycles", STALL: "stall_cycles", POPS: "pops", DROPS: "drops"}
    return {f"ev_{name}": counts[:, column].astype(np.int32) for column, name in names.items()}


def _segments(snaps: list[int] | None, total: int) -> list[tuple[int, int, int]]:
    """Return (begin, end, take a snapshot at the end) for the stretches between snapshots."""
    ends = [*(snaps or []), total]
    return [
        (begin, end, int(index < len(ends) - 1))
        for index, (begin, end) in enumerate(zip([0, *ends], ends, strict=False))
    ]


def _stack(snaps: list[int] | None, states: list[dict[str, Any]]) -> Snapshots | None:
    if snaps is None:
        return None
    names = states[0] if states else {}
    arrays = {name: np.stack([state[name] for state in states]) for name in names}
    return Snapshots(np.array(snaps, np.int32), arrays)
