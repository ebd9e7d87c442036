"""Networks on several chips of a mesh: the same spikes as on one large core."""

from itertools import pairwise

import numpy as np
import pytest
from crossbar_networks import bernoulli, inputs, layers, link, network, neurons
from reference_models.one_core import OneCore

import nm_backends as nmb
from nm_backends.crossbar.events import encode_spikes
from nm_backends.program import CompileOptions
from nm_morphic.arrange import arranged, mesh_columns, spikes_times_hops

THREE = CompileOptions(row_pairs="never", chips=3, assumptions={"hop_latency": 0})


def ring(layers=9, size=6, seed=0):
    """Layers in a row, each with sources of its own, so that it takes a core; and back again."""
    rng = np.random.default_rng(seed)
    names = [f"l{i}" for i in range(layers)]
    populations = [neurons(name, size, threshold=2.0, decay=0.9) for name in names]
    edges = [link("in", name, np.sign(rng.normal(0.3, 1, (8, size)))) for name in names]
    edges += [link(a, b, np.sign(rng.normal(0.2, 1, (size, size)))) for a, b in pairwise(names)]
    edges.append(link(names[-1], names[0], np.sign(rng.normal(-0.2, 1, (size, size))), delay=1))
    return network([inputs(8), *populations], edges)


@pytest.fixture(scope="module")
def program():
    return nmb.compile(ring(), "morphic", options=THREE)


def test_a_network_on_three_chips_fires_as_on_one_large_core(program):
    spikes = bernoulli(12, 3, 8, 0.3)
    assert program.options.chips == 3
    assert {r.name: r.used for r in program.resources}["cores"] == 9
    counts = program.run(spikes)
    one = OneCore(program.image, mesh_columns(3))
    coded = encode_spikes(program.layout, spikes)
    address = program.layout["address"]
    for s in range(3):
        words = coded.words[coded.offsets[s] : coded.offsets[s + 1]]
        fired = np.zeros((12, address.size), int)
        for neuron, root in one.run(words):
            step = np.searchsorted(coded.step_end[s], root, side="right")
            fired[step, np.flatnonzero(address == neuron)] += 1
        got = np.concatenate([counts.layers[f"l{i}"][:, s] for i in range(9)], axis=1)
        np.testing.assert_array_equal(got, fired)
        assert fired.sum() > 100


def test_a_mesh_is_saved_exported_and_read_back(program, tmp_path):
    from nm_backends.export import read_export

    program.save(tmp_path / "p.nmb")
    again = nmb.load(tmp_path / "p.nmb")
    spikes = bernoulli(5, 2, 8, 0.3)
    np.testing.assert_array_equal(again.run(spikes).spikes, program.run(spikes).spikes)
    program.export(tmp_path / "e", spikes)
    assert read_export(tmp_path / "e").differences(program.image) == []
    text = (tmp_path / "e" / "README.txt").read_text()
    assert "morphic (3 chips, 12 cores)" in text
    assert "* hop_latency = 0: that many rounds" in text


def test_as_few_chips_as_it_takes():
    wide = ring(size=450, layers=5)
    assert not nmb.check(wide, "morphic").ok
    assert nmb.compile(ring(4), "morphic", chips="auto").options.chips == 1


def test_cores_change_places_as_long_as_that_pays():
    core = np.repeat(np.arange(12), 4)
    hears = np.zeros((48, 48), bool)
    hears[core[:, None] % 3 == core % 3] = True  # core 0 with 3, 6, 9 and so on
    better = arranged(hears, core, 3)
    assert spikes_times_hops(hears, core, 3) > 0
    assert spikes_times_hops(hears, better, 3) == 0
    assert sorted(np.unique(better)) == list(range(12))


def test_a_comparison_takes_as_many_chips_as_are_needed():
    deployment = nmb.compare(layers(2, 2100), chips=["morphic"])["morphic"]
    assert deployment.ok
    assert deployment.chips_needed == 2
