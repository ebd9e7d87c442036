"""Samples, one after the other in flat arrays, as the kernels take them; what is wrong in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nm_backends.errors import UserError
from nm_reckon.layout import PLAN, TARGETS, TICK
from nm_reckon.sample import Sample
from nm_reckon.spec import INPUTS, OUTPUTS

if TYPE_CHECKING:
    from nm_backends.crossbar.events import Encoded

__all__ = ["Packed", "pack"]


@dataclass(frozen=True, eq=False)
class Packed:
    """Samples ready to run; make it once when they are run many times.

    Parameters
    ----------
    plan
        One record of `layout.PLAN` per sample.
    ticks
        One record of `layout.TICK` per tick of all samples.
    addresses
        Addresses of the events of all samples, uint8.
    targets
        One record of `layout.TARGETS` per tick, or none when no sample has any.
    has_targets
        Which samples have regression targets, bool.
    """

    plan: np.ndarray
    ticks: np.ndarray
    addresses: np.ndarray
    targets: np.ndarray
    has_targets: np.ndarray

    @classmethod
    def driven(cls, coded: Encoded, infer_acc: np.ndarray) -> Packed:
        """Return samples of nothing but events and votes.

        Parameters
        ----------
        coded
            Input addresses as words, of all ticks but the last (as of steps).
        infer_acc
            Pin ``INFER_ACC`` at each tick, uint8 ``[ticks]``.
        """
        batch, ticks = len(coded.step_end), infer_acc.size
        plan, pins = np.zeros(batch, PLAN), np.zeros((batch, ticks), TICK)
        plan["begin"], plan["event"] = np.arange(batch) * ticks, coded.offsets[:-1]
        plan["ticks"] = plan["stop"] = ticks
        plan["label"] = plan["label_tick"] = pins["on_request"] = -1
        pins["events_end"][:, :-1] = coded.step_end + coded.offsets[:-1, None]
        pins["events_end"][:, -1] = coded.offsets[1:]
        pins["infer_acc"] = infer_acc
        addresses = coded.words.astype(np.uint8)
        return cls(plan, pins.ravel(), addresses, np.zeros(0, TARGETS), np.zeros(batch, bool))


def pack(samples: Sequence[Sample]) -> Packed:
    """Return samples in flat arrays.

    Raises
    ------
    UserError
        A sample that cannot be driven; the message names it.
    """
    for n, sample in enumerate(samples):
        for problem in _problems(sample):
            raise UserError(f"sample {n}: {problem}")
    has_targets = np.array([sample.reg_target is not None for sample in samples], bool)
    plan = _plan(samples)
    return Packed(
        plan,
        _ticks(samples, plan),
        _joined([sample.ev_addr for sample in samples], np.uint8),
        _targets(samples) if has_targets.any() else np.zeros(0, TARGETS),
        has_targets,
    )


def _plan(samples: Sequence[Sample]) -> np.ndarray:
    ticks = np.array([sample.ticks for sample in samples], np.int64)
    events = np.array([np.size(sample.ev_tick) for sample in samples], np.int64)
    plan = np.zeros(len(samples), PLAN)
    plan["begin"], plan["ticks"] = np.cumsum(ticks) - ticks, ticks
    plan["stop"] = ticks
    plan["event"] = np.cumsum(events) - events
    plan["label"] = [sample.label for sample in samples]
    plan["label_tick"] = [sample.label_tick for sample in samples]
    plan["period"] = [sample.tick_period or 0 for sample in samples]
    return plan


def _ticks(samples: Sequence[Sample], plan: np.ndarray) -> np.ndarray:
    ticks = np.zeros(int(plan["ticks"].sum()), TICK)
    begins = plan["begin"].tolist()
    when = [np.asarray(x.ev_tick, np.int64) + b for x, b in zip(samples, begins, strict=True)]
    ticks["events_end"] = np.cumsum(np.bincount(_joined(when, np.int64), minlength=ticks.size))
    ticks["on_request"] = _joined([_answers(sample) for sample in samples], np.int16)
    for sample, begin in zip(samples, begins, strict=True):
        for name in ("target_valid", "infer_acc"):
            level = getattr(sample, name)
            if level is not None:
                ticks[name][begin : begin + sample.ticks] = np.asarray(level) != 0
    return ticks


def _joined(parts: Sequence[np.ndarray], kind: type) -> np.ndarray:
    return np.concatenate([np.zeros(0, kind), *(np.asarray(p).astype(kind) for p in parts)])


def _answers(sample: Sample) -> np.ndarray:
    if sample.label_on_request is not None:
        return np.asarray(sample.label_on_request)
    return np.full(sample.ticks, sample.label)


def _targets(samples: Sequence[Sample]) -> np.ndarray:
    targets = np.zeros(sum(sample.ticks for sample in samples), TARGETS)
    begin = 0
    for sample in samples:
        if sample.reg_target is not None:
            targets["values"][begin : begin + sample.ticks] = sample.reg_target
        begin += sample.ticks
    return targets


def _problems(sample: Sample) -> list[str]:
    """Name what is wrong with a sample."""
    if sample.ticks < 2:
        return [f"{sample.ticks} ticks: expected 2 or more (tick 0 does not step)"]
    found = _event_problems(sample)
    found += _label_problems(sample)
    shapes: tuple[tuple[str, np.ndarray | None, tuple[int, ...]], ...] = (
        ("target_valid", sample.target_valid, (sample.ticks,)),
        ("infer_acc", sample.infer_acc, (sample.ticks,)),
        ("label_on_request", sample.label_on_request, (sample.ticks,)),
        ("reg_target", sample.reg_target, (sample.ticks, OUTPUTS)),
    )
    for name, array, shape in shapes:
        if array is not None and np.shape(array) != shape:
            found.append(f"{name}: shape {np.shape(array)}, expected {shape}")
    if sample.tick_period is not None and sample.tick_period < 1:
        found.append(f"tick_period {sample.tick_period}: expected 1 clock cycle or more, or None")
    return found


def _label_problems(sample: Sample) -> list[str]:
    found = []
    if not -1 <= sample.label < 256:
        found.append(f"label {sample.label}: expected one byte, or -1 for none")
    if not -1 <= sample.label_tick < sample.ticks:
        found.append(f"label_tick {sample.label_tick}: expected -1..{sample.ticks - 1}")
    elif sample.label_tick >= 0 and sample.label < 0:
        found.append(f"label_tick {sample.label_tick}: there is no label to send")
    answers = sample.label_on_request
    if answers is not None and np.size(answers):
        low, high = np.min(answers), np.max(answers)
        if low < 0 or high > 255:
            found.append(f"label_on_request: {low}..{high}, expected bytes")
    return found


def _event_problems(sample: Sample) -> list[str]:
    when, where = np.asarray(sample.ev_tick), np.asarray(sample.ev_addr)
    if when.ndim != 1 or when.shape != where.shape:
        return [f"ev_tick {when.shape}, ev_addr {where.shape}: expected two lists of equal length"]
    if not when.size:
        return []
    found = []
    for name, array, end in (("ev_tick", when, sample.ticks), ("ev_addr", where, INPUTS)):
        if array.dtype.kind not in "ui":
            found.append(f"{name}: {array.dtype}, expected integers")
        elif array.min() < 0 or array.max() >= end:
            found.append(f"{name}: {array.min()}..{array.max()}, expected 0..{end - 1}")
    if not found and (np.diff(when.astype(np.int64)) < 0).any():
        found.append("ev_tick: expected to ascend")
    return found
