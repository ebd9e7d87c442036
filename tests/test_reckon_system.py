"""ReckOn over several chips: spikes are told from the membranes that the chips send."""

from dataclasses import replace

import image_checker
import numpy as np
import pytest
from crossbar_networks import bernoulli, inputs, link, network
from hypothesis import given, settings
from hypothesis import strategies as st
from test_reckon_mapping import UNIT, exact_neurons, grid, membranes

import nm_backends as nmb
from nm_backends.export import read_export
from nm_backends.registry import get_backend
from nm_backends.rules import CompileError, Report
from nm_backends.system.compiling import compile_system
from nm_reckon.drive import Drive
from nm_reckon.rules import BY_NAME
from nm_reckon.simulator import run_batch
from nm_reckon.watching import spikes_in


class Small:
    """A backend whose chips are full with fewer neurons."""

    def __init__(self, neurons):
        self._backend, self._neurons = get_backend("reckon"), neurons

    def __getattr__(self, name):
        return getattr(self._backend, name)

    def check_part(self, part):
        found = self._backend.check_part(part)
        if sum(p.size for p in part.neurons if p.spiking) > self._neurons:
            found.append(BY_NAME["too_many_neurons"].at("full"))
        return found


def cut(net, spikes, neurons, chips="auto"):
    return compile_system(
        net, Report("reckon"), Small(neurons), nmb.CompileOptions(), spikes, chips
    )


def stack(seed, sizes=(9, 5), readout=True, loop=True):
    """Return a network with exact integers: one layer after the other, the last with a loop."""
    rng, populations, links = np.random.default_rng(seed), [inputs(6)], []
    for i, size in enumerate(sizes):
        pre, post = populations[-1], exact_neurons(rng, f"l{i}", size, "zero")
        links.append(link(pre.name, post.name, grid(rng, pre.size, size) + UNIT))
        populations.append(post)
    if loop:
        links.append(link(post.name, post.name, grid(rng, size, size, 3), delay=1))
    if readout:
        links.append(link(post.name, "out", grid(rng, size, 3) + UNIT))
        populations.append(membranes("out", 3))
    return network(populations, links)


def same(found, wanted):
    for name, layer in wanted.layers.items():
        np.testing.assert_array_equal(found.layers[name], layer, err_msg=name)
    np.testing.assert_allclose(found.readout, wanted.readout, atol=1e-9)


@given(
    seed=st.integers(0, 2**32 - 1),
    first=st.integers(1, 9),
    room=st.integers(4, 6),
    readout=st.booleans(),
    loop=st.booleans(),
)
@settings(max_examples=4, deadline=None)
def test_any_cut_is_exact(seed, first, room, readout, loop):
    net = stack(seed, (first, 4), readout, loop)
    spikes = bernoulli(8, 2, 6, 0.5, seed % 1000)
    spikes[0, 0] = 1
    wanted = nmb.reference(net, spikes)
    if any(layer.any() for layer in wanted.layers.values()):
        same(cut(net, spikes, room).run(spikes), wanted)


def test_shares_of_a_readout_add_up():
    net, spikes = stack(3, (13,), loop=False), bernoulli(8, 2, 6, 0.5)
    system = cut(net, spikes, 5)
    assert system.chips == 3
    assert all("out" in part.neurons for part in system.parts)
    same(system.run(spikes), nmb.reference(net, spikes))
    same(system.run(spikes), nmb.compile(net, "reckon", calibrate=spikes).run(spikes))


def test_many_readouts_are_cut_and_have_relays():
    rng = np.random.default_rng(1)
    layer = exact_neurons(rng, "a", 9, "zero")
    links = [link("in", "a", grid(rng, 6, 9) + UNIT), link("a", "out", grid(rng, 9, 20) + UNIT)]
    net = network([inputs(6), layer, membranes("out", 20)], links)
    spikes = bernoulli(8, 2, 6, 0.5)
    system = cut(net, spikes, 9)
    assert [list(part.neurons) for part in system.parts] == [["a"], ["out"], ["out"]]
    same(system.run(spikes), nmb.reference(net, spikes))


@pytest.mark.parametrize("rounding", [0, 1])
def test_what_is_told_from_the_bytes_is_what_fired(rounding):
    net, spikes = stack(5, (20, 4)), bernoulli(30, 2, 6, 0.5)
    program = cut(net, spikes, 20).parts[0].program
    program.image.registers["SPI_EN_STOCH_ROUND"] = rounding
    address = program.layout["address"][program.layout["watched"]]
    for log in run_batch(program.image, list(Drive(program.layout).samples(spikes)), ("spikes",)):
        fired = log.spikes[:-1, address]
        assert fired.any()
        told = spikes_in(log.out_data.reshape(len(fired), -1), address.size)
        np.testing.assert_array_equal(told, fired)


@pytest.mark.parametrize("decay", [0.95, 0.7])
def test_leaks_and_several_ticks_per_step_change_nothing(decay):
    rng = np.random.default_rng(0)
    layer = replace(exact_neurons(rng, "a", 11, "zero"), decay=np.full(11, decay))
    after = exact_neurons(rng, "b", 4, "zero")
    links = [link("in", "a", grid(rng, 6, 11) + UNIT), link("a", "b", grid(rng, 11, 4) + UNIT)]
    spikes = bernoulli(8, 2, 6, 0.5)
    system = cut(network([inputs(6), layer, after], links), spikes, 6)
    assert system.chips > 2
    for part in (p.program for p in system.parts if "a" in p.neurons):
        told = get_backend("reckon").execute(part, spikes, (), None).layers["a"]
        unseen = {k: v for k, v in part.layout.items() if k != "watched"}
        inside = replace(part, layout=unseen)
        assert told.any()
        same_bits = get_backend("reckon").execute(inside, spikes, (), None).layers["a"]
        np.testing.assert_array_equal(told, same_bits)


def test_a_system_is_saved_exported_and_checked(tmp_path):
    net, spikes = stack(5, (20, 4)), bernoulli(6, 2, 6, 0.5)
    system = cut(net, spikes, 20)
    system.save(tmp_path / "a.nmb")
    same(nmb.load(tmp_path / "a.nmb").run(spikes), system.run(spikes))
    system.export(tmp_path / "build", spikes)
    for i, part in enumerate(system.parts):
        folder = tmp_path / "build" / f"chip{i}"
        assert part.program.image.differences(read_export(folder)) == []
        assert image_checker.check("reckon", folder) == []


def test_what_does_not_fit_says_why():
    net, spikes = stack(1, (5, 9)), bernoulli(6, 2, 6, 0.5)
    with pytest.raises(CompileError) as refused:
        cut(net, spikes, 5)
    assert BY_NAME["loop_over_chips"].code in refused.value.report.codes
    rng = np.random.default_rng(0)
    a, b = exact_neurons(rng, "a", 130, "zero"), exact_neurons(rng, "b", 4, "zero")
    links = [link("in", "a", grid(rng, 6, 130)), link("a", "b", grid(rng, 130, 4))]
    part = network([inputs(6), a, b], links)
    part.outputs = {"a": "a"}
    codes = {d.code for d in get_backend("reckon").check_part(part)}
    assert BY_NAME["too_many_watched"].code in codes
    beside = stack(1, (5,))
    beside.outputs = {"l0": "l0", "out": "out"}
    codes = {d.code for d in get_backend("reckon").check_part(beside)}
    assert BY_NAME["watched_beside_membranes"].code in codes
