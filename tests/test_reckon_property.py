"""The simulator of ReckOn does what the plainly written model does, whatever is programmed."""

from dataclasses import fields

import numpy as np
from engine_cases import thorough
from hypothesis import given, settings
from hypothesis import strategies as st
from reckon_cases import RECORD, SEEDS, images, runs, samples
from reference_models.reckon import ReckonReference

from nm_reckon.simulator import ReckonSimulator


def same_log(want, got):
    for field in fields(want):
        a, b = getattr(want, field.name), getattr(got, field.name)
        assert np.array_equal(a, b), f"{field.name}: {a} {b}"


def same_state(want, got):
    assert want.image().differences(got.image()) == []
    assert np.array_equal(want.dirty, got.dirty)
    assert np.array_equal(want.lfsr, got.lfsr)


@settings(thorough, max_examples=120)
@given(runs())
def test_every_bit_of_every_tick(run):
    image, dirty, listed, modes = run
    both = [made(image.copy(), dirty=dirty.copy()) for made in (ReckonReference, ReckonSimulator)]
    same_state(*both)
    for number, sample in enumerate(listed):
        for chip in both:
            if modes:
                chip.set_register("SPI_DO_EPROP", modes[number])
        capture = list(range(sample.ticks))
        logs = [chip.sample(sample, record=RECORD, capture=capture) for chip in both]
        same_log(*logs)
        same_state(*both)


@thorough
@given(images(), st.data())
def test_a_seed_register_loads_its_generators(image, data):
    name = data.draw(st.sampled_from(SEEDS))
    seed = data.draw(st.integers(0, (1 << 15) - 1))
    sample = data.draw(samples(True))
    both = [made(image.copy()) for made in (ReckonReference, ReckonSimulator)]
    for chip in both:
        chip.sample(sample)
        chip.set_register(name, seed)
    same_state(*both)
    same_log(*(chip.sample(sample, record=("lfsr",)) for chip in both))


@thorough
@given(images(), st.data())
def test_the_image_of_a_chip_goes_on_with_the_same_bits(image, data):
    first, second = (data.draw(samples(True)) for _ in range(2))
    chip = ReckonSimulator(image)
    chip.sample(first)
    copy = ReckonSimulator(chip.image(), dirty=chip.dirty)
    same_log(*(one.sample(second, record=RECORD) for one in (chip, copy)))
    same_state(chip, copy)
