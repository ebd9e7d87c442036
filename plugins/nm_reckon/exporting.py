"""What an export says about driving the chip: events, pins, and the bytes that come back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from nm_backends.aer import EventPlan, InputEvents, OutputEvent, SampleEvents
from nm_backends.memory_files import LEARNED
from nm_backends.network import Network
from nm_backends.spikes import prepare
from nm_reckon.drive import Drive
from nm_reckon.requests import asking
from nm_reckon.sample import Sample, SampleLog
from nm_reckon.schedule import BIAS, START
from nm_reckon.spec import SPEC
from nm_reckon.watching import EACH, watched_in

if TYPE_CHECKING:
    from nm_backends.image import Image
    from nm_backends.program import Program

__all__ = ["plan_events", "planned", "readme"]

_HEAD = ("sample", "tick", "byte", "meaning")


def plan_events(program: Program, spikes: Any | None) -> EventPlan:
    """Return the maps of a program, and what goes in and comes out for ``spikes``."""
    if spikes is None:
        return EventPlan(list(_inputs(program)), list(_outputs(program)), ())
    from nm_reckon.simulator import run_batch

    drive = Drive(program.layout)
    counts = prepare(program.network, spikes).counts
    samples = list(drive.samples(counts))
    logs = run_batch(program.image, samples)
    return planned(program, program.image, samples, logs, len(counts))


def planned(
    program: Program, image: Image, samples: Sequence[Sample], logs: Sequence[SampleLog], steps: int
) -> EventPlan:
    """Return what goes in and comes out, of samples of so many steps on a chip of ``image``."""
    rows: list[Sequence[object]] = [_HEAD]
    for number, log in enumerate(logs):
        rows += _rows(program, image, number, log)
    sent = [_sent(sample, image) for sample in samples]
    return EventPlan(
        list(_inputs(program)), list(_outputs(program)), (), samples=sent, expected=rows,
        trailing=Drive(program.layout).ticks(steps) - steps,
    )  # fmt: skip


def readme(program: Program, plan: EventPlan | None, names: Sequence[str]) -> str:
    """Return the ``README.txt`` of an export."""
    folder = files("nm_reckon") / "data"
    title = f"nm-backends export for {SPEC.name}"
    drive = Drive(program.layout)
    lag = drive.layout["lag"].tolist()
    lags = ", ".join(f"{p.name} {n}" for p, n in zip(program.network.neurons, lag, strict=True))
    parts, learns = ["readme"], any(name.endswith(LEARNED) for name in names)
    if plan is not None and "aer.txt" in names:
        parts += ["driving", "learning" if learns else "running"]
    parts += [] if learns else [_shows(program)]
    texts = [(folder / f"export_{part}.txt").read_text(encoding="utf-8") for part in parts]
    return "\n".join(texts).format(
        title=title,
        rule="=" * len(title),
        source=PurePath(program.network.source).name,
        each=drive.each,
        lags=lags,
        last=drive.deepest + 1,
        scale=float(drive.layout["out_scale"][0]) if drive.layout["out_scale"].size else 1.0,
    )


def _shows(program: Program) -> str:
    """Return which text says what the outputs are."""
    if watched_in(program.layout).size:
        return "watching"
    return "membranes" if any(not p.spiking for p in program.network.neurons) else "counting"


def _inputs(program: Program) -> Iterator[InputEvents]:
    layout = program.layout
    channels = [(p.name, n) for p in program.network.inputs for n in range(p.size)]
    own = {BIAS: "bias, in every step", START: "first membranes, in the first step only"}
    pairs = zip(layout["event_channel"].tolist(), layout["event_shift"].tolist(), strict=True)
    for address, (channel, shift) in enumerate(pairs):
        if channel < 0:
            yield InputEvents("", 0, shift, (address,), own[channel])
        else:
            node, neuron = channels[channel]
            yield InputEvents(node, neuron, shift, (address,))


def _outputs(program: Program) -> Iterator[OutputEvent]:
    """Say whose membrane, or whose spikes, each output is; of watched neurons, each bit."""
    for output, (node, neuron) in enumerate(_shown(program)):
        yield OutputEvent(output, node, neuron)


def _shown(program: Program) -> list[tuple[str, int]]:
    network: Network = program.network
    read = [(p.name, n) for p in network.neurons if not p.spiking for n in range(p.size)]
    if read:
        return read
    fire = [(p.name, n) for p in network.neurons for n in range(p.size)]
    seen = watched_in(program.layout) if "watched" in program.layout else program.layout["probe"]
    return [fire[n] for n in seen.tolist()]


def _sent(sample: Sample, image: Image) -> SampleEvents:
    """Return the words, pins and targets of each tick."""
    counts = np.bincount(sample.ev_tick, minlength=sample.ticks)
    words = np.split(np.asarray(sample.ev_addr, np.uint32), np.cumsum(counts)[:-1])
    none = np.zeros(0, np.int64)
    told = {sample.label_tick: [sample.label]} if sample.label_tick >= 0 else {}
    return SampleEvents(list(words), none, none, _pins(sample), told, _answers(sample, image))


def _pins(sample: Sample) -> dict[int, list[tuple[str, int]]]:
    """Return the pins to set at ticks; TARGET_VALID only where something is to be learned."""
    pins: dict[int, list[tuple[str, int]]] = {0: [("SAMPLE", 1)]}
    votes = np.zeros(sample.ticks, np.uint8) if sample.infer_acc is None else sample.infer_acc
    levels = {"INFER_ACC": votes}
    if sample.target_valid is not None:
        levels["TARGET_VALID"] = sample.target_valid
    for name, level in levels.items():
        for tick in [0, *(np.flatnonzero(np.diff(level.astype(np.int8))) + 1).tolist()]:
            pins.setdefault(tick, []).append((name, int(level[tick])))
    pins.setdefault(sample.ticks - 1, []).append(("SAMPLE", 0))
    return pins


def _answers(sample: Sample, image: Image) -> dict[int, list[int]]:
    """Return the bytes for the ticks at which the chip asks for target values."""
    if sample.reg_target is None or sample.target_valid is None:
        return {}
    count = _register(image, "SPI_NUM_OUT_NEUR") + 1
    asks = asking(sample.target_valid, sample.label_tick, image.registers)
    halves = sample.reg_target[:, :count].astype("<i2").view(np.uint8)
    return {tick: halves[tick].tolist() for tick in np.flatnonzero(asks).tolist()}


def _register(image: Image, name: str) -> int:
    value = image.registers[name]
    return int(value)


def _rows(
    program: Program, image: Image, number: int, log: SampleLog
) -> Iterator[Sequence[object]]:
    if image.registers["SPI_SEND_LABEL_ONLY"]:
        meanings = ["label"]
    else:
        each = EACH if watched_in(program.layout).size else 1
        names = [f"{node}[{neuron}]" for node, neuron in _shown(program)] or ["output"]
        shown = [" ".join(names[i : i + each]) for i in range(0, len(names), each)]
        meanings = [f"{name} {half}" for name in shown for half in ("low", "high")]
    pairs = zip(log.out_tick.tolist(), log.out_data.tolist(), strict=True)
    for i, (tick, byte) in enumerate(pairs):
        yield number, tick, f"{byte:02x}", meanings[i % len(meanings)]
