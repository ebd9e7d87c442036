"""Replaying the published training run: epochs of 50 training and 50 test samples.

The recording holds results only. What drives the chip stands beside it: the data set and the
initial weights of the public release in ``data/``, the registers in ``spi_cueacc_program.npz``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nm_backends.errors import UserError
from nm_backends.image import Image
from nm_backends.trace import Trace, TraceError, load_trace
from nm_reckon.comparison import Comparison
from nm_reckon.cue_accumulation import STEPS, WINDOW, CueAccumulation, read_dat, read_weights
from nm_reckon.sample import Sample, SampleLog
from nm_reckon.spec import NEURONS
from nm_reckon.trace_case import RECORD, weights_in
from nm_reckon.trace_layout import CUE, Simulator, SimulatorClass, image_of, registers_of
from nm_reckon.trace_spi import load_spi

__all__ = ["MissingFiles", "load_cue", "replay_cue"]

_PROGRAM = "spi_cueacc_program.npz"
_SHAPES = {"inp": (40, 100), "rec": (100, 100), "out": (100, 2)}
_WEIGHTS = {name: f"data/init_rand_weights_{name}_cueAcc.dat" for name in _SHAPES}
_PHASES = {name: f"data/dataset_cueAcc_{name}.dat" for name in ("train", "test")}
_LEARNED = {"train": 7, "test": 0}  # SPI_DO_EPROP


class MissingFiles(UserError):
    """Files that the run needs are not beside the trace."""


@dataclass
class _Run:
    """Everything that the run starts from."""

    image: Image
    tasks: Mapping[str, CueAccumulation]


def load_cue(path: str) -> Trace:
    """Read the recorded results."""
    return load_trace(path, CUE, meta=False)


def _load_run(trace: Trace) -> _Run:
    folder = Path(trace.path).parent
    needed = [_PROGRAM, *_WEIGHTS.values(), *_PHASES.values()]
    missing = [name for name in needed if not (folder / name).is_file()]
    if missing:
        raise MissingFiles(f"needs {', '.join(missing)} beside it")
    try:
        tasks = {phase: read_dat(folder / name) for phase, name in _PHASES.items()}
        weights = [read_weights(folder / _WEIGHTS[name], shape) for name, shape in _SHAPES.items()]
    except UserError as error:
        raise TraceError(f"{trace.name}: {error}") from error
    for phase, task in tasks.items():
        if len(task.labels) != 50 or not set(task.labels.tolist()) <= {0, 1}:
            raise TraceError(f"{trace.name}: {_PHASES[phase]}: not 50 samples of labels 0 and 1")
    program = load_spi(str(folder / _PROGRAM))
    padded = [
        _padded(array, (NEURONS, 16 if array.shape[1] == 2 else NEURONS)) for array in weights
    ]
    image = image_of(registers_of(program), program["neur_mem"], *padded)
    return _Run(image, tasks)


def _padded(array: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    full = np.zeros(shape, np.int8)
    full[: array.shape[0], : array.shape[1]] = array
    return full


def replay_cue(
    trace: Trace, simulator_class: SimulatorClass, samples: int | None = None
) -> Comparison:
    """Run the epochs of the recording, up to the first sample that differs.

    Parameters
    ----------
    trace
        From `load_cue`.
    simulator_class
        What to run them on.
    samples
        Stop after so many samples; None runs them all.
    """
    run, comparison = _load_run(trace), Comparison()
    for phase, task in run.tasks.items():
        comparison.state(f"label_{phase}", trace[f"label_{phase}"], task.labels, -1)
    replay = _Replay(trace, comparison, simulator_class(run.image), samples)
    for epoch in range(len(trace["inferred_train"])):
        for phase, task in run.tasks.items():
            if not replay.phase(epoch, phase, task):
                return comparison
            if phase == "train":
                replay.weights("epoch", epoch)
        replay.generators("epoch", epoch)
    return comparison


def _sample(task: CueAccumulation, index: int, learns: bool) -> Sample:
    ticks, addresses = np.nonzero(task.spikes[:, index])
    window = np.zeros(STEPS, np.uint8)
    window[-WINDOW:] = 1
    return Sample(
        ticks=STEPS,
        ev_tick=ticks.astype(np.int32),
        ev_addr=addresses.astype(np.uint8),
        target_valid=window if learns else None,
        infer_acc=window,
        label=int(task.labels[index]),
        label_tick=STEPS - WINDOW if learns else -1,
    )


@dataclass
class _Replay:
    """A run at work: ``number`` samples are over, of at most ``limit``."""

    trace: Trace
    comparison: Comparison
    simulator: Simulator
    limit: int | None
    number: int = 0

    def phase(self, epoch: int, phase: str, task: CueAccumulation) -> bool:
        """Run 50 samples; False when a difference or the limit came first."""
        self.simulator.set_register("SPI_DO_EPROP", _LEARNED[phase])
        inferred = []
        for index in range(len(task.labels)):
            if self.comparison.divergence or self.number == self.limit:
                return False
            inferred.append(self.sample(epoch, phase, task, index))
            self.number += 1
        correct = np.array(np.sum(np.array(inferred) == task.labels))
        name, last = f"correct_{phase}", self.number - 1
        self.comparison.state(name, self.trace[name][epoch], correct, last, "", (epoch,))
        return True

    def sample(self, epoch: int, phase: str, task: CueAccumulation, index: int) -> int:
        """Run one sample; returns the label that the chip sent, or -1."""
        # what the first few training samples did is recorded at every tick
        traced = epoch == 0 and phase == "train" and index < len(self.trace["trace_spikes"])
        captured = self.trace["trace_mem_tick"].tolist() if traced else []
        sample = _sample(task, index, phase == "train")
        log = self.simulator.sample(sample, RECORD if traced else (), captured)
        label = int(log.out_data[0]) if len(log.out_data) else -1
        found = {"n_spikes": log.spikes_fired, "cycles": int(np.sum(log.busy)), "inferred": label}
        for kind, value in found.items():
            name, at = f"{kind}_{phase}", (epoch, index)
            want = self.trace[name][at]
            self.comparison.state(name, want, np.array(value), self.number, "", at)
        if traced:
            self.ticks(index, log)
            self.weights("sample", index)
            self.generators("sample", index)
        return label

    def ticks(self, index: int, log: SampleLog) -> None:
        """Compare what was recorded at each tick."""
        trace, compare = self.trace, self.comparison.ticks
        every, origin = np.arange(STEPS), (index, 0)
        bits = trace["trace_spikes"][index].astype(np.uint8)
        spikes = np.unpackbits(bits, axis=1, bitorder="little")
        got = log.spikes[:, : spikes.shape[1]]
        compare("trace_spikes", spikes, got, index, every, "neuron", origin)
        # before the first step there is nothing to see
        stepped, got = trace["trace_oneur_step"][index][1:], log.oneur_step[1:, :2]
        compare("trace_oneur_step", stepped, got, index, every[1:], "", (index, 1))
        caught, ready = trace["trace_mem_tick"], trace["trace_mem_ready"][index]
        got = log.mem_ready[:, : ready.shape[1]]
        compare("trace_mem_ready", ready, got, index, caught, "byte", origin)
        state, cycles = trace["trace_lfsr"][index], trace["trace_cycles"][index]
        compare("trace_lfsr", state, log.lfsr, index, every, "generator", origin)
        compare("trace_cycles", cycles, log.cycles, index, every, "phase", origin)

    def weights(self, when: str, row: int) -> None:
        """Compare all weights; those outside the recorded window have to stay zero."""
        for name, weights in weights_in(self.simulator.image().memories).items():
            field = f"w_{name}_after_{when}"
            want = _padded(self.trace[field][row], (weights.shape[0], weights.shape[1]))
            self.comparison.state(field, want, weights, max(self.number - 1, row), "neuron", (row,))

    def generators(self, when: str, row: int) -> None:
        """Compare the generators' states."""
        name = f"lfsr_after_{when}"
        want, got = self.trace[name][row], self.simulator.lfsr
        self.comparison.state(name, want, got, max(self.number - 1, row), "generator", (row,))
