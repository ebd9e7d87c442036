"""Integers by gradients: kernels against a plain model, and what they are for."""

from dataclasses import replace

import numpy as np
import pytest
from crossbar_networks import bernoulli, layers, link, network, neurons
from crossbar_networks import inputs as input_population

from nm_backends.agreement import readout_agreement
from nm_backends.api import lower
from nm_backends.compiler import compile_model
from nm_backends.crossbar.choose import by_weights
from nm_backends.crossbar.descent import kernels
from nm_backends.crossbar.descent.core import Core
from nm_backends.crossbar.descent.search import held_out
from nm_backends.crossbar.descent.shadow import Shadow
from nm_backends.crossbar.descent.variants import partly_varied, varied
from nm_backends.crossbar.layout import Choices, plan
from nm_backends.crossbar.trials import Target, Trials
from nm_backends.crossbar.wiring import wire
from nm_backends.errors import UserError
from nm_backends.lowering.reference import reference
from nm_backends.program import CompileOptions
from nm_backends.registry import get_backend
from nm_backends.requantise import requantise
from nm_backends.tuning import tuner_of

CHIPS = ("odin", "tinyodin")


def soft(x, width):
    """Return a spike as the kernels see it backward: a fast sigmoid of the membrane."""
    return x / (width + abs(x))


class Plain:
    """Membranes of neurons that never fire, one event after the other, and their soft spikes."""

    def __init__(self, operations, step_end, effect, width, wanted, low):
        self.operations, self.step_end = operations, step_end
        self.effect, self.width, self.wanted, self.low = effect, width, wanted, low
        self.peak, self.base = None, None

    def loss(self, rows, threshold, leak, start):
        """Return the sum of wanted soft spikes; what these have moved since the first call counts.

        A soft spike that is more than it was at first gives its neuron's effect to all others,
        right after the event at which the membrane is highest.
        """
        v, total, made, before = start.astype(float), 0.0, [], 0
        for t, end in enumerate(self.step_end):
            steps = []
            for e in range(before, end):
                row = self.operations[e]
                if row == -1:
                    v = np.sign(v) * np.maximum(np.abs(v) - leak, 0)
                else:
                    v = np.maximum(v + rows[row], self.low)
                steps.append(v - threshold)
                if self.peak is not None:
                    for n in np.flatnonzero(self.peak[t] == e - before):
                        moved = soft(steps[-1][n], self.width[n]) - self.base[t][n]
                        v = v + moved * self.effect[n]
            over = np.array(steps)
            peak = over.argmax(axis=0) if self.peak is None else self.peak[t]
            made.append((peak, soft(over[peak, np.arange(v.size)], self.width)))
            total += (self.wanted[t] * made[-1][1]).sum()
            before = end
        if self.peak is None:
            self.peak, self.base = [m[0] for m in made], [m[1] for m in made]
        return total


@pytest.mark.parametrize("low", [0.0, -100.0])
def test_gradients_are_those_of_a_plain_model_with_soft_spikes(low):
    rng = np.random.default_rng(1)
    rows, size, steps = 5, 4, 6
    held = {
        "rows": rng.normal(0.2, 1.5, (rows, size)),
        "threshold": rng.uniform(20, 30, size),
        "leak": rng.uniform(0.2, 0.6, size),
        "start": rng.uniform(0.5, 2, size),
    }
    operations = np.concatenate([[-1, *rng.integers(0, rows, 5)] for _ in range(steps)])
    step_end = 6 * np.arange(1, steps + 1)
    effect = np.zeros((size, size))
    effect[:2, 2:] = rng.normal(0, 2, (2, 2))
    width, wanted = np.full(size, 6.0), rng.normal(size=(steps, size))
    plain = Plain(operations, step_end, effect, width, wanted, low)
    plain.loss(**held)
    single = {name: value.astype(np.float32) for name, value in held.items()}
    by = {name: np.zeros_like(value) for name, value in single.items()}
    none = np.zeros(0, np.int64)
    assert kernels.gradients(
        operations.astype(np.int32), np.array([0, operations.size]), step_end[None],
        single["rows"], none, none, single["threshold"], single["leak"], single["start"],
        np.float32(low), np.float32(255), 32, effect.astype(np.float32),
        width.astype(np.float32), np.float32(0), np.float32(1),
        wanted[None].astype(np.float32), by["rows"], by["threshold"], by["leak"], by["start"], 0, 1,
    )  # fmt: skip
    for name, value in held.items():
        for at in np.ndindex(value.shape):
            moved = {k: v.copy() for k, v in held.items()}
            moved[name][at] += 1e-5
            above = plain.loss(**moved)
            moved[name][at] -= 2e-5
            slope = (above - plain.loss(**moved)) / 2e-5
            assert by[name][at] == pytest.approx(slope, abs=2e-4), (name, at)


@pytest.mark.parametrize("name", CHIPS)
@pytest.mark.parametrize("order", ["ascending", "inhibitory_first"])
def test_forward_is_the_chips_engine(name, order):
    net = layers(8, 6, 4, decay=0.9, seed=3)
    net.projections.append(link("l1", "l1", np.random.default_rng(0).normal(0, 0.2, (6, 6)), 1))
    chip, wiring = get_backend(name).chip, wire(net)
    chosen = by_weights(chip, wiring, CompileOptions(order=order, settle="never"))
    trials = Trials(chip, wiring, Target.of(net, wiring, bernoulli(20, 5, 8, 0.4)))
    made = plan(wiring, chosen.integers, chip, Choices(order))
    coded = trials._encoded(made.layout)
    fired = np.zeros((5, 20, 10), np.uint8)
    arguments = Core.of(chip, wiring, made).arguments(chosen.integers, coded)
    assert kernels.spikes(*arguments, fired, 0, 5)
    wanted = trials.run(chosen.integers, Choices(order)).fired
    assert fired.any()
    np.testing.assert_array_equal(fired.transpose(1, 0, 2), wanted)


def test_variants_are_like_the_given_spikes():
    given = bernoulli(30, 40, 12, 0.3)
    given[:, :, 0] = 0
    made = varied(given, np.random.default_rng(0))
    assert made.dtype == np.uint8
    assert made.shape == given.shape
    assert not made[:, :, 0].any()  # a channel that never spikes does not begin to
    assert 0.6 < made.sum() / given.sum() < 1.1
    assert (made != given).mean() > 0.1
    assert np.array_equal(made, varied(given, np.random.default_rng(0)))


def test_some_samples_are_learned_from_as_they_are():
    given = bernoulli(30, 40, 12, 0.3)
    made = partly_varied(given, 0.8, np.random.default_rng(0))
    same = (made == given).all(axis=(0, 2)).mean()
    assert 0.5 < same < 0.95
    assert np.array_equal(partly_varied(given, 1.0, np.random.default_rng(0)), given)


def test_a_running_mean_is_steadier_than_single_steps():
    chip = get_backend("odin").chip
    net = layers(8, 6, 3, decay=0.9, seed=3)
    wiring = wire(net)
    integers = by_weights(chip, wiring, CompileOptions()).integers
    shadow = Shadow(chip, integers, wiring.weights != 0, np.ones((len(wiring.weights), 2), bool))
    zero = {name: np.zeros(value.shape) for name, value in shadow.values.items()}
    seen = []
    for sign in np.random.default_rng(0).choice([-1.0, 1.0], 80):
        shadow.step(zero | {"threshold": np.full(9, sign)}, {"threshold": 8.0})
        seen.append((shadow.integers.threshold, shadow.steady.threshold))
    now, mean = np.array(seen)[40:].std(axis=0)
    assert (mean < now).all()


def test_samples_are_either_learned_from_or_held_out():
    learned, held = held_out(40)
    assert held.size == 10
    assert np.array_equal(np.sort([*learned, *held]), np.arange(40))


@pytest.fixture
def short(monkeypatch):
    """Let descents be short."""
    from nm_backends.crossbar.descent import search

    monkeypatch.setattr(search, "NEAR", replace(search.NEAR, steps=24))
    monkeypatch.setattr(search, "FAR", replace(search.FAR, steps=240))


def rivals(own, other, within, between, decay):
    """Return two groups of hidden neurons, each with its four inputs and an output of its own.

    Parameters
    ----------
    own, other
        Mean weights from the inputs of the own and of the other group.
    within, between
        Mean recurrent weights.
    """
    rng = np.random.default_rng(0)
    same = np.kron(np.eye(2), np.ones((4, 3))) > 0
    first = np.where(same, own, other) + rng.normal(0, 0.02, (8, 6))
    alike = np.kron(np.eye(2), np.ones((3, 3))) > 0
    links = [link("in", "a", first), link("a", "b", np.kron(np.eye(2), np.full((3, 1), 0.4)))]
    if within or between:
        links.append(link("a", "a", np.where(alike, within, between), 1))
    hidden, out = neurons("a", 6, decay=decay), neurons("b", 2, decay=0.9)
    return network([input_population(8), hidden, out], links)


def one_group(batch, seed):
    """Return samples in which the inputs of one group spike more often."""
    rng = np.random.default_rng(seed)
    rates = np.where(rng.random(batch) < 0.5, 0.35, 0.1)[:, None]
    rates = np.hstack([np.repeat(rates, 4, axis=1), np.repeat(0.45 - rates, 4, axis=1)])
    return (rng.random((16, batch, 8)) < rates).astype(np.uint8)


def one_after_the_other(batch, seed):
    """Return samples in which the inputs of one group spike first, then those of the other."""
    rng = np.random.default_rng(seed)
    now = (np.arange(16)[:, None] < 8) == (rng.random(batch) < 0.5)
    rates = np.where(np.repeat(now[:, :, None], 4, axis=2), 0.5, 0.02)
    other = np.where(np.repeat(now[:, :, None], 4, axis=2), 0.02, 0.5)
    return (rng.random((16, batch, 8)) < np.concatenate([rates, other], axis=2)).astype(np.uint8)


RECURRENT = rivals(0.3, 0.0, within=0.6, between=-0.6, decay=0.8), one_group
INHIBITED = rivals(0.4, -0.9, within=0, between=0, decay=0.98), one_after_the_other


def decided(net, program, spikes):
    """Return how often the chip decides as the model does."""
    expected = reference(net, spikes).spikes
    return readout_agreement(program.run(spikes).spikes, expected)


@pytest.mark.parametrize(("name", "case"), [("tinyodin", RECURRENT), ("odin", INHIBITED)])
def test_what_plain_rounding_loses_is_found_by_descent(name, case, short):
    """Recurrent spikes that never end within a step, and charge below zero that decides."""
    net, samples = case
    unseen = samples(200, 2)
    share = np.mean(reference(net, unseen).prediction == 0)
    assert 0.3 < share < 0.7  # the model does decide
    options = CompileOptions(descent="always")
    program = compile_model(net, name, calibrate=samples(64, 1), options=options)
    if name == "tinyodin":
        with pytest.raises(UserError, match="keep each other firing"):
            compile_model(net, name).run(unseen)
        plain = 0.0
    else:
        plain = decided(net, compile_model(net, name), unseen)
    assert decided(net, program, unseen) > max(plain + 0.15, 0.85)


def test_threads_and_repetition_change_nothing(short, monkeypatch):
    from nm_backends.crossbar.descent import passes

    net, spikes = INHIBITED[0], one_after_the_other(40, 1)
    options = CompileOptions(descent="always")
    images = []
    for count in (1, 3):
        monkeypatch.setattr(passes, "usable_cores", lambda count=count: count)
        images.append(compile_model(net, "odin", calibrate=spikes, options=options).image)
    for name, words in images[0].memories.items():
        np.testing.assert_array_equal(words, images[1].memories[name])


def test_never_worse_than_plain_rounding_on_held_out_samples(short, monkeypatch):
    """Also where descent leads astray: then plain rounding is what comes back."""
    from nm_backends.crossbar.descent import search

    astray = Trials.score
    monkeypatch.setattr(
        search.Descent, "run", lambda self, start, seen, every: seen([_noise(start)])
    )
    net, spikes = layers(8, 6, 3, decay=0.9, seed=3), bernoulli(16, 64, 8)
    chip, wiring = get_backend("odin").chip, wire(net)
    everything = Trials(chip, wiring, Target.of(net, wiring, spikes))
    plain = by_weights(chip, wiring, CompileOptions())
    kept = search.by_descent(net, everything, CompileOptions(), [plain])
    held = search.with_variants(net, everything.on(held_out(64)[1]))
    scores = [astray(held, held.run(one.integers, one.choices)) for one in (kept, plain)]
    assert scores[0] <= scores[1]


def _noise(start):
    rng = np.random.default_rng(0)
    return start.with_(weights=rng.integers(-7, 8, start.weights.shape) * (start.weights != 0))


def test_synapses_that_the_model_does_not_have_are_counted_kept_and_given_back(short):
    net, spikes = INHIBITED[0], one_after_the_other(40, 1)
    program = compile_model(net, "odin", calibrate=spikes, options=CompileOptions(descent="always"))
    extra = program.metadata.get("lateral_synapses", 0)
    back = [p for p in lower(program.to_nir()).projections if p.pre == p.post == "a"]
    assert sum(p.weights.nnz for p in back) == extra > 0
    again = requantise(program, program.network)
    np.testing.assert_array_equal(
        again.image.memories["synapse"], program.image.memories["synapse"]
    )
    never = CompileOptions(descent="always", lateral="never")
    plain = compile_model(net, "odin", calibrate=spikes, options=never)
    assert "lateral_synapses" not in plain.metadata


def test_a_tuner_begins_with_the_image_and_moves_all_that_it_holds(short):
    net, spikes = INHIBITED[0], one_after_the_other(40, 1)
    program = compile_model(net, "odin", calibrate=spikes, options=CompileOptions(descent="always"))
    tuner = tuner_of(program)
    same = tuner.program()
    np.testing.assert_array_equal(same.run(spikes).spikes, program.run(spikes).spikes)
    assert same.metadata["lateral_synapses"] == program.metadata["lateral_synapses"]
    slopes = {"b": np.ones((16, 40, 2), np.float32)}
    found = tuner.gradients(spikes, slopes)
    assert set(found) == set(tuner.values) == {"weights", "threshold", "leak", "start", "bias"}
    assert found["weights"][8:14, :6].any()  # synapses that the model does not have
    assert not found["weights"][14:].any()  # outputs drive nobody
    before = same.run(spikes).layers["b"].sum()
    moved = {n: v - 2 * tuner.units[n] * np.sign(found[n]) for n, v in tuner.values.items()}
    tuner.take(moved)
    assert tuner.program().run(spikes).layers["b"].sum() < before
    assert abs(tuner.values["weights"]).max() < 7.5  # the chip's format
    tuner.take({"threshold": np.full(8, 1e6)})
    assert not tuner.program().run(spikes).spikes.any()


def test_a_tuner_is_refused_where_gradients_do_not_go():
    net, spikes = layers(8, 6, 3, decay=0.9, seed=3), bernoulli(16, 4, 8)
    with pytest.raises(UserError, match="gradients do not go through the dynamics of reckon"):
        tuner_of(compile_model(net, "reckon", calibrate=spikes))
    program = compile_model(net, "odin", calibrate=spikes)
    program.metadata["inputs_without_a_row"] = 3
    with pytest.raises(UserError, match="3 inputs without a row: gradients do not go"):
        tuner_of(program)
