"""ReckOn step by step: runs and learning at once are the same bits."""

import numpy as np
import pytest
from crossbar_networks import bernoulli, inputs, layers, link, network, neurons
from hypothesis import given, settings
from hypothesis import strategies as st
from test_reckon_learning import FAST, OUTPUTS, STEPS, compiled, curves, same, samples, stacked
from test_reckon_mapping import membranes

import nm_backends as nmb
from nm_backends.compiler import compile_model
from nm_backends.errors import UserError
from nm_reckon.learning_options import ReckonLearning
from nm_reckon.simulator import ReckonSimulator
from nm_reckon.training import Trainer

PLACES = st.sampled_from([0, 1, 3])


def looped(seed, reset="subtract_delayed", decay=0.95, delay=0, bias=0.0, read=0):
    """Feedback, two layers, an input that comes late, and membranes that are read."""
    rng = np.random.default_rng(seed)
    how = {"decay": decay, "reset": reset, "bias": bias}
    populations = [inputs(8), neurons("a", 12, **how, v0=0.3 * (seed % 2)), neurons("b", 5, **how)]
    links = [
        link("in", "a", rng.normal(0.3, 0.4, (8, 12))),
        link("a", "a", rng.normal(0, 0.2, (12, 12)), delay=1),
        link("a", "b", rng.normal(0.2, 0.5, (12, 5))),
    ]
    if delay:
        links.append(link("in", "b", rng.normal(0.2, 0.4, (8, 5)), delay=delay))
    if read:
        populations.append(membranes("y", read, decay=decay, bias=bias))
        links.append(link("b", "y", rng.normal(0, 1, (5, read))))
    return network(populations, links)


def same_steps(program, spikes, looks=()):
    """Compare a session with the run, at its end and after so many steps as ``looks`` says."""
    result = program.run(spikes, record=("membrane",))
    session = program.session(spikes.shape[1])
    for _ in range(2):
        for step, now in enumerate(spikes):
            np.testing.assert_array_equal(session.step(now), result.spikes[step])
            for name, layer in result.layers.items():
                np.testing.assert_array_equal(session.layers[name], layer[step])
            assert set(session.membranes) == set(result.membranes)
            for name, values in result.membranes.items():
                np.testing.assert_array_equal(session.membranes[name], values[step])
            if step + 1 in (*looks, len(spikes)):
                same_sums(session, program.run(spikes[: step + 1]))
        session.reset()
        assert session.steps == 0
        assert not session.counters
        assert not session.decisions


def same_sums(session, result):
    assert set(session.counters) == set(result.counters)
    for name, counted in result.counters.items():
        np.testing.assert_array_equal(session.counters[name], counted)
    assert set(session.decisions) >= {"label", "votes"}
    for name, said in session.decisions.items():
        np.testing.assert_array_equal(said, result.metadata[name])


@given(
    seed=st.integers(0, 2**16), batch=st.integers(1, 3), delay=PLACES,
    reset=st.sampled_from(["zero", "subtract_delayed"]), decay=st.sampled_from([0.95, 0.6, 1.0]),
    bias=st.sampled_from([0.0, 0.05]), read=PLACES, votes=st.sampled_from([None, 0, 1, 3]),
    rounding=st.booleans(),
)  # fmt: skip
@settings(deadline=None, max_examples=25)
def test_steps_are_the_run(seed, batch, delay, reset, decay, bias, read, votes, rounding):
    if reset != "zero":
        decay = max(decay, 0.95)  # other leaks take several ticks per step
    net = looped(seed, reset, decay, delay, bias, read)
    program = compile_model(net, "reckon", options=nmb.CompileOptions(vote_steps=votes))
    program.image.registers["SPI_EN_STOCH_ROUND"] = int(rounding)
    spikes = bernoulli(14, batch, 8, 0.3, seed) * np.uint8(1 + seed % 2)
    same_steps(program, spikes, (1, 2, 7))


def test_steps_of_several_ticks():
    program = compile_model(looped(3, "zero", 0.5, 2, 0.1, 2), "reckon")
    assert program.metadata["ticks_per_step"] > 1
    same_steps(program, bernoulli(9, 2, 8, 0.4, 1), range(1, 9))


def test_a_layer_alone_and_neurons_that_outputs_count():
    program = compile_model(layers(6, 4, mean=0.5), "reckon")
    assert program.metadata["lags"] == {"l1": 0}
    same_steps(program, bernoulli(12, 3, 6, 0.4), range(1, 12))


def test_deep_layers_show_a_step_at_once_that_the_chip_shows_later():
    """The lag is the chip's: what comes in after a step does not change what it has shown."""
    program = compile_model(layers(6, 8, 8, 8, 4, mean=0.4), "reckon")
    assert program.metadata["lags"] == {"l1": 0, "l2": 1, "l3": 2, "l4": 3}
    spikes = bernoulli(12, 2, 6, 0.5)
    same_steps(program, spikes, range(1, 12))
    session = program.session(2)
    shown = [session.step(now) for now in spikes[:6]]
    result = program.run(np.concatenate([spikes[:6], 1 - spikes[6:]]))
    assert np.stack(shown).any()
    np.testing.assert_array_equal(np.stack(shown), result.spikes[:6])


def test_many_samples_on_several_threads():
    program = compile_model(layers(10, 8, 4, decay=0.95, mean=0.3), "reckon")
    same_steps(program, bernoulli(6, 70, 10, 0.3), (3,))


def test_traces_without_learning_and_other_registers_are_those_of_the_image():
    program = compile_model(looped(5, read=3), "reckon")
    program.image.registers.update(SPI_DO_EPROP=7, SPI_SEND_PER_TIMESTEP=1, SPI_FP_LOC_TINP=3)
    same_steps(program, bernoulli(10, 2, 8, 0.4), (4,))
    program.image.registers["SPI_REGUL_MODE"] = 7  # it would wait for a target
    spikes = bernoulli(3, 1, 8)
    for call in (program.run, lambda s: program.session().step(s[0, 0])):
        with pytest.raises(UserError, match="would wait for ever"):
            call(spikes)


def test_wrong_use_is_refused():
    program = compiled()
    one = program.session(learning=True)
    for call, words in (
        (lambda: program.session(2, learning=True), "one sample at a time"),
        (lambda: program.session(learning={"window": 3}), "leave the window out|step by step"),
        (lambda: compiled(learn=()).session(learning=True), "no synapse of this program"),
        (lambda: setattr(compiled(()).session(), "learning", True), "without learning"),
        (lambda: one.step(np.zeros(6), np.array([0, 1, 1])), "2 neurons should fire"),
        (lambda: one.step(np.zeros(6), np.array([0, 0, -1])), "0 neurons should fire"),
        (lambda: one.step(np.zeros(6), np.zeros(2)), r"expected values \[1, 3\]"),
        (lambda: one.step(np.zeros(6), np.full(3, 1e9)), "the outputs reach"),
        (lambda: one.step(np.zeros(6), OUTPUTS), "neurons 0 to 2"),
    ):
        with pytest.raises(UserError, match=words):
            call()


RULES = {
    "plain": FAST,
    "regularised": {**FAST, "regularisation": "both", "target_rate": 1.0},
    "always": {**FAST, "regularisation": "additive", "target_rate": 1.0, "always": True},
}


def learn_by_steps(session, spikes, targets, first=0, last=STEPS):
    for s in range(spikes.shape[1]):
        for t, now in enumerate(spikes[:, s]):
            told, silent = targets[s], None
            if targets.ndim > 1:
                told, silent = targets[t, s], np.full(OUTPUTS, np.nan)
            session.step(now, told if first <= t < last else silent)
        session.reset()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("window", [(0, STEPS), (4, 15)])
@pytest.mark.parametrize("kind", ["labels", "curves"])
def test_samples_learn_as_in_learn(rule, window, kind):
    program = compiled()
    spikes, targets = samples() if kind == "labels" else curves()
    session = program.session(learning=RULES[rule])
    before = program.image.copy()
    learn_by_steps(session, spikes, targets, *window)
    learned = session.learned()
    assert not program.image.differences(before)
    options = {**RULES[rule], "window": window}
    program.learn(spikes, targets, options=options, progress=False)
    assert program.image.differences(before)
    assert same(learned, program)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_a_look_in_the_middle_of_a_sample_is_as_if_it_ended_there(steps):
    program, (spikes, labels) = compiled(), samples(3)
    session = program.session(learning=FAST)
    learn_by_steps(session, spikes[:, :2], labels[:2])
    for now in spikes[:steps, 2]:
        session.step(now, labels[2])
    learned = session.learned()
    rest = compiled()
    rest.learn(spikes[:, :2], labels[:2], options=FAST, progress=False)
    rest.learn(spikes[:steps, 2:], labels[2:], options=FAST, progress=False)
    assert same(learned, rest)
    for now in spikes[steps:, 2]:
        session.step(now, labels[2])
    session.reset()
    program.learn(spikes, labels, options=FAST, progress=False)
    assert same(session.learned(), program)


def learning_logs(program, spikes, targets, rule):
    """What the chip shows while it learns, as ``program.learn`` drives it."""
    trainer = Trainer(program, ReckonLearning.of(rule))
    taught = trainer.counts(targets, *spikes.shape[:2])
    simulator = ReckonSimulator(trainer.image(regression=taught.ndim == 3))
    for _, part in trainer.samples(spikes, taught):
        for sample in part:
            yield simulator.sample(sample, ("spikes", "outputs"), range(sample.ticks))


@pytest.mark.parametrize("kind", ["labels", "curves"])
def test_what_is_shown_while_it_learns(kind):
    program, (spikes, targets) = compiled(), samples(4) if kind == "labels" else curves(4)
    address, scale = program.layout["address"], program.layout["out_scale"]
    session = program.session(learning=RULES["regularised"])
    at = np.arange(STEPS)
    for s, log in enumerate(learning_logs(program, spikes, targets, RULES["regularised"])):
        shown = []
        for t, now in enumerate(spikes[:, s]):
            told = targets[s] if targets.ndim == 1 else targets[t, s]
            np.testing.assert_array_equal(session.step(now, told), session.membranes["out"])
            shown.append((session.layers["rec"], session.membranes["out"]))
        fired, potentials = (np.stack(part) for part in zip(*shown, strict=True))
        np.testing.assert_array_equal(fired, log.spikes[at + 1][:, address])
        np.testing.assert_array_equal(potentials, log.oneur_ready[at + 1, :OUTPUTS] / scale)
        for name, counted in (("spikes", log.spikes_fired), ("sops", log.sops)):
            assert session.counters[name] == [counted]
        session.reset()


def test_layers_that_are_stacked_learn_too():
    rng = np.random.default_rng(2)
    spikes, labels = (rng.random((15, 6, 4)) < 0.7).astype(np.uint8), rng.integers(0, 4, 6)
    for learn in (("a",), ("b", "c"), ("a", "b", "c")):
        program = stacked(learn=learn)
        before = program.image.copy()
        session = program.session(learning=FAST)
        learn_by_steps(session, spikes, labels)
        program.learn(spikes, labels, options=FAST, progress=False)
        assert program.image.differences(before)
        assert same(session.learned(), program)


def test_learning_is_switched_on_and_off():
    """Learn, test, learn again: the tests are runs of what was learned, and change nothing."""
    program, (spikes, labels) = compiled(), samples(8)
    seen, _ = samples(3, seed=4)
    rule = {**FAST, "halve_every": 1}
    session = program.session(learning=rule)
    for half in (slice(0, 4), slice(4, 8)):
        session.learning = True
        learn_by_steps(session, spikes[:, half], labels[half])
        program.learn(spikes[:, half], labels[half], options=rule, progress=False)
        session.learning = False
        for s in range(3):
            result = program.run(seen[:, s])
            got = [session.step(step, 1) for step in seen[:, s]]
            np.testing.assert_array_equal(np.stack(got), result.spikes)
            np.testing.assert_array_equal(session.decisions["votes"], result.metadata["votes"])
            session.reset()
        assert same(session.learned(), program)


def test_labels_may_change_within_a_sample_but_not_become_values():
    program, (spikes, _) = compiled(), samples(2)
    one, two = (program.session(learning=FAST) for _ in range(2))
    for t, now in enumerate(spikes[:, 0]):
        one.step(now, 0)
        two.step(now, np.arange(OUTPUTS) == (t > 10))
    assert not same(one.learned(), two.learned())
    with pytest.raises(UserError, match="labels and values are targets of the same sample"):
        one.step(spikes[0, 0], np.zeros(OUTPUTS))
    one.reset()
    one.step(spikes[0, 0], np.zeros(OUTPUTS))


def test_without_targets_nothing_is_learned():
    program, (spikes, _) = compiled(), samples(2)
    session = program.session(learning={**FAST, "stochastic_rounding": False})
    assert session.taught.name == "out"
    for now in spikes[:, 0]:
        session.step(now)
        session.step(now, np.full(OUTPUTS, -1))
    for name, memory in session.learned().image.memories.items():
        np.testing.assert_array_equal(memory, program.image.memories[name])
