"""``program.learn`` on MorphIC: rule, teacher, what is kept, and that something is learned."""

import itertools
from dataclasses import replace

import nir
import numpy as np
import pytest
from reference_models.morphic import MorphicReference

import nm_backends as nmb
from nm_backends.errors import UserError
from nm_backends.export import read_events, read_export, read_learned
from nm_backends.registry import get_backend
from nm_backends.rules import CompileError
from nm_morphic.assumptions import Assumptions
from nm_morphic.image import images_of, joined
from nm_morphic.learning_options import MorphicLearning
from nm_morphic.simulator import MorphicSimulator

INPUTS, CLASSES, STEPS = 24, 3, 24
SAID = nmb.Discretisation(dt=1e-3, reset="zero", spike_cmp=">=", if_gain="r", v0="zero")
FORGETS = {"p_up": 300, "p_down": 300, "thr": 1000, "excite": 1, "inhibit": 1, "seed": 3}


def network(weights, threshold=4.0, hidden=None, bias=None):
    """Layers of integrate-and-fire neurons: ``weights`` [post, pre], and of a second layer."""
    nodes, names = {"input": nir.Input({"input": np.array([weights.shape[1]])})}, ["input"]
    for number, matrix in enumerate([weights] if hidden is None else [weights, hidden], start=1):
        fc, out, one = f"fc{number}", f"out{number}", np.ones(len(matrix))
        wide = matrix.astype(float)
        nodes[fc] = nir.Linear(wide) if bias is None else nir.Affine(wide, bias * one)
        nodes[out] = nir.IF(r=one, v_threshold=threshold * one, v_reset=0 * one)
        names += [fc, out]
    nodes["output"] = nir.Output({"output": np.array([len(nodes[names[-2]].weight)])})
    names.append("output")
    return nir.NIRGraph(nodes, list(itertools.pairwise(names)))


def compiled(weights, learn=("fc1",), **more):
    options = nmb.CompileOptions(learn=learn)
    return nmb.compile(network(weights, **more), "morphic", SAID, options=options)


def random_weights(seed, shape=(CLASSES, INPUTS), values=(-1, 1)):
    return np.random.default_rng(seed).choice(values, shape)


def patterns(number, seed, noise=0.1):
    """Each class has inputs of its own that spike once, in any order; some of others do, too."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, CLASSES, number)
    own = np.arange(INPUTS) * CLASSES // INPUTS == labels[:, None]
    there = np.where(random.random(own.shape) < noise, ~own, own)
    when = random.random(own.shape).argsort(axis=1)
    spikes = np.zeros((STEPS, number, INPUTS), np.uint8)
    sample, channel = np.nonzero(there)
    spikes[when[sample, channel], sample, channel] = 1
    return spikes, labels


@pytest.mark.parametrize("values", [(-1, 1), (0, 1)])
def test_a_small_problem_is_learned(values):
    program = compiled(random_weights(0, values=values))
    train, test = patterns(150, 1), patterns(200, 2)
    history = program.learn(*train, epochs=2, options=FORGETS | {"p_up": 80, "p_down": 20},
                            validation=test, shuffle=0, progress=False)  # fmt: skip
    assert history.accuracy[-1] > 0.8
    assert history.accuracy[-1] > history.accuracy[0] + 0.2
    held = program.weights("fc1")
    own = np.arange(INPUTS) * CLASSES // INPUTS == np.arange(CLASSES)[:, None]
    assert held[own].mean() > held[~own].mean() + 0.5
    assert set(np.unique(held)) <= set(values)


def test_learning_is_that_of_the_plain_model():
    options = MorphicLearning(p_up=300, p_down=200, thr=9, thetamem=1, ca_theta1=0, ca_theta2=3,
                              ca_theta3=6, ca_leak=5, leak_str=1, excite=2, inhibit=1)  # fmt: skip
    program = compiled(random_weights(1))
    trainer = get_backend("morphic").learner(program, options)
    spikes, labels = (part[..., :2, :] if part.ndim > 1 else part[:2] for part in patterns(2, 5))
    taught = trainer.counts(labels, STEPS, 2)
    images = images_of(trainer.image())
    model = MorphicReference(images, 1, Assumptions())
    assert trainer.epoch(spikes, taught) == 0
    rest = [[(n.membrane, n.calcium, n.leak_count) for n in core.neurons] for core in model.cores]
    both = np.concatenate([spikes, taught], axis=2)
    for sample in range(2):
        for core, states in zip(model.cores, rest, strict=True):
            for neuron, state in zip(core.neurons, states, strict=True):
                neuron.membrane, neuron.calcium, neuron.leak_count = state
        model.send([[event] for event in as_events(trainer.layout, both[:, sample])])
    bits = np.array([core.bits for core in model.cores], np.uint8).reshape(-1, 512)
    learned = np.unpackbits(program.image.memories["synapse_row"], axis=1, bitorder="little")
    plastic = trainer.plastic
    assert np.array_equal(learned[plastic], bits[plastic])
    assert program.image.registers["LFSR_SEED_0"] == model.cores[0].lfsr


def as_events(layout, spikes):
    """Events (number, chip, core, row) as the documentation of the layout has them."""
    number, slots = 0, list(zip(layout["slot_word"].tolist(), layout["slot_channel"], strict=True))
    for step in spikes:
        for word, channel in slots:
            for _ in range(1 if channel < 0 else int(step[channel])):
                reference = word >> 26 & 1
                yield (number, -1, -1, -1) if reference else (number, 0, word >> 10, word & 1023)
                number += 1


def test_two_calls_are_two_epochs_and_seeds_decide():
    train = patterns(20, 3)
    found = []
    for seed, calls in ((1, (2,)), (1, (1, 1)), (2, (2,))):
        program = compiled(random_weights(0))
        options = FORGETS | {"seed": seed}
        for epochs in calls:
            program.learn(*train, epochs=epochs, options=options, shuffle=4, progress=False)
            options = options | {"seed": None}
        found.append(program.image)
    assert not found[0].differences(found[1])
    assert found[0].differences(found[2])


def test_what_was_learned_is_saved_exported_and_returned(tmp_path):
    program = compiled(random_weights(0))
    before = program.image.copy()
    program.learn(*patterns(10, 3), options=FORGETS, progress=False)
    changed = set(program.image.differences(before))
    assert changed
    held = program.weights("fc1")
    assert not np.array_equal(held, random_weights(0))
    assert np.array_equal(program.to_nir().nodes["fc1"].weight, held)
    program.save(tmp_path / "p.nmb")
    again = nmb.load(tmp_path / "p.nmb")
    assert not again.image.differences(program.image)
    assert again.metadata["epochs_learned"] == 1
    stream = get_backend("morphic")
    back = stream.read_stream(stream.write_stream(program.image))
    assert not back.differences(program.image)


def test_other_layers_stay_as_they_are():
    first, second = random_weights(0, (12, INPUTS)), random_weights(1, (CLASSES, 12))
    program = compiled(first, ("fc2",), hidden=second)
    program.learn(*patterns(10, 3), options=FORGETS, progress=False)
    assert np.array_equal(program.weights("fc1"), first)
    assert not np.array_equal(program.weights("fc2"), second)


@pytest.mark.parametrize("teacher", ["neutral", "contrast"])
@pytest.mark.parametrize("values", [(-1, 1), (0, 1)])
def test_teachers_push_whom_they_are_to_push(teacher, values):
    program = compiled(random_weights(0, values=values))
    if teacher == "contrast" and values == (0, 1):
        with pytest.raises(
            UserError, match="teacher='contrast', but core 0 has weights of 0 and 1"
        ):
            get_backend("morphic").learner(program, MorphicLearning(teacher=teacher))
        return
    inhibit = int(teacher == "neutral")
    options = MorphicLearning(teacher=teacher, excite=3, inhibit=2 * inhibit, thr=900)
    trainer = get_backend("morphic").learner(program, options)
    taught = trainer.counts(np.array([1]), 4, 1)
    nothing = np.zeros((4, 1, INPUTS), np.uint8)
    membranes = membranes_after(trainer, np.concatenate([nothing, taught], axis=2))
    unit = 2 if values == (-1, 1) and teacher == "neutral" else 1
    wrong = -4 * 2 * unit if inhibit else -4 * 3
    assert membranes == [wrong, 4 * 3 * unit, wrong]


def membranes_after(trainer, both):
    program = replace(trainer.program, image=trainer.image())
    simulator = simulated(program)
    for event in as_events(trainer.layout, both[:, 0]):
        simulator.send(np.array([event[1:]]))
    return simulator.read("core")[0, 0][trainer._plastic.places].tolist()


def simulated(program):
    from nm_morphic.simulator import MorphicSimulator

    return MorphicSimulator(images_of(program.image))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"p_up": -1}, "p_up is -1, expected 0 to 65536"),
        ({"ca_theta1": 8}, "ca_theta1 is 8, expected 0 to 7"),
        ({"teacher": "rows"}, "teacher is 'rows', expected neutral or contrast"),
        ({"teacher": "contrast", "inhibit": 1}, "a teacher of contrast pushes the others down"),
        ({"p_upp": 1}, "learning option 'p_upp': unknown"),
        ({"p_up": 1025}, "p_up is 1025, expected 0 to 1024"),
        ({"thetamem": 1024}, "thetamem is 1024, expected -1024 to 1023"),
    ],
)
def test_options_are_checked(given, message):
    program = compiled(random_weights(0))
    with pytest.raises(UserError, match=message):
        program.learn(*patterns(1, 0), options=given, progress=False)


def test_what_cannot_learn_is_refused():
    with pytest.raises(CompileError, match=r"MORPH043.*of the rows of level L0 some learn"):
        compiled(random_weights(0), bias=1.0)
    with pytest.raises(CompileError, match=r"MORPH044.*neurons that learn are stored twice"):
        compiled(
            random_weights(0, (12, INPUTS)), hidden=random_weights(1, (CLASSES, 12), (-1, 0, 1))
        )
    with pytest.raises(UserError, match="no synapse of this program may change"):
        compiled(random_weights(0), learn=()).learn(*patterns(1, 0), progress=False)
    many = compiled(random_weights(0, (CLASSES, 1000)))
    with pytest.raises(UserError, match=r"the teacher needs 4 rows of core 0, 0 are free"):
        get_backend("morphic").learner(many, MorphicLearning())


def test_a_lab_learns_what_the_program_learns(tmp_path):
    options = FORGETS | {"p_up": 80, "p_down": 20}
    program, (spikes, labels) = compiled(random_weights(0)), patterns(12, 1)
    before = program.image.copy()
    program.export(tmp_path / "build", spikes, labels, options)
    assert not program.image.differences(before)
    image = read_export(tmp_path / "build")
    begun = image.memories["neuron"].copy()
    for sample in read_events(tmp_path / "build"):
        simulator = MorphicSimulator(images_of(image))
        simulator.send_words(sample.words)
        image = joined(simulator.images())
        image.memories["neuron"] = begun.copy()
    assert not image.differences(read_learned(tmp_path / "build"))
    program.learn(spikes, labels, options=options, progress=False)
    plastic = get_backend("morphic").learner(program, options).plastic
    bits = [np.unpackbits(i.memories["synapse_row"], axis=1, bitorder="little")[plastic]
            for i in (image, program.image, before)]  # fmt: skip
    assert np.array_equal(bits[0], bits[1])
    assert (bits[0] != bits[2]).any()
    assert image.registers["LFSR_SEED_0"] == program.image.registers["LFSR_SEED_0"]
