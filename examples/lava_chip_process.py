"""A Lava network, and the same network as a chip executes it, side by side in one run.

The digits network is built from Lava's own processes, read from them, compiled for a chip, and the
program put into the same Lava network as a process: both get every spike of the source. The chip's
output is compared with `program.run`, bit for bit.

    python3.10 -m venv .venv-lava
    .venv-lava/bin/pip install -c tests/constraints-lava.txt ".[lava]"
    .venv-lava/bin/python examples/lava_chip_process.py --chip tinyodin

On Python 3.11 and later Lava needs another command (see the guide), and `nm_backends.lava` has to
be imported before it.
"""

import argparse
import os
import signal
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np

import nm_backends as nmb
from nm_backends.lava import ChipProcess

# isort: split
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import Dense
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from lava.proc.lif.process import LIFReset

DATA = Path(nmb.__file__).parent / "data"
SILENCE = 3  # steps after each sample, in which the last spikes pass Lava's connections


@contextmanager
def time_limit(seconds):
    """End the program when a run takes longer: Lava waits for ever where others fail."""

    def late(*_):
        print(f"no end after {seconds} s", file=sys.stderr, flush=True)
        os._exit(1)

    signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def lava_network(interval):
    """Return the digits network as Lava processes: the first connection, the last neurons."""
    conventions = nmb.Discretisation(framework="snntorch", dt=1e-3, reset="zero")
    model = nmb.lower(DATA / "digits.nir", conventions)
    arriving = {p.post: p for p in model.projections}
    before, first = None, None
    for population in model.neurons:
        weights = arriving[population.name].weights.toarray() * population.gain
        dense = Dense(weights=weights.T, name=f"{population.name}_in")
        lif = LIFReset(
            shape=(population.size,),
            du=1.0,
            dv=1.0 - population.decay[0],
            vth=population.threshold[0],
            reset_interval=interval,
            reset_offset=1,
            name=population.name,
        )
        dense.a_out.connect(lif.a_in)
        if before is not None:
            before.s_out.connect(dense.s_in)
        first, before = first or dense, lif
    return first, before


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chip", default="tinyodin")
    parser.add_argument("--samples", type=int, default=20)
    parser.add_argument("--limit", type=int, default=120, help="seconds that the run may take")
    given = parser.parse_args()

    train, test = (np.load(DATA / f"digits_{name}.npz") for name in ("calibration", "test"))
    spikes, labels = test["spikes"][:, : given.samples], test["labels"][: given.samples]
    spikes = np.concatenate([spikes, np.zeros((SILENCE, *spikes.shape[1:]), spikes.dtype)])
    steps, samples, channels = spikes.shape

    first, last = lava_network(interval=steps)
    program = nmb.compile(last, given.chip, calibrate=train["spikes"])
    print(program.report)

    chip = ChipProcess(program, sample_steps=steps, name=given.chip)
    one_after_the_other = spikes.transpose(1, 0, 2).reshape(-1, channels).T
    source = Source(data=one_after_the_other.astype(int))
    records = {}
    for name, port in (("Lava", last.s_out), (given.chip, chip.s_out)):
        records[name] = Sink(shape=port.shape, buffer=steps * samples)
        port.connect(records[name].a_in)
    for port in (first.s_in, chip.s_in):
        source.s_out.connect(port)

    with time_limit(given.limit):
        try:
            config = Loihi2SimCfg(select_tag="floating_pt")
            chip.run(condition=RunSteps(num_steps=steps * samples), run_cfg=config)
            seen = {n: r.data.get().T.reshape(samples, steps, -1) for n, r in records.items()}
            operations, lost = int(chip.sops.get()[0]), int(chip.dropped.get()[0])
        finally:
            chip.stop()

    for name, fired in seen.items():
        right = fired.sum(axis=1).argmax(axis=1) == labels
        print(f"{name}: {right.sum()} of {samples} digits right, {int(fired.sum()):,} spikes")
    print(f"{given.chip}: {operations:,} synaptic operations, {lost} spikes lost")
    same = np.array_equal(seen[given.chip], program.run(spikes).spikes.transpose(1, 0, 2))
    print(f"{given.chip} in Lava and by itself: {'the same, bit for bit' if same else 'DIFFERENT'}")
    return 0 if same else 1


if __name__ == "__main__":  # Lava starts processes
    sys.exit(main())
