"""Real weights as -1, 0 and +1: the nearest, and none lost where they are binary already."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nm_backends.quantize import binarised

FREE = {"threshold": np.ones(1), "strict": np.zeros(1, bool), "limit": np.full(1, 1e9)}


def error(weights, made):
    return np.linalg.norm(weights - made.weights / made.scale)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-3, 3).map(lambda x: round(x, 2)), min_size=1, max_size=6))
def test_no_other_weights_and_scale_are_nearer(values):
    weights = np.array(values)[:, None]
    made = binarised(weights, **FREE)
    best = np.linalg.norm(weights)
    for signs in np.array(np.meshgrid(*[[-1, 0, 1]] * len(values))).reshape(len(values), -1).T:
        if signs.any():
            scale = max(signs @ weights[:, 0] / (signs @ signs), 0)
            best = min(best, np.linalg.norm(weights[:, 0] - scale * signs))
    assert error(weights, made) == pytest.approx(best, abs=1e-9)


def test_binary_weights_stay_whatever_they_are_worth():
    rng = np.random.default_rng(0)
    signs = np.where(rng.random((50, 4)) < 0.5, -1, 1)
    weights = signs * np.array([0.037, 1 / 3, 2.0, 11.0])
    four = {"threshold": np.ones(4), "strict": np.zeros(4, bool), "limit": np.full(4, 1000)}
    for there in (None, np.ones((50, 4), bool)):
        made = binarised(weights, **four, there=there)
        np.testing.assert_array_equal(made.weights, signs)
        np.testing.assert_array_equal(made.scale, 1 / np.array([0.037, 1 / 3, 2.0, 11.0]))


def test_where_no_weight_can_be_zero_zeros_take_turns():
    weights = np.array([[0.5], [0.0], [0.0], [-0.5], [0.0]])
    made = binarised(weights, **FREE, there=np.ones((5, 1), bool))
    assert made.weights[:, 0].tolist() == [1, 1, -1, -1, 1]
    assert made.scale == pytest.approx(5)


def test_the_threshold_limits_the_scale():
    made = binarised(np.array([[1e-3]]), np.ones(1), np.zeros(1, bool), np.full(1, 100))
    assert made.scale == 100
