"""This project beside its peers: the same networks, one after another, on one core of one machine.

python tests/benchmarks/peers/compare.py --python nengo=OTHER/bin/python --python lava=...

Each is a process of its own, and runs in this Python unless told otherwise; what is not installed
is named and left out. A figure is the least time of one step of one sample, after a run that does
not count (compilation, caches); ratios are to the fastest of this project's variants. Networks are
built and compiled before the clock starts.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from table import into_page, machine, table, verdict

FOLDER = Path(__file__).parent
PEERS = {"ours": "nm_backends", "snntorch": "snntorch", "norse": "norse", "nengo": "nengo",
         "lava": "lava", "brian2": "brian2"}  # fmt: skip
ONE_CORE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

Row = dict[str, Any]


def main() -> None:
    """Run everybody and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", action="append", default=[], metavar="PEER=PATH")
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of steps")
    parser.add_argument("--seconds", type=float, default=2.0, help="per figure")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds per figure, at most")
    parser.add_argument("--total", type=float, default=290.0, help="seconds for all figures")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 64])
    parser.add_argument("--json", metavar="OUT")
    parser.add_argument("--page", metavar="PAGE.md", help="put the table into this page")
    options = parser.parse_args()
    pythons = dict(text.split("=", 1) for text in options.python)
    if unknown := set(pythons) - set(PEERS):
        parser.error(f"--python: no peer {', '.join(sorted(unknown))}, out of {', '.join(PEERS)}")
    asked = ["--scale", str(options.scale), "--seconds", str(options.seconds), "--batches"]
    asked += list(map(str, options.batches))
    clock, load = Clock(options.limit, options.total), os.getloadavg()[0]
    rows = [row for name in PEERS for row in measured(name, pythons.get(name), asked, clock)]
    about = machine(load)
    if options.json:
        Path(options.json).write_text(json.dumps({"machine": about, "rows": rows}, indent=1))
    text = "\n".join([about, "", table(rows), "", *verdict(rows)])
    print(text)
    if options.page:
        into_page(Path(options.page), text)
    if any(row["peer"] == "ours" and "error" in row for row in rows):
        sys.exit("this project failed")


class Clock:
    """How much time there is for a figure."""

    def __init__(self, limit: float, total: float) -> None:
        self._limit, self._begin, self._end = limit, time.monotonic(), time.monotonic() + total

    @property
    def passed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._begin

    def left(self) -> float:
        """Seconds for the next figure."""
        return min(self._limit, self._end - time.monotonic())

    def say(self, text: str) -> None:
        """Show on stderr what goes on, and when."""
        print(f"[{self.passed:4.0f} s] {text}", file=sys.stderr, flush=True)


def measured(name: str, python: str | None, asked: list[str], clock: Clock) -> Iterator[Row]:
    """Yield the rows of a peer; none where it is not installed."""
    python = python or sys.executable
    found = subprocess.run([python, "-c", f"import {PEERS[name]}"], capture_output=True)
    if found.returncode:
        clock.say(f"{name}: not installed in {python}")
        return
    script, done, count = FOLDER / f"{name if name == 'ours' else name + '_peer'}.py", 0, 1
    while done < count:  # anew after each case that takes too long
        command = [python, str(script), *asked, "--after", str(done)]
        last = None
        for row in _lines(command, clock):
            last = {"peer": name, **row}
            if not {"us", "error"} & set(row):
                continue  # it only begins
            done, count = row["number"], row["of"]
            clock.say(_said(last))
            yield last
            if done == count:  # some do not end by themselves
                return
            last = None
        if last is None and done < count:
            clock.say(f"{name}: stopped")
            return
        if last is not None:
            done, count = last["number"], last["of"]
            clock.say(_said(last | {"error": "took too long"}))
            yield last | {"error": "took too long, or stopped"}


def _said(row: Row) -> str:
    what = f"{row['peer']}, {row['variant']}: {row['workload']}, batch {row['batch']}"
    return f"{what}: {row.get('error') or format(row['us'], '.2f') + ' us'}"


def _lines(command: list[str], clock: Clock) -> Iterator[Row]:
    """Yield what a peer prints; end it where a figure takes too long."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, **ONE_CORE}, start_new_session=True,
    )  # fmt: skip
    found: queue.Queue[str | None] = queue.Queue()
    errors: list[str] = []

    def read() -> None:
        for line in process.stdout or ():
            found.put(line)
        found.put(None)

    threads = [
        threading.Thread(target=read, daemon=True),
        threading.Thread(target=lambda: errors.extend(process.stderr or ()), daemon=True),
    ]
    for thread in threads:
        thread.start()
    try:
        while (line := found.get(timeout=max(clock.left(), 0.1))) is not None:
            if line.startswith("{"):
                yield json.loads(line)
    except queue.Empty:
        pass
    finally:
        _end(process)
        if process.wait() > 0:
            clock.say("".join(errors)[-500:])


def _end(process: subprocess.Popen[str]) -> None:
    """End a peer, and what it has started: compilers, programs."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()


if __name__ == "__main__":
    main()
