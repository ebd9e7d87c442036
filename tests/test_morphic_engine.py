"""MorphIC's engine against a plain model: membranes, weights, calcium, generators, outputs."""

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from morphic_cases import chip
from reference_models.morphic import MorphicReference

from nm_backends.errors import UserError
from nm_backends.eventcore.errors import LivelockError
from nm_morphic.assumptions import Assumptions
from nm_morphic.routes import Route, encode
from nm_morphic.simulator import TIME_REFERENCE, MorphicSimulator

# No shrinking: a seed does not become simpler by being smaller.
thorough = settings(
    deadline=None, max_examples=12, suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)  # fmt: skip
BUDGET = 120  # served events per input event: the plain model takes milliseconds for each
seed = st.integers(0, 2**32 - 1)


def random_chip(rng, at, shape, held, busy):
    """All kinds of neurons and rows; ``busy`` is the share of neurons with a low threshold."""
    high = (1 << held.membrane_bits - 1) - 1
    threshold = np.where(
        rng.random((4, 512)) < busy, rng.integers(1, 4, (4, 512)), rng.integers(4, 60, (4, 512))
    )
    threshold = np.minimum(threshold, (1 << held.threshold_bits) - 1)
    membrane = rng.choice([0, 1, -5, -high - 1, high], (4, 512), p=[0.5, 0.2, 0.24, 0.05, 0.01])
    fields = {
        "thr": threshold, "core": membrane, "leak_str": rng.integers(0, 4, (4, 512)),
        "thetamem": rng.integers(-3, 4, (4, 512)), "calcium": rng.integers(0, 8, (4, 512)),
        "caleak_cnt": rng.integers(0, 32, (4, 512)), "ca_theta1": rng.integers(0, 3, (4, 512)),
        "ca_theta2": rng.integers(0, 8, (4, 512)), "ca_theta3": rng.integers(0, 8, (4, 512)),
        "ca_leak": rng.integers(0, 4, (4, 512)), "ca_en": rng.random((4, 512)) < 0.8,
        "neur_disable": rng.random((4, 512)) < 0.1,
    }  # fmt: skip
    resolution = 1 << held.probability_bits
    return chip(
        rng.integers(0, 2, (4, 1024, 512), np.uint8),
        [[encode(random_route(rng, at, shape, core), core) for _ in range(512)]
         for core in range(4)],
        fields,
        rng.random((4, 1024)) < np.concatenate([np.full(512, 0.15), np.full(512, 0.4)]),
        rng.integers(1, 1 << held.lfsr_bits, 4),
        WEIGHT_MODE=rng.integers(0, 2, 4), PLASTIC=rng.integers(0, 8, 4),
        P_UP=rng.choice([0, 1, resolution // 3, resolution], 4),
        P_DOWN=rng.choice([0, 1, resolution // 3, resolution], 4),
        ROW_SIGN=rng.integers(0, 2, (4, 1024)),
    )  # fmt: skip


def random_route(rng, at, shape, core):
    others = [other for other in range(4) if other != core and rng.random() < 0.2]
    x, y = at % shape[0], at // shape[0]
    to = (x, y) if rng.random() < 0.6 else (rng.integers(shape[0]), rng.integers(shape[1]))
    return Route(
        tuple(others),
        int(rng.integers(256)),
        int(to[0] - x),
        int(to[1] - y),
        int(rng.integers(256)),
    )


def random_events(rng, chips, count):
    events = np.column_stack(
        [rng.integers(0, chips, count), rng.integers(0, 4, count), rng.integers(0, 1024, count)]
    )
    events[rng.random(count) < 0.2, 2] = TIME_REFERENCE
    everywhere = (rng.random(count) < 0.6) & (events[:, 2] < 0)
    events[everywhere, :2] = -1
    return events


def grouped(events, wait):
    """Lists of events that are sent together, as the documentation of ``send`` has it."""
    groups = []
    for number, event in enumerate(events.tolist()):
        last = groups[-1] if groups else []
        targets = [other[1:3] for other in last]
        alone = wait or event[2] < 0 or any(other[3] < 0 for other in last)
        if not groups or alone or tuple(event[:2]) in targets:
            groups.append([])
        groups[-1].append((number, *event))
    return groups


def compare(simulator, log, model):
    assert log.out.tolist() == model.out
    assert log.group_cycles.tolist() == model.group_cycles
    for name in ("served", "references", "dropped", "fifo_max"):
        assert getattr(log, name).ravel().tolist() == [getattr(c, name) for c in model.cores], name
    assert simulator.lfsr.ravel().tolist() == [core.lfsr for core in model.cores]
    for field, name in (("core", "membrane"), ("calcium", "calcium"), ("caleak_cnt", "leak_count")):
        found = [[getattr(n, name) for n in core.neurons] for core in model.cores]
        assert simulator.read(field).reshape(-1, 512).tolist() == found, field
    weights = simulator.weights.reshape(-1, 1024, 512)
    assert np.array_equal(weights, np.array([core.bits for core in model.cores]))
    packets, most = np.zeros_like(log.link_packets), np.zeros_like(log.link_max)
    for (at, side, _), count in model.link_rounds.items():
        packets[at, side] += count
        most[at, side] = max(most[at, side], count)
    assert np.array_equal(log.link_packets, packets)
    assert np.array_equal(log.link_max, most)


def both(number, shape, held, count, wait, busy):
    rng = np.random.default_rng(number)
    chips = shape[0] * shape[1]
    images = [random_chip(rng, at, shape, held, busy) for at in range(chips)]
    events = random_events(rng, chips, count)
    simulator = MorphicSimulator(images, shape[0], held)
    try:
        log = simulator.send(events, wait=wait, threads=1 + number % 2, max_served=BUDGET)
    except LivelockError:
        assume(False)
    model = MorphicReference(images, shape[0], held)
    model.send(grouped(events, wait))
    compare(simulator, log, model)
    return log


@given(seed, st.booleans())
@thorough
def test_one_chip_equals_the_plain_model(number, wait):
    both(number, (1, 1), Assumptions(), 12, wait, 0.002)


@given(seed, st.integers(0, 2), st.sampled_from(["xy", "yx"]), st.booleans())
@settings(thorough, max_examples=6)
def test_a_mesh_equals_the_plain_model(number, latency, order, wait):
    held = Assumptions(hop_latency=latency, route_order=order)
    both(number, (2, 2), held, 6, wait, 0.002)


@given(seed, st.sampled_from([1, 2, 5, 32]))
@settings(thorough, max_examples=8)
def test_full_fifos_and_other_widths_equal_the_plain_model(number, depth):
    held = Assumptions(
        fifo_depth=depth, membrane_bits=6, threshold_bits=5, leak_bits=3,
        lfsr_bits=15, lfsr_tap=14, probability_bits=4,
    )  # fmt: skip
    both(number, (1, 1), held, 8, True, 0.004)


def test_fifos_overflow_in_the_comparison():
    log = both(0, (1, 1), Assumptions(fifo_depth=2), 12, True, 0.02)
    assert log.dropped.sum() > 0
    assert log.fifo_max.max() == 2


@pytest.mark.parametrize("wait", [True, False])
def test_threads_change_nothing(wait):
    rng, held = np.random.default_rng(5), Assumptions()
    images = [random_chip(rng, at, (4, 4), held, 0.002) for at in range(16)]
    events = random_events(rng, 16, 400)
    found = []
    for threads in (1, 2, None):
        simulator = MorphicSimulator(images, 4)
        simulator.share_from = 2
        log = simulator.send(events, wait=wait, threads=threads)
        found.append((log, simulator.images()))
    assert found[0][0].served.sum() > 500
    assert found[0][0].references.sum() > 1000  # of all cores at once, which threads share
    for log, after in found[1:]:
        assert log.out.tobytes() == found[0][0].out.tobytes()
        assert not any(a.differences(b) for a, b in zip(after, found[0][1], strict=True))


def test_sending_in_pieces_equals_sending_at_once():
    rng, held = np.random.default_rng(8), Assumptions()
    image = random_chip(rng, 0, (1, 1), held, 0.02)
    events = random_events(rng, 1, 30)
    whole, pieces = MorphicSimulator(image), MorphicSimulator(image)
    out = whole.send(events).out
    parts = [pieces.send(events[:11]), MorphicSimulator(pieces.images()).send(events[11:])]
    assert [*parts[0].out["neuron"], *parts[1].out["neuron"]] == out["neuron"].tolist()


def test_cores_work_at_the_same_time_unless_events_wait():
    image = chip(fields={"thr": 100})
    events = np.array([[0, core, 600] for _ in range(5) for core in range(4)])
    waiting, free = (MorphicSimulator(image).send(events, wait=wait) for wait in (True, False))
    assert waiting.cycles == 20 * 1024
    assert free.cycles == 5 * 1024
    assert free.sops == 20 * 512
    assert free.busy_cycles.tolist() == [[5 * 1024] * 4]


def test_a_disabled_row_costs_nothing():
    log = MorphicSimulator(chip(enabled=np.zeros((4, 1024)))).send(np.array([[0, 0, 5]]))
    assert (log.cycles, log.sops, log.out.size) == (0, 0, 0)


def test_endless_activity_is_refused_and_leaves_the_state():
    weights = np.ones((4, 1024, 512), np.uint8)
    simulator = MorphicSimulator(chip(weights, fields={"thr": 1}))
    with pytest.raises(LivelockError, match="still busy after 500 scheduled"):
        simulator.send(np.array([[0, 1, 3]]), max_served=500)
    assert not simulator.read("core").any()
    assert not simulator.send(np.array([[-1, -1, -1]])).out.size


def test_fields_are_written_by_name():
    simulator = MorphicSimulator([chip(), chip()])
    simulator.write("thr", np.arange(512))
    assert np.array_equal(simulator.read("thr")[1, 2], np.arange(512))
    with pytest.raises(UserError, match=r"^core: expected integers -1024\.\.1023$"):
        simulator.write("core", 1024)
    with pytest.raises(UserError, match="no field 'theta'"):
        simulator.read("theta")


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ([1, 0, 0], "event 0: chip 1, core 0, row 0; expected 0..0, 0..3, 0..1023"),
        ([0, 4, 0], "chip 0, core 4"),
        ([0, 0, 1024], "row 1024"),
        ([-1, 0, -1], "chip -1, core 0"),
        ([0, -1, 7], "core -1, row 7"),
    ],
)
def test_events_that_address_nothing_are_refused(event, message):
    with pytest.raises(UserError, match=message):
        MorphicSimulator(chip()).send(np.array([event]))


def test_images_that_do_not_fit_are_refused():
    with pytest.raises(
        UserError, match=r"^chip 0, core 0, neuron 0: thr 1024, expected 0\.\.1023$"
    ):
        MorphicSimulator(chip(fields={"thr": 1024}))
    with pytest.raises(UserError, match="chip 0, core 1: LFSR_SEED 0, expected 1"):
        MorphicSimulator(chip(seeds=(1, 0, 1, 1)))
    with pytest.raises(UserError, match="chip 0, core 0: P_UP 1025, at most 2\\^10"):
        MorphicSimulator(chip(P_UP=1025))
    routes = np.zeros((4, 512), int)
    routes[2, 9] = encode(Route(dx=1, dy=-2), 2)
    with pytest.raises(UserError, match="chip 1, core 2, neuron 9: dx 1, dy -2 leads out of"):
        MorphicSimulator([chip(), chip(routes=routes)])
    with pytest.raises(UserError, match="mesh: 3 chips do not fill rows of 2"):
        MorphicSimulator([chip()] * 3, 2)
