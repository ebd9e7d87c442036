"""Rows that several sources drive, where rows are short: who shares, and what it costs."""

import numpy as np
import pytest
from crossbar_networks import bernoulli, inputs, link, network, neurons
from hypothesis import given, settings
from hypothesis import strategies as st

import nm_backends as nmb
from nm_backends.rules import CompileError
from nm_morphic.alike import agreed, groups_of
from nm_morphic.routes import decode


def narrow(hidden, kinds, flip=0.0):
    """More hidden neurons than a core has L1 rows; their weights are of so many kinds."""
    rng = np.random.default_rng(0)
    weights = rng.choice([-1.0, 1.0], (kinds, 20))[np.arange(hidden) % kinds]
    weights = np.where(rng.random(weights.shape) < flip, -weights, weights)
    populations = [neurons("h", hidden, threshold=4.0), neurons("o", 20, threshold=5.0)]
    edges = [link("in", "h", rng.choice([-1.0, 1.0], (16, hidden))), link("h", "o", weights)]
    return network([inputs(16), *populations], edges), weights


def compiled(model, sharing, **options):
    given = nmb.CompileOptions(row_pairs="never", **options)
    return nmb.compile(model, "morphic", options=given, assumptions={"row_sharing": sharing})


def reached(program, hidden):
    """What a spike of each hidden neuron adds to outputs, by route words and bits of rows alone."""
    address, image = program.layout["address"], program.image
    found = np.zeros((hidden, address.size - hidden))
    for n in range(hidden):
        core = int(address[n]) // 512
        word = int.from_bytes(bytes(image.memories["route"][address[n]]), "little")
        route = decode(word, core % 4)
        for o, place in enumerate(address[hidden:].tolist()):
            if place // 512 in route.cores:
                row = image.memories["synapse_row"][place // 512 * 1024 + 512 + route.l1_row]
                bit = row[place % 512 // 8] >> place % 8 & 1
                found[n, o] += 2.0 * bit - 1
    return found


def test_sources_that_agree_share_rows_and_lose_nothing():
    model, weights = narrow(300, 200)
    program = compiled(model, "agreeing")
    assert np.array_equal(reached(program, 300), weights)
    assert {r.name: r.used for r in program.resources}["L1 rows"] == 200
    said = {d.code: d.message for d in program.report}
    assert said["MORPH031"] == "100 rows are driven by 200 sources in all"
    assert "MORPH032" not in said
    assert [d.node for d in program.report if d.code == "MORPH022"] == ["h", "o"]
    with pytest.raises(CompileError, match="300 needed, 256 there"):
        compiled(model, "never")
    with pytest.raises(CompileError, match="row_sharing='nearest'"):
        compiled(narrow(300, 300)[0], "agreeing")


def test_the_nearest_share_rows_if_that_is_asked_for(tmp_path):
    model, weights = narrow(300, 200, flip=0.05)
    program = compiled(model, "nearest")
    differ = int((reached(program, 300) != weights).sum())
    (said,) = [d for d in program.report if d.code == "MORPH032"]
    assert said.node == "o"
    assert 0 < differ < 100
    assert said.message.startswith(f"{differ} synapses of about 6,000 become others")
    program.save(tmp_path / "p.nmb")
    again, spikes = nmb.load(tmp_path / "p.nmb"), bernoulli(6, 2, 16, 0.5)
    assert np.array_equal(again.run(spikes).spikes, program.run(spikes).spikes)


def test_inputs_share_rows_if_there_are_more_than_rows():
    rng = np.random.default_rng(1)
    weights = rng.choice([-1.0, 1.0], (1100, 3))[:, [0, 1, 2, 0]]
    weights[:40] = rng.choice([-1.0, 1.0], (40, 4))
    model = network(
        [inputs(1100), neurons("o", 4, threshold=9.0)], [link("in", "o", weights)]
    )  # fmt: skip
    program = compiled(model, "nearest", share_rows="never")
    assert {r.name: r.used for r in program.resources}["rows"] <= 1024
    assert {d.code for d in program.report} >= {"MORPH031"}
    assert program.run(bernoulli(3, 2, 1100, 0.1)).spikes.sum() > 0


def test_sources_share_rows_of_another_chip_as_well():
    """Five layers that hear the same one, and an input each, so that each takes a core."""
    rng = np.random.default_rng(2)
    names = [f"o{i}" for i in range(5)]
    populations = [neurons("h", 300, threshold=2.0), *(neurons(n, 6, threshold=4.0) for n in names)]
    edges = [link("in", "h", rng.choice([-1.0, 1.0], (6, 300)))]
    for i, name in enumerate(names):
        edges.append(link("h", name, rng.choice([-1.0, 1.0], (100, 6))[np.arange(300) % 100]))
        edges.append(link("in", name, np.outer(np.arange(6) == i, np.ones(6))))
    program = compiled(network([inputs(6), *populations], edges), "agreeing", chips=2)
    used = {r.name: r.used for r in program.resources}
    assert (used["cores"], used["L2 rows"]) == (6, 100)
    assert "MORPH032" not in {d.code for d in program.report}
    assert sum(d.code == "MORPH022" for d in program.report) == 6
    address, route = program.layout["address"], program.image.memories["route"]
    words = [int.from_bytes(bytes(route[place]), "little") for place in address[:300]]
    rows = {decode(word, 0).l2_row for word in words if decode(word, 0).dx}
    assert len(rows) == 100


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 999), st.integers(1, 12), st.booleans())
def test_groups_are_of_equals_first(seed, limit, nearest):
    rows = np.random.default_rng(seed).choice([-1, 1], (12, 3))
    label = groups_of(rows, limit, nearest)
    kinds = len(np.unique(rows, axis=0))
    assert len(np.unique(label)) <= max(limit, kinds if not nearest else 1)
    if limit < 12 and (kinds <= limit or not nearest):
        assert all(
            (label[a] == label[b]) == np.array_equal(rows[a], rows[b])
            for a in range(12) for b in range(12)
        )  # fmt: skip


def test_a_shared_row_is_what_most_want():
    values = np.array([[1, 1, -1], [1, -1, -1], [-1, 1, -1], [1, 1, 1]], np.int8)
    made = agreed(values, np.array([7, 7, 7, 9]), np.zeros(4, int))
    assert made.tolist() == [[1, 1, -1]] * 3 + [[1, 1, 1]]
    made = agreed(np.array([[1, 0, 0], [1, 1, 0]], np.int8), np.array([5, 5]), np.ones(2, int))
    assert made.tolist() == [[1, 1, 0]] * 2
