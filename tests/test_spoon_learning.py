"""DRTP on SPOON: each update bit for bit, and what a program keeps of it."""

import numpy as np
import pytest
from reference_models import spoon as plain
from spoon_models import images, random_setup, small_graph

import nm_backends as nmb
from nm_backends.assumptions import backend_of
from nm_backends.errors import UserError
from nm_backends.rules import CompileError
from nm_spoon.assumptions import Assumptions
from nm_spoon.draws import draws, place_of
from nm_spoon.learning_options import SpoonLearning
from nm_spoon.setup import unpack
from nm_spoon.training import Trainer

BOTH = nmb.CompileOptions(learn=("hidden", "output"))


def labelled(number=60, seed=0):
    """Bright in one of four quarters: images and labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, number)
    found = rng.integers(0, 60, (number, 6, 6)).astype(np.uint8)
    for image, label in zip(found, labels, strict=True):
        image[3 * (label // 2) :, 3 * (label % 2) :][:3, :3] += 150
    return nmb.latency_code(found), labels


@pytest.fixture(scope="module")
def compiled():
    given, _ = labelled()
    return nmb.compile(small_graph(signed=True), "spoon", calibrate=given, options=BOTH)


@pytest.fixture
def program(compiled):
    from dataclasses import replace

    return replace(compiled, image=compiled.image.copy(), metadata=dict(compiled.metadata))


@pytest.mark.parametrize(
    ("learn", "rates", "signed", "pool"),
    [(3, (6, 11), False, 1), (3, (12, 17), True, 0), (1, (0, 3), True, 2), (2, (5, 9), False, 0)],
)
def test_every_update_is_that_of_the_slow_model(learn, rates, signed, pool):
    rng = np.random.default_rng(learn + pool)
    setup = random_setup(rng, pool=pool, signed=signed, top=1, size=(3, 3), large=40)
    setup.registers.update(LEARN=learn, RATE_HIDDEN=rates[0], RATE_OUTPUT=rates[1])
    setup.conv_bias[:] = 6000  # most features are not 0
    chip = plain.Chip(setup)
    inputs, labels = rng.integers(0, 256, (8, 30)).astype(np.int32), rng.integers(0, 3, 8)
    before = setup.copy()
    trainer = Trainer.__new__(Trainer)
    trainer.assumed = Assumptions()
    place = trainer.learn(setup, inputs, labels, place_of(setup.registers["LFSR"]))
    for values, label in zip(inputs, labels, strict=True):
        chip.learn(values, int(label))
    assert np.array_equal(setup.hidden_weight, chip.hidden_weight)
    assert np.array_equal(setup.output_weight, chip.output_weight)
    assert int(draws()[place]) == chip.random.state
    changed = [(getattr(setup, n) != getattr(before, n)).any() for n in
               ("conv_weight", "hidden_weight", "output_weight")]  # fmt: skip
    assert not changed[0]
    assert changed[1:] == [bool(learn & 1), bool(learn & 2)]


def test_a_program_learns_from_labels_alone(program, tmp_path):
    given, labels = labelled()
    tested = labelled(seed=1)
    seen = []
    history = program.learn(
        given, labels, epochs=6, validation=tested, shuffle=0, progress=seen.append,
        options=SpoonLearning(rate_hidden=6, rate_output=11, slower_every=3),
    )  # fmt: skip
    assert history.accuracy[-1] > 0.9 > history.accuracy[0]
    assert sum(seen) == 6 * len(labels)
    assert history.epochs[1].changed > 0
    result = program.run(tested[0])
    assert np.mean(result.prediction == tested[1]) == history.accuracy[-1]
    assert np.array_equal(result.metadata["label"], result.prediction)
    program.save(tmp_path / "learned.nmb")
    again = nmb.load(tmp_path / "learned.nmb")
    assert not program.image.differences(again.image)
    program.export(tmp_path / "chip", given.samples(slice(0, 2)))
    from nm_backends.export import read_export

    assert not program.image.differences(read_export(tmp_path / "chip"))
    unit = program.layout["per_weight"][1]
    held = program.weights("output")
    assert np.allclose(held.T * unit, unpack(program.image).output_weight)
    assert np.array_equal(program.to_nir(small_graph(signed=True)).nodes["output"].weight,
                          held.astype(np.float32))  # fmt: skip


def test_learning_goes_on_where_it_stopped(program, compiled):
    from dataclasses import replace

    given, labels = labelled()
    options = {"rate_hidden": 6, "rate_output": 11, "slower_every": 1, "seed": 7}
    program.learn(given, labels, epochs=3, options=options, shuffle=5)
    parts = replace(compiled, image=compiled.image.copy(), metadata=dict(compiled.metadata))
    for epochs in (1, 2):
        parts.learn(given, labels, epochs=epochs, options=options, shuffle=5)
    assert not program.image.differences(parts.image)


def test_events_teach_what_images_teach(program, compiled):
    from dataclasses import replace

    given, labels = labelled(10)
    other = replace(compiled, image=compiled.image.copy(), metadata=dict(compiled.metadata))
    program.learn(given, labels)
    other.learn(given.held().reshape(255, 10, 1, 6, 6), labels)
    assert not program.image.differences(other.image)


def test_what_cannot_be_taught_is_refused(program):
    given, labels = labelled(8)
    for targets, message in (
        (labels + 4, "the outputs are 0 to 3"),
        (labels[:3], "one integer for each of 8 samples"),
        (labels / 2, "expected labels"),
    ):
        with pytest.raises(UserError, match=message):
            program.learn(given, targets)
    with pytest.raises(UserError, match="do not spike"):
        program.learn(given, labels, readout="first")
    with pytest.raises(UserError, match="rate_hidden is 25, expected 0 to 24"):
        SpoonLearning(rate_hidden=25)
    with pytest.raises(UserError, match="'rate_hiden': unknown"):
        program.learn(given, labels, options={"rate_hiden": 3})


def test_only_dense_layers_learn():
    with pytest.raises(CompileError, match="SPOON007 error at conv: it does not learn"):
        nmb.compile(small_graph(), "spoon", options=nmb.CompileOptions(learn=("conv",)))
    frozen = nmb.compile(small_graph(), "spoon")
    with pytest.raises(UserError, match="no synapse of this program may change"):
        frozen.learn(nmb.latency_code(images(0, 4)), [0, 1, 2, 3])


def test_a_fresh_layer_has_room_to_grow(compiled):
    setup = unpack(compiled.image)
    assert np.abs(setup.hidden_weight).max() < 127
    assert backend_of(compiled).learner(compiled, None).stored == range(-128, 128)
