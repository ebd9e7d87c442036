"""Nengo: ``nengo.LIF`` in the reference simulator, float64 (numpy); it has no batch axis."""

from __future__ import annotations

import nengo
from workloads import DECAY, DT, TAU, Ready, Workload, serve


def build(w: Workload, batch: int):
    """Return what runs a sample."""
    spikes = w.spikes(batch)[:, 0].astype(float)
    scale = DT / (1 - DECAY)  # spikes are 1 / dt high, and the membrane takes 1 - decay of them
    neuron = nengo.LIF(tau_rc=TAU, tau_ref=0, min_voltage=-1e9)
    with nengo.Network(seed=0) as network:
        source = nengo.Node(lambda t: spikes[round(t / DT) - 1] / DT, size_out=w.inputs)
        hidden = _neurons(w.neurons, neuron)
        nengo.Connection(source, hidden.neurons, transform=w.first * scale, synapse=None)
        if w.outputs:
            out = _neurons(w.outputs, neuron)
            nengo.Connection(hidden.neurons, out.neurons, transform=w.last * scale, synapse=None)
        else:
            nengo.Connection(
                hidden.neurons, hidden.neurons, transform=w.recurrent * scale, synapse=0
            )
        probe = nengo.Probe(hidden.neurons)
    simulator = nengo.Simulator(network, dt=DT, optimize=True, progress_bar=False)

    def run() -> float:
        simulator.reset()
        simulator.run_steps(w.steps, progress_bar=False)
        return float(simulator.data[probe].sum()) * DT

    return Ready(run)


def _neurons(size: int, neuron: nengo.LIF) -> nengo.Ensemble:
    return nengo.Ensemble(
        size, 1, neuron_type=neuron, gain=[1] * size, bias=[0] * size, encoders=[[1]] * size
    )


if __name__ == "__main__":
    cases = {("recurrent", "LIF"): build, ("feedforward", "LIF"): build}
    serve(cases, nengo.__version__, serial=True)
