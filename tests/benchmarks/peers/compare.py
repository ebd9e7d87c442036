"""This project beside its peers: the same networks, one after another, on one core of one machine.

python tests/benchmarks/peers/compare.py --python nengo=OTHER/bin/python --python lava=...

Each is a process of its own, and runs in this Python unless told otherwise; what is not installed
is named and left out. The figure is the least time of one step of one sample, after a run that does
not count (compilation, caches); ratios are to the fastest of this project's variants.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
PEERS = {"ours": "nm_backends", "snntorch": "snntorch", "norse": "norse", "nengo": "nengo",
         "brian2": "brian2", "lava": "lava"}  # fmt: skip
NOTES = """\
What is computed: LIF, 1 ms steps, time constant 20 ms, reset to zero; same sizes, spikes, steps.
  ours      integers of the chip, bit for bit, with its counters and losses; ReckOn 8-bit weights,
            MorphIC 1-bit weights; every layer's spikes are kept
  snntorch, norse  float32, no gradients; the input layer of all steps is one matrix product
  nengo     float64; brian2: float64, weights drawn anew with the same spread (rates are shown);
            lava: Loihi 2's integers
  batches   brian2 runs as many copies at once; nengo samples one after another; lava the same,
            so its batch 1 stands for both
e-prop: ours is ReckOn's own (the weights change in every one of the last 150 steps, samples one
  after another); in snntorch and norse it is written by hand around their neurons, without
  autograd, one change of weights per batch. Left out: nengo, brian2 and lava have no such
  rule, and it is not written here as equations of their synapses.
Where this project may be behind: feedforward at batch 64, since MorphIC's engine takes spikes one
  by one, sample after sample, where a framework makes one matrix product of a batch; brian2's C++
  standalone, which keeps no counters, no spikes and no bits of a chip, and whose figure is its own
  clock around the loop, where ours is all of program.run, from the spikes to the result."""


def main() -> None:
    """Run everybody and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", action="append", default=[], metavar="PEER=PATH")
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of steps")
    parser.add_argument("--seconds", type=float, default=2.0, help="per figure")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 64])
    parser.add_argument("--json", metavar="OUT")
    options = parser.parse_args()
    pythons = dict(text.split("=", 1) for text in options.python)
    if unknown := set(pythons) - set(PEERS):
        parser.error(f"--python: no peer {', '.join(sorted(unknown))}, out of {', '.join(PEERS)}")
    asked = ["--scale", str(options.scale), "--seconds", str(options.seconds), "--batches"]
    asked += list(map(str, options.batches))
    rows = [row for name in PEERS for row in measured(name, pythons.get(name), asked)]
    if options.json:
        Path(options.json).write_text(json.dumps(rows, indent=1))
    print(table(rows))
    print(NOTES)
    if any(row["peer"] == "ours" and "error" in row for row in rows):
        sys.exit("this project failed")


def measured(name: str, python: str | None, asked: list[str]) -> list[dict[str, Any]]:
    """Return the rows of a peer; none where it is not installed."""
    python = python or sys.executable
    found = subprocess.run([python, "-c", f"import {PEERS[name]}"], capture_output=True)
    if found.returncode:
        print(f"{name}: not installed in {python}", file=sys.stderr)
        return []
    script = FOLDER / ("ours.py" if name == "ours" else f"{name}_peer.py")
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = subprocess.run(
        [python, str(script), *asked], capture_output=True, text=True, env={**os.environ, **one}
    )
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not rows:
        print(f"{name}: stopped with {done.returncode}: {done.stderr[-500:]}", file=sys.stderr)
    return [{"peer": name, **row} for row in rows]


def table(rows: list[dict[str, Any]]) -> str:
    """Return the table: a line per workload, batch and variant, the fastest first."""
    lines = [
        "| workload | batch | who | us per sample-step | hidden rate | ratio |",
        "|---|---:|---|---:|---:|---:|",
    ]
    groups: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["workload"], row["batch"]), []).append(row)
    for (workload, batch), group in groups.items():
        ours = min((r["us"] for r in group if r["peer"] == "ours" and "us" in r), default=None)
        for row in sorted(group, key=lambda r: r.get("us", float("inf"))):
            who = f"{row['peer']} {row['version']}, {row['variant']}"
            if "us" not in row:
                lines.append(f"| {workload} | {batch} | {who} | {row['error']} | | |")
                continue
            ratio = f"{row['us'] / ours:.2f}" if ours else "-"
            figures = f"{row['us']:.2f} | {row['fired']:.1%} | {ratio}"
            lines.append(f"| {workload} | {batch} | {who} | {figures} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
