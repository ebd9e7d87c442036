"""Input channels with the same weights are one row; those without weights are none."""

import numpy as np
import pytest
from crossbar_networks import CHIPS, bernoulli, chip, inputs, link, network, neurons
from hypothesis import given, settings
from hypothesis import strategies as st

import nm_backends as nmb
from nm_backends.crossbar.demand import demand
from nm_backends.crossbar.sharing import share, wiring_of
from nm_backends.crossbar.wiring import wire
from nm_backends.errors import UserError
from nm_backends.program import CompileOptions
from nm_backends.rules import CompileError


def pooled(channels, groups, hidden=6, out=3, seed=0, delay=0):
    """Return a network whose input channels have one of ``groups`` rows of weights each."""
    random = np.random.default_rng(seed)
    group = random.integers(0, groups, channels)
    rows = random.normal(0.15, 0.4, (groups, hidden))
    rows[0] = 0.0  # a group without synapses
    a, b = neurons("a", hidden, decay=0.9), neurons("b", out)
    links = [link("in", "a", rows[group]), link("a", "b", random.normal(0.2, 0.4, (hidden, out)))]
    if delay:
        links.append(link("in", "a", rows[group][::-1], delay))
    return network([inputs(channels), a, b], links)


def ways(order, split):
    return [
        CompileOptions(order=order, row_pairs=split, scale="maxabs", settle="never", share_rows=how)
        for how in ("never", "always")
    ]


@settings(max_examples=6, deadline=None)
@given(
    st.sampled_from(CHIPS), st.integers(0, 99), st.integers(2, 5), st.sampled_from([0, 2]),
    st.sampled_from(["ascending", "excitatory_first"]), st.sampled_from(["never", "always"]),
)  # fmt: skip
def test_a_run_gives_the_same_bits_with_and_without(name, seed, groups, delay, order, split):
    net = pooled(20, groups, seed=seed, delay=delay)
    spikes = bernoulli(15, 3, 20, 0.3, seed=seed)
    apart, together = (nmb.compile(net, name, options=way) for way in ways(order, split))
    ours, theirs = (p.run(spikes, record=("membrane",)) for p in (apart, together))
    for layer in ("a", "b"):
        np.testing.assert_array_equal(ours.layers[layer], theirs.layers[layer])
        np.testing.assert_array_equal(ours.membranes[layer], theirs.membranes[layer])
    for counter in ("events_in", "events_out", "sops", "dropped"):
        np.testing.assert_array_equal(ours.counters[counter], theirs.counters[counter])
    used = [next(r.used for r in p.resources if r.name == "rows") for p in (apart, together)]
    assert used[1] <= used[0]
    np.testing.assert_array_equal(  # no two rows of inputs are the same
        np.unique(share(wire(net)).weights[: share(wire(net)).inputs], axis=0).shape[0],
        share(wire(net)).inputs,
    )


@pytest.mark.parametrize("name", CHIPS)
def test_channels_share_rows_where_there_are_not_enough(name, tmp_path):
    net = pooled(400, 30, seed=1)
    need = demand(net, chip(name).row_pairs, share=True)
    assert demand(net, chip(name).row_pairs).rows > 256 >= need.rows
    program = nmb.compile(net, name)
    (found,) = [d for d in program.report if d.code == "NMB182"]
    idle = 400 - int(np.unique(wire(net).channel).size)
    assert f"{idle} have no synapse" in found.message
    assert f"{400 - idle - 29} share the row of another one" in found.message
    program.save(tmp_path / "p.nmb")
    again = nmb.load(tmp_path / "p.nmb")
    assert wiring_of(again).inputs == 29
    nodes = again.to_nir().nodes.values()
    weights = next(n.weight for n in nodes if getattr(n, "weight", None) is not None)
    group = np.unique(net.projections[0].weights.toarray(), axis=0, return_inverse=True)[1]
    for one in range(30):
        same = weights[:, group.reshape(-1) == one]
        assert np.ptp(same, axis=1).max(initial=0) == 0
    program.export(tmp_path / "build", bernoulli(4, 1, 400, 0.1))
    with pytest.raises(CompileError):
        nmb.compile(net, name, options=CompileOptions(share_rows="never"))


def test_several_chips_share_rows_before_the_host_stands_in_for_them():
    net = pooled(400, 30, hidden=200, out=40, seed=2)
    system = nmb.compile(net, "odin", chips="auto")
    assert "inputs_without_a_row" not in system.parts[0].program.metadata
    spikes = bernoulli(6, 2, 400, 0.2)
    free = nmb.compile(net, "odin", chips="auto", options=CompileOptions(share_rows="never"))
    assert "inputs_without_a_row" in free.parts[0].program.metadata
    np.testing.assert_array_equal(system.run(spikes).spikes, free.run(spikes).spikes)


def heard_in_a_step(program):
    """Return channel, delay, sign and synapses of every event of a step, in the order of sending.

    The same events for the same neurons are the same run: no kernel has to be compiled to see it.
    """
    layout = program.layout
    row = layout["slot_word"].astype(np.int64) & 0xFFF
    reference = (layout["slot_word"] >> 26) & 1
    synapses = program.image.memories["synapse_row"][row] * (1 - reference[:, None])
    return layout["slot_channel"], layout["slot_delay"], layout["row_sign"][row], synapses


def test_cores_of_a_mesh_share_rows_as_well():
    net = pooled(60, 8, seed=4, delay=2)
    for p in net.projections:  # exact with one bit: what differs is the placement only
        p.weights.data[:] = np.sign(p.weights.data)
    how = ways("excitatory_first", "always")
    one, other = (nmb.compile(net, "morphic", options=way) for way in how)
    assert wiring_of(other).shares
    np.testing.assert_array_equal(one.layout["address"], other.layout["address"])
    for ours, theirs in zip(heard_in_a_step(one), heard_in_a_step(other), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    large = pooled(1500, 30, seed=1)
    assert wiring_of(nmb.compile(large, "morphic")).inputs == 29


def test_weights_of_shared_rows_cannot_move_apart():
    net = pooled(300, 10, seed=3)
    program = nmb.compile(net, "tinyodin")
    from nm_backends.registry import get_backend

    with pytest.raises(UserError, match="share a row"):
        get_backend("tinyodin").requantise(program, net)
