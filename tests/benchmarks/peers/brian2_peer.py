"""Brian2: exact LIF, event-driven synapses, float64; cython, and C++ standalone where it compiles.

A batch is as many copies of the network in one group. Standalone is a process of its own, started
for every run, which reads its arrays and writes them; its own clock says how long its loop took.
"""

from __future__ import annotations

import shutil
import tempfile
from functools import partial

import brian2 as b2
import numpy as np
from workloads import DT, TAU, Ready, Workload, serve


def build(device: str, w: Workload, batch: int) -> Ready:
    """Return what runs all copies."""
    b2.start_scope()
    standalone = device == "cpp_standalone"
    if standalone:
        b2.set_device(device, build_on_run=False)
        b2.device.reinit()
        b2.device.activate(build_on_run=False)
    else:
        b2.set_device("runtime")
        b2.prefs.codegen.target = device
    b2.defaultclock.dt = DT * b2.second
    network, monitor = _network(w, batch)
    if standalone:
        return _standalone(network, monitor, w)
    network.store()

    def run() -> float:
        network.restore()
        network.run(w.steps * DT * b2.second)
        return float(monitor.num_spikes)

    return Ready(run)


def _standalone(network: b2.Network, monitor: b2.SpikeMonitor, w: Workload) -> Ready:
    device = b2.get_device()
    network.run(w.steps * DT * b2.second)
    device.build(tempfile.mkdtemp(), compile=True, run=False, with_output=False)

    def run() -> float:
        device.run(with_output=False)
        return float(monitor.num_spikes)

    def loop() -> float:
        run()
        return float(device._last_run_time)

    return Ready(run, loop)


def _network(w: Workload, batch: int) -> tuple[b2.Network, b2.SpikeMonitor]:
    when, sample, channel = np.nonzero(w.spikes(batch))
    source = b2.SpikeGeneratorGroup(
        batch * w.inputs, sample * w.inputs + channel, when * DT * b2.second, sorted=True
    )
    hidden = _neurons(batch * w.neurons)
    parts = [source, hidden, _all_to_all(source, hidden, w.inputs, w.neurons, w.spread)]
    if w.outputs:
        out = _neurons(batch * w.outputs)
        parts += [out, _all_to_all(hidden, out, w.neurons, w.outputs, 0.1)]
    else:
        parts.append(_all_to_all(hidden, hidden, w.neurons, w.neurons, 0.05))
    monitor = b2.SpikeMonitor(hidden, record=False)
    return b2.Network(*parts, monitor), monitor


def _neurons(size: int) -> b2.NeuronGroup:
    tau = TAU * b2.second
    return b2.NeuronGroup(
        size, "dv/dt = -v / tau : 1", threshold="v > 1", reset="v = 0", method="exact",
        namespace={"tau": tau},
    )  # fmt: skip


def _all_to_all(
    before: b2.SpikeSource, after: b2.NeuronGroup, rows: int, columns: int, spread: float
) -> b2.Synapses:
    synapses = b2.Synapses(before, after, "w : 1", on_pre="v_post += w")
    first = f"{columns} * (i // {rows})"
    synapses.connect(j=f"k for k in range({first}, {first} + {columns})")
    synapses.w = f"{spread} * randn()"
    return synapses


if __name__ == "__main__":
    # the faster one, where there is a compiler
    kind = "cpp_standalone" if shutil.which("g++") else "cython"
    serve({(n, kind): partial(build, kind) for n in ("recurrent", "feedforward")}, b2.__version__)
