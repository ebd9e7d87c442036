"""Made-up recordings of shapes that move: what moves where, how often, and with which polarity."""

import nir
import numpy as np
import pytest

import nm_backends as nmb
from nm_backends.errors import UserError
from nm_backends.moving_shapes import MOVES, SHAPES, moving_shapes


def middle(events, axis):
    """Mean place of the events of the first and of the last third of a recording."""
    early, late = np.quantile(events["t"], [1 / 3, 2 / 3])
    place = events[axis].astype(float)
    return place[events["t"] < early].mean(), place[events["t"] > late].mean()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("move", "axis", "sign"),
    [("left", "x", -1), ("right", "x", 1), ("up", "y", -1), ("down", "y", 1)],
)
def test_shapes_go_where_their_class_says(shape, move, axis, sign):
    made = moving_shapes(5, 3, classes=[f"{shape} {move}"], size=40)
    other = "y" if axis == "x" else "x"
    for events, _ in made:
        first, last = middle(events, axis)
        assert sign * (last - first) > 8
        assert abs(np.subtract(*middle(events, other))) < 5


@pytest.mark.parametrize(("move", "sign"), [("clockwise", 1), ("anticlockwise", -1)])
@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_go_round(shape, move, sign):
    """The angle grows from right to down where y points down: clockwise as one looks at it."""
    for events, _ in moving_shapes(4, 5, classes=[f"{shape} {move}"], size=40, noise=0):
        parts = np.array_split(events, 12)
        places = [(part["x"] - 19.5).mean() + 1j * (part["y"] - 19.5).mean() for part in parts]
        turned = np.angle(np.array(places[1:]) / np.array(places[:-1])).sum()
        assert 0.8 * np.pi < sign * turned < 2.2 * np.pi


@pytest.mark.parametrize("shape", SHAPES)
def test_bright_shapes_brighten_what_they_cover(shape):
    options = {"size": 40, "noise": 0.0, "jitter": 0.0}
    growing, shrinking = (
        moving_shapes(3, 1, classes=[f"{shape} {move}"], **options) for move in MOVES[-2:]
    )
    assert all(events["p"].all() for events in growing.samples)
    assert not any(events["p"].any() for events in shrinking.samples)
    for events, _ in moving_shapes(3, 1, classes=[f"{shape} right"], **options):
        assert 0.35 < events["p"].mean() < 0.65
        slice_ = events[abs(events["t"] - 150_000) < 10_000]
        assert slice_["x"][slice_["p"]].mean() > slice_["x"][~slice_["p"]].mean() + 1


def test_rates_are_those_asked_for():
    quiet = moving_shapes(20, 0, classes=["circle growing"], rate=0, noise=2000, duration=0.5)
    counts = np.array([len(events) for events in quiet.samples])
    assert abs(counts.mean() - 1000) < 4 * np.sqrt(1000 / 20)
    edge = moving_shapes(20, 0, classes=["bar left"], rate=4000, noise=0, size=64)
    assert 0.9 * 1200 < np.mean([len(events) for events in edge.samples]) < 1.05 * 1200


def test_samples_depend_on_their_seed_and_place_only():
    few, many = moving_shapes(4, 1), moving_shapes(7, 1)
    assert many.labels.tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert many.names == ("bar", "circle", "square")
    assert all(np.array_equal(a, b) for a, b in zip(few.samples, many.samples, strict=False))
    assert not np.array_equal(moving_shapes(1, 2).samples[0], few.samples[0])


@pytest.mark.parametrize("size", [8, (40, 40), (20, 12)])
def test_events_are_in_order_and_on_the_sensor(size):
    made = moving_shapes(8, 0, classes=MOVES, size=size, jitter=3.0, polarity=False)
    columns, rows = (size, size) if isinstance(size, int) else size
    assert made.sensor_size == (columns, rows, 1)
    for events, _ in made:
        assert (np.diff(events["t"]) >= 0).all()
        assert 0 <= events["t"].min() <= events["t"].max() < 300_000
        assert 0 <= events["x"].min() <= events["x"].max() < columns
        assert 0 <= events["y"].min() <= events["y"].max() < rows
        assert not events["p"].any()


def test_chips_and_the_float_run_take_them_as_a_dataset():
    made = moving_shapes(6, 0, size=8, noise=100.0)
    graph = nir.NIRGraph(
        {
            "input": nir.Input({"input": np.array([2, 8, 8])}),
            "flat": nir.Flatten({"input": np.array([2, 8, 8])}, 0),
            "fc": nir.Linear(np.ones((3, 128))),
            "lif": nir.IF(r=np.ones(3), v_threshold=np.full(3, 50.0)),
            "output": nir.Output({"output": np.array([3])}),
        },
        [("input", "flat"), ("flat", "fc"), ("fc", "lif"), ("lif", "output")],
    )
    result = nmb.reference(graph, made, nmb.Discretisation(dt=1e-3, reset="zero", spike_cmp=">"))
    assert result.metadata["labels"].tolist() == made.labels.tolist()
    assert "p of 2, y of 8, x of 8" in result.metadata["input"]["channel"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": ["bat"]}, "the class 'bat' is no shape, movement or both"),
        ({"classes": ["left right"]}, "the class 'left right'"),
        ({"classes": [""]}, "the class ''"),
        ({"classes": []}, "no classes"),
        ({"size": 7}, "a sensor of"),
        ({"rate": -1.0}, "negative rate"),
        ({"duration": 0.0}, "no duration"),
    ],
)
def test_what_makes_no_recording_is_refused(options, message):
    with pytest.raises(UserError, match=message):
        moving_shapes(1, 0, **options)
