"""A small study: a model that fits every chip, spikes with labels, and its description."""

import os
import signal

import nir
import numpy as np

from nm_backends.study.metrics import row
from nm_backends.study.trial import Outcome
from nm_backends.testing import random_model

STUDY = """
models = ["small.nir"]
chips = ["tinyodin", "odin"]
seeds = {first = 0, count = 6}
[data]
test = "test.npz"
[samples]
test = 20
[discretisation]
dt = [1e-3, 2e-3]
[compile]
scale = "maxabs"
"""


def write_study(folder, text=STUDY, samples=40):
    """Write model, spikes and description; return the path of the last."""
    graph = random_model(0)
    graph.metadata["nm_backends"] = {"framework": "snntorch", "reset": "zero"}
    nir.write(folder / "small.nir", graph)
    inputs = int(np.prod(graph.nodes["input"].input_type["input"]))
    random = np.random.default_rng(1)
    spikes = (random.random((12, samples, inputs)) < 0.3).astype(np.uint8)
    np.savez(folder / "test.npz", spikes=spikes, labels=random.integers(0, 3, samples))
    path = folder / "study.toml"
    path.write_text(text)
    return path


def lethal(recipe):
    """Stand for the work of a process: one seed kills it."""
    if recipe["seed"] == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return Outcome(row("ok", accuracy=float(recipe["seed"])), 0.0, "")


def learnable():
    """A layer to be learned, spikes of three classes, and their labels."""
    one = np.ones(3)
    nodes = {
        "input": nir.Input({"input": np.array([16])}),
        "fc": nir.Linear(np.full((3, 16), 1.0)),
        "out": nir.IF(r=one, v_threshold=99 * one),
        "output": nir.Output({"output": np.array([3])}),
    }
    graph = nir.NIRGraph(nodes, [("input", "fc"), ("fc", "out"), ("out", "output")])
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 30)
    rates = random.random((3, 16)) < 0.5
    spikes = (random.random((12, 30, 16)) < 0.1 + 0.5 * rates[labels]).astype(np.uint8)
    return graph, spikes, labels
