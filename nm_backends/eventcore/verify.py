"""Replaying recorded traces of event-driven cores on both engines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nm_backends.chip import ChipSpec, Field
from nm_backends.errors import UserError
from nm_backends.eventcore.errors import LivelockError, UnsupportedByEngine
from nm_backends.eventcore.logs import EventLog
from nm_backends.eventcore.simulator import EventSimulator
from nm_backends.image import Image
from nm_backends.image_check import memory_layout
from nm_backends.trace import (
    Divergence,
    Expect,
    Trace,
    TraceError,
    TraceVerdict,
    field_at,
    load_trace,
)

__all__ = ["first_image", "state_arrays", "verify_trace"]

FieldsOf = Callable[[np.ndarray], Sequence[Field]]

_COUNTS = ("core_cycles", "stall_cycles", "pops", "drops")
_CLOCKED = ("req_cycle", "accept_cycle", "ack_cycle", "done_cycle", "reqdn_cycles")


@dataclass(frozen=True)
class _Found:
    """A difference, and what decides whether it came first: event, then kind of data."""

    order: tuple[int, int]
    divergence: Divergence


def verify_trace(
    path: str,
    spec: ChipSpec,
    simulator: Callable[[Image, Trace], EventSimulator],
    flags: Sequence[str] = (),
    scalars: Sequence[str] = (),
    fields_of: FieldsOf | None = None,
) -> TraceVerdict:
    """Replay a trace and compare everything that it holds.

    A trace of exactness ``transaction`` is replayed by the transaction engine, unless what it
    records needs a clock, and by the cycle-accurate engine; any other by the latter alone, which
    also has to meet every time stamp.

    Parameters
    ----------
    path
        The ``.npz`` file.
    spec
        The chip: its registers and memories are arrays of the trace.
    simulator
        Makes a simulator in the trace's initial state.
    flags
        State bits per neuron that are in no memory: arrays ``<flag>_init`` and so on.
    scalars
        Further numbers, not negative, that a trace may hold about the initial state.
    fields_of
        Returns the fields of a neuron word, where they are not the same for all.
    """
    fields_of = fields_of or (lambda word: spec.fields["neuron"])
    more = {name: Expect((), 0, optional=True) for name in scalars}
    trace = load_trace(path, _expected(spec, flags) | more)
    if trace.meta_value("chip", str).lower() != spec.name.lower():
        raise TraceError(f"{trace.name}: a trace of {trace.meta['chip']!r}, expected {spec.name}")
    image = first_image(trace, spec)
    engines: list[str] = []
    found: _Found | None = None
    words = 0
    verdict = TraceVerdict(trace.name, spec.name, str(trace.meta.get("case", "")), (), False)
    try:
        for engine, replay in _replays(trace):
            chip = simulator(image, trace)
            if engine == "transaction" and chip.needs_clock():
                continue
            log = replay(chip)
            engines.append(engine)
            checked, found = _compare(trace, spec, flags, engine, chip, log, fields_of)
            words += checked
            if found:
                break
    except (UnsupportedByEngine, LivelockError) as error:
        return replace(verdict, engines=tuple(engines), reason=str(error))
    except TraceError:
        raise
    except UserError as error:  # such as an event that is too wide
        raise TraceError(f"{trace.name}: {error}") from error
    return replace(
        verdict,
        engines=tuple(engines),
        ok=found is None,
        divergence=found.divergence if found else None,
        counts={"events": len(trace["events"]), "outputs": len(trace["out_addr"]), "values": words},
    )


def state_arrays(spec: ChipSpec) -> dict[str, Expect]:
    """Return the arrays of a trace that hold registers, and memories before and after."""
    tables: dict[str, Expect] = {}
    for register in spec.registers:
        bits = register.width
        wide = bits > 62  # a bit vector
        tables[register.name] = Expect((bits,) if wide else (), 0, 1 if wide else (1 << bits) - 1)
    for memory in spec.memories:
        shape, bits = memory_layout(spec, memory)
        for when in ("init", "final"):
            tables[f"{memory.name}_{when}"] = Expect(shape, 0, (1 << bits) - 1)
    return tables


def _expected(spec: ChipSpec, flags: Sequence[str]) -> dict[str, Expect]:
    tables = state_arrays(spec)
    for memory in spec.memories:
        shape, _ = memory_layout(spec, memory)
        if memory.name != "synapse":
            tables[f"snap_{memory.name}"] = Expect(("snap_after", *shape), 0, 255, optional=True)
    for flag in flags:
        tables[f"{flag}_init"] = tables[f"{flag}_final"] = Expect((spec.neurons,), 0, 1)
        tables[f"snap_{flag}"] = Expect(("snap_after", spec.neurons), 0, 1, optional=True)
    tables["events"] = Expect(("events",), 0, (1 << 32) - 1)
    tables |= {f"ev_{name}": Expect(("events",), optional=True) for name in _COUNTS + _CLOCKED}
    tables["out_addr"] = Expect(("out_addr",), 0, spec.neurons - 1)
    tables["out_event"] = Expect(("out_addr",), 0, (1 << 31) - 1)
    tables["out_cycle"] = Expect(("out_addr",), optional=True)
    tables["snap_after"] = Expect(("snap_after",), optional=True)
    tables["snap_synapse_crc32"] = Expect(("snap_after",), 0, (1 << 32) - 1, optional=True)
    tables["total_cycles"] = Expect(optional=True)
    return tables


def first_image(trace: Trace, spec: ChipSpec) -> Image:
    """Return the image of a trace before the first event."""
    memories = {m.name: trace[f"{m.name}_init"].astype(np.uint8) for m in spec.memories}
    registers: dict[str, int | np.ndarray] = {}
    for register in spec.registers:
        array = trace[register.name]
        registers[register.name] = array.astype(np.uint8) if array.ndim else int(array)
    return Image(memories, registers)


def _replays(trace: Trace) -> Iterator[tuple[str, Callable[[EventSimulator], EventLog]]]:
    driving = trace.meta_value("driving", str)
    if driving not in ("idle", "back_to_back", "scheduled"):
        raise TraceError(f"{trace.name}: meta: driving {driving[:40]!r} is unknown")
    if driving == "scheduled" and "ev_req_cycle" not in trace:
        raise TraceError(f"{trace.name}: array ev_req_cycle: missing, but driving is 'scheduled'")
    snaps = _snaps(trace, driving)
    options: dict[str, Any] = {
        "driving": driving,
        "req_cycle": trace["ev_req_cycle"] if driving == "scheduled" else None,
        "ack_delay": trace.meta_value("aerout_ack_delay", int, 0),
        "release_delay": trace.meta_value("aerin_release_delay", int, 0),
        "idle_cycles": trace.meta_value("idle_cycles", int, 8) or 8,
        "snap_after": snaps,
    }
    events = trace["events"]
    if trace.meta_value("exactness", str) == "transaction" and driving == "idle":
        yield "transaction", lambda chip: chip.send(events, snap_after=snaps)
    yield "cycle", lambda chip: chip.send_timed(events, **options)


def _snaps(trace: Trace, driving: str) -> list[int] | None:
    if driving != "idle" or "snap_after" not in trace:
        return None
    snaps = [int(n) for n in trace["snap_after"]]
    if snaps != sorted(snaps) or (snaps and snaps[-1] > len(trace["events"])):
        raise TraceError(f"{trace.name}: array snap_after: not ascending numbers of events")
    return snaps


def _compare(
    trace: Trace, spec: ChipSpec, flags: Sequence[str], engine: str, chip: EventSimulator,
    log: EventLog, fields_of: FieldsOf,
) -> tuple[int, _Found | None]:  # fmt: skip
    """Return how many values were compared, and the difference that came first."""
    timed = engine == "cycle"
    parts = [
        _compare_outputs(trace, engine, log, timed),
        _compare_events(trace, engine, log, timed),
        _compare_state(trace, flags, engine, chip, log, fields_of),
    ]
    found = [one for _, differences in parts for one in differences]
    return sum(n for n, _ in parts), min(found, key=lambda one: one.order, default=None)


def _compare_outputs(
    trace: Trace, engine: str, log: EventLog, timed: bool
) -> tuple[int, list[_Found]]:
    """Compare outputs as one sequence: the first that differs says which event went wrong."""
    names = ("out_event", "out_addr", "out_cycle") if timed else ("out_event", "out_addr")
    columns = [
        (name, trace[name].astype(np.int64), getattr(log, name).astype(np.int64))
        for name in names
        if name in trace
    ]
    both = min(len(trace["out_addr"]), len(log.out_addr))
    differs = np.any([want[:both] != got[:both] for _, want, got in columns], axis=0)
    values = len(columns) * len(trace["out_addr"])
    at = int(differs.argmax()) if differs.any() else both
    if at == max(len(trace["out_addr"]), len(log.out_addr)):
        return values, []
    here = {name: (_at(want, at), _at(got, at)) for name, want, got in columns}
    name = next(name for name, (want, got) in here.items() if want != got)
    event = min(n for n in here["out_event"] if n is not None)
    address = next(n for n in here["out_addr"] if n is not None)
    divergence = Divergence(
        engine, name, *here[name], event, here.get("out_cycle", (None,))[0], address, (at,)
    )
    return values, [_Found((event, 0), divergence)]


def _at(array: np.ndarray, index: int) -> int | None:
    return int(array[index]) if index < len(array) else None


def _compare_events(
    trace: Trace, engine: str, log: EventLog, timed: bool
) -> tuple[int, list[_Found]]:
    values, found = 0, []
    for rank, name in enumerate(_COUNTS + (_CLOCKED if timed else ())):
        key = f"ev_{name}"
        if key not in trace:
            continue
        want, got = trace[key].astype(np.int64), getattr(log, key).astype(np.int64)
        values += want.size
        for at in np.flatnonzero(want != got)[:1].tolist():
            cycle = int(want[at]) if name.endswith("_cycle") else None
            divergence = Divergence(
                engine, key, int(want[at]), int(got[at]), at, cycle, None, (at,)
            )
            found.append(_Found((at, 1 + rank), divergence))
    if timed and "total_cycles" in trace:
        values += 1
        want_total, got_total = int(trace["total_cycles"]), log.total_cycles
        if want_total != got_total:
            last = len(trace["events"])
            divergence = Divergence(engine, "total_cycles", want_total, got_total, cycle=want_total)
            found.append(_Found((last, 100), divergence))
    return values, found


def _compare_state(
    trace: Trace, flags: Sequence[str], engine: str, chip: EventSimulator, log: EventLog,
    fields_of: FieldsOf,
) -> tuple[int, list[_Found]]:  # fmt: skip
    values, found = 0, []
    last = len(trace["events"]) - 1
    final: dict[str, np.ndarray] = {**chip.image().memories, **{f: getattr(chip, f) for f in flags}}
    states = [(f"{name}_final", state, last) for name, state in final.items()]
    pairs = [(name, trace[name], state, event) for name, state, event in states]
    if log.snapshots is not None:
        for name, stack in log.snapshots.arrays.items():
            if f"snap_{name}" in trace:
                after = trace["snap_after"].tolist()
                recorded = trace[f"snap_{name}"]
                pairs += [
                    (f"snap_{name}", want, got, event - 1)
                    for want, got, event in zip(recorded, stack, after, strict=True)
                ]
    for name, want, got, event in pairs:
        values += want.size
        if not np.array_equal(want, got):
            found.append(_first_word(name, want, got, event, fields_of, engine))
    return values, found


def _first_word(
    name: str, want: np.ndarray, got: np.ndarray, event: int, fields_of: FieldsOf, engine: str
) -> _Found:
    index = tuple(np.argwhere(np.asarray(want != got))[0].tolist()) if want.ndim else ()
    expected, computed = int(want[index]), int(got[index])
    field, neuron = name, index[-1] if index else None
    if name.startswith(("neuron", "snap_neuron")) and len(index) == 2:
        neuron = index[0]
        field = f"{name}: {field_at(fields_of(want[neuron]), index[1], expected ^ computed)}"
    divergence = Divergence(engine, field, expected, computed, event, None, neuron, index)
    return _Found((event, 50), divergence)
