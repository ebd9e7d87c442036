"""``program.learn`` on ReckOn: the chip's rule, bit for bit, from network to learned image."""

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import nir
import numpy as np
import pytest
from reference_models.reckon import ReckonReference

import nm_backends as nmb
from nm_backends.errors import UserError
from nm_backends.requantise import requantise
from nm_backends.rules import CompileError
from nm_reckon.learning_options import ReckonLearning
from nm_reckon.training import Trainer

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))
import itertools

import reckon_network

SIZES = INPUTS, NEURONS, OUTPUTS = 6, 10, 3
STEPS = 20
CONSTANTS = (0.02, 0.01, 0.6)
GAINS = (1.0, 0.3, 0.6)
FAST = {"rate_input": 1e-3, "rate_recurrent": 1e-3, "rate_output": 2e-2, "seed": 5,
        "regularisation": "none"}  # fmt: skip
ALL = reckon_network.LAYERS
SAID = nmb.Discretisation(dt=1e-3, reset="zero", spike_cmp=">=", v0="zero")


def compiled(learn=ALL, seed=1, **changes):
    return reckon_network.compiled(SIZES, seed, CONSTANTS, GAINS, learn=learn, **changes)


def samples(number=8, seed=1):
    rng = np.random.default_rng(seed)
    spikes = (rng.random((STEPS, number, INPUTS)) < 0.3).astype(np.uint8)
    return spikes, rng.integers(0, OUTPUTS, number)


def curves(number=8, seed=1):
    spikes, _ = samples(number, seed)
    step = np.arange(STEPS)[:, None, None]
    values = 0.5 * np.sin(step / 5.0 + np.arange(OUTPUTS)) * np.ones((1, number, 1))
    return spikes, values


def memories(program):
    return {n: m for n, m in program.image.memories.items() if n.endswith("_weight")}


def same(one, two):
    return not one.image.differences(two.image)


@pytest.mark.parametrize("learn", [ALL, ("w_rec",), ("w_in", "w_out")])
@pytest.mark.parametrize("rule", [FAST, {**FAST, "regularisation": "both", "target_rate": 1.0}])
@pytest.mark.parametrize("kind", ["labels", "curves"])
def test_learning_is_that_of_the_plain_model(learn, rule, kind):
    program = compiled(learn)
    spikes, targets = samples() if kind == "labels" else curves()
    options = ReckonLearning.of({**rule, "window": (4, 18)})
    trainer = Trainer(program, options)
    taught = trainer.counts(targets, *spikes.shape[:2])
    model = ReckonReference(trainer.image(regression=kind == "curves"))
    for _, part in trainer.samples(spikes, taught):
        for sample in part:
            model.sample(sample)
    wanted, before = model.image(), program.image.copy()
    program.learn(spikes, targets, options=options, progress=False)
    changed = []
    for name, memory in memories(program).items():
        assert np.array_equal(memory, wanted.memories[name]), name
        if (memory != before.memories[name]).any():
            changed.append(name)
    assert changed == [
        f"{name}_weight" for layer, name in zip(ALL, ("input", "recurrent", "output"), strict=True)
        if layer in learn
    ]  # fmt: skip
    for name, value in wanted.registers.items():
        if name.startswith("SPI_SEED"):
            assert program.image.registers[name] == value
    assert program.image.registers["SPI_DO_EPROP"] == 0
    assert np.array_equal(program.image.memories["neuron"], before.memories["neuron"])


@pytest.mark.parametrize("kind", ["labels", "curves"])
def test_stopped_saved_and_resumed_learning_gives_the_same_bits(kind, tmp_path):
    spikes, targets = samples(20) if kind == "labels" else curves(20)
    how = {"options": FAST | {"halve_every": 2}, "shuffle": 3, "progress": False}
    straight, parts = compiled(), compiled()
    straight.learn(spikes, targets, epochs=4, **how)
    for epochs in (1, 2, 1):
        parts.learn(spikes, targets, epochs=epochs, **how)
        parts.save(tmp_path / "p.nmb")
        parts = nmb.load(tmp_path / "p.nmb")
    assert same(straight, parts)
    assert np.array_equal(straight.run(spikes).readout, parts.run(spikes).readout)
    other = compiled()
    other.learn(spikes, targets, epochs=4, **(how | {"shuffle": 4}))
    assert not same(straight, other)


def test_seeds_decide_also_in_threads():
    spikes, labels = samples(10)

    def learned(seed):
        program = compiled(seed=seed)
        program.learn(spikes, labels, epochs=2, options=FAST | {"seed": seed}, progress=False)
        return program

    alone = [learned(seed) for seed in (1, 2, 3)]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(learned, (1, 2, 3)))
    assert all(same(a, b) for a, b in zip(alone, together, strict=True))
    assert not same(alone[0], alone[1])


def test_history_has_the_chips_own_votes_and_weights_of_both_signs():
    program, (spikes, labels) = compiled(), samples(30)
    seen = []
    history = program.learn(
        spikes, labels, epochs=2, options=FAST, validation=samples(12, seed=5),
        progress=seen.append,
    )  # fmt: skip
    assert sum(seen) == 60
    assert history.measured_on == "validation samples"
    assert np.isin(np.rint(history.accuracy * 12), range(13)).all()
    assert np.isnan(history.loss).all()
    trainer = Trainer(program, ReckonLearning())
    stored = trainer.weights().astype(int)
    assert stored.min() < 0 < stored.max()
    assert history.epochs[2].mean == pytest.approx(stored.mean())
    assert history.epochs[2].spread == pytest.approx(stored.std())
    assert history.epochs[1].changed > 0
    assert history.to_json()["options"]["seed"] == 5


def test_the_loss_of_a_regression_is_what_the_outputs_are_off():
    program, (spikes, values) = compiled(("w_out",)), curves(1)
    history = program.learn(
        np.repeat(spikes, 30, axis=1), np.repeat(values, 30, axis=1), epochs=4,
        options=FAST | {"rate_output": 2e-3}, validation=(spikes, values), progress=False,
    )  # fmt: skip
    assert history.loss[-1] < 0.7 * history.loss[0]
    assert np.isnan(history.accuracy).all()
    assert "loss" in str(history)
    # The run programs the generators before each sample, as this judgement of one sample does.
    shown = program.run(spikes).membranes["out"]
    off = np.mean((shown - values) ** 2)
    assert off == pytest.approx(history.loss[-1], rel=0.1)


def test_targets_are_in_the_users_units_and_leaked_once_as_the_outputs_are():
    program = compiled()
    trainer = Trainer(program, ReckonLearning())
    scale = float(program.layout["out_scale"][0])
    kappa = program.image.registers["SPI_KAPPA"] / 128
    chip = trainer.counts(np.full((STEPS, 2, OUTPUTS), 0.5), STEPS, 2)
    assert chip.dtype == np.int16
    assert (chip == round(0.5 * scale * kappa)).all()
    squashed = Trainer(program, ReckonLearning(activation=True))
    assert (squashed.counts(np.ones((STEPS, 2, OUTPUTS)), STEPS, 2) == 2048).all()
    with pytest.raises(UserError, match="the outputs reach"):
        trainer.counts(np.full((STEPS, 2, OUTPUTS), 1e4), STEPS, 2)
    with pytest.raises(UserError, match="NaN"):
        trainer.counts(np.full((STEPS, 2, OUTPUTS), np.nan), STEPS, 2)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (np.zeros(7, int), "one integer for each of 8 samples"),
        (np.zeros(8), "expected labels, one integer"),
        (np.full(8, OUTPUTS), "labels 3 to 3, the outputs are 0 to 2"),
        (np.zeros((STEPS, 8, OUTPUTS + 1)), r"shape \[20, 8, 4\], expected labels \[8\] or values"),
    ],
)
def test_targets_that_do_not_fit_are_refused(targets, message):
    spikes, _ = samples()
    with pytest.raises(UserError, match=message):
        compiled().learn(spikes, targets)


def test_wrong_use_is_refused():
    spikes, labels = samples()
    plain = compiled(learn=())
    with pytest.raises(UserError, match="no synapse of this program may change"):
        plain.learn(spikes, labels)
    with pytest.raises(UserError, match="unknown"):
        compiled().learn(spikes, labels, options={"rates": 1})
    with pytest.raises(UserError, match="outputs of ReckOn do not spike"):
        compiled().learn(spikes, labels, readout="first")
    with pytest.raises(UserError, match="no such weight node"):
        compiled(learn=("w_off",))
    with pytest.raises(UserError, match="a sample of 20 steps"):
        compiled().learn(spikes, labels, options={"window": (0, 21)})


def stacked(bias=0.0, learn=("a",), weight=0.2, inputs=4, zeros=0):
    """Two layers of neurons and an output, no recurrent weights; ``zeros`` inputs drive nothing."""
    one = np.ones(4)
    neurons = [nir.LIF(20e-3 * one, 20 * one, 0 * one, 0.6 * one) for _ in range(2)]
    sizes = ((4, inputs), (4, 4), (4, 4))
    weights = [nir.Linear(weight * np.ones(size)) for size in sizes]
    weights[0].weight[:, inputs - zeros :] = 0
    if bias:
        weights[0] = nir.Affine(weights[0].weight, np.full(4, bias))
    names = ("input", "a", "first", "b", "second", "c", "out", "output")
    parts = (
        nir.Input({"input": np.array([inputs])}), weights[0], neurons[0], weights[1], neurons[1],
        weights[2], nir.LI(20e-3 * one, 20 * one, 0 * one), nir.Output({"output": np.array([4])}),
    )  # fmt: skip
    pairs = list(itertools.pairwise(names))
    graph = nir.NIRGraph(dict(zip(names, parts, strict=True)), pairs)
    return nmb.compile(graph, "reckon", SAID, options=nmb.CompileOptions(learn=learn))


def test_what_learns_is_a_whole_memory_and_nothing_but_weights_of_the_model():
    assert Trainer(stacked(), ReckonLearning()).matrices == ("input",)
    assert Trainer(stacked(learn=("b", "c")), ReckonLearning()).matrices == ("recurrent", "output")
    refused("RECKON040", "biases, resting and initial membranes", lambda: stacked(bias=0.1))
    stacked(bias=0.1, learn=("c",))


def refused(code, message, make):
    with pytest.raises(CompileError, match=message) as caught:
        make()
    assert caught.value.report.codes == {code}
    (said,) = caught.value.report.errors
    assert said.node
    assert said.hint


def test_inputs_whose_weights_are_0_so_far_can_learn():
    program = stacked(learn=("a", "b", "c"), inputs=6, zeros=3)
    assert program.layout["event_channel"].tolist() == list(range(6))
    assert not requantise(program, program.network).image.differences(program.image)
    spikes = (np.random.default_rng(1).random((STEPS, 40, 6)) < 0.4).astype(np.uint8)
    options = {"rate_input": 2e-2, "regularisation": "none", "seed": 5}
    program.learn(spikes, np.arange(40) % 4, options=options, progress=False)
    learned = program.weights("a")
    assert (learned[:, 3:] != 0).any()
    held = program.image.memories["input_weight"].view(np.int8).reshape(256, 256)
    unit = 8 / program.layout["scale"][0]
    first = program.layout["address"][:4]
    assert np.array_equal(learned, unit * held[np.ix_(range(6), first)].T)
    plain = stacked(learn=("b", "c"), inputs=6, zeros=3)
    assert plain.layout["event_channel"].tolist() == [0, 1, 2]
    assert np.array_equal(program.to_nir().nodes["a"].weight, learned)


def test_layers_whose_weights_are_all_0_so_far_learn_in_their_turn():
    program = stacked(weight=0.0, learn=("a", "b", "c"))
    assert program.metadata["lags"] == {"first": 0, "second": 1, "out": 2}
    assert stacked(weight=0.0, learn=("c",)).metadata["lags"]["second"] == 0


def test_inputs_that_are_to_learn_need_addresses():
    stacked(inputs=257, zeros=1, learn=("c",))
    message = "257 input addresses are needed with a, c learning"
    refused("RECKON041", message, lambda: stacked(inputs=257, zeros=1, learn=("a", "c")))


def test_no_neuron_may_just_hand_spikes_on():
    def skipping(weight, learn=("w_rec", "w_skip")):
        graph = reckon_network.graph(SIZES, 1, CONSTANTS, GAINS)
        graph.nodes["w_skip"] = nir.Linear(weight * np.ones((OUTPUTS, INPUTS)))
        graph.edges += [("input", "w_skip"), ("w_skip", "out")]
        return nmb.compile(graph, "reckon", SAID, options=nmb.CompileOptions(learn=learn))

    refused("RECKON039", "6 neurons only hand spikes on", lambda: skipping(0.1, ("w_rec",)))
    skipping(0.0, ("w_rec",))
    refused(
        "RECKON039", "6 neurons only hand spikes on", lambda: skipping(0.0, ("w_skip", "w_out"))
    )


def test_a_loop_that_is_yet_to_learn_is_a_loop():
    graph = reckon_network.graph(SIZES, 1, CONSTANTS, GAINS)
    one = np.ones(4)
    graph.nodes["more"] = nir.LIF(20e-3 * one, 20 * one, 0 * one, 0.6 * one)
    graph.nodes["w_to"] = nir.Linear(0.1 * np.ones((4, NEURONS)))
    graph.nodes["w_back"] = nir.Linear(np.zeros((NEURONS, 4)))
    graph.edges += [("rec", "w_to"), ("w_to", "more"), ("more", "w_back"), ("w_back", "rec")]
    nmb.compile(graph, "reckon", SAID)
    options = nmb.CompileOptions(learn=("w_rec", "w_to", "w_back"))
    refused(
        "RECKON006", "the loop through", lambda: nmb.compile(graph, "reckon", SAID, options=options)
    )


def test_only_a_program_that_stays_is_told_that_it_was_not_calibrated():
    assert "RECKON027" in compiled(learn=()).report.codes
    assert "RECKON027" not in compiled().report.codes


def test_a_memory_is_not_shared_with_layers_that_stay():
    graph = reckon_network.graph(SIZES, 1, CONSTANTS, GAINS)
    one = np.ones(4)
    graph.nodes["w_more"] = nir.Linear(0.1 * np.ones((4, NEURONS)))
    graph.nodes["more"] = nir.LIF(20e-3 * one, 20 * one, 0 * one, 0.6 * one)
    graph.nodes["w_end"] = nir.Linear(0.1 * np.ones((OUTPUTS, 4)))
    del graph.nodes["w_out"]
    graph.edges = [edge for edge in graph.edges if "w_out" not in edge]
    graph.edges += [("rec", "w_more"), ("w_more", "more"), ("more", "w_end"), ("w_end", "out")]
    options = nmb.CompileOptions(learn=("w_rec",))
    message = "w_more is in the memory of recurrent weights too"
    refused("RECKON038", message, lambda: nmb.compile(graph, "reckon", SAID, options=options))
    program = nmb.compile(graph, "reckon", SAID)
    with pytest.raises(UserError, match="w_more is in the memory of recurrent weights"):
        Trainer(replace(program, options=options), ReckonLearning())


def test_the_scale_leaves_room_and_is_the_same_for_all_neurons():
    program = compiled()
    scale = program.layout["scale"]
    assert (scale == scale[0]).all()
    assert np.log2(scale[0]) % 1 == 0
    held = max(np.abs(m.view(np.int8).astype(int)).max() for m in memories(program).values())
    assert 31 <= held <= 64
    assert program.image.registers["SPI_EN_STOCH_ROUND"] == 1
    base = Trainer(program, ReckonLearning()).base()
    assert base.threshold == pytest.approx(0.6, rel=0.01)
    assert base.tau_m == pytest.approx(0.02, rel=0.03)


def test_learned_weights_go_back_into_the_model():
    program, (spikes, labels) = compiled(("w_in", "w_rec")), samples(20)
    model = reckon_network.graph(SIZES, 1, CONSTANTS, GAINS)
    program.learn(spikes, labels, options=FAST, progress=False)
    learned = program.to_nir(model)
    assert np.allclose(learned.nodes["w_in"].weight, program.weights("w_in"))
    assert (learned.nodes["w_rec"].weight != model.nodes["w_rec"].weight).any()
    assert np.array_equal(learned.nodes["w_out"].weight, model.nodes["w_out"].weight)


def test_a_continuous_run_decides_as_the_history_says():
    """Generators run on in both, so that accuracies are the same; samples depend on their order."""
    program = compiled()
    spikes, labels = samples(40)
    options = {**FAST, "window": (4, STEPS)}
    history = program.learn(spikes, labels, options=options, progress=False)
    result = program.run(spikes, driving="continuous")
    votes = result.metadata["label"]
    assert np.mean(votes == labels) == history.accuracy[-1]
    again = program.run(spikes, driving="continuous", record=("membrane",))
    assert np.array_equal(again.metadata["label"], votes)
    single = program.run(spikes[:, 1:2], driving="continuous")
    alone = program.run(spikes[:, 1:2])
    assert np.array_equal(single.spikes, alone.spikes), "the first is the same"
    assert not np.array_equal(result.spikes[:, 1], single.spikes[:, 0]), "another came first"
