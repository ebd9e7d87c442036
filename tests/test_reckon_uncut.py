"""What a cut over ReckOn chips leaves as it is: spikes of neurons with leaks, bit for bit."""

from itertools import pairwise

import numpy as np
import pytest
from crossbar_networks import bernoulli, inputs, link, network, neurons
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from reckon_uncut import uncut
from test_reckon_mapping import membranes
from test_reckon_system import cut
from test_session import same, stepped

from nm_backends.errors import UserError
from nm_backends.registry import get_backend
from nm_backends.rules import CompileError
from nm_reckon.scaling import Shifts


def leaky(seed, fast=False, subtracts=False):
    """Return layers with leaks, a skip, delays, biases, a loop and maybe a readout, at random."""
    rng = np.random.default_rng(seed)
    decays = [0.5] if fast else [0.88, 0.97, 1.0]  # 0.5 takes several ticks
    reset = "subtract_delayed" if subtracts and not fast else "zero"
    populations = [inputs(5)]
    for i, size in enumerate(rng.integers(2, 8, int(rng.integers(2, 4))).tolist()):
        made = neurons(f"l{i}", size, threshold=rng.uniform(0.6, 1.4, size), reset=reset)
        made.decay = rng.choice(decays, size)
        made.bias = rng.uniform(0, 0.1, size) * rng.integers(0, 2)
        populations.append(made)

    def drawn(pre, post, mean=0.2, delay=0):
        weights = rng.normal(mean, 0.4, (pre.size, post.size)) * (rng.random((pre.size, 1)) < 0.9)
        return link(pre.name, post.name, weights, delay)

    first, *_, last = populations
    links = [drawn(a, b, delay=int(rng.integers(2)) * (a is not first))
             for a, b in pairwise(populations)]  # fmt: skip
    looped = populations[int(rng.integers(1, len(populations)))]
    links += [drawn(first, last, 0, 2), drawn(looped, looped, -0.1, 1)]
    if rng.random() < 0.5:
        populations.append(membranes("out", 3))
        links.append(drawn(last, populations[-1]))
    return network(populations, links)


def same_layers(found, wanted):
    for name, layer in wanted.items():
        np.testing.assert_array_equal(found[name], layer, err_msg=name)


@given(
    seed=st.integers(0, 2**32 - 1),
    room=st.integers(3, 7),
    shift=st.integers(3, 6),
    fast=st.booleans(),
    subtracts=st.booleans(),
)
@settings(max_examples=8, deadline=None)
def test_leaks_do_not_care_about_cuts(seed, room, shift, fast, subtracts):
    """The same integers on one chip: bit for bit, unless something saturates or is rounded."""
    net, spikes = leaky(seed, fast, subtracts), bernoulli(20, 2, 5, 0.4)
    with pytest.MonkeyPatch.context() as patch:  # a chip has one radix point for all its inputs
        patch.setattr("nm_reckon.choose.ranked_shifts", lambda *_: [Shifts(shift, shift, 2)])
        patch.setattr("nm_reckon.mapping.rounded_too", lambda _, found: found)
        try:
            system = cut(net, spikes, room)
        except CompileError:
            assume(False)  # a loop that is too large
    whole = get_backend("reckon").execute(uncut(system), spikes, ("losses",), None)
    stopped = whole.losses["saturated_low"], whole.losses["saturated_high"]
    assume(not any(count.any() for kind in stopped for count in kind.values()))
    same_layers(system.run(spikes).layers, whole.layers)


@pytest.fixture(scope="module")
def three():
    """Return a network with leaks on several chips, one after the other, and spikes."""
    net, spikes = leaky(0), bernoulli(12, 2, 5, 0.4)
    return cut(net, spikes, 4), spikes


def test_one_chip_in_turn_does_the_same(three, tmp_path):
    system, spikes = three
    result = system.run(spikes)
    assert system.chips == 5
    assert all(layer.any() for layer in result.layers.values())
    turns = cut(system.network, spikes, 4, "time")
    again = turns.run(spikes)
    same_layers(again.layers, result.layers)
    np.testing.assert_array_equal(again.readout, result.readout)
    assert turns.chips == 1
    assert again.counters["cycles"].sum() > result.counters["cycles"].sum()
    assert again.metadata["reprogramming"]["spi_words"] > 0
    turns.export(tmp_path, spikes)
    assert "it is all of these in turn" in (tmp_path / "README.txt").read_text()
    with pytest.raises(UserError, match="all parts in turn"):
        turns.session()


def test_a_stream_adds_up_to_the_run(three):
    system, spikes = three
    totals, result = system.stream(spikes, batch=1).totals(), system.run(spikes)
    assert totals.counters["spikes"] == result.counters["spikes"].sum()
    np.testing.assert_array_equal(totals.prediction, result.prediction)


def test_steps_are_the_run(three):
    system, spikes = three
    session = system.session(2)
    result = system.run(spikes, record=("membrane",))
    same(session, result, stepped(session, spikes))
    session.reset()
    assert not session.counters
    same(session, result, stepped(session, spikes))
    for refused in (session.learned, lambda: system.session(learning=True)):
        with pytest.raises(UserError, match="do not learn together"):
            refused()
