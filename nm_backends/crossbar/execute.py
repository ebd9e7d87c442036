"""Run a core's image on spikes: encode, simulate, decode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from nm_backends.cores import usable_cores
from nm_backends.crossbar.chip import CrossbarChip
from nm_backends.errors import UserError
from nm_backends.eventcore.errors import LivelockError
from nm_backends.image import Image
from nm_backends.network import Network
from nm_backends.program import Program
from nm_backends.result import RawRun

if TYPE_CHECKING:
    from nm_backends.crossbar.events import Encoded
    from nm_backends.eventcore.logs import BatchLog
    from nm_backends.eventcore.requests import Driving

__all__ = [
    "BY_ADDRESS", "SLOTS", "CoreRun", "check_layout", "decoded", "dropped_by_node",
    "endless", "execute", "run_coded", "run_core", "split",
]  # fmt: skip

_PLACES = {"address": "i", "copy": "i", "lift": "i", "scale": "f"}
BY_ADDRESS = "dropped_by_address"
_EVENTS_AT_ONCE = 1 << 25
_SAMPLES_AT_ONCE = 1 << 10  # each with a whole chip of its own, to count in
SLOTS = {"slot_word": "u", "slot_channel": "i", "slot_count": "i", "slot_delay": "i"}


@dataclass
class CoreRun:
    """Spikes uint8 ``[time, batch, neurons]``, membranes (or None) and counters of a core.

    ``saturated`` is how often membranes stopped at their lower and upper limit in all samples,
    int64 ``[2, neurons]``, or None where that was not asked for.
    """

    spikes: np.ndarray
    membranes: np.ndarray | None
    counters: dict[str, np.ndarray]
    saturated: np.ndarray | None = None


def execute(
    chip: CrossbarChip,
    program: Program,
    spikes: np.ndarray,
    record: Sequence[str],
    threads: int | None,
    driving: Driving = "idle",
) -> RawRun:
    """Run a program; what a backend's ``execute`` does."""
    wanted = "membrane" in record
    try:
        run = run_core(
            chip,
            program.image,
            program.layout,
            spikes,
            membrane=wanted,
            threads=threads,
            driving=driving,
            saturations="losses" in record,
        )
    except LivelockError as error:
        raise endless(chip, program, error) from error
    lost = run.counters.pop(BY_ADDRESS)
    run.counters |= dropped_by_node(program, lost)
    layers = split(program.network, run.spikes)
    membranes = {} if run.membranes is None else split(program.network, run.membranes)
    return RawRun(layers, membranes, run.counters, losses=_losses(program, lost, run.saturated))


def _losses(
    program: Program, lost: np.ndarray, saturated: np.ndarray | None
) -> dict[str, dict[str, np.ndarray]]:
    """Return what was lost in all samples, per neuron; both copies of a neuron together."""
    address, copy = program.layout["address"], program.layout["copy"]
    total = lost.sum(axis=0)
    counts = {"dropped": total[address] + np.where(copy >= 0, total[copy], 0)}
    if saturated is not None:  # copies hear the same: one of them counts
        counts |= {"saturated_low": saturated[0], "saturated_high": saturated[1]}
    return {
        kind: {name: part[0, 0] for name, part in split(program.network, each[None, None]).items()}
        for kind, each in counts.items()
    }


def endless(chip: CrossbarChip, program: Program, error: LivelockError) -> UserError:
    """Say in the words of the model that the chip never became idle."""
    places = np.stack([program.layout["address"], program.layout["copy"]])[:, None]
    node = next(
        (n for n, at in split(program.network, places).items() if (at == error.neuron).any()), ""
    )
    code = chip.rules["never_idle"].code
    return UserError(
        f"{code}{' at ' + node if node else ''}: the neurons keep each other firing, "
        f"{error.max_pops:,} spikes after one input event and no end",
        error.why or f"weaken recurrent excitation and compile again; nmb explain {code} says more",
    )


def run_core(
    chip: CrossbarChip,
    image: Image,
    layout: dict[str, np.ndarray],
    spikes: np.ndarray,
    *,
    membrane: bool = False,
    threads: int | None = None,
    driving: Driving = "idle",
    saturations: bool = False,
) -> CoreRun:
    """Run samples, each from the state of ``image``.

    Parameters
    ----------
    spikes
        Input counts uint8 ``[time, batch, channels]``.
    threads
        By default one per usable core; the result does not depend on it.
    saturations
        Count membranes that stop at a limit.
    """
    from nm_backends.crossbar.events import Counts, count_events, fill_events

    threads = threads or usable_cores()
    given = Counts.of(spikes)
    step_end = count_events(layout, given, threads)
    parts = []
    for part in _slices(step_end, _SAMPLES_AT_ONCE if saturations else len(step_end)):
        coded = fill_events(layout, given.part(part), step_end[part], threads)
        parts.append(
            run_coded(
                chip,
                image,
                layout,
                coded,
                membrane=membrane,
                threads=threads,
                driving=driving,
                saturations=saturations,
            )
        )
    if len(parts) == 1:
        return parts[0]
    return CoreRun(
        np.concatenate([p.spikes for p in parts], axis=1),
        np.concatenate([_some(p.membranes) for p in parts], axis=1) if membrane else None,
        {name: np.concatenate([p.counters[name] for p in parts]) for name in parts[0].counters},
        np.sum([_some(p.saturated) for p in parts], axis=0) if saturations else None,
    )


def _slices(step_end: np.ndarray, most: int) -> list[slice]:
    """Cut the batch so that not too many events (and ``most`` samples) are in memory at once."""
    batch, steps = step_end.shape
    events = np.cumsum(step_end[:, -1]) if steps else np.zeros(batch, np.int64)
    group = events // _EVENTS_AT_ONCE + np.arange(batch) // max(most, 1)
    edges = np.flatnonzero(np.diff(group)) + 1
    bounds = [0, *edges.tolist(), batch]
    return [slice(a, b) for a, b in pairwise(bounds)]


def _some(array: np.ndarray | None) -> np.ndarray:
    assert array is not None
    return array


def run_coded(
    chip: CrossbarChip,
    image: Image,
    layout: dict[str, np.ndarray],
    coded: Encoded,
    *,
    membrane: bool = False,
    threads: int | None = None,
    driving: Driving = "idle",
    saturations: bool = False,
) -> CoreRun:
    """Run input events that were made with ``layout``, and decode what comes out."""
    threads = threads or usable_cores()
    batch, steps = coded.step_end.shape
    marks = coded.step_end.ravel() - 1 if membrane else None
    mark_offsets = np.arange(batch + 1) * steps if membrane else None
    log = chip.run(
        image, coded.words, coded.offsets, marks, mark_offsets,
        threads=threads, driving=driving, saturations=saturations,
    )  # fmt: skip
    run = decoded(chip, layout, coded, log, threads)
    if membrane:
        everywhere = log.membranes.reshape(batch, steps, -1)
        run.membranes = everywhere[:, :, layout["address"]].transpose(1, 0, 2)
    return run


def decoded(
    chip: CrossbarChip,
    layout: dict[str, np.ndarray],
    coded: Encoded,
    log: BatchLog,
    threads: int = 1,
) -> CoreRun:
    """Return spikes and counters of a log, without membranes."""
    from nm_backends.crossbar.events import decode_outputs

    address = layout["address"]
    neuron_of = np.full(chip.spec.neurons, -1, np.int64)
    neuron_of[address] = np.arange(address.size)
    stopped = None if log.saturated is None else log.saturated.sum(axis=0)[:, address]
    outputs = (log.out_addr, log.out_event, log.out_offsets)
    fired = decode_outputs(*outputs, coded.step_end, neuron_of, address.size, threads)
    return CoreRun(fired, None, _counters(chip, log, coded), stopped)


def _counters(chip: CrossbarChip, log: BatchLog, coded: Encoded) -> dict[str, np.ndarray]:
    events = np.diff(coded.offsets)
    handshakes = int(chip.number("cycles_handshake")) * events
    waits = int(chip.number("cycles_wait")) * log.pops
    cycles = log.core_cycles + log.stall_cycles + handshakes + waits
    return {
        "events_in": events,
        "events_out": log.outputs,
        "sops": log.sops,
        "cycles": cycles if log.cycles is None else log.cycles,
        "stall_cycles": log.stall_cycles,
        "dropped": log.drops,
        BY_ADDRESS: log.drops_by_neuron,
        **log.more,
    }


def dropped_by_node(program: Program, lost: np.ndarray) -> dict[str, np.ndarray]:
    """Return spikes lost per sample of each population, both copies of a neuron together."""
    places = np.stack([program.layout["address"], program.layout["copy"]])
    return {
        f"dropped:{name}": lost[:, span[span >= 0]].sum(axis=1)
        for name, span in split(program.network, places[:, None]).items()
    }


def split(network: Network, values: np.ndarray) -> dict[str, np.ndarray]:
    """Cut ``[time, batch, neurons]`` into populations."""
    layers, first = {}, 0
    for population in network.neurons:
        layers[population.name] = values[:, :, first : first + population.size]
        first += population.size
    return layers


def check_layout(chip: CrossbarChip, program: Program) -> list[str]:
    """Name everything in a program's layout that would lead the kernels astray."""
    layout, spec, network = program.layout, chip.spec, program.network
    missing = sorted({*SLOTS, *_PLACES, "row_source", "row_sign"} - set(layout))
    if missing:
        return [f"{name}: missing" for name in missing]
    found = []
    rows_of = {"row_source": "i", "row_sign": "i"}
    for name, kind in {**SLOTS, **_PLACES, **rows_of}.items():
        array = layout[name]
        if array.ndim != 1 or array.dtype.kind != kind or array.dtype.itemsize > 8:
            return [f"{name}: {array.dtype}{list(array.shape)}, expected a list of numbers"]
    neurons = sum(p.size for p in network.neurons)
    if {layout[name].size for name in _PLACES} != {neurons}:
        found.append(f"{', '.join(_PLACES)}: expected {neurons} neurons")
    elif _outside(layout["lift"], 0, 1 << 12):
        found.append("lift: out of range")
    elif not (np.isfinite(layout["scale"]) & (layout["scale"] > 0)).all():
        found.append("scale: not a positive number")
    elif _outside(layout["address"], 0, spec.neurons) or _outside(layout["copy"], -1, spec.neurons):
        found.append("address, copy: a neuron that the chip does not have")
    elif _twice(np.concatenate([layout["address"], layout["copy"][layout["copy"] >= 0]])):
        found.append("address, copy: two neurons at the same place")
    if len({layout[name].size for name in SLOTS}) != 1:
        found.append("slot_word, slot_channel, slot_count, slot_delay: of different length")
    if _outside(layout["slot_channel"], -1, network.input_size):
        found.append("slot_channel: an input channel that the network does not have")
    if _outside(layout["slot_count"], 0, 1 << 12) or _outside(layout["slot_delay"], 0, 1 << 20):
        found.append("slot_count, slot_delay: out of range")
    if {layout[name].size for name in rows_of} != {chip.rows}:
        found.append(f"row_source, row_sign: expected {chip.rows} rows")
    elif _outside(layout["row_sign"], -1, 2):
        found.append("row_sign: out of range")
    words = layout["slot_word"] & ~np.uint32(chip.flags)
    known = np.isin(words, [*chip.row_words(np.arange(chip.rows)), chip.leak_event])
    virtual = chip.read_virtual(layout["slot_word"])[1] != 0
    if virtual.any() and _hosted_by_none(layout["slot_channel"], virtual):
        found.append("slot_channel: a virtual event of no input channel")
    if not (known | virtual).all():
        found.append("slot_word: not an event that a program sends")
    shared = [layout.get(name, np.zeros(0, np.int64)) for name in ("shared_row", "shared_source")]
    if shared[0].shape != shared[1].shape or any(a.dtype.kind != "i" for a in shared):
        found.append("shared_row, shared_source: expected as many rows as sources")
    elif _outside(shared[0], 0, chip.rows) or _outside(shared[1], 0, 1 << 20):
        found.append("shared_row: a row that the chip does not have")
    return found


def _twice(values: np.ndarray) -> bool:
    return np.unique(values).size != values.size


def _outside(values: np.ndarray, low: int, end: int) -> bool:
    return bool(((values < low) | (values >= end)).any())


def _hosted_by_none(channel: np.ndarray, virtual: np.ndarray) -> bool:
    return channel.size == virtual.size and bool((channel[virtual] < 0).any())
