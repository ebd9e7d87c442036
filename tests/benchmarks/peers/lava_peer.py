"""Lava: ``Dense`` and ``LIF`` processes, the fixed-point models of Loihi 2; no batch axis.

The time of a step is that of a run of many steps of a network that has started; a batch would be
as many of them, one after another.
"""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import Dense
from lava.proc.io.source import RingBuffer
from lava.proc.lif.process import LIF
from lava.proc.monitor.process import Monitor
from workloads import DECAY, Ready, Workload, serve

THRESHOLD = 400  # of 2^6: weights are integers of 8 bits, even ones


def build(w: Workload, batch: int):
    """Return what runs one sample."""
    fired = _fired(w)
    source, _ = _network(w)

    def run() -> float:
        _run(source, w)
        return fired

    return Ready(run)


def _run(source: RingBuffer, w: Workload) -> None:
    settings = Loihi2SimCfg(select_tag="fixed_pt")
    source.run(condition=RunSteps(num_steps=w.steps), run_cfg=settings)


def _fired(w: Workload) -> float:
    """Count spikes in a network of its own: a monitor has room for one run."""
    source, hidden = _network(w)
    monitor = Monitor()
    monitor.probe(hidden.s_out, w.steps)
    _run(source, w)
    count = float(monitor.get_data()[hidden.name]["s_out"].sum())
    source.stop()
    return count


def _network(w: Workload) -> tuple[RingBuffer, LIF]:
    source, hidden = RingBuffer(data=w.spikes(1)[:, 0].T.astype(int)), _neurons(w.neurons)
    _connect(source, hidden, w.first)
    if w.outputs:
        _connect(hidden, _neurons(w.outputs), w.last)
    else:
        _connect(hidden, hidden, w.recurrent)
    return source, hidden


def _neurons(size: int) -> LIF:
    # du = 4095: no synaptic current beyond the step; dv of 12 bits
    return LIF(shape=(size,), du=4095, dv=round((1 - DECAY) * 4096), vth=THRESHOLD)


def _connect(before, after, weights: np.ndarray) -> None:
    integers = np.clip(np.round(weights * THRESHOLD), -127, 127)
    dense = Dense(weights=integers.astype(int))
    before.s_out.connect(dense.s_in)
    dense.a_out.connect(after.a_in)


if __name__ == "__main__":
    serve(
        {("recurrent", "fixed point"): build, ("feedforward", "fixed point"): build},
        version("lava-nc"),
        serial=True,
    )
