"""What a sweep costs beside its trials, and how it scales over processes.

Trials that do nothing give the overhead of each (hand over, fetch, keep); trials that compute for a
second on one core give the throughput of one and of several processes. Run it on a quiet machine.

    python tests/benchmarks/sweep_overhead.py
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from nm_backends.cores import usable_cores
from nm_backends.study import engines
from nm_backends.study.metrics import row
from nm_backends.study.recipe import Recipe, Trial
from nm_backends.study.sources import Bundle
from nm_backends.study.store import Store
from nm_backends.study.trial import Outcome


def work(recipe: Recipe) -> Outcome:
    """Stand for a trial: a sum that takes as long as it is."""
    value = 0
    for n in range(recipe["turns"]):
        value = (value * 31 + n) & 0xFFFF
    return Outcome(row("ok", accuracy=float(value)), 0.0, "")


def timed(workers: int, trials: int, turns: int) -> tuple[float, float]:
    """Wall-clock and processor seconds of this process, without starting the others."""
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "a.sqlite") as store:
        chosen = [Trial(n, {}, {"turns": turns, "n": n}) for n in range(trials + workers)]
        store.begin("overhead", chosen, [])
        with engines.Processes(workers) as crew:
            for trial, outcome in crew.run(Bundle(), chosen[:workers]):
                store.put(trial, outcome)
            wall, busy = time.perf_counter(), time.process_time()
            for trial, outcome in crew.run(Bundle(), chosen[workers:]):
                store.put(trial, outcome)
            return time.perf_counter() - wall, time.process_time() - busy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=usable_cores())
    parser.add_argument("--empty", type=int, default=1000, help="trials that do nothing")
    parser.add_argument("--long", type=int, default=20, help="trials that compute")
    parser.add_argument("--turns", type=int, default=12_000_000, help="of each: about a second")
    options = parser.parse_args()
    engines._work = work
    wall, busy = timed(options.workers, options.empty, 0)
    each = [1e3 * seconds / options.empty for seconds in (wall, busy)]
    print(f"overhead per trial: {each[0]:.2f} ms, {each[1]:.2f} ms of processor time")
    if options.long:
        one, _ = timed(1, options.long, options.turns)
        several, _ = timed(options.workers, options.long, options.turns)
        share = one / several / options.workers
        print(f"one process: {one / options.long:.2f} s per trial; {options.workers} processes: "
              f"{several / options.long:.2f} s, {share:.0%} of ideal scaling")  # fmt: skip


if __name__ == "__main__":
    main()
