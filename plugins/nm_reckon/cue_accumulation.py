"""The delayed-supervision navigation task on which ReckOn was published: cue accumulation.

A mouse runs down a corridor and sees seven cues, each on one side; after a silent delay a recall
signal asks which side had more of them. Statistics measured on the files of the public release
(ChFrenkel/ReckOn, ``src/data``); the task is that of Bellec et al., Nature Communications 2020.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nm_backends.errors import UserError

__all__ = [
    "BACKGROUND_RATE",
    "CUES",
    "CUE_RATE",
    "INPUTS",
    "RECALL_RATE",
    "STEPS",
    "WINDOW",
    "CueAccumulation",
    "cue_steps",
    "generate",
    "read_dat",
    "read_weights",
]

STEPS, INPUTS, CUES = 2250, 40, 7  # steps of 1 ms
WINDOW = 150  # recall: the last so many steps, in which the answer is given and learned
SIDES = (slice(0, 10), slice(10, 20))
RECALL, BACKGROUND = slice(20, 30), slice(30, 40)
CUE_RATE, RECALL_RATE, BACKGROUND_RATE = 0.04, 0.04, 0.01  # spikes per neuron and step
PREFERENCE = 0.7  # probability that a cue is on the side that the sample prefers
_SILENCE, _PERIOD, _LENGTH = 50, 150, 100
_EVENT = np.dtype([("t", np.int64), ("x", np.int32)])


@dataclass(frozen=True)
class CueAccumulation:
    """Samples of the task.

    Parameters
    ----------
    spikes
        uint8 ``[2250, batch, 40]``, steps of 1 ms. Channels 0 to 9 are side A, 10 to 19 side B,
        20 to 29 recall, 30 to 39 background.
    labels
        1 where more than three of the seven cues are on side B, int64 ``[batch]``.
    sides
        Which side each cue is on, 1 for B, uint8 ``[batch, 7]``; None where a file does not say.
    """

    spikes: np.ndarray
    labels: np.ndarray
    sides: np.ndarray | None = None

    @property
    def events(self) -> list[np.ndarray]:
        """One structured array per sample: ``t`` in microseconds, ``x``; as tonic gives them."""
        return [_events(self.spikes[:, sample]) for sample in range(self.labels.size)]


def cue_steps(cue: int) -> slice:
    """Return the steps in which cue 0 to 6 is shown."""
    first = _SILENCE + _PERIOD * cue
    return slice(first, first + _LENGTH)


def generate(samples: int, seed: int | Sequence[int]) -> CueAccumulation:
    """Draw samples with the statistics of the published ones.

    Each sample prefers one side at random; each of its cues is on that side with probability 0.7.
    Spikes are independent of each other, at the rates above.

    Parameters
    ----------
    samples
        How many.
    seed
        Of numpy's generator; the same seed draws the same samples.
    """
    if samples < 1:
        raise UserError(f"samples is {samples}, expected 1 or more")
    random = np.random.default_rng(seed)
    prefers_b = random.random(samples) < 0.5
    to_b = np.where(prefers_b, PREFERENCE, 1 - PREFERENCE)
    sides = (random.random((samples, CUES)) < to_b[:, None]).astype(np.uint8)
    labels = (sides.sum(axis=1) > CUES // 2).astype(np.int64)
    spikes = np.empty((STEPS, samples, INPUTS), np.uint8)
    for sample in range(samples):  # one after the other: a prefix of many samples is a few samples
        spikes[:, sample] = random.random((STEPS, INPUTS), np.float32) < _rates(sides[sample])
    return CueAccumulation(spikes, labels, sides)


def _rates(sides: np.ndarray) -> np.ndarray:
    """Return probabilities of a spike, float32 ``[2250, 40]``."""
    rates = np.zeros((STEPS, INPUTS), np.float32)
    for cue, side in enumerate(sides):
        rates[cue_steps(cue), SIDES[side]] = CUE_RATE
    rates[-WINDOW:, RECALL] = RECALL_RATE
    rates[:, BACKGROUND] = BACKGROUND_RATE
    return rates


def _events(spikes: np.ndarray) -> np.ndarray:
    step, channel = np.nonzero(spikes)
    events = np.empty(step.size, _EVENT)
    events["t"], events["x"] = 1000 * step, channel
    return events


def read_dat(path: str | os.PathLike[str]) -> CueAccumulation:
    """Read a data set file of the public release, such as ``dataset_cueAcc_train.dat``.

    The first line is the number of samples; then come lines ``address, time``, where address -2
    marks the label and -1 the end of the sample.

    Raises
    ------
    UserError
        The file is missing or is no such file; with the line.
    """
    lines = _lines(path)
    if not lines or len(lines[0]) != 1 or not 0 <= lines[0][0] < len(lines):
        raise UserError(f"{path}: the first line is no number of samples")
    count = lines[0][0]
    spikes = np.zeros((STEPS, count, INPUTS), np.uint8)
    labels: list[int] = []
    label = None
    for number, line in enumerate(lines[1:], 2):
        if len(line) != 2 or len(labels) == count:
            raise UserError(f"{path}, line {number}: expected 'address, time', {count} samples")
        address, value = line
        if address == -2:
            label = value
        elif address == -1:
            if label is None or value != STEPS:
                raise UserError(f"{path}, line {number}: a sample ends at {value}, label {label}")
            labels.append(label)
            label = None
        elif 0 <= address < INPUTS and 0 <= value < STEPS:
            spikes[value, len(labels), address] = 1
        else:
            raise UserError(f"{path}, line {number}: address {address}, time {value}")
    if len(labels) != count:
        raise UserError(f"{path}: {len(labels)} samples, the first line promises {count}")
    return CueAccumulation(spikes, np.array(labels, np.int64))


def read_weights(path: str | os.PathLike[str], shape: tuple[int, int]) -> np.ndarray:
    """Read a file of initial weights, one per line, such as ``init_rand_weights_rec_cueAcc.dat``.

    Returns
    -------
    numpy.ndarray
        int8 ``shape``, ``[pre, post]``.
    """
    weights = np.array([number for line in _lines(path) for number in line], np.int64)
    if weights.size != shape[0] * shape[1]:
        raise UserError(f"{path}: {weights.size} weights, expected {shape[0]} x {shape[1]}")
    if weights.min() < -128 or weights.max() > 127:
        raise UserError(f"{path}: weights {weights.min()} to {weights.max()}, expected 8 bits")
    return weights.astype(np.int8).reshape(shape)


def _lines(path: str | os.PathLike[str]) -> list[list[int]]:
    """Return the integers of each line that has any."""
    try:
        text = Path(path).read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no text"
        raise UserError(f"{path}: {reason}", "expected a data file of ChFrenkel/ReckOn") from None
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.replace(",", " ").split()
        try:
            numbers = [int(word) for word in words]
        except ValueError:
            raise UserError(f"{path}, line {number}: {line[:40]!r} is not integers") from None
        if numbers:
            found.append(numbers)
    return found
