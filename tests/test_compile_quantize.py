import numpy as np
import pytest
from crossbar_networks import CHIPS, chip
from hypothesis import given, settings
from hypothesis import strategies as st

from nm_backends.chip import IntFormat
from nm_backends.fit import even_leaks, fitted_leaks
from nm_backends.quantize import integer_thresholds, quantize_calibrated, quantize_maxabs

FOUR = IntFormat(4, -8, 7)


@given(
    st.lists(st.floats(0.01, 100), min_size=1, max_size=8),
    st.floats(0.01, 50),
    st.booleans(),
)
def test_integer_thresholds_are_passed_by_exactly_the_same_integers(thresholds, scale, strict):
    threshold = np.array(thresholds)
    integer = integer_thresholds(
        threshold, np.full(threshold.size, scale), np.full(threshold.size, strict)
    )
    exact = threshold * scale
    for v in (integer - 1, integer):
        clear = np.abs(v - exact) > 1e-6 * np.maximum(1, exact)
        above = v > exact if strict else v >= exact
        np.testing.assert_array_equal((v >= integer)[clear], above[clear])


@pytest.mark.parametrize(("strict", "expected"), [(True, 4), (False, 3)])
def test_a_threshold_that_misses_an_integer_by_rounding_is_that_integer(strict, expected):
    threshold = 0.1 + 0.2  # 0.30000000000000004
    integer = integer_thresholds(np.array([threshold]), np.array([10.0]), np.array([strict]))
    assert integer.tolist() == [expected]


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([30, 255, 2047]))
def test_maxabs_fills_the_format_and_respects_the_threshold(seed, limit):
    rng = np.random.default_rng(seed)
    weights = rng.normal(0, 1, (6, 5)) * (rng.random((6, 5)) < 0.7)
    threshold, strict = rng.uniform(0.1, 20, 5), rng.random(5) < 0.5
    made = quantize_maxabs(weights, threshold, strict, FOUR, np.full(5, limit))
    assert FOUR.minimum <= made.weights.min() <= made.weights.max() <= FOUR.maximum
    integer = integer_thresholds(threshold, made.scale, strict)
    assert (integer <= limit).all()
    full = (made.weights.max(0) == 7) | (made.weights.min(0) == -8)
    alone = (weights != 0).sum(0) == 1  # any scale is exact
    assert (full | (integer > limit - 2) | ~weights.any(0) | alone).all()


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=30)
def test_calibration_never_disturbs_membranes_more_than_plain_rounding(seed):
    rng = np.random.default_rng(seed)
    weights = rng.normal(0, 1, (8, 4)) * (rng.random((8, 4)) < 0.8)
    sent = rng.poisson(1.0, (200, 8)).astype(float)
    moments = sent.T @ sent / 200
    threshold, strict, limit = np.full(4, 3.0), np.zeros(4, bool), np.full(4, 2047)
    plain = quantize_maxabs(weights, threshold, strict, FOUR, limit)
    tuned = quantize_calibrated(
        weights, threshold, strict, FOUR, limit, moments, np.array([1.0, 1.5])
    )
    damped = moments + np.eye(8) * 1e-3 * np.mean(np.diag(moments))

    def loss(made):
        error = made.weights / made.scale - weights
        return np.einsum("sn,st,tn->n", error, damped, error)

    assert (loss(tuned) <= loss(plain) * (1 + 1e-6) + 1e-12).all()
    assert (tuned.weights[weights == 0] == 0).all(), "no synapse is invented"
    assert (tuned.weights * weights >= 0).all(), "no sign is changed"


def test_weights_that_are_multiples_of_a_unit_stay_exact():
    weights = 0.25 * np.array([[-3.0, 1, 0], [2, 5, 1]])
    made = quantize_calibrated(
        weights,
        np.ones(3),
        np.ones(3, bool),
        FOUR,
        np.full(3, 255),
        np.eye(2),
        np.array([1.0, 1.7]),
    )
    np.testing.assert_allclose(made.weights / made.scale, weights, rtol=1e-12)


def test_leak_is_the_best_constant_for_the_membranes_seen():
    decay, scale = np.array([0.9]), np.array([10.0])
    membranes = np.random.default_rng(0).uniform(0, 5, (500, 1))
    leak = fitted_leaks(decay, scale, membranes, IntFormat(7, 0, 127), False)
    size = membranes * 10
    loss = [(((0.1 * size) - np.minimum(k, size)) ** 2).sum() for k in range(20)]
    assert leak[0] == int(np.argmin(loss))


def test_neurons_without_memory_lose_everything_and_perfect_ones_nothing():
    form = IntFormat(7, 0, 127)
    leak = even_leaks(np.array([0.0, 1.0, 0.5]), np.full(3, 20.0), np.ones(3), form)
    assert leak[0] == 127
    assert leak[1] == 0
    assert 1 <= leak[2] <= 10


@pytest.mark.parametrize("name", CHIPS)
def test_silent_inputs_do_not_disturb_calibration(name):
    spec = chip(name).spec
    made = quantize_calibrated(
        np.ones((3, 2)), np.ones(2), np.ones(2, bool), spec.weights, np.full(2, 255),
        np.zeros((3, 3)), np.array([1.0, 2.0]),
    )  # fmt: skip
    assert (made.weights > 0).all()
    assert np.isfinite(made.scale).all()
