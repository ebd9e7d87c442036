"""Streams: sample for sample what one run gives, in the memory of one batch."""

import tracemalloc

import numpy as np
import pytest

import nm_backends as nmb
from nm_backends.errors import UserError
from nm_backends.recordings import Recordings
from nm_backends.testing import random_model, random_spikes

EVENTS = [("t", "i8"), ("x", "i2")]


@pytest.fixture(scope="module")
def program():
    graph = random_model(0)
    conventions = nmb.Discretisation(framework="snntorch", reset="zero", dt=1e-3)
    return nmb.compile(graph, "tinyodin", conventions)


@pytest.fixture(scope="module")
def data(program):
    size = program.network.input_size
    random = np.random.default_rng(0)
    spikes = (random.random((10, 50, size)) < 0.3).astype(np.uint8)
    return spikes, random.integers(0, 3, 50)


def same(totals, result, labels=None):
    assert np.array_equal(totals.prediction, result.prediction)
    for name, values in result.counters.items():
        assert totals.counters[name] == values.sum()
    for kind, nodes in result.losses.items():
        for node, counts in nodes.items():
            assert np.array_equal(totals.losses[kind][node], counts)
    assert totals.latency.value == pytest.approx(result.latency.mean)
    assert totals.latency.source == result.latency.source
    if labels is not None:
        assert totals.accuracy == np.mean(result.prediction == labels)


def one_by_one(spikes, labels):
    for i, label in enumerate(labels):
        yield spikes[:, i], int(label)


def test_every_kind_of_stream_gives_what_one_run_gives(program, data, tmp_path):
    spikes, labels = data
    whole = program.run(spikes)
    np.save(tmp_path / "spikes.npy", spikes)
    mapped = np.load(tmp_path / "spikes.npy", mmap_mode="r")
    loader = [(spikes[:, i : i + 8], labels[i : i + 8]) for i in range(0, 50, 8)]
    same(program.stream(mapped, batch=7).totals(), whole)
    same(program.stream(one_by_one(spikes, labels), batch=7).totals(), whole, labels)
    same(program.stream(loader, batch=20).totals(), whole, labels)
    same(program.stream((spikes[:, i] for i in range(50)), batch=50).totals(), whole)


def test_results_come_batch_by_batch(program, data):
    spikes, labels = data
    parts = list(program.stream(one_by_one(spikes, labels), batch=16, record=("membrane",)))
    whole = program.run(spikes, record=("membrane",))
    assert [part.spikes.shape[1] for part in parts] == [16, 16, 16, 2]
    assert np.array_equal(np.concatenate([p.spikes for p in parts], axis=1), whole.spikes)
    for name, membranes in whole.membranes.items():
        there = np.concatenate([part.membranes[name] for part in parts], axis=1)
        assert np.array_equal(there, membranes)
    assert np.array_equal(np.concatenate([p.metadata["labels"] for p in parts]), labels)


def recordings(program, samples, seed=1):
    random = np.random.default_rng(seed)
    for n in range(samples):
        events = np.zeros(random.integers(5, 40), EVENTS)
        events["t"] = np.sort(random.integers(0, 1000 * random.integers(3, 12), events.size))
        events["x"] = random.integers(0, program.network.input_size, events.size)
        yield events, n % 3


def test_event_lists_are_as_long_as_asked(program):
    lists = list(recordings(program, 20))
    whole = program.run(lists)
    steps = len(whole.spikes)
    stream = program.stream(recordings(program, 20), batch=6, steps=steps)
    same(stream.totals(), whole, [label for _, label in lists])
    short = list(program.stream(lists, batch=6, steps=2))
    assert [len(part.spikes) for part in short] == [2, 2, 2, 2]
    longest = [len(part.spikes) for part in program.stream(lists, batch=6)]
    assert max(longest) == steps > min(longest)


def test_progress_is_told_and_a_list_can_be_gone_through_again(program, data):
    spikes, _ = data
    seen = []
    stream = program.stream(spikes, batch=20, progress=seen.append)
    assert stream.totals().samples == 50
    assert seen == [20, 20, 10]
    assert stream.totals().samples == 50


def test_memory_does_not_grow_with_the_samples(program):
    one = random_spikes(program.network.input_size)
    frames = np.ascontiguousarray(one.reshape(len(one), -1, program.network.input_size)[:, 0])

    def peak(samples):
        tracemalloc.start()
        totals = program.stream((frames for _ in range(samples)), batch=50).totals()
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert totals.samples == samples
        return most

    peak(50)
    assert peak(1000) < 1.2 * peak(100) + 50_000


def test_what_cannot_be_streamed_is_told(program, data):
    spikes, labels = data
    empty = one_by_one(spikes, labels)
    program.stream(empty).totals()
    half = [(spikes[:, 0], 1), (spikes[:, 1], None)]
    for wrong, words in (
        (lambda: program.stream(spikes, batch=0), "batch is 0, expected 1 or more"),
        (lambda: program.stream(spikes, steps=0), "steps is 0, expected 1 or more"),
        (lambda: program.stream({"input": spikes}), "a stream goes to one input"),
        (lambda: program.stream(empty).totals(), "the stream had no samples"),
        (lambda: program.stream(half, batch=1).totals(), "1 labels for 2 samples"),
        (lambda: program.stream(5).totals(), "a int cannot be gone through"),
        (lambda: program.stream(spikes[:, 0, None, :, None]).totals(), "expected .time, batch"),
    ):
        with pytest.raises(UserError, match=words):
            wrong()


def test_recordings_in_a_folder_are_the_samples_that_were_written(program, tmp_path):
    lists = list(recordings(program, 20))
    size = (program.network.input_size, 1, 1)
    Recordings.write(tmp_path / "events", recordings(program, 20), size)
    held = Recordings(tmp_path / "events")
    assert len(held) == 20
    assert held.sensor_size == size
    for (events, label), (wanted, known) in zip(held, lists, strict=True):
        assert np.array_equal(events, wanted)
        assert label == known
    steps = len(program.run(lists).spikes)
    totals = program.stream(held, batch=6, steps=steps).totals()
    same(totals, program.run(lists), [label for _, label in lists])
    with pytest.raises(IndexError, match="sample 20 of 20"):
        held[20]


def test_recordings_that_are_damaged_or_mixed_are_refused(program, tmp_path):
    folder = tmp_path / "events"
    Recordings.write(folder, (events for events, _ in recordings(program, 3)))
    assert Recordings(folder)[-1][1] is None
    content = (folder / "events.bin").read_bytes()
    (folder / "events.bin").write_bytes(content[:-1])
    with pytest.raises(UserError, match="do not belong together"):
        Recordings(folder)
    with pytest.raises(UserError, match="no recordings"):
        Recordings(tmp_path)
    first = next(recordings(program, 1))[0]
    other = first.astype([("t", "f8"), ("x", "i2")])
    for wrong, words in (
        ([first, other], "sample 1 has events of"),
        ([np.zeros((3, 4))], "sample 0 is a ndarray, expected an event list"),
        ([(first, 1), (first, None)], "1 labels for 2 samples"),
        ([], "0 labels for 0 samples"),
    ):
        with pytest.raises(UserError, match=words):
            Recordings.write(folder, wrong)
        with pytest.raises(UserError, match="no recordings"):
            Recordings(folder)
