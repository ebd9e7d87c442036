"""SPOON's kernels against dense sums and against a slow model, bit for bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_models import spoon as plain
from spoon_models import random_setup

from nm_spoon.assumptions import Assumptions
from nm_spoon.draws import draws, place_of
from nm_spoon.engine import in_order, plan_of, run
from nm_spoon.kernel import convolve

FORMS = st.fixed_dictionaries(
    {
        "shape": st.tuples(st.integers(1, 2), st.integers(3, 6), st.integers(3, 6)),
        "size": st.tuples(st.integers(1, 3), st.integers(1, 3)),
        "kernels": st.integers(1, 3),
        "stride": st.integers(1, 3),
        "top": st.integers(0, 1),
        "left": st.integers(0, 1),
    }
)


def convolved(setup, events, bits, safe):
    """Accumulators [kernel, row, column] after events, by the kernel; and how often they stop."""
    rows, columns = setup.maps[1:]
    sums = np.empty((rows, columns, setup.maps[0]), np.int32)
    sums[:] = setup.conv_bias
    address = np.array([e[0] for e in events], np.int32)
    worth = np.array([e[1] for e in events], np.int32)
    shape = plan_of(setup, Assumptions()).shape[:7]
    products, stops = convolve(
        address, worth, shape, setup.conv_weight, sums, 1 << (bits - 1), safe
    )
    return sums.transpose(2, 0, 1), products, stops


def arguments(setup):
    r = setup.registers
    taps = (r["INPUT_CHANNELS"], r["KERNEL_HEIGHT"], r["KERNEL_WIDTH"])
    kernels = [column.reshape(taps) for column in setup.conv_weight.T]
    return (setup.shape, kernels, setup.conv_bias, r["CONV_STRIDE"], r["CONV_TOP"],
            r["CONV_LEFT"], r["MAP_HEIGHT"], r["MAP_WIDTH"])  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(form=FORMS, seed=st.integers(0, 2**32 - 1), safe=st.booleans())
def test_events_in_any_order_are_a_dense_convolution(form, seed, safe):
    rng = np.random.default_rng(seed)
    setup = random_setup(rng, **form)
    values = rng.integers(0, 256, int(np.prod(form["shape"]))) * (rng.random() < 0.9)
    order = rng.permutation(np.count_nonzero(values))
    found, _, stops = convolved(setup, plain.events_of(values, order), 24, safe)
    assert np.array_equal(found, plain.maps_of_frame(values, *arguments(setup)))
    assert stops == 0


@settings(max_examples=30, deadline=None)
@given(form=FORMS, seed=st.integers(0, 2**32 - 1), bits=st.integers(10, 16))
def test_saturation_goes_by_the_order_of_events(form, seed, bits):
    rng = np.random.default_rng(seed)
    setup = random_setup(rng, **form)
    values = rng.integers(0, 256, int(np.prod(form["shape"])))
    events = plain.events_of(values, rng.permutation(np.count_nonzero(values)))
    sums, stops = plain.maps_of_events(events, *arguments(setup), bits)
    found, _, stopped = convolved(setup, events, bits, False)
    assert np.array_equal(found, sums)
    assert stopped == stops


def test_order_matters_exactly_where_sums_saturate():
    rng = np.random.default_rng(0)
    setup = random_setup(rng, shape=(1, 1, 3), kernels=1, size=(1, 3))
    setup.conv_weight[:, 0], setup.conv_bias[:] = (100, 100, -100), 0
    events = [(0, 255), (1, 255), (2, 255)]
    late, _, stops = convolved(setup, events, 16, False)
    early, _, none = convolved(setup, events[::-1], 16, False)
    assert (late.item(), stops) == (32767 - 25500, 1)
    assert (early.item(), none) == (25500, 0)


def test_events_arrive_by_time_and_then_by_address():
    values = np.array([3, 0, 255, 3, 17], np.int32)
    address, worth = in_order(values)
    assert address.tolist() == [2, 4, 0, 3]
    assert worth.tolist() == [255, 17, 3, 3]


@pytest.mark.parametrize("pool", [0, 1, 2])
@pytest.mark.parametrize("signed", [False, True])
def test_whole_samples_are_those_of_the_slow_model(pool, signed):
    rng = np.random.default_rng(pool + 3 * signed)
    setup = random_setup(rng, pool=pool, signed=signed, top=1, size=(3, 3))
    inputs = rng.integers(0, 256, (6, 30)).astype(np.int32)
    for conv_bits, dense_bits in ((20, 24), (14, 15)):
        assumed = Assumptions(conv_bits=conv_bits, dense_bits=dense_bits)
        chip = plain.Chip(setup, conv_bits, dense_bits)
        seen = run(plan_of(setup, assumed), inputs)
        assert seen.outputs.tolist() == [chip.run(values) for values in inputs]
        checked = run(plan_of(setup, assumed, checked=True), inputs, threads=2)
        assert np.array_equal(seen.outputs, checked.outputs)
        assert np.array_equal(seen.counts, checked.counts)


def test_products_are_counted():
    rng = np.random.default_rng(1)
    setup = random_setup(rng, shape=(1, 3, 3), kernels=2, size=(2, 2))
    setup.hidden_weight[:] = 0
    setup.hidden_bias[:] = 300
    values = np.zeros((1, 9), np.int32)
    values[0, [0, 4]] = 9  # a corner is under one position of the kernel, the middle under all four
    seen = run(plan_of(setup, Assumptions()), values)
    features = int(np.count_nonzero(seen.features))
    assert seen.counts[0].tolist() == [2, 2 * (1 + 4) + 5 * features + 3 * 5, 0]


def test_random_numbers_are_those_of_the_register():
    slow, numbers = plain.Random(0xACE1), draws()
    place = place_of(0xACE1)
    expected = [slow.draw() for _ in range(200)]
    assert [int(numbers[(place + 1 + i) % 65535]) for i in range(200)] == expected
    assert np.array_equal(np.sort(numbers), np.arange(1, 65536))
