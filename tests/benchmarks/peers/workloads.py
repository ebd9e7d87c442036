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

# Gets a workload and a batch; returns what runs it once and returns spikes of hidden neurons, or
# spikes and the seconds that count (where a tool times its own loop).
Builder = Callable[[Workload, int], Callable[[], "float | tuple[float, float]"]]


def serve(cases: dict[tuple[str, str], Builder], version: str) -> None:
    """Time the cases (workload, variant) and print a JSON object a line; called by every peer."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 64])
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    for (name, variant), build in cases.items():
        whole = WORKLOADS[name]
        steps = max(int(whole.steps * options.scale), 50)
        workload = replace(whole, steps=steps, learned=whole.learned * steps // whole.steps)
        for batch in options.batches:
            row = {"workload": name, "variant": variant, "batch": batch, "version": version}
            try:
                row |= timed(build(workload, batch), workload, batch, options.seconds)
            except Exception as error:  # a peer that fails is a row
                row |= {"error": f"{type(error).__name__}: {error}".splitlines()[0][:200]}
            print(json.dumps({**row, "sizes": asdict(workload)}), flush=True)


def timed(
    run: Callable[[], float | tuple[float, float]], workload: Workload, batch: int, budget: float
) -> dict[str, float]:
    """Return the least time of a step of a sample, after one run that does not count."""
    best, begin, runs = float("inf"), time.perf_counter(), 0
    run()
    while runs < 2 or (time.perf_counter() - begin < budget and runs < 100):
        start = time.perf_counter()
        found = run()
        spikes, spent = found if isinstance(found, tuple) else (found, time.perf_counter() - start)
        best, runs = min(best, spent), runs + 1
    sample_steps = batch * workload.steps
    fired = float(spikes) / sample_steps / workload.neurons
    return {"us": best / sample_steps * 1e6, "fired": fired, "runs": runs}
