"""A program run step by step is the program run at once, bit for bit."""

import numpy as np
import pytest
from crossbar_networks import CHIPS, bernoulli, inputs, layers, link, network, neurons, single
from hypothesis import given, settings
from hypothesis import strategies as st

import nm_backends as nmb
from nm_backends.compiler import compile_model
from nm_backends.errors import UserError
from nm_backends.program import CompileOptions
from nm_backends.session import Session

RULE = {"thetamem": 12, "ca_theta1": 0, "ca_theta2": 3, "ca_theta3": 5, "ca_leak": 3, "thr": 40}


def looped(seed, size=12, channels=8, delay=0):
    """Return a network with feedback, leak, both signs and a delayed input."""
    rng = np.random.default_rng(seed)
    populations = [inputs(channels), neurons("a", size, decay=0.9), neurons("b", 5, decay=0.95)]
    links = [
        link("in", "a", rng.normal(0.3, 0.4, (channels, size))),
        link("a", "a", rng.normal(0, 0.2, (size, size)), delay=1),
        link("a", "b", rng.normal(0.2, 0.5, (size, 5))),
    ]
    if delay:
        links.append(link("in", "b", rng.normal(0.2, 0.4, (channels, 5)), delay=delay))
    return network(populations, links)


def stepped(session, spikes):
    """Run a session; return spikes and membranes of all steps by population."""
    layers, membranes = [], []
    for now in spikes:
        out = session.step(now)
        assert out is session.layers[session.program.network.output.name]
        layers.append(session.layers)
        membranes.append(session.membranes)
    return [{n: np.stack([p[n] for p in part]) for n in part[0]} for part in (layers, membranes)]


def same(session, result, got):
    for name in result.layers:
        np.testing.assert_array_equal(got[0][name], result.layers[name])
        np.testing.assert_array_equal(got[1][name], result.membranes[name])
        assert got[0][name].dtype == result.layers[name].dtype
    counters = session.counters
    assert set(counters) == set(result.counters)
    for name, counted in result.counters.items():
        np.testing.assert_array_equal(counters[name], counted)


@pytest.mark.parametrize("name", CHIPS)
@pytest.mark.parametrize("settle", ["never", "always"])
@given(seed=st.integers(0, 2**16), delay=st.sampled_from([0, 1, 3]), batch=st.integers(1, 4))
@settings(deadline=None, max_examples=8)
def test_steps_are_the_run(name, settle, seed, delay, batch):
    if settle == "always" and name == "odin":
        settle = "auto"
    program = compile_model(
        looped(seed, delay=delay), name, options=CompileOptions(settle=settle, order="ascending")
    )
    spikes = bernoulli(25, batch, 8, 0.3, seed) * np.uint8(1 + seed % 2)
    session = program.session(batch)
    result = program.run(spikes, record=("membrane",))
    same(session, result, stepped(session, spikes))
    session.reset()  # and once more from rest
    assert session.steps == 0
    assert not session.counters
    same(session, result, stepped(session, spikes))
    assert session.steps == 25


@pytest.mark.parametrize("name", CHIPS)
def test_many_samples_on_several_threads(name, monkeypatch):
    monkeypatch.setattr("nm_backends.crossbar.session._WORTH_THREADS", 1)
    program = compile_model(layers(10, 8, 4, decay=0.9), name)
    spikes = bernoulli(12, 70, 10, 0.3)
    session = program.session(70)
    same(session, program.run(spikes, record=("membrane",)), stepped(session, spikes))


@pytest.mark.parametrize("name", CHIPS)
def test_axes_are_those_of_the_user(name):
    populations = [inputs(6, shape=(2, 3)), neurons("a", 4)]
    net = network(populations, [link("in", "a", np.random.default_rng(0).random((6, 4)))])
    net.populations["a"].shape = (2, 2)
    program = compile_model(net, name)
    spikes = bernoulli(5, 3, 6, 0.4).reshape(5, 3, 2, 3)
    alone, several = program.session(), program.session(batch=3)
    assert alone.step(spikes[0, 0]).shape == (2, 2)
    assert alone.membranes["a"].shape == (2, 2)
    assert alone.counters["sops"].shape == (1,)
    assert several.step({"in": spikes[0] > 0}).shape == (3, 2, 2)
    assert several.step(spikes[1].reshape(3, 6)).shape == (3, 2, 2)
    assert isinstance(alone, Session)
    assert not alone.learned().image.differences(program.image)


def test_a_chip_that_decides_its_own_input():
    """What a session is for: the output of a step goes in with the next one."""
    program = compile_model(single([[1.0, 0.4], [0.4, 1.0]], threshold=0.9), "tinyodin")
    session, now, given_, seen = program.session(), np.array([1, 0]), [], []
    for _ in range(12):
        given_.append(now)
        seen.append(session.step(now))
        now = 1 - np.minimum(seen[-1], 1)
    result = program.run(np.stack(given_).astype(np.uint8))
    np.testing.assert_array_equal(np.stack(seen), result.spikes)
    assert len({tuple(s) for s in seen}) > 1


def test_samples_learn_as_in_learn():
    program = compile_learner()
    spikes, labels = samples(12)
    options = RULE | {"excite": 2, "inhibit": 1, "bistability": 5}
    session = program.session(learning=options)
    for s, label in enumerate(labels):
        for step in spikes[:, s]:
            session.step(step, int(label))
        session.reset()
    before = program.image.memories["synapse"].copy()
    learned = session.learned()
    assert np.array_equal(program.image.memories["synapse"], before)
    program.learn(spikes, labels, options=options)
    assert (program.image.memories["synapse"] != before).any()
    assert np.array_equal(learned.image.memories["synapse"], program.image.memories["synapse"])
    assert np.array_equal(learned.image.memories["neuron"], program.image.memories["neuron"])


def compile_learner():
    weights = np.random.default_rng(0).integers(0, 8, (20, 4)).astype(float)
    weights[0] = 7
    net = single(weights, threshold=60.0)
    return nmb.compile(net, "odin", options=CompileOptions(learn=("fc",)))


def samples(number, steps=5, seed=1):
    rng = np.random.default_rng(seed)
    return rng.random((steps, number, 20)) < 0.3, rng.integers(0, 4, number)


def test_learning_is_switched_on_and_off():
    """Learn, test, learn again: the tests are runs of what was learned, and change nothing."""
    program = compile_learner()
    (spikes, labels), (seen, _) = samples(8), samples(3, seed=4)
    session = program.session(learning=RULE)
    assert session.learning
    assert session.taught.name == "a"
    for half in (slice(0, 4), slice(4, 8)):
        session.learning = True
        for s in range(8)[half]:
            for step in spikes[:, s]:
                session.step(step, np.arange(4) == labels[s])
            session.reset()
        program.learn(spikes[:, half], labels[half], options=RULE)
        session.learning = False
        for s in range(3):
            got = [session.step(step, 1) for step in seen[:, s]]
            np.testing.assert_array_equal(np.stack(got), program.run(seen[:, s]).spikes)
            session.reset()
        image = session.learned().image
        assert np.array_equal(image.memories["synapse"], program.image.memories["synapse"])


def test_a_silent_teacher_sends_nothing():
    program = compile_learner()
    spikes, _ = samples(1)
    silent, told = (program.session(learning=RULE | {"inhibit": 3}) for _ in range(2))
    for step in spikes[:, 0]:
        silent.step(step)
        told.step(step, np.full(4, -1))
    assert silent.counters["events_in"] == told.counters["events_in"]
    told.reset()
    told.step(spikes[0, 0], np.array([1, 0, 0, -1]))
    silent.reset()
    silent.step(spikes[0, 0])
    extra = told.counters["events_in"] - silent.counters["events_in"]
    twice = int((told.program.layout["copy"][:3] >= 0).sum())
    assert extra >= 7 + 2 * 3
    assert extra <= (7 + 2 * 3) * (1 + min(twice, 1))


@pytest.mark.parametrize("name", CHIPS)
def test_endless_firing_is_said_and_the_session_can_be_reset(name):
    rng = np.random.default_rng(0)
    drive, loop = np.abs(rng.normal(0, 0.6, (6, 10))), np.abs(rng.normal(0, 0.5, (10, 10)))
    net = network(
        [inputs(6), neurons("a", 10, decay=0.9)],
        [link("in", "a", drive), link("a", "a", loop, delay=1)],
    )
    program = compile_model(net, name, options=CompileOptions(settle="never"))
    session = program.session()
    assert not session.step(np.zeros(6)).any()
    with pytest.raises(UserError, match="keep each other firing"):
        session.step(np.full(6, 9))
    with pytest.raises(UserError, match=r"reset\(\) it first"):
        session.step(np.zeros(6))
    session.reset()
    assert not session.step(np.zeros(6)).any()


def test_wrong_use_is_refused():
    program = compile_model(layers(10, 8, 4), "odin")
    session = program.session(2)
    for call, words in (
        (lambda: program.session(0), "batch is 0"),
        (lambda: session.step(np.zeros((3, 10))), "batch of 3"),
        (lambda: program.session().step(np.zeros((1, 9))), "shape"),
        (lambda: session.step(np.zeros(2, [("t", int), ("x", int)])), "not an event list"),
        (lambda: session.step(np.zeros((2, 10)), targets=[0, 1]), "does not learn"),
        (lambda: setattr(session, "learning", True), "without learning"),
        (lambda: program.session(learning=True), "no synapse of this program may change"),
        (lambda: compile_learner().session(2, learning=True), "one sample at a time"),
        (lambda: compile_learner().session(learning={"speed": 1}), "'speed': unknown"),
        (lambda: compile_learner().session(learning=True).step(np.zeros(20), 4), "neurons 0 to 3"),
        (lambda: compile_learner().session(learning=True).step(np.zeros(20), [0, 1]), "shape"),
        (lambda: compile_learner().session(learning=True).step(np.zeros(20), 0.5), "float64"),
        (lambda: compile_model(layers(3, 2), "tinyodin").session(learning=True), "frozen"),
    ):
        with pytest.raises(UserError, match=words):
            call()


def test_a_chip_without_sessions_says_so(monkeypatch):
    program = compile_model(layers(3, 2), "tinyodin")
    monkeypatch.setattr("nm_backends.registry.get_backend", lambda name: object())
    with pytest.raises(UserError, match="'tinyodin' is not run step by step"):
        program.session()
