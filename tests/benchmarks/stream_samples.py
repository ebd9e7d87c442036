"""A hundred thousand samples, made up as they are asked for: rate, and memory on the way.

python tests/benchmarks/stream_samples.py --samples 100000
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterator

import numpy as np

import nm_backends as nmb
from nm_backends.demo import demo_data


def samples(spikes: np.ndarray, labels: np.ndarray, count: int) -> Iterator[tuple]:
    """Digits, each with a tenth of its spikes left out at random."""
    random = np.random.default_rng(0)
    for n in range(count):
        chosen = n % len(labels)
        kept = random.random(spikes[:, chosen].shape) < 0.9
        yield (spikes[:, chosen] * kept).astype(np.uint8), int(labels[chosen])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--chip", default="tinyodin")
    parser.add_argument("--batch", type=int, default=64)
    options = parser.parse_args()
    data = demo_data()
    program = nmb.compile(data.model, options.chip, options=nmb.CompileOptions(scale="maxabs"))
    peaks, done = [], [0]

    def note(count: int) -> None:
        done[0] += count
        peaks.append((done[0], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))

    stream = program.stream(
        samples(data.spikes, data.labels, options.samples), options.batch, progress=note
    )
    begin, busy = time.perf_counter(), time.process_time()
    totals = stream.totals()
    wall, cpu = time.perf_counter() - begin, time.process_time() - busy
    print(totals)
    print(f"{wall:.1f} s, {totals.samples / wall:,.0f} samples/s; {cpu:.1f} s of processor time")
    for share in (0.02, 0.1, 0.5, 1.0):
        number, peak = peaks[max(int(share * len(peaks)) - 1, 0)]
        print(f"peak memory after {number:,} samples: {peak:.1f} MiB")


if __name__ == "__main__":
    main()
