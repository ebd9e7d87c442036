"""NeuroBench metrics: by their definitions, spike by spike, and as the package computes them."""

from dataclasses import replace
from itertools import pairwise

import nir
import numpy as np
import pytest

import nm_backends as nmb
from nm_backends.errors import UserError
from nm_backends.neurobench import measure
from nm_backends.testing import conventions, random_spikes

STEPS, BATCH = 12, 3


def recurrent():
    """Four inputs, six neurons that hear themselves a step later, two outputs; some weights 0."""
    rng = np.random.default_rng(3)
    one = [np.ones(6), np.ones(2)]
    nodes = {
        "input": nir.Input({"input": np.array([4])}),
        "w_in": nir.Linear(rng.normal(0.3, 0.3, (6, 4)) * (rng.random((6, 4)) < 0.7)),
        "rec": nir.IF(one[0], one[0], v_reset=0 * one[0]),
        "w_out": nir.Linear(rng.normal(0.3, 0.3, (2, 6))),
        "out": nir.IF(one[1], one[1], v_reset=0 * one[1]),
        "output": nir.Output({"output": np.array([2])}),
    }
    edges = list(pairwise(nodes))
    nodes["w_rec"] = nir.Linear(rng.normal(0, 0.1, (6, 6)))
    return nir.NIRGraph(nodes, [*edges, ("rec", "w_rec"), ("w_rec", "rec")])


@pytest.fixture(scope="module", params=["tinyodin", "reckon"])
def program(request):
    return nmb.compile(recurrent(), request.param, conventions())


SPIKES = random_spikes(5, STEPS, BATCH, 4)


def test_one_spike_after_the_other(program):
    found = measure(program, SPIKES, [0, 1, 1], package=False)
    result, graph = program.run(SPIKES), program.to_nir()
    weights = {name: np.asarray(graph.nodes[name].weight) for name in ("w_in", "w_rec", "w_out")}
    sources = {"w_in": SPIKES, "w_rec": result.layers["rec"], "w_out": result.layers["rec"]}
    operations = 0
    for name, spikes in sources.items():
        for t in range(STEPS - (name == "w_rec")):  # the last spikes of a loop are heard no more
            for sample in range(BATCH):
                for pre in np.flatnonzero(spikes[t, sample]):
                    operations += np.count_nonzero(weights[name][:, pre])
    assert found.effective_acs == operations / BATCH
    assert found.dense == STEPS * sum(w.size for w in weights.values())
    zeros = sum(int((w == 0).sum()) for w in weights.values())
    assert found.connection_sparsity == round(zeros / sum(w.size for w in weights.values()), 4)
    places = [result.layers[name] for name in ("rec", "out")]
    silent = sum(int((spikes == 0).sum()) for spikes in places)
    assert found.activation_sparsity == silent / sum(spikes.size for spikes in places)
    assert found.accuracy == np.mean(result.prediction == [0, 1, 1])
    assert found.chip_operations == result.counters["sops"].mean()
    bits = {"tinyodin": (4, 32), "reckon": (8, 64)}[program.chip]
    assert found.footprint == (bits[0] * (24 + 36 + 12) + bits[1] * 8) / 8


@pytest.mark.frameworks
def test_the_package_says_the_same(program):
    ours, theirs = (measure(program, SPIKES, package=package) for package in (False, True))
    assert theirs.computed_by == "neurobench"
    assert replace(theirs, computed_by=ours.computed_by) == ours


def test_what_has_no_metrics(program, monkeypatch):
    monkeypatch.setattr("nm_backends.neurobench.find_spec", lambda name: None)
    assert measure(program, SPIKES).computed_by == "nm_backends"
    with pytest.raises(UserError, match="the package is not installed"):
        measure(program, SPIKES, package=True)
    system = nmb.compile(recurrent(), "tinyodin", conventions(), chips=2)
    with pytest.raises(UserError, match="on several chips"):
        measure(system, SPIKES)
