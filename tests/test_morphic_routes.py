"""Route words, paths, and a network over several chips against one large core."""

from collections import deque

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from morphic_cases import chip

from nm_backends.errors import UserError
from nm_morphic.assumptions import Assumptions
from nm_morphic.routes import Route, decode, encode, level, path, unpack
from nm_morphic.simulator import TIME_REFERENCE, MorphicSimulator


@given(st.integers(0, (1 << 27) - 1), st.integers(0, 3))
def test_every_word_is_a_route(word, core):
    assert encode(decode(word, core), core) == word


@given(
    st.integers(0, 3), st.sets(st.integers(0, 3)), st.integers(0, 255), st.integers(-8, 7),
    st.integers(-8, 7), st.integers(0, 255),
)  # fmt: skip
def test_every_route_is_a_word(core, cores, l1_row, dx, dy, l2_row):
    route = Route(tuple(sorted(cores - {core})), l1_row, dx, dy, l2_row)
    assert decode(encode(route, core), core) == route


def test_a_word_bit_by_bit():
    word = encode(Route((0, 3), l1_row=0x5A, dx=-8, dy=7, l2_row=0x21), 1)
    assert word == 0b101 << 24 | 0x5A << 16 | 0b1000 << 12 | 0b0111 << 8 | 0x21
    assert unpack(np.array([word]))["dx"].tolist() == [-8]


@pytest.mark.parametrize(
    ("route", "message"),
    [
        (Route((1,)), r"^route of core 1: cores \[1\], expected some of \[0, 2, 3\]$"),
        (Route((0, 0)), "cores \\[0, 0\\]"),
        (Route((4,)), "cores \\[4\\]"),
        (Route(l1_row=256), r"^route: l1_row 256, expected 0\.\.255$"),
        (Route(l2_row=-1), "l2_row -1"),
        (Route(dx=8), r"dx 8, expected -8\.\.7"),
        (Route(dy=-9), "dy -9"),
    ],
)
def test_routes_that_do_not_fit_are_refused(route, message):
    with pytest.raises(UserError, match=message):
        encode(route, 1)


def test_words_and_rows_that_do_not_exist_are_refused():
    with pytest.raises(UserError, match="route word 0x8000000: expected 27 bits"):
        decode(1 << 27, 0)
    with pytest.raises(UserError, match=r"core 4: expected 0\.\.3"):
        decode(0, 4)
    with pytest.raises(UserError, match="row 1024"):
        level(1024)
    assert [level(row) for row in (0, 511, 512, 767, 768, 1023)] == [0, 0, 1, 1, 2, 2]


def test_x_comes_before_y():
    assert path(5, 2, -1, 4) == [(5, 0), (6, 0), (7, 3)]
    assert path(5, -1, 1, 4, "yx") == [(5, 2), (9, 1)]
    assert path(5, 0, 0, 4) == []


def forward(at, dx, dy, latency=1, order="xy"):
    """Log of one spike that goes from neuron 7 of a chip to row 3 of another, then fires there."""
    images = []
    for number in range(6):
        weights, routes = np.zeros((4, 1024, 512), np.uint8), np.zeros((4, 512), int)
        enabled = np.zeros((4, 1024), np.uint8)
        weights[:, 768 + 3, 100] = 1  # fires neuron 100
        weights[0, 600, 7] = 1
        enabled[0, 600] = number == at
        enabled[:, 768 + 3] = 1
        if number == at:
            routes[0, 7] = encode(Route(dx=dx, dy=dy, l2_row=3), 0)
        images.append(chip(weights, routes, {"thr": 1}, enabled, WEIGHT_MODE=1))
    held = Assumptions(hop_latency=latency, route_order=order)
    return MorphicSimulator(images, 3, held).send(np.array([[at, 0, 600]]))


def test_a_packet_takes_its_hops_and_reaches_all_cores():
    log = forward(0, 2, 1)
    assert log.out[["chip", "core", "neuron"]].tolist() == [
        (0, 0, 7), *((5, core, 100) for core in range(4))
    ]  # fmt: skip
    assert log.out["event"].tolist() == [0] * 5
    # served in the next round after three rounds of hops; the first is that of the spike itself
    assert log.out["cycle"].tolist() == [15, *[4 * 1024 + 201] * 4]
    assert log.cycles == 5 * 1024
    assert np.argwhere(log.link_packets).tolist() == [[0, 0], [1, 0], [2, 2]]
    across = forward(0, 2, 1, order="yx")
    assert np.argwhere(across.link_packets).tolist() == [[0, 2], [3, 0], [4, 0]]
    assert forward(5, -2, -1, latency=0).cycles == 2 * 1024


def large_core(images, columns, events):
    """The same neurons as one core with one FIFO: a queue of columns of a weight matrix."""
    chips = len(images)
    bits = MorphicSimulator(images, columns).weights.astype(int).reshape(-1, 1024, 512)
    on = np.array(
        [image.registers[f"ROW_ENABLE_{core}"] for image in images for core in range(4)], bool
    )
    rows = np.where(on[:, :, None], 2 * bits - 1, 0)

    def column(targets):
        found = np.zeros((chips * 4, 512), int)
        for core, row in targets:
            found[core] += rows[core, row]
        return found

    def targets(core, k):
        word = int.from_bytes(images[core // 4].memories["route"][core % 4 * 512 + k], "little")
        route = decode(word, core % 4)
        found = [(core, k)] + [(core - core % 4 + c, 512 + route.l1_row) for c in route.cores]
        if route.dx or route.dy:
            to = core // 4 + route.dx + columns * route.dy
            found += [(4 * to + c, 768 + route.l2_row) for c in range(4)]
        return found

    state = MorphicSimulator(images, columns)
    v, threshold = (
        state.read("core").reshape(-1, 512).astype(int),
        state.read("thr").reshape(-1, 512),
    )
    leak, out = state.read("leak_str").reshape(-1, 512).astype(int), []
    for number, (c, core, row) in enumerate(events.tolist()):
        fifo = deque([None if row < 0 else [(4 * c + core, row)]])
        while fifo:
            served = fifo.popleft()
            if served is None:
                v = np.sign(v) * np.maximum(abs(v) - leak, 0)
            else:
                v = np.clip(v + column(served), -1024, 1023)
            for at, k in np.argwhere(v >= threshold).tolist():
                v[at, k] = 0
                out.append((at // 4, at % 4, k, number))
                fifo.append(targets(at, k))
    return out, v


def sparse_route(rng, at, core):
    """Few neurons have targets: a spike causes about one other."""
    if rng.random() > 0.05:
        return Route()
    others = tuple(c for c in range(4) if c != core and rng.random() < 0.4)
    row, far = rng.integers(256, size=2).tolist()
    return Route(others, row, int(rng.integers(3)) - at, 0, far)


def test_three_chips_without_latency_are_one_large_core():
    rng, images = np.random.default_rng(11), []
    for at in range(3):
        routes = [
            [encode(sparse_route(rng, at, core), core) for _ in range(512)] for core in range(4)
        ]
        connected = np.where(np.arange(1024) < 512, 0.02, 0.6)
        images.append(
            chip(
                rng.integers(0, 2, (4, 1024, 512), np.uint8),
                routes,
                {"thr": rng.integers(4, 12, (4, 512)), "leak_str": 1},
                rng.random((4, 1024)) < connected,
            )
        )
    events = rng.integers([0, 0, 512], [3, 4, 1024], (500, 3))
    events[::50] = (-1, -1, TIME_REFERENCE)
    simulator = MorphicSimulator(images, 3, Assumptions(hop_latency=0, fifo_depth=256))
    log = simulator.send(events, max_served=5000)
    out, membranes = large_core(images, 3, events)
    assert log.dropped.sum() == 0
    assert log.out[["chip", "core", "neuron", "event"]].tolist() == out
    assert np.array_equal(simulator.read("core").reshape(-1, 512), membranes)
    assert {place for place, *_ in out} == {0, 1, 2}
    assert log.served.sum() > 400  # 300 of them are input events
    assert log.link_packets.sum() >= 20
    late = MorphicSimulator(images, 3, Assumptions(fifo_depth=256)).send(events)
    assert late.out.size
    assert late.cycles > log.cycles
