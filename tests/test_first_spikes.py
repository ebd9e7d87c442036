"""First spikes: the compact form for chips that look at nothing else."""

import numpy as np
import pytest

import nm_backends as nmb
from nm_backends.errors import UserError
from nm_backends.first_spikes import FirstSpikes, latency_code
from nm_backends.lfsr import shift_sequence
from nm_backends.spikes import prepare
from nm_backends.testing import conventions, random_model, random_spikes


def test_only_the_first_spike_of_a_channel_is_kept():
    counts = np.zeros((4, 2, 3), np.uint8)
    counts[1, 0, 2] = counts[3, 0, 2] = counts[0, 1, 0] = 1
    counts[2, 1, 0] = 5
    first = FirstSpikes.of(counts)
    assert first.step.tolist() == [[-1, -1, 1], [0, -1, -1]]
    assert first.later.tolist() == [1, 5]
    assert first.shape == counts.shape
    assert first.part(0, 2).sum() == 2
    assert first.held()[:, 0, 2].tolist() == [0, 1, 1, 1]
    assert FirstSpikes.of(first.held()).step.tolist() == first.step.tolist()


def test_images_are_coded_by_latency():
    images = np.array([[[0, 1], [128, 255]]], np.uint8)
    assert latency_code(images).step.tolist() == [[-1, 254, 127, 0]]
    assert latency_code(images / 255, 4).step.tolist() == [[-1, 3, 1, 0]]
    assert latency_code(images).steps == 255


@pytest.mark.parametrize(
    ("images", "steps", "message"),
    [
        (np.full((2, 2), 1.5), 255, "1.5 to 1.5, expected 0 to 1"),
        (np.full((2, 2), 256), 255, "256 to 256, expected 0 to 255"),
        (np.zeros(3), 255, r"expected numbers \[batch, \*shape\]"),
        (np.zeros((2, 2)), 0, "steps is 0"),
        (np.full((2, 2), np.nan), 255, "nan"),
    ],
)
def test_what_is_no_image_is_refused(images, steps, message):
    with pytest.raises(UserError, match=message):
        latency_code(images, steps)


def test_chips_that_hear_all_spikes_get_counts():
    program = nmb.compile(random_model(0), "odin", conventions())
    first = FirstSpikes.of(random_spikes(1))
    same, other = program.run(first), program.run(first.part(0, 5))
    assert np.array_equal(same.spikes, other.spikes)
    with pytest.raises(UserError, match="of 3 channels, expected 12"):
        program.run(latency_code(np.zeros((1, 3), np.uint8)))


def test_prepared_spikes_give_their_first():
    network, spikes = nmb.lower(random_model(0), conventions()), random_spikes(2, batch=40)
    prepared = prepare(network, spikes)
    whole = FirstSpikes.of(spikes)
    assert np.array_equal(prepared.first(3, 7).step, whole.step[3:7])
    events = [
        np.array(sorted(zip(*np.nonzero(spikes[:, i]), strict=True)), [("t", "f8"), ("x", "i4")])
        for i in range(40)
    ]
    for sample in events:
        sample["t"] = (sample["t"] + 0.5) * 1e-3
    assert np.array_equal(prepare(network, events).first().step, whole.step)


def test_a_register_of_four_taps_goes_through_all_its_states():
    sequence = shift_sequence(11, 13, 14, 16)
    assert sequence.size == 65535
    assert int(sequence.sum()) == 32768
    n = np.arange(16, 3000)
    expected = sequence[n - 11] ^ sequence[n - 13] ^ sequence[n - 14] ^ sequence[n - 16]
    assert np.array_equal(sequence[n], expected)
