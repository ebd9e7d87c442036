"""A hundred thousand samples that are never all in memory: rate, and memory on the way.

python tests/benchmarks/stream_samples.py --samples 100000

Each kind of data is run in a process of its own; peaks are those of the whole process.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import numpy as np

import nm_backends as nmb
from nm_backends.demo import demo_data
from nm_backends.recordings import Recordings

DT = 1e-3
KINDS = ("generator", "dataset", "recordings", "stream")


class Digits:
    """Digits as event lists, each with a tenth of its spikes left out at random."""

    def __init__(self, samples: int) -> None:
        data = demo_data()
        self.spikes, self.labels, self.samples = data.spikes, data.labels, samples
        self.sensor_size = (data.spikes.shape[2], 1, 1)

    def __len__(self) -> int:
        return self.samples

    def frames(self, number: int) -> tuple[np.ndarray, int]:
        """Return spikes uint8 ``[time, channels]`` and the label."""
        chosen = number % len(self.labels)
        kept = np.random.default_rng(number).random(self.spikes[:, chosen].shape) < 0.9
        return (self.spikes[:, chosen] * kept).astype(np.uint8), int(self.labels[chosen])

    def __getitem__(self, number: int) -> tuple[np.ndarray, int]:
        counts, label = self.frames(number)
        step, channel = np.nonzero(counts)
        events = np.zeros(step.size, [("t", "i4"), ("x", "i2")])
        events["t"], events["x"] = step * round(DT * 1e6), channel
        return events, label


def frames(digits: Digits) -> Iterator[tuple[np.ndarray, int]]:
    """Yield the samples once."""
    for number in range(len(digits)):
        yield digits.frames(number)


def measured(kind: str, digits: Digits, chip: str) -> None:
    """Run one kind of data and say how that went."""
    options = nmb.CompileOptions(scale="maxabs")
    conventions = nmb.Discretisation(framework="snntorch", dt=DT, reset="zero")
    program = nmb.compile(demo_data().model, chip, conventions, options=options)
    peaks, done = [], [0]

    def note(count: int) -> None:
        done[0] += count
        peaks.append((done[0], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))

    with tempfile.TemporaryDirectory() as folder:
        given = {"generator": frames(digits), "dataset": digits, "stream": frames(digits)}
        data = given[kind] if kind in given else _written(folder, digits)
        begin, busy = time.perf_counter(), time.process_time()
        if kind == "stream":
            prediction = program.stream(data, progress=note).totals().prediction
        else:
            prediction = program.run(data, keep="readout", progress=note).prediction
        wall, cpu = time.perf_counter() - begin, time.process_time() - busy
    labels = digits.labels[np.arange(len(digits)) % len(digits.labels)]
    right = f"{len(prediction):,} samples, {np.mean(prediction == labels):.1%} right"
    rate = f"{len(prediction) / wall:,.0f} samples/s ({cpu:.0f} s of processor time)"
    shares = {
        f"{n:,}": f"{p:.0f} MiB" for n, p in (peaks[int(s * (len(peaks) - 1))] for s in (0, 0.5, 1))
    }
    print(f"{kind}: {right}, {rate}; peak of memory after " + ", ".join(
        f"{n}: {p}" for n, p in shares.items()
    ), flush=True)  # fmt: skip


def _written(folder: str, digits: Digits) -> Recordings:
    Recordings.write(folder, (digits[n] for n in range(len(digits))), digits.sensor_size)
    return Recordings(folder)


def main() -> None:
    """Run all kinds, or one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--chip", default="tinyodin")
    parser.add_argument("--kind", choices=KINDS)
    options = parser.parse_args()
    if options.kind:
        measured(options.kind, Digits(options.samples), options.chip)
        return
    for kind in KINDS:
        command = [sys.executable, __file__, *sys.argv[1:], "--kind", kind]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
