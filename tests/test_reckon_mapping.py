"""Networks on ReckOn: what is representable is exact, spike for spike, whatever the graph."""

import numpy as np
import pytest
from crossbar_networks import bernoulli, inputs, layers, link, network, neurons
from hypothesis import given, settings
from hypothesis import strategies as st

from nm_backends.agreement import agreement
from nm_backends.compiler import compile_model
from nm_backends.network import Population
from nm_backends.program import CompileOptions
from nm_backends.run import reference
from nm_reckon.schedule import schedule

few = settings(max_examples=20, deadline=None)
UNIT = 1 / 8


def membranes(name, size, decay=1.0, **changes):
    one = np.ones(size)
    fields = {"decay": decay * one, "gain": one, "leak": 0 * one, "v0": 0 * one, "bias": 0 * one}
    fields |= {key: value * one for key, value in changes.items()}
    return Population(name, (size,), "LI", spiking=False, **fields)


def grid(rng, pre, post, most=6, density=0.7):
    return UNIT * rng.integers(-most, most + 3, (pre, post)) * (rng.random((pre, post)) < density)


def exact_neurons(rng, name, size, reset):
    cmp = ">" if reset == "zero" and rng.random() < 0.5 else ">="
    height = rng.choice([0.5, 1.0, 2.0], size)  # pairs of any two have a common whole threshold
    return neurons(name, size, threshold=height, reset=reset, spike_cmp=cmp)


def compiled(net, spikes, **options):
    return compile_model(net, "reckon", calibrate=spikes, options=CompileOptions(**options))


def assert_exact(net, spikes):
    program = compiled(net, spikes)
    found, wanted = program.run(spikes), reference(net, spikes)
    assert any(layer.any() for layer in wanted.layers.values())
    for name, layer in wanted.layers.items():
        np.testing.assert_array_equal(found.layers[name], layer, err_msg=name)
    for p in net.neurons:
        if not p.spiking:
            np.testing.assert_allclose(found.membranes[p.name], wanted.membranes[p.name], atol=1e-9)
    np.testing.assert_allclose(found.readout, wanted.readout, atol=1e-9)
    return program


@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    reset=st.sampled_from(["zero", "subtract_delayed", "subtract"]),
    recurrent=st.booleans(),
    readout=st.booleans(),
)
@few
def test_stacks_are_exact(seed, sizes, reset, recurrent, readout):
    rng = np.random.default_rng(seed)
    populations, projections = [inputs(6)], []
    for i, size in enumerate(sizes):
        pre, post = populations[-1], exact_neurons(rng, f"l{i}", size, reset)
        populations.append(post)
        projections.append(link(pre.name, post.name, grid(rng, pre.size, size) + UNIT))
        if recurrent:
            projections.append(link(post.name, post.name, grid(rng, size, size, 3), delay=1))
    if readout:
        projections.append(link(populations[-1].name, "out", grid(rng, sizes[-1], 3) + UNIT))
        populations.append(membranes("out", 3))
    spikes = bernoulli(15, 3, 6, 0.5, seed % 1000)
    spikes[0, 0] = 1
    net = network(populations, projections)
    if any(layer.any() for layer in reference(net, spikes).layers.values()):
        assert_exact(net, spikes)


@given(seed=st.integers(0, 2**32 - 1), reset=st.sampled_from(["zero", "subtract_delayed"]))
@few
def test_branches_delays_biases_and_first_membranes_are_exact(seed, reset):
    rng = np.random.default_rng(seed)
    sizes = {"a": 5, "b": 4, "c": 3, "d": 4}
    a, b, c, d = (exact_neurons(rng, name, size, reset) for name, size in sizes.items())
    a.bias, b.bias = UNIT * rng.integers(-1, 3, 5), UNIT * rng.integers(0, 2, 4) * 1.0
    c.v0 = UNIT * rng.integers(-2, 3, 3)
    y = membranes("y", 2, bias=UNIT, v0=3 * UNIT)
    links = [
        link("in", "a", grid(rng, 6, 5) + UNIT),
        link("in", "b", grid(rng, 6, 4) + UNIT, delay=2),
        link("a", "b", grid(rng, 5, 4)),
        link("a", "c", grid(rng, 5, 3) + UNIT),
        link("b", "c", grid(rng, 4, 3)),
        link("in", "c", grid(rng, 6, 3), delay=1),
        link("c", "a", grid(rng, 3, 5, 2), delay=4),
        link("a", "d", grid(rng, 5, 4) + 2 * UNIT, delay=3),
        link("b", "b", grid(rng, 4, 4, 2), delay=2),
        link("d", "y", grid(rng, 4, 2) + UNIT),
        link("c", "y", grid(rng, 3, 2), delay=1),
        link("in", "y", grid(rng, 6, 2)),
    ]
    net = network([inputs(6), a, b, c, d, y], links)
    spikes = bernoulli(14, 2, 6, 0.5, seed % 1000)
    program = assert_exact(net, spikes)
    relays = {r.name: r.used for r in program.resources}["relay neurons"]
    assert relays == len(schedule(net).relays) > 0


def test_one_step_is_enough():
    net = layers(3, 2, 2, mean=0.6, spread=0.0)
    spikes = np.ones((1, 2, 3), np.uint8)
    np.testing.assert_array_equal(
        compiled(net, spikes).run(spikes).spikes, reference(net, spikes).spikes
    )


def test_no_steps_and_no_samples():
    program = compile_model(layers(3, 2), "reckon")
    assert program.run(np.zeros((0, 2, 3), np.uint8)).spikes.shape == (0, 2, 2)
    assert program.run(np.zeros((4, 0, 3), np.uint8)).spikes.shape == (4, 0, 2)


class Twin:
    """A layer in the chip's integers: what the float model becomes, written down once more."""

    def __init__(self, program, name, subtracts):
        population = program.network.populations[name]
        order = [p.name for p in program.network.neurons if p.spiking]
        first = sum(program.network.populations[n].size for n in order[: order.index(name)])
        span = slice(first, first + population.size)
        self.scale = program.layout["scale"][span]
        place = program.layout["address"][span]
        words = program.image.memories["neuron"][place // 2]
        numbers = [int.from_bytes(word.tobytes(), "little") for word in words]
        self.threshold = np.array([n >> 100 & 0xFFFF for n in numbers])
        top = program.image.registers["SPI_ALPHA_CONF"][place // 2]
        self.alpha = np.array([n >> 116 & 0xFFF for n in numbers]) + np.where(top, 0x8000, 0x7000)
        self.subtracts = subtracts

    def run(self, drive):
        """Return spikes and membranes at the end of each step for integer drive [time, neurons]."""
        v, fired, spikes, seen = np.zeros(drive.shape[1], int), None, [], []
        for arriving in drive:
            if fired is not None:
                left = v * self.alpha >> 15
                v = np.where(fired, left - self.threshold if self.subtracts else 0, left)
            v = v + arriving
            fired = v >= self.threshold
            spikes.append(fired)
            seen.append(v if self.subtracts else np.where(fired, 0, v))
        return np.array(spikes), np.array(seen)


@pytest.mark.parametrize("reset", ["zero", "subtract_delayed"])
def test_leaks_are_those_of_the_chip(reset):
    net = layers(8, 7, 5, seed=3, mean=0.3, decay=0.93, reset=reset)
    spikes = bernoulli(30, 1, 8, 0.3, 1)
    program = compiled(net, spikes)
    program.image.registers["SPI_EN_STOCH_ROUND"] = 0
    result = program.run(spikes, record=("membrane",))
    sent, rows = spikes[:, 0].astype(int), ("l1", "l2")
    for name, projection in zip(rows, list(net.projections), strict=True):
        twin = Twin(program, name, reset != "zero")
        shift = "WINP" if name == "l1" else "WREC"
        projection.nodes = ("weights",)  # a node of its own, to be read back
        others, net.projections = net.projections, [projection]
        units = 1 << program.image.registers[f"SPI_FP_LOC_{shift}"]
        net.projections = others
        for p in others:
            p.nodes = (p.post,)
        weights = np.rint(program.weights(name).T * twin.scale / units).astype(int) * units
        fired, seen = twin.run(sent @ weights)
        np.testing.assert_array_equal(result.layers[name][:, 0], fired)
        np.testing.assert_array_equal(result.membranes[name][:, 0], seen)
        sent = fired.astype(int)


def test_weights_come_back_in_the_units_of_the_user():
    net = layers(6, 5, 4, seed=1)
    net.projections.append(link("l1", "l1", np.random.default_rng(0).normal(0, 0.3, (5, 5)), 1))
    for i, projection in enumerate(net.projections):
        projection.nodes = (f"w{i}",)
    program = compile_model(net, "reckon")
    for i, projection in enumerate(net.projections):
        asked = projection.weights.toarray()
        error = np.abs(program.weights(f"w{i}").T - asked).max()
        assert error < np.abs(asked).max() / 100


def test_a_fast_leak_takes_several_ticks_and_nothing_else():
    net = layers(8, 10, 6, seed=2, mean=0.3, decay=0.6)
    spikes = bernoulli(25, 4, 8, 0.3, 2)
    program = compiled(net, spikes)
    assert program.metadata["ticks_per_step"] == 4
    wanted, found = reference(net, spikes), program.run(spikes)
    assert wanted.spikes.any()
    assert agreement(found.layers["l1"], wanted.layers["l1"]) > 0.97
    assert (found.counters["ticks"] == 4 * 24 + 4).all()


def test_recurrent_spikes_wait_where_a_step_takes_several_ticks():
    net = layers(8, 6, seed=5, mean=0.3, decay=0.8)
    net.projections.append(link("l1", "l1", np.random.default_rng(0).normal(0, 0.3, (6, 6)), 1))
    spikes = bernoulli(25, 4, 8, 0.3, 2)
    program = compiled(net, spikes)
    assert len(schedule(net).relays) == 6
    wanted, found = reference(net, spikes), program.run(spikes)
    assert agreement(found.spikes, wanted.spikes) > 0.97


def test_merged_events_are_counted():
    net = layers(4, 3, mean=0.5, spread=0.0)
    spikes = np.zeros((5, 2, 4), np.uint8)
    spikes[1, 0, 2], spikes[3, 1, :] = 3, 2
    program = compiled(net, spikes)
    assert program.run(spikes).counters["dropped"].tolist() == [2, 4]
    (said,) = [d for d in program.report.warnings if d.code == "RECKON021"]
    assert said.message.startswith("6 of 11 input spikes merge")


def test_the_label_is_what_the_chip_counts():
    net = layers(6, 8, seed=1, mean=0.4)
    net.populations["y"] = membranes("y", 3, decay=1 - 1 / 16)
    weights = np.random.default_rng(1).normal(0, 1, (8, 3))
    net.projections.append(link("l1", "y", weights))
    net.outputs = {"output": "y"}
    spikes = bernoulli(20, 5, 6, 0.4, 3)
    every, last = compiled(net, spikes), compiled(net, spikes, vote_steps=1)
    result = every.run(spikes)
    assert (result.metadata["votes"].sum(axis=1) == 20).all()
    best = result.spikes.argmax(axis=2)
    counts = np.array([(best == k).sum(axis=0) for k in range(3)])
    assert (result.metadata["label"] == counts.argmax(axis=0)).mean() >= 0.8  # votes after a leak
    one = last.run(spikes)
    assert (one.metadata["votes"].sum(axis=1) == 1).all()
    np.testing.assert_array_equal(one.metadata["label"], one.prediction)
    wanted = reference(net, spikes)
    assert result.readout.shape == (5, 3)
    off = np.linalg.norm(result.spikes - wanted.spikes) / np.linalg.norm(wanted.spikes)
    assert off < 0.05


def test_spikes_of_the_output_are_counted_by_output_membranes():
    from nm_reckon.drive import Drive
    from nm_reckon.simulator import run_batch

    net = layers(6, 8, 4, seed=1, mean=0.4)
    spikes = bernoulli(12, 3, 6, 0.4, 3)
    program = compiled(net, spikes)
    result = program.run(spikes)
    assert result.spikes.any()
    np.testing.assert_array_equal(result.metadata["label"], result.prediction)
    for s, log in enumerate(run_batch(program.image, list(Drive(program.layout).samples(spikes)))):
        halves = log.out_data.reshape(-1, 4, 2).astype(int)
        counted = (halves[..., 0] | halves[..., 1] << 8)[-12:]
        np.testing.assert_array_equal(np.diff(counted, axis=0, prepend=0), result.spikes[:, s])


def test_pairs_share_the_leak_between():
    decay = np.array([0.9, 0.95, 0.9, 0.95, 0.97])
    net = layers(6, 5, seed=1, mean=0.4, decay=decay)
    program = compile_model(net, "reckon")
    twin = Twin(program, "l1", False)
    assert np.abs(twin.alpha / 0x8000 - decay)[[0, 2, 1, 3]].max() < 1e-4  # alike are together
    assert "RECKON020" not in program.report.codes
    decay[0] = 0.91
    report = compile_model(layers(6, 5, seed=1, decay=decay), "reckon").report
    (said,) = [d for d in report.warnings if d.code == "RECKON020"]
    assert said.message.startswith("2 neurons share a leak factor that is not theirs")


def test_estimates_follow_the_counters():
    program = compile_model(layers(6, 8, 4, seed=1), "reckon")
    result = program.run(bernoulli(12, 3, 6, 0.4, 3))
    counters = result.counters
    np.testing.assert_allclose(
        result.energy.value, 0.6e-9 * counters["ticks"] + 5.3e-12 * counters["sops"]
    )
    assert result.energy.status == "extrapolated"
    np.testing.assert_allclose(result.latency.value, counters["cycles"] / 13e6)
    np.testing.assert_allclose(result.metadata["latency_fast"].value, counters["cycles"] / 115e6)
    np.testing.assert_allclose(
        result.metadata["real_time_factor"], 12 * 1e-3 / result.latency.value
    )


def test_output_membranes_leak_in_whole_units():
    net = layers(6, 8, seed=1, mean=0.4)
    net.populations["y"] = membranes("y", 3, decay=0.9)
    weights = np.random.default_rng(1).normal(0, 1, (8, 3))
    net.projections.append(link("l1", "y", weights))
    net.projections[-1].nodes = ("readout",)
    net.outputs = {"output": "y"}
    spikes = bernoulli(25, 1, 6, 0.4, 3)
    program = compiled(net, spikes)
    program.image.registers["SPI_EN_STOCH_ROUND"] = 0
    result, scale = program.run(spikes), program.layout["out_scale"]
    units = np.rint(program.weights("readout").T * scale).astype(int)
    y, kappa = np.zeros(3, int), program.image.registers["SPI_KAPPA"]
    assert kappa == 115
    for t in range(25):
        y = (y * kappa >> 7) + result.layers["l1"][t, 0].astype(int) @ units
        np.testing.assert_array_equal(np.rint(result.spikes[t, 0] * scale), y)


def test_slow_leaks_are_rounded_where_cutting_would_pull():
    """At decay 0.9999 a cut leak takes a unit per tick, whatever the membrane: far too much."""
    rng = np.random.default_rng(0)
    weights = rng.normal(0.002, 0.01, (40, 12))  # of the threshold: membranes are coarse
    weights[0] = 1.1
    net = network([inputs(40), neurons("a", 12, decay=0.9999)], [link("in", "a", weights)])
    spikes = bernoulli(300, 3, 40, 0.1, 1)
    spikes[:, :, 0] = 0
    program = compiled(net, spikes)
    wanted = reference(net, spikes)
    assert wanted.spikes.any()
    assert program.metadata["stochastic_rounding"]
    rounded = agreement(program.run(spikes).spikes, wanted.spikes)
    program.image.registers["SPI_EN_STOCH_ROUND"] = 0
    assert agreement(program.run(spikes).spikes, wanted.spikes) < rounded
    assert not compiled(layers(6, 4), bernoulli(9, 2, 6)).metadata["stochastic_rounding"]
