"""`program.run` over more samples than are held: the same numbers, in memory that does not grow."""

import io
import pickle
import tracemalloc

import numpy as np
import pytest

import nm_backends as nmb
from nm_backends import progress as bars
from nm_backends import summary
from nm_backends.errors import UserError
from nm_backends.recordings import Recordings
from nm_backends.summary import NotKeptError, Summary
from nm_backends.testing import random_model

EVENTS = [("t", "i8"), ("x", "i2")]
SAMPLES = 150


@pytest.fixture(scope="module")
def program():
    conventions = nmb.Discretisation(framework="snntorch", reset="zero", dt=1e-3)
    return nmb.compile(random_model(0), "tinyodin", conventions)


@pytest.fixture(scope="module")
def spikes(program):
    random = np.random.default_rng(0)
    return (random.random((10, SAMPLES, program.network.input_size)) < 0.3).astype(np.uint8)


@pytest.fixture
def small(monkeypatch):
    """Datasets count as large from a few samples on."""
    monkeypatch.setattr(summary, "HELD", 1 << 10)


class Dataset:
    """As those of tonic: a length, and samples with a label by their number."""

    def __init__(self, size, samples=SAMPLES):
        self.size, self.samples = size, samples
        self.sensor_size = (size, 1, 1)

    def __len__(self):
        return self.samples

    def __getitem__(self, number):
        random = np.random.default_rng(number)
        events = np.zeros(random.integers(5, 40), EVENTS)
        events["t"] = np.sort(random.integers(0, 9_000, events.size))
        events["t"][-1] = 9_500  # all last as long
        events["x"] = random.integers(0, self.size, events.size)
        return events, number % 3


def frames(spikes):
    for n in range(spikes.shape[1]):
        yield spikes[:, n], n % 3


def same(found, whole):
    """Everything but the spikes is that of one run."""
    assert isinstance(found, Summary)
    assert np.array_equal(found.readout, whole.readout)
    assert np.array_equal(found.prediction, whole.prediction)
    assert {n: v.tolist() for n, v in found.counters.items()} == {
        n: v.tolist() for n, v in whole.counters.items()
    }
    for kind, nodes in whole.losses.items():
        for node, counts in nodes.items():
            assert np.array_equal(found.losses[kind][node], counts)
    assert np.allclose(found.latency.value, whole.latency.value)
    assert found.real_time.slowest == whole.real_time.slowest
    assert found.steps == whole.steps


def test_every_kind_of_data_gives_what_one_run_gives(program, spikes, small, tmp_path):
    whole = program.run(spikes)
    np.save(tmp_path / "spikes.npy", spikes.astype(np.float32))
    mapped = np.load(tmp_path / "spikes.npy", mmap_mode="r")
    labels = [n % 3 for n in range(SAMPLES)]
    for given in (frames(spikes), list(frames(spikes))):
        found = program.run(given)
        same(found, whole)
        assert found.metadata["labels"].tolist() == labels
    same(program.run(spikes, keep="readout"), whole)
    same(program.run(mapped, keep="readout"), whole)
    assert np.array_equal(program.run(mapped).spikes, whole.spikes)  # not that large


def test_event_lists_and_recordings_on_disk(program, small, tmp_path):
    data = Dataset(program.network.input_size)
    whole = program.run(data, keep="spikes")
    assert whole.spikes.shape[:2] == (10, SAMPLES)
    Recordings.write(tmp_path, (data[n] for n in range(SAMPLES)), data.sensor_size)
    for given in (data, Recordings(tmp_path), (data[n] for n in range(SAMPLES))):
        found = program.run(given)
        same(found, whole)
        assert np.array_equal(found.metadata["labels"], whole.metadata["labels"])
    said = found.metadata["input"]
    assert said["kept"] == "readout"
    assert said["events"] == whole.metadata["input"]["events"]


def test_spikes_that_would_not_fit_are_not_kept(program, monkeypatch):
    data = Dataset(program.network.input_size)
    assert program.run(data).spikes.any()
    monkeypatch.setattr(summary, "_SPIKES", 1000)
    same(program.run(data), program.run(data, keep="spikes"))


def test_what_is_not_kept_is_told(program, spikes):
    found = program.run(spikes, keep="readout")
    with pytest.raises(NotKeptError, match="the spikes of 150 samples were not kept") as raised:
        found.spikes  # noqa: B018
    assert "keep='spikes'" in raised.value.hint
    assert not hasattr(found, "layers")
    assert "150 samples, spikes not kept" in repr(found)
    assert "steps" in found._repr_html_()
    assert np.array_equal(pickle.loads(pickle.dumps(found)).readout, found.readout)
    with pytest.raises(AttributeError, match="spike"):
        found.spike  # noqa: B018


def test_what_cannot_be_left_out_is_told(program, spikes):
    for how, words in (
        ({"keep": "all"}, "keep is 'all', expected auto, spikes, readout"),
        ({"keep": "readout", "record": ("membrane",)}, "is not kept"),
    ):
        with pytest.raises(UserError, match=words):
            program.run(spikes, **how)
    with pytest.raises(UserError, match="for several samples"):
        program.run(spikes[:, 0], keep="readout")
    assert program.run(frames(spikes), record=("membrane",)).membranes


def test_longer_samples_that_come_later_are_run_to_their_end(program, spikes, small):
    def growing():
        yield from (spikes[:5, n] for n in range(100))
        yield spikes[:, 100]

    found = program.run(growing())
    assert found.steps == 10
    padded = spikes[:, :101].copy()
    padded[5:, :100] = 0
    assert np.array_equal(found.readout[:100], program.run(padded[:5, :100]).readout)
    assert np.array_equal(found.readout[100], program.run(padded).readout[100])


def test_labels_of_some_samples_only(program, spikes, small):
    half = [(spikes[:, n], n if n < 140 else None) for n in range(SAMPLES)]
    with pytest.raises(UserError, match="labels for 150 samples"):
        program.run(half)


def test_a_bar_is_shown_where_a_person_is_watching(program, spikes, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    shown = []
    monkeypatch.setattr(bars.sys, "stderr", Terminal())
    monkeypatch.setattr(bars, "_line", lambda _, title, total: shown.append([title, total]) or
                        shown[-1].append)  # fmt: skip
    program.run(Dataset(program.network.input_size))
    assert shown == [["running", SAMPLES, 32, 32, 32, 32, 22]]
    program.run(Dataset(program.network.input_size), progress=False)
    program.run(spikes)
    assert len(shown) == 1


def test_memory_does_not_grow_with_the_samples(program, small, monkeypatch):
    monkeypatch.setattr(summary, "_TOGETHER", 1)  # 32 samples at once

    def peak(samples):
        data = Dataset(program.network.input_size, samples)
        tracemalloc.start()
        found = program.run(data)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(found.readout) == samples
        return most

    peak(50)
    assert peak(1500) - peak(500) < 1000 * 500  # predictions, counters, estimates; a sample is 2 kB
