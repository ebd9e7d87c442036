"""The workloads, the same for everybody, and how they are timed; needs nothing but numpy."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import numpy as np

DT = 1e-3
TAU = 20e-3
DECAY = float(np.exp(-DT / TAU))


@dataclass(frozen=True)
class Workload:
    """A network, how long a sample is, and the share of input channels that spike in a step."""

    name: str
    inputs: int
    neurons: int
    outputs: int
    steps: int
    rate: float
    spread: float  # of the weights, in thresholds
    learned: int = 0  # steps at the end with a target

    def spikes(self, batch: int) -> np.ndarray:
        """Return spikes, uint8 ``[steps, batch, inputs]``."""
        drawn = np.random.default_rng(1).random((self.steps, batch, self.inputs))
        return (drawn < self.rate).astype(np.uint8)

    def weights(self, outputs: int, inputs: int, spread: float) -> np.ndarray:
        """Return weights, float64 ``[outputs, inputs]``, in units of the threshold."""
        return np.random.default_rng(2).normal(0, spread, (outputs, inputs))

    @property
    def first(self) -> np.ndarray:
        """Weights from the inputs."""
        return self.weights(self.neurons, self.inputs, self.spread)

    @property
    def recurrent(self) -> np.ndarray:
        """Weights among the neurons."""
        return self.weights(self.neurons, self.neurons, 0.05)

    @property
    def last(self) -> np.ndarray:
        """Weights to the outputs."""
        return self.weights(self.outputs, self.neurons, 0.1)


WORKLOADS = {
    w.name: w
    for w in (
        Workload("recurrent", 256, 256, 0, 1000, 0.02, 0.12),
        Workload("feedforward", 784, 256, 10, 1000, 0.02, 0.07),
        Workload("eprop", 40, 100, 2, 2250, 0.25 / 40, 0.4, 150),
    )
}


@dataclass(frozen=True)
class Ready:
    """A network, built and compiled.

    Parameters
    ----------
    run
        Runs it once, from the spikes to the result; returns the spikes of hidden neurons.
    loop
        Runs it once; returns the seconds of its loop over the steps alone. None: `run` is little
        else.
    """

    run: Callable[[], float]
    loop: Callable[[], float] | None = None


Builder = Callable[[Workload, int], Ready]
Cases = dict[tuple[str, str], Builder]  # by workload and variant


def serve(cases: Cases, version: str, serial: bool = False) -> None:
    """Time the cases and print JSON objects, one a line; called by every peer.

    Parameters
    ----------
    serial
        It has no batch axis: samples follow each other, so that batch 1 stands for all.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 64])
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--after", type=int, default=0, help="leave out so many")
    options = parser.parse_args()
    found: dict[tuple[str, str], dict[str, float]] = {}
    asked = [(*case, batch) for case in cases for batch in options.batches]
    for number, (name, variant, batch) in enumerate(asked[options.after :], options.after + 1):
        whole = WORKLOADS[name]
        steps = max(int(whole.steps * options.scale), 50)
        workload = replace(whole, steps=steps, learned=whole.learned * steps // whole.steps)
        row = {"number": number, "of": len(asked), "workload": name, "variant": variant,
               "batch": batch, "version": version}  # fmt: skip
        print(json.dumps(row), flush=True)
        try:
            if not serial or (name, variant) not in found:
                size = 1 if serial else batch
                ready = cases[name, variant](workload, size)
                found[name, variant] = timed(ready, workload, size, options.seconds)
            row |= found[name, variant]
        except Exception as error:  # a peer that fails is a row
            row |= {"error": f"{type(error).__name__}: {error}".splitlines()[0][:200]}
        print(json.dumps({**row, "serial": serial, "sizes": asdict(workload)}), flush=True)


def timed(ready: Ready, workload: Workload, batch: int, budget: float) -> dict[str, float]:
    """Return the least time of a step of a sample, after one run that does not count.

    A run that takes longer than ``budget`` is timed once.
    """
    sample_steps = batch * workload.steps
    spikes, first = _clocked(ready.run)
    best, runs = _least(lambda: _clocked(ready.run)[1], budget, first)
    found = {"us": best / sample_steps * 1e6, "runs": runs}
    if ready.loop is not None:
        ready.loop()
        found["loop_us"] = _least(ready.loop, budget / 2, first)[0] / sample_steps * 1e6
    return {**found, "fired": spikes / sample_steps / workload.neurons}


def _clocked(run: Callable[[], float]) -> tuple[float, float]:
    """Return what a run returned, and the seconds it took."""
    start = time.perf_counter()
    found = float(run())
    return found, time.perf_counter() - start


def _least(measure: Callable[[], float], budget: float, first: float) -> tuple[float, int]:
    """Return the least of some measurements, and how many there were."""
    begin, found = time.perf_counter(), [measure()]
    while len(found) < (2 if first < budget else 1) or (
        time.perf_counter() - begin < budget and len(found) < 100
    ):
        found.append(measure())
    return min(found), len(found)
