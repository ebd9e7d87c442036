"""A compiled program in a Lava network is the program by itself, tick for tick."""

import lava_running as running
import numpy as np
import pytest
from crossbar_networks import CHIPS, bernoulli, inputs, layers, link, network, neurons
from lava_running import LIF, Dense, Monitor
from test_session import RULE, compile_learner, looped, samples

from nm_backends.compiler import compile_model
from nm_backends.errors import UserError
from nm_backends.lava import ChipProcess

pytestmark = [pytest.mark.lava, pytest.mark.timeout(150)]
STEPS = 30


@pytest.mark.parametrize("name", CHIPS)
@pytest.mark.parametrize("config", list(running.CONFIGS))
def test_ticks_are_those_of_the_run(name, config):
    program = compile_model(looped(3, delay=2), name)
    spikes = bernoulli(STEPS, 1, 8, 0.4, seed=5)[:, 0] * np.uint8(2)
    chip = ChipProcess(program)
    out, monitor = running.sink(chip.s_out, STEPS), Monitor()
    running.source(spikes.astype(int), chip.s_in)
    monitor.probe(chip.membrane, STEPS)
    result = program.run(spikes, record=("membrane",))
    with running.stopping(chip):
        running.steps(chip, STEPS // 2, config)
        running.steps(chip, STEPS - STEPS // 2, config)
        assert result.spikes.any()
        np.testing.assert_array_equal(running.seen(out), result.spikes)
        watched = next(iter(monitor.get_data().values()))["membrane"]
        for node, membranes in chip.populations(watched).items():
            np.testing.assert_array_equal(membranes, result.membranes[node])
        for node, last in chip.populations(chip.spikes.get()).items():
            np.testing.assert_array_equal(last, result.layers[node][-1])
        for counter in ("events_in", "events_out", "sops", "cycles", "dropped"):
            assert getattr(chip, counter).get() == result.counters[counter]


@pytest.mark.parametrize("name", CHIPS)
@pytest.mark.parametrize("config", ["loihi1-float", "loihi2-fixed"])
def test_a_loop_through_lavas_own_neurons(name, config):
    """chip -> Dense -> LIF -> Dense -> chip, against a session and the same neurons in numpy."""
    rng = np.random.default_rng(1)
    program = compile_model(layers(10, 8, 4, decay=0.9), name)
    there, back = rng.integers(0, 60, (6, 4)) * 2, np.eye(10, 6)
    drive = bernoulli(STEPS, 1, 10, 0.3)[:, 0].astype(int)
    chip, lif = ChipProcess(program), LIF(shape=(6,), du=4095, dv=0, vth=100)
    if config.endswith("float"):
        lif = LIF(shape=(6,), du=1.0, dv=0.0, vth=100.0)
    first, second = Dense(weights=there), Dense(weights=back.astype(int) * 2, num_message_bits=0)
    chip.s_out.connect(first.s_in)
    first.a_out.connect(lif.a_in)
    lif.s_out.connect(second.s_in)
    second.a_out.connect(chip.s_in)
    running.source(drive, chip.s_in)
    out, fired = running.sink(chip.s_out, STEPS), running.sink(lif.s_out, STEPS)
    expected, wanted = by_hand(program, drive, there, back.astype(int) * 2)
    with running.stopping(chip):
        running.steps(chip, STEPS, config)
        np.testing.assert_array_equal(running.seen(out), expected)
        np.testing.assert_array_equal(running.seen(fired), wanted)
    assert wanted.sum() > 5
    without = program.run(drive.astype(np.uint8)).spikes
    assert (without != expected).any()


def by_hand(program, drive, there, back):
    session, v = program.session(), np.zeros(6)
    to_lif, to_chip, out, fired = np.zeros(6), np.zeros(10, int), [], []
    for given in drive:
        v += to_lif
        fired.append(v > 100)
        v[fired[-1]] = 0
        out.append(session.step(given + to_chip))
        to_lif = there @ (out[-1] > 0)
        to_chip = back @ fired[-1]
    return np.array(out), np.array(fired)


def test_two_chips_one_behind_the_other_and_several_inputs():
    net = network(
        [inputs(3, "x"), inputs(2, "y"), neurons("a", 4)],
        [link("x", "a", np.eye(3, 4) * 2), link("y", "a", np.ones((2, 4)))],
    )
    one, two = compile_model(net, "tinyodin"), compile_model(layers(4, 6, 3), "odin")
    spikes = bernoulli(STEPS, 1, 5, 0.4)[:, 0]
    first, second = ChipProcess(one), ChipProcess(two)
    running.source(spikes.astype(int), first.s_in)
    first.s_out.connect(second.s_in)
    out = running.sink(second.s_out, STEPS)
    with running.stopping(first):
        running.steps(second, STEPS)
        expected = two.run(one.run(spikes).spikes).spikes
        assert expected.any()
        np.testing.assert_array_equal(running.seen(out), expected)


def test_learning_with_a_teacher_is_that_of_learn():
    program, (spikes, labels) = compile_learner(), samples(6)
    steps, number = spikes.shape[:2]
    ordered = spikes.transpose(1, 0, 2).reshape(-1, 20).astype(int)
    taught = np.repeat(np.eye(4, dtype=int)[labels], steps, axis=0)
    chip = ChipProcess(program, learning=RULE, sample_steps=steps)
    running.source(np.concatenate([ordered, ordered]), chip.s_in)
    running.source(np.concatenate([taught, taught]), chip.t_in)
    out = running.sink(chip.s_out, 2 * len(ordered))
    before = program.image.memories["synapse"].copy()
    with running.stopping(chip):
        running.steps(chip, steps * number)
        learned = chip.learned()
        assert np.array_equal(program.image.memories["synapse"], before)
        program.learn(spikes, labels, options=RULE)
        assert not learned.image.differences(program.image)
        assert (program.image.memories["synapse"] != before).any()
        chip.learning.set(np.array([0]))  # now the same samples again, as a test
        running.steps(chip, steps * number)
        tested = running.seen(out)[steps * number :].reshape(number, steps, 4)
        expected = program.run(spikes).spikes.transpose(1, 0, 2)
        assert expected.any()
        np.testing.assert_array_equal(tested, expected)
        assert not chip.learned().image.differences(program.image)


def test_samples_begin_when_the_host_says():
    program = compile_model(layers(10, 8, 4, decay=0.9), "odin")
    spikes = bernoulli(STEPS, 1, 10, 0.4)[:, 0]
    chip = ChipProcess(program, name="board")
    running.source(np.concatenate([spikes, spikes]).astype(int), chip.s_in)
    out = running.sink(chip.s_out, 2 * STEPS)
    with running.stopping(chip):
        running.steps(chip, STEPS)
        chip.new_sample.set(np.array([1]))
        running.steps(chip, STEPS)
        result = program.run(spikes)
        np.testing.assert_array_equal(running.seen(out), np.tile(result.spikes, (2, 1)))
        assert chip.sops.get() == 2 * result.counters["sops"]


@pytest.mark.parametrize(
    ("weight", "words"), [(0.5, "not a whole number"), (-1.0, "negative"), (300.0, "too large")]
)
def test_what_the_chip_cannot_take_pauses_the_network_and_is_said(weight, words, capfd):
    chip = ChipProcess(compile_model(layers(3, 2), "tinyodin"), name="board")
    running.source(np.full((STEPS, 3), weight), chip.s_in)
    running.sink(chip.s_out, STEPS)
    told = pytest.raises(UserError, match=rf"^board: in time step 1: .*{words}")
    with running.stopping(chip), told:
        running.steps(chip, STEPS)
    assert "in time step 1" in capfd.readouterr().err


def test_wrong_use_is_said_before_anything_runs(tmp_path):
    program = compile_model(layers(3, 2), "tinyodin")
    program.save(tmp_path / "p.nmb")
    assert ChipProcess(tmp_path / "p.nmb").s_in.shape == (3,)
    with pytest.raises(UserError, match="frozen"):
        ChipProcess(program, learning=True)
    with pytest.raises(UserError, match="sample_steps is 0"):
        ChipProcess(program, sample_steps=0)
    with pytest.raises(UserError, match="network is not running"):
        ChipProcess(program).learned()
