import re

import numpy as np
import pytest
from crossbar_networks import bernoulli, inputs, link, network, neurons, single

from nm_backends.errors import UserError
from nm_backends.spikes import prepare


def net(shape=(3,)):
    size = int(np.prod(shape))
    return network(
        [inputs(size, shape=shape), neurons("a", 2)], [link("in", "a", np.ones((size, 2)))]
    )


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int64, np.float32, np.float64])
def test_booleans_counts_and_whole_floats(kind):
    spikes = bernoulli(5, 4, 3).astype(kind)
    prepared = prepare(net(), spikes)
    assert prepared.batched
    assert prepared.counts.dtype == np.uint8
    np.testing.assert_array_equal(prepared.counts, spikes)


@pytest.mark.parametrize("shape", [(3,), (2, 3), (1, 2, 3)])
def test_axes(shape):
    spikes = bernoulli(5, 4, int(np.prod(shape)))
    shaped = spikes.reshape(5, 4, *shape)
    for given, batched in ((spikes, True), (shaped, True), (shaped[:, 0], False)):
        prepared = prepare(net(shape), given)
        assert prepared.batched is batched
        expected = spikes if batched else spikes[:, :1]
        np.testing.assert_array_equal(prepared.counts, expected)


class Tensor:
    """What numpy sees of a torch tensor that asks for gradients."""

    def __init__(self, array):
        self.array = array

    def detach(self):
        return self.array


def test_tensors_are_taken_without_their_framework():
    spikes = bernoulli(5, 4, 3)
    np.testing.assert_array_equal(prepare(net(), Tensor(spikes)).counts, spikes)


WRONG = [
    (np.full((2, 1, 3), -1), "element [0, 0, 0] is -1, negative (6 such elements)"),
    (np.full((2, 1, 3), 0.5), "element [0, 0, 0] is 0.5, not a whole number (6 such elements)"),
    (np.full((2, 1, 3), np.nan), "element [0, 0, 0] is nan, not finite (6 such elements)"),
    (np.full((2, 1, 3), np.inf), "element [0, 0, 0] is inf, not finite (6 such elements)"),
    (np.full((2, 1, 3), 256), "element [0, 0, 0] is 256, too large (6 such elements)"),
    (np.zeros((2, 1, 4)), "have shape [2, 1, 4], expected [time, batch, 3], or [time, 3]"),
    (np.zeros(3), "have shape [3], expected [time, batch, 3]"),
    (np.zeros((1, 2, 1, 3)), "have shape [1, 2, 1, 3]"),
    ([[0, 1], [1]], "cannot be read as an array"),
    (["a"], "expected booleans or counts"),
    (None, "expected booleans or counts"),
    (np.zeros((2, 1, 3), complex), "are complex128, expected booleans or counts"),
]


@pytest.mark.parametrize(("spikes", "text"), WRONG)
def test_what_is_wrong_is_said(spikes, text):
    with pytest.raises(UserError, match=re.escape(text)):
        prepare(net(), spikes)


def events(t, x, kind=np.int64, **more):
    fields = {"t": kind, "x": np.int64, **dict.fromkeys(more, np.int64)}
    array = np.zeros(len(t), list(fields.items()))
    for name, values in {"t": t, "x": x, **more}.items():
        array[name] = values
    return array


def test_event_lists_in_microseconds_and_in_seconds():
    expected = np.zeros((4, 1, 3), np.uint8)
    expected[0, 0, 0], expected[1, 0, 2], expected[3, 0, 1] = 2, 1, 1
    for given in (
        events([0, 999, 1000, 3999], [0, 0, 2, 1]),
        events([0, 0.9e-3, 1e-3, 3.2e-3], [0, 0, 2, 1], np.float64),
    ):
        prepared = prepare(net(), given)
        assert not prepared.batched
        np.testing.assert_array_equal(prepared.counts, expected)


def test_a_batch_of_event_lists_lasts_as_long_as_the_longest():
    prepared = prepare(net(), [events([0], [1]), events([2500], [2]), events([], [])])
    assert prepared.batched
    assert prepared.counts.shape == (3, 3, 3)
    assert prepared.counts.sum(axis=(0, 2)).tolist() == [1, 1, 0]


def test_event_lists_address_images():
    given = events([0, 0], [2, 0], p=[1, 0], y=[1, 0])
    counts = prepare(net((2, 2, 3)), given).counts.reshape(2, 2, 3)
    assert counts[1, 1, 2] == 1
    assert counts[0, 0, 0] == 1


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (events([0], [3]), "x = 3, expected 0 to 2"),
        (events([0], [-1]), "x = -1, expected 0 to 2"),
        (events([-5], [0]), "a time is negative (-5)"),
        (events([np.nan], [0], np.float64), "a time is not finite"),
        (events([1e9], [0], np.float64), "steps of 0.001 s"),
        (events([0] * 300, [0] * 300), "is 300, too large"),
        (np.zeros(2, [("x", int)]), "'t' is needed"),
    ],
)
def test_wrong_event_lists(given, text):
    with pytest.raises(UserError, match=re.escape(text)):
        prepare(net(), given)


def test_several_inputs_come_by_name():
    two = network(
        [inputs(2, "left"), inputs(3, "right"), neurons("a", 1)],
        [link("left", "a", np.ones((2, 1))), link("right", "a", np.ones((3, 1)))],
    )
    left, right = bernoulli(5, 4, 2), bernoulli(5, 4, 3)
    both = np.concatenate([left, right], axis=2)
    np.testing.assert_array_equal(prepare(two, {"right": right, "left": left}).counts, both)
    np.testing.assert_array_equal(prepare(two, both).counts, both)
    for given, text in (
        ({"left": left}, "spikes are given for 'left'; the inputs are 'left', 'right'"),
        ({"left": left[:, :2], "right": right}, "differ in batch size (left: 2, right: 4)"),
        ({"left": left[:2], "right": right}, "differ in time steps (left: 2, right: 5)"),
    ):
        with pytest.raises(UserError, match=re.escape(text)):
            prepare(two, given)


def test_swapped_axes_are_recognised():
    square = single(np.ones((3, 1)))
    with pytest.raises(UserError) as caught:
        prepare(square, np.zeros((2, 3, 5)))
    assert "3 channels" in caught.value.hint
