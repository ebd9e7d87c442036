"""This project: integers of a chip, bit for bit, through ``program.run`` and ``program.learn``."""

from __future__ import annotations

import itertools
import time

import nir
import numpy as np
from workloads import DT, TAU, Ready, Workload, serve

import nm_backends as nmb


def _ones(size: int, value: float = 1.0) -> np.ndarray:
    return np.full(size, value)


def _lif(size: int) -> nir.LIF:
    # r makes the gain of a step one, as that of all peers
    gain = 1 / (1 - np.exp(-DT / TAU))
    return nir.LIF(_ones(size, TAU), _ones(size, gain), _ones(size, 0), _ones(size))


def _graph(nodes: dict, edges: list, inputs: int, outputs: int) -> nir.NIRGraph:
    ends = {
        "input": nir.Input({"input": np.array([inputs])}),
        "output": nir.Output({"output": np.array([outputs])}),
    }
    return nir.NIRGraph({**ends, **nodes}, edges)


def _hidden(w: Workload) -> tuple[dict, list]:
    nodes = {"fc": nir.Linear(w.first), "rec": nir.Linear(w.recurrent), "lif": _lif(w.neurons)}
    return nodes, [("input", "fc"), ("fc", "lif"), ("lif", "rec"), ("rec", "lif")]


def _recurrent(w: Workload) -> nir.NIRGraph:
    nodes, edges = _hidden(w)
    return _graph(nodes, [*edges, ("lif", "output")], w.inputs, w.neurons)


def _feedforward(w: Workload) -> nir.NIRGraph:
    nodes = {
        "fc": nir.Linear(w.first),
        "lif": _lif(w.neurons),
        "fc2": nir.Linear(w.last),
        "out": _lif(w.outputs),
    }
    path = ["input", *nodes, "output"]
    return _graph(nodes, list(itertools.pairwise(path)), w.inputs, w.outputs)


def _eprop(w: Workload) -> nir.NIRGraph:
    nodes, edges = _hidden(w)
    nodes["fc2"] = nir.Linear(w.last)
    nodes["out"] = nir.LI(_ones(w.outputs, TAU), _ones(w.outputs), _ones(w.outputs, 0))
    edges += [("lif", "fc2"), ("fc2", "out"), ("out", "output")]
    return _graph(nodes, edges, w.inputs, w.outputs)


CONVENTIONS = nmb.Discretisation(dt=DT, reset="zero", spike_cmp=">")


def running(graph, chip, engine):
    """Return a builder that runs a network on a chip; ``engine`` prepares its loop alone."""

    def build(w: Workload, batch: int) -> Ready:
        options = nmb.CompileOptions(scale="maxabs")
        program = nmb.compile(graph(w), chip, CONVENTIONS, options=options)
        spikes = w.spikes(batch)

        def run() -> float:
            return float(program.run(spikes, threads=1).losses["fired"]["lif"].sum())

        return Ready(run, engine(program, spikes))

    return build


def _timed(run):
    def loop() -> float:
        start = time.perf_counter()
        run()
        return time.perf_counter() - start

    return loop


def _reckon(program: nmb.Program, spikes: np.ndarray):
    """From the events that the host sends to the ticks in which each neuron fired."""
    from nm_reckon.drive import Drive
    from nm_reckon.packing import Packed
    from nm_reckon.simulator import record_batch

    drive = Drive(program.layout)
    packed = Packed.driven(drive.encoded(spikes), drive.votes(len(spikes)))
    return _timed(lambda: record_batch(program.image, packed, ("spikes", "outputs"), threads=1))


def _morphic(program: nmb.Program, spikes: np.ndarray):
    """From the events that the host sends to those that come back."""
    from nm_backends.assumptions import backend_of
    from nm_backends.crossbar.events import encode_spikes

    chip, coded = backend_of(program).chip, encode_spikes(program.layout, spikes)
    return _timed(lambda: chip.run(program.image, coded.words, coded.offsets, threads=1))


def learning(w: Workload, batch: int) -> Ready:
    """e-prop on ReckOn: samples one after another, weights change in every learning step."""
    options = nmb.CompileOptions(scale="maxabs", learn=("fc", "rec", "fc2"))
    program = nmb.compile(_eprop(w), "reckon", CONVENTIONS, options=options)
    spikes, labels = w.spikes(batch), np.arange(batch) % w.outputs
    fired = float(program.run(spikes, threads=1).layers["lif"].sum())
    # "validation" of one silent step: nothing but learning is timed
    silence = (np.zeros((1, 1, w.inputs), np.uint8), np.zeros(1, int))

    def run() -> float:
        program.learn(
            spikes, labels, options={"window": w.learned}, validation=silence, progress=False
        )
        return fired

    return Ready(run)


if __name__ == "__main__":
    serve(
        {
            ("recurrent", "ReckOn"): running(_recurrent, "reckon", _reckon),
            ("recurrent", "MorphIC"): running(_recurrent, "morphic", _morphic),
            ("feedforward", "MorphIC"): running(_feedforward, "morphic", _morphic),
            ("eprop", "ReckOn"): learning,
        },
        nmb.__version__,
    )
