"""A study of a thousand trials, killed twice with SIGKILL: its table is that of a quiet run.

Digits on every chip, with time steps, seeds and learning options. The same study then runs
on a Dask cluster of three processes, one of which is killed (``--dask``). Prints one line per run.

    python tests/benchmarks/sweep_killed.py --dask
"""

from __future__ import annotations

import argparse
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import nm_backends as nmb
from nm_backends.demo import demo_data

DATA = demo_data().model.parent
STUDY = f"""
name = "thousand"
models = ["{(DATA / "digits.nir").as_posix()}"]
chips = %s
seeds = {{first = 0, count = %d}}
[data]
test = "{(DATA / "digits_test.npz").as_posix()}"
train = "{(DATA / "digits_calibration.npz").as_posix()}"
[samples]
test = 30
train = 30
[discretisation]
dt = [5e-4, 1e-3, 1.5e-3, 2e-3]
[compile]
scale = "maxabs"
[learn]
layers = ["fc2"]
epochs = [0, 1]
[learn.odin]
thetamem = [30, 60]
"""


def description(folder: Path, trials: int) -> Path:
    """Write the study, with as many seeds as it takes."""
    chips = sorted(nmb.chips())
    per_seed = 4 * (len(chips) - 1) + 4 * 3  # odin without learning, and with two options
    path = folder / "thousand.toml"
    path.write_text(STUDY % (chips, -(-trials // per_seed)))
    return path


def finished(database: Path) -> dict[str, int]:
    """Keys of the trials that are kept, with the session that ran them."""
    if not database.exists():
        return {}
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as db:
        try:
            return dict(db.execute("SELECT key, session FROM clock"))
        except sqlite3.OperationalError:
            return {}


def command(study: Path, database: Path) -> list[str]:
    words = [sys.executable, "-m", "nm_backends", "sweep", study, "--database", database]
    return list(map(str, words))


def swept(study: Path, database: Path, kills: list[int]):
    """Sweep by the command line, killed whenever so many trials are kept; then to the end."""
    for enough in kills:
        process = subprocess.Popen(command(study, database), stdout=subprocess.DEVNULL)
        while len(finished(database)) < enough:
            if process.poll() is not None:
                raise SystemExit("it ended before it could be killed")
            time.sleep(0.02)
        before = finished(database)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert before.items() <= finished(database).items()
    subprocess.run(command(study, database), stdout=subprocess.DEVNULL, check=True)
    return nmb.sweep(study, database, engine="here")  # runs nothing any more: reads the table


def on_dask(study: Path, database: Path, kill_at: int):
    """Sweep on three workers, one of which is killed when so many trials are kept."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=3, threads_per_worker=1, dashboard_address=None) as cluster:
        pid = next(iter(cluster.workers.values())).process.process.pid

        def watch() -> None:
            while len(finished(database)) < kill_at:
                time.sleep(0.02)
            os.kill(pid, signal.SIGKILL)

        threading.Thread(target=watch, daemon=True).start()
        return nmb.sweep(study, database, engine="dask", scheduler=cluster.scheduler_address)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--dask", action="store_true")
    parser.add_argument("--folder", type=Path, help="where databases go; default: a temporary one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        study = description(folder, options.trials)
        begin = time.perf_counter()
        whole = swept(study, folder / "whole.sqlite", [])
        distinct = len({row["key"] for row in whole.rows})
        print(f"{whole.summary}; {distinct:,} distinct, {time.perf_counter() - begin:.0f} s")
        runs = {"killed twice": lambda: swept(
            study, folder / "killed.sqlite", [distinct // 3, 2 * distinct // 3]
        )}  # fmt: skip
        if options.dask:
            runs["dask, one of three workers killed"] = lambda: on_dask(
                study, folder / "dask.sqlite", distinct // 2
            )
        for name, run in runs.items():
            found = run()
            per_session = ", ".join(f"{n:,}" for n in found.sessions.values())
            same = "the same table" if found.rows == whole.rows else "ANOTHER TABLE"
            print(f"{name}: table {found.digest}, {same}; trials by session: {per_session}")
            if found.rows != whole.rows or sum(found.sessions.values()) != distinct:
                raise SystemExit(1)


if __name__ == "__main__":
    main()
