"""Events and datasets: lists, labels, frames, sensors, and what a result says about them."""

import re

import numpy as np
import pytest
from crossbar_networks import inputs, link, network, neurons, single

import nm_backends as nmb
from nm_backends.errors import UserError
from nm_backends.spikes import prepare

TONIC = np.dtype([("x", "<i2"), ("y", "<i2"), ("t", "<i8"), ("p", "?")])


def events(number, seed=0, size=(4, 3, 2), steps=20, dtype=TONIC):
    rng = np.random.default_rng(seed)
    made = np.zeros(number, dtype)
    made["t"] = np.sort(rng.integers(0, steps * 1000, number))
    for name, length in zip("xyp", size, strict=True):
        if name in dtype.names:
            made[name] = rng.integers(0, length, number)
    return made


def camera(shape=(2, 3, 4)):
    size = int(np.prod(shape))
    weights = np.random.default_rng(0).integers(1, 8, (size, 5)).astype(float)
    return network(
        [inputs(size, shape=shape), neurons("a", 5, threshold=40.0)], [link("in", "a", weights)]
    )


def counted(lists, shape=(2, 3, 4), steps=20):
    counts = np.zeros((steps, len(lists), *shape), np.uint8)
    for sample, given in enumerate(lists):
        for e in given:
            counts[e["t"] // 1000, sample, int(e["p"]), e["y"], e["x"]] += 1
    return counts


class Recordings:
    """A dataset as tonic and torch have them, with no end but its length."""

    sensor_size = (4, 3, 2)

    def __init__(self, lists, transform=None):
        self.lists, self.transform, self.opened = lists, transform, 0

    def __len__(self):
        return len(self.lists)

    def __getitem__(self, index):
        self.opened += 1
        data = self.lists[index]
        return (self.transform(data) if self.transform else data), index % 3


LISTS = [events(60, seed) for seed in range(70)]


def test_a_dataset_is_the_counts_of_its_events_in_batches(monkeypatch):
    program = nmb.compile(camera(), "tinyodin")
    wanted = program.run(counted(LISTS))
    seen = []
    result = program.run(Recordings(LISTS), progress=seen.append)
    assert seen == [32, 32, 6]
    for given in (Recordings(LISTS), LISTS, iter(LISTS), [(e, 1) for e in LISTS]):
        assert np.array_equal(program.run(given).spikes, wanted.spikes)
    assert wanted.spikes.any()
    assert np.array_equal(result.spikes, wanted.spikes)
    assert all(np.array_equal(result.counters[n], c) for n, c in wanted.counters.items())
    assert result.metadata["labels"].tolist() == [i % 3 for i in range(70)]
    assert result.metadata["input"] == {
        "events": 4200,
        "binned": "t // 0.001 s",
        "times": "microseconds",
        "dt": 0.001,
        "steps": 20,
        "channel": "p of 2, y of 3, x of 4",
        "ignored": "",
    }
    assert "input" not in wanted.metadata
    one = program.run(LISTS[0])
    assert one.spikes.shape == (20, 5)
    assert one.metadata["input"]["events"] == 60


def test_calibration_and_reference_take_datasets():
    data = Recordings(LISTS[:8])
    wanted = nmb.compile(camera(), "odin", calibrate=counted(LISTS[:8]))
    found = nmb.compile(camera(), "odin", calibrate=data)
    assert np.array_equal(found.image.memories["synapse"], wanted.image.memories["synapse"])
    result = nmb.reference(camera(), data)
    assert np.array_equal(result.spikes, nmb.reference(camera(), counted(LISTS[:8])).spikes)
    assert result.metadata["labels"].tolist() == [0, 1, 2, 0, 1, 2, 0, 1]


def test_a_sensor_is_flattened_where_the_input_has_one_axis():
    flat = camera((24,))
    wanted = counted(LISTS[:3]).reshape(20, 3, 24)
    for given in (Recordings(LISTS[:3]), nmb.Events(LISTS[:3], sensor_size=(4, 3, 2))):
        made = prepare(flat, given)
        assert np.array_equal(made.counts, wanted)
        assert made.said["channel"] == "p of 2, y of 3, x of 4"
    one = prepare(flat, nmb.Events(LISTS[0], (4, 3, 2)))
    assert not one.batched
    assert np.array_equal(one.counts, wanted[:, :1])


def test_a_cochlea_has_channels_and_a_polarity_that_says_nothing():
    heard = events(50, size=(24, 1, 1), dtype=np.dtype([("t", "i8"), ("x", "i8"), ("p", "i8")]))
    heard["p"] = 1
    made = prepare(camera((24,)), nmb.Events([heard], (24, 1, 1)))
    assert made.counts.sum() == 50
    assert (made.said["channel"], made.said["ignored"]) == ("x of 24", "p")
    assert np.array_equal(prepare(camera((24,)), heard).counts, made.counts)


def test_rows_without_polarity_take_both():
    made = prepare(camera((3, 4)), LISTS[0])
    assert np.array_equal(made.counts[:, 0], counted(LISTS[:1]).sum(axis=2).reshape(20, 12))
    assert made.said["ignored"] == "p"


def test_frames_are_taken_as_samples_and_as_batches():
    frames = counted(LISTS[:6])
    data = Recordings([frames[:, i] for i in range(6)])
    made = prepare(camera(), data)
    assert np.array_equal(made.counts, frames.reshape(20, 6, 24))
    assert made.labels.tolist() == [0, 1, 2, 0, 1, 2]
    loader = iter([(frames[:, :4], np.arange(4)), (frames[:, 4:], np.arange(2))])
    made = prepare(camera(), loader)
    assert np.array_equal(made.counts, frames.reshape(20, 6, 24))
    assert made.labels.tolist() == [0, 1, 2, 3, 0, 1]
    short = prepare(camera(), Recordings([frames[:, 0], frames[:9, 1]]))
    assert not short.counts[9:, 1].any()
    assert short.said["frames"] == "samples of 9 steps and more end with silence"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (Recordings([]), "the Recordings has no samples"),
        (Recordings([LISTS[0], counted(LISTS[:1])[:, 0]]), "mixes event lists and frames"),
        (Recordings([("a", "b", "c")]), "sample 0 of the Recordings is a tuple, expected an event"),
        (Recordings([np.zeros((4, 5))]), "have shape [4, 5], expected [time, batch, 2, 3, 4]"),
        (iter([(np.zeros((4, 2, 24)), 1)]), "1 labels for 2 samples"),
        (LISTS[0][["x", "t"]], "'p' is needed for an input of shape [2, 3, 4]"),
        (events(5, size=(9, 3, 2)), "x = "),
    ],
)
def test_wrong_datasets(given, text):
    with pytest.raises(UserError, match=re.escape(text)):
        prepare(camera(), given)


def test_sensors_that_do_not_fit_and_polarities_of_another_kind():
    with pytest.raises(UserError, match="have rows \\(y\\), the input has one axis") as raised:
        prepare(camera((24,)), LISTS[0])
    assert "sensor_size=(x, y, p)" in raised.value.hint
    with pytest.raises(UserError, match=r"a sensor of 34 x 34 x 2 .* input of 24 channels"):
        prepare(camera((24,)), nmb.Events(LISTS[0], (34, 34, 2)))
    signed = LISTS[0].astype([("x", "i2"), ("y", "i2"), ("t", "i8"), ("p", "i1")])
    signed["p"] = -1
    with pytest.raises(UserError, match="p = -1, expected 0 to 1") as raised:
        prepare(camera(), signed)
    assert raised.value.hint == "polarities are 0 and 1"


def test_several_inputs_say_each_for_itself():
    both = [inputs(3, "u"), inputs(3, "v"), neurons("n", 2, threshold=9.0)]
    net = network(both, [link("u", "n", np.ones((3, 2))), link("v", "n", np.ones((3, 2)))])
    heard = events(9, size=(3, 1, 1))
    made = prepare(net, {"u": heard, "v": np.zeros((int(heard["t"].max()) // 1000 + 1, 3), bool)})
    assert made.metadata["input"]["u"]["events"] == 9
    assert made.counts[:, 0, :3].sum() == 9


def test_lists_of_numbers_are_still_arrays():
    assert prepare(single(np.ones((2, 1))), [[1, 0], [0, 1], [1, 1]]).counts.shape == (3, 1, 2)


@pytest.mark.frameworks
def test_tonics_own_transforms_caches_and_loaders(tmp_path):
    import tonic
    import torch

    lists = [events(80, seed, size=(8, 6, 2)) for seed in range(5)]

    class Made(tonic.dataset.Dataset):
        sensor_size = (8, 6, 2)

        def __init__(self, transform=None):
            super().__init__(str(tmp_path), transform=transform)

        def __len__(self):
            return len(lists)

        def __getitem__(self, index):
            data = lists[index].copy()
            return (self.transform(data) if self.transform else data), index

    size = (4, 3, 2)
    smaller = tonic.transforms.Downsample(sensor_size=Made.sensor_size, target_size=size[:2])
    small = [smaller(e.copy()) for e in lists]
    program = nmb.compile(camera(), "tinyodin")
    wanted = program.run(small)
    assert wanted.spikes.any()
    assert np.array_equal(program.run(Made(smaller)).spikes, wanted.spikes)
    frames = tonic.transforms.Compose(
        [smaller, tonic.transforms.ToFrame(sensor_size=size, time_window=1000, start_time=0)]
    )
    framed = program.run(Made(frames))
    steps = min(len(framed.spikes), len(wanted.spikes))
    assert np.array_equal(framed.spikes[:steps], wanted.spikes[:steps])
    collate = tonic.collation.PadTensors(batch_first=False)
    loader = torch.utils.data.DataLoader(Made(frames), batch_size=2, collate_fn=collate)
    loaded = program.run(loader)
    assert np.array_equal(loaded.spikes, framed.spikes)
    assert loaded.metadata["labels"].tolist() == [0, 1, 2, 3, 4]
    cached = tonic.MemoryCachedDataset(Made(smaller))
    assert np.array_equal(program.run(cached).spikes, wanted.spikes)
