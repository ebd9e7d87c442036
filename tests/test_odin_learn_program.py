"""``program.learn`` on ODIN: the chip's rule, bit for bit, from network to learned image."""

import numpy as np
import pytest
from crossbar_networks import layers, single
from reference_models.odin import OdinReference

import nm_backends as nmb
from nm_backends.errors import UserError
from nm_backends.program import CompileOptions
from nm_backends.rules import CompileError
from nm_odin.learning_options import OdinLearning
from nm_odin.simulator import OdinSimulator
from nm_odin.training import Trainer

INPUTS, NEURONS = 20, 4
RULE = {"thetamem": 12, "ca_theta1": 0, "ca_theta2": 3, "ca_theta3": 5, "ca_leak": 3, "thr": 40}


def compiled(weights=None, **changes):
    if weights is None:
        weights = np.random.default_rng(0).integers(0, 8, (INPUTS, NEURONS)).astype(float)
    weights[0] = 7
    net = single(weights, threshold=60.0, **changes)
    return nmb.compile(net, "odin", options=CompileOptions(learn=("fc",)))


def samples(number=6, steps=5, seed=1):
    rng = np.random.default_rng(seed)
    return rng.random((steps, number, INPUTS)) < 0.3, rng.integers(0, NEURONS, number)


def by_hand(trainer, spikes, labels):
    """Learn with the plain model, sending what the documentation of `Trainer` says."""
    options, image = trainer.options, trainer.image()
    start = OdinSimulator(image)
    memory, registers = image.memories, image.registers
    model = OdinReference(memory["neuron"], memory["synapse"], registers, start.up, start.down)
    words, flags = list(model.words), (list(model.up), list(model.down))
    for s, label in enumerate(labels):
        model.words, model.up, model.down = list(words), list(flags[0]), list(flags[1])
        for step in spikes[:, s]:
            for neuron in range(256):
                model.touch(neuron, 0, True)
            for wanted, weight, times in ((1, 7, options.excite), (0, -7, options.inhibit)):
                for n in range(NEURONS):
                    for _ in range(times if (n == label) == bool(wanted) else 0):
                        model.touch(int(trainer.address[n]), weight, False)
            for row in np.flatnonzero(step):
                at = int(np.flatnonzero(trainer.program.layout["row_source"] == row)[0])
                for first in range(0, 256, 8):
                    seen = model.read_group(at, first)
                    model.learn_group(at, first)
                    for neuron in range(first, first + 8):
                        model.touch(neuron, seen[neuron - first], False)
        if options.bistability and (s + 1) % options.bistability == 0:
            for word in range(8192):
                model.bistability_word(0, word)
    return np.array(model.synapses, np.uint8)


@pytest.mark.parametrize("inhibit", [0, 2])
@pytest.mark.parametrize("bistability", [0, 2])
def test_learning_is_that_of_the_plain_model(inhibit, bistability):
    program, (spikes, labels) = compiled(), samples()
    options = OdinLearning(**RULE, excite=2, inhibit=inhibit, bistability=bistability)
    trainer = Trainer(program, options)
    before, wanted = trainer.weights(), by_hand(trainer, spikes, labels)
    program.learn(spikes, labels, options=options)
    assert np.array_equal(program.image.memories["synapse"], wanted)
    assert (trainer.weights() != before).any()


def test_the_same_twice_gives_the_same_bits_and_samples_in_parts_too():
    spikes, labels = samples(150)
    made = [compiled() for _ in range(3)]
    for program in made[:2]:
        program.learn(spikes, labels, epochs=2, options=RULE, shuffle=3)
    assert np.array_equal(made[0].image.memories["synapse"], made[1].image.memories["synapse"])
    one, two = made[2], compiled()
    one.learn(spikes, labels, options=RULE)
    two.learn(spikes[:, :70], labels[:70], options=RULE)
    two.learn(spikes[:, 70:], labels[70:], options=RULE)
    assert np.array_equal(one.image.memories["synapse"], two.image.memories["synapse"])


def test_epochs_in_parts_take_the_orders_of_one_go_also_after_saving(tmp_path):
    spikes, labels = samples(50)
    one, two = compiled(), compiled()
    one.learn(spikes, labels, epochs=3, options=RULE, shuffle=3)
    two.learn(spikes, labels, options=RULE, shuffle=3)
    two.save(tmp_path / "p.nmb")
    two = nmb.load(tmp_path / "p.nmb")
    two.learn(spikes, labels, epochs=2, options=RULE, shuffle=3)
    assert np.array_equal(one.image.memories["synapse"], two.image.memories["synapse"])
    assert one.metadata["epochs_learned"] == two.metadata["epochs_learned"] == 3


def test_only_the_named_layer_changes_and_the_program_stays_one_for_inference(tmp_path):
    net = layers(12, 6, 4, mean=0.5, spread=0.1)
    net.projections[1].nodes = ("last",)
    program = nmb.compile(net, "odin", options=CompileOptions(learn=("last",)))
    before = program.image.copy()
    rng = np.random.default_rng(0)
    spikes, labels = rng.random((6, 30, 12)) < 0.5, rng.integers(0, 4, 30)
    history = program.learn(spikes, labels, options=dict(RULE, excite=4))
    after = program.image
    changed = before.memories["synapse"] != after.memories["synapse"]
    assert changed.any()
    assert (before.memories["synapse"][changed] >= 8).all()
    assert ((before.memories["synapse"] >= 8) == (after.memories["synapse"] >= 8)).all()
    assert np.array_equal(before.memories["neuron"], after.memories["neuron"])
    assert history.epochs[1].changed == changed.sum()
    program.save(tmp_path / "p.nmb")
    loaded = nmb.load(tmp_path / "p.nmb")
    assert loaded.options.learn == ("last",)
    assert np.array_equal(loaded.run(spikes).spikes, program.run(spikes).spikes)
    loaded.learn(spikes, labels, options=RULE)


def test_history_counts_weights_and_measures_accuracy_on_what_is_asked():
    program, (spikes, labels) = compiled(), samples(40)
    seen = []
    history = program.learn(
        spikes, labels, epochs=2, options=RULE, validation=samples(20, seed=5), progress=seen.append
    )
    assert sum(seen) == 80
    assert len(history.epochs) == 3
    assert history.epochs[0].changed == 0
    assert all(e.weights.sum() == INPUTS * NEURONS for e in history.epochs)
    stored = np.repeat(history.epochs[2].values, history.epochs[2].weights)
    assert history.epochs[2].mean == pytest.approx(stored.mean())
    assert history.epochs[2].spread == pytest.approx(stored.std())
    assert np.isnan(history.loss).all()
    assert "validation" in history.measured_on
    assert history.to_json()["epochs"][2]["weights"] == history.epochs[2].weights.tolist()
    assert "mean weight" in str(history)


def test_weights_of_zero_are_there_to_grow():
    program, (spikes, labels) = compiled(np.zeros((INPUTS, NEURONS))), samples(30)
    assert Trainer(program, OdinLearning()).plastic.sum() == INPUTS * NEURONS
    program.learn(spikes, labels, options=dict(RULE, thetamem=0))
    assert Trainer(program, OdinLearning()).weights().mean() > 0


def test_a_teacher_of_rows_takes_free_rows_and_leaves_none_behind():
    program, (spikes, labels) = compiled(), samples(30)
    before = program.image.copy()
    trainer = Trainer(program, OdinLearning(**RULE, teacher="rows", excite=2))
    assert (trainer.image().memories["synapse"] != before.memories["synapse"]).sum() == NEURONS
    program.learn(spikes, labels, options=dict(RULE, teacher="rows", excite=2))
    changed = program.image.memories["synapse"] != before.memories["synapse"]
    assert changed.any()
    assert (before.memories["synapse"][changed] >= 8).all()


def test_spikes_as_targets_say_when():
    program, (spikes, labels) = compiled(), samples(10)
    wanted = np.zeros((5, 10, NEURONS), bool)
    wanted[:, np.arange(10), labels] = True
    other = compiled()
    program.learn(spikes, labels, options=RULE)
    history = other.learn(spikes, wanted, options=RULE)
    assert np.array_equal(program.image.memories["synapse"], other.image.memories["synapse"])
    assert history.epochs[0].accuracy is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"thetamem": 256}, "thetamem is 256, expected 0 to 255"),
        ({"ca_theta1": 8}, "ca_theta1"),
        ({"ca_leak": 1.5}, "ca_leak"),
        ({"teacher": "nobody"}, "virtual or rows"),
        ({"teacher": "rows", "inhibit": 1}, "only excites"),
        ({"thetamen": 1}, "unknown"),
        (3, "expected OdinLearning"),
    ],
)
def test_options_are_checked(options, message):
    spikes, labels = samples()
    with pytest.raises(UserError, match=message):
        compiled().learn(spikes, labels, options=options)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (np.full(6, NEURONS), "neurons 0 to 3"),
        (np.zeros(5, int), "expected labels"),
        (np.zeros(6), "float64"),
    ],
)
def test_targets_are_checked(targets, message):
    with pytest.raises(UserError, match=message):
        compiled().learn(samples()[0], targets)


def test_what_cannot_learn_says_why():
    spikes, labels = samples()
    net = single(np.ones((INPUTS, NEURONS)), threshold=8.0)
    with pytest.raises(UserError, match="no synapse of this program may change"):
        nmb.compile(net, "odin").learn(spikes, labels)
    with pytest.raises(UserError, match="no such weight node"):
        nmb.compile(net, "odin", options=CompileOptions(learn=("fd",)))
    full = nmb.compile(
        single(np.ones((256, 2)), threshold=8.0), "odin", options=CompileOptions(learn=("fc",))
    )
    with pytest.raises(UserError, match="2 rows are needed, 0 of 256 are free"):
        full.learn(np.zeros((1, 1, 256), bool), [0], options={"teacher": "rows"})
    with pytest.raises(UserError, match="epochs"):
        compiled().learn(spikes, labels, epochs=0)


def test_a_chip_or_a_crossbar_that_cannot_hold_it_says_so():
    net = single(np.ones((INPUTS, NEURONS)), threshold=8.0)
    with pytest.raises(UserError, match="synapses of tinyodin cannot change"):
        nmb.compile(net, "tinyodin", options=CompileOptions(learn=("fc",)))
    wide = single(np.zeros((300, 2)), threshold=8.0)
    with pytest.raises(CompileError, match="300 rows are needed with fc learning") as caught:
        nmb.compile(wide, "odin", options=CompileOptions(learn=("fc",)))
    assert caught.value.report.codes == {"ODIN025"}


def test_a_layer_that_learns_is_told_what_it_costs():
    both = compiled(np.random.default_rng(0).integers(-7, 8, (INPUTS, NEURONS)).astype(float))
    assert "ODIN026" in both.report.codes
    assert "ODIN026" not in compiled().report.codes
    net = single(np.ones((INPUTS, NEURONS)), threshold=8.0)
    options = CompileOptions(learn=("fc",))
    calibrated = nmb.compile(net, "odin", calibrate=samples()[0], options=options)
    assert "ODIN027" in calibrated.report.codes


def test_the_first_spike_decides_where_it_is_asked_to():
    weights = np.zeros((INPUTS, NEURONS))
    weights[1:3, 1], weights[2:7, 2] = 7, 7
    spikes = np.zeros((5, 3, INPUTS), np.uint8)
    spikes[0, 0, 1] = spikes[2:5, 0, 3:6] = 9  # neuron 1 first, then 2 again and again
    spikes[1, 1, 2] = 9  # both at once
    for readout, right in (("count", [2, 1, 0]), ("first", [1, 1, 0])):
        history = compiled(weights).learn(spikes, np.array(right), readout=readout)
        assert history.epochs[0].accuracy == pytest.approx(2 / 3)  # who is silent is never right
        assert history.readout == readout
    with pytest.raises(UserError, match="expected count or first"):
        compiled().learn(spikes, np.array(right), readout="last")
