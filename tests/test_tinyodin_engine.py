"""tinyODIN's two engines against a clocked model, recorded traces and each other."""

import numpy as np
import pytest
from engine_cases import (
    TRACES,
    bit,
    draw_schedule,
    hosts,
    same_clock,
    same_outputs,
    seed,
    send,
    send_timed,
    thorough,
)
from hypothesis import given
from hypothesis import strategies as st
from reference_models.clocked import Host
from reference_models.tinyodin import TinyOdinReference

from nm_backends.errors import UserError
from nm_backends.eventcore.errors import LivelockError
from nm_backends.image import Image
from nm_tinyodin.simulator import TinyOdinSimulator, run_batch
from nm_tinyodin.trace import verify

FILES = sorted((TRACES / "tinyodin").glob("*.npz"))


def image(number=0, open_loop=1, source=0, last=255, spread=300):
    """Random words: small thresholds, all signs, extreme membranes, some neurons disabled."""
    rng = np.random.default_rng(number)
    membrane = rng.choice([0, 1, 50, 2047, 2048, 4095, 4000], 256) + rng.integers(0, 5, 256)
    threshold = rng.choice([0, 1, 7, 2047, 2048, 4095], 256, p=[0.01, 0.04, 0.05, 0.3, 0.3, 0.3])
    threshold = np.where(rng.random(256) < 0.7, rng.integers(5, 5 + spread, 256), threshold)
    leak = rng.choice([0, 1, 5, 127], 256)
    disabled = rng.random(256) < 0.1
    words = (membrane & 0xFFF) | threshold << 12 | leak << 24 | disabled.astype(np.int64) << 31
    memories = {
        "neuron": words.astype("<u4").view(np.uint8).reshape(256, 4),
        "synapse": rng.integers(0, 16, (256, 256), np.uint8),
    }
    registers = {
        "SPI_GATE_ACTIVITY": 0,
        "SPI_OPEN_LOOP": open_loop,
        "SPI_AER_SRC_CTRL_nNEUR": source,
        "SPI_MAX_NEUR": last,
    }
    return Image(memories, registers)


images = st.builds(
    image, seed, bit, bit, st.sampled_from([0, 7, 100, 254, 255]), st.sampled_from([300, 3000])
)
event = st.one_of(
    st.integers(0, 255),
    st.integers(0x200, 0x2FF),
    st.sampled_from([0x1FF, 0x3FF, 0x100, 0x1FE, 0x203, 0x27F]),
    st.integers(0, 1023),
)
events = st.lists(event, max_size=12)


def reference(start):
    return TinyOdinReference(start.memories["neuron"], start.memories["synapse"], start.registers)


@given(images, events, hosts, seed)
@thorough
def test_cycle_engine_equals_clocked_model(start, words, host, number):
    host = draw_schedule(host, words, number)
    simulator = TinyOdinSimulator(start)
    log = send_timed(simulator, words, host)
    model = reference(start)
    model.run(words, host)
    same_outputs(log, model)
    same_clock(log, model)
    assert simulator.image().memories["neuron"].tolist() == model.memory()


@given(images, events)
@thorough
def test_transaction_engine_equals_clocked_model(start, words):
    simulator = TinyOdinSimulator(start)
    log = send(simulator, words)
    model = reference(start)
    model.run(words)
    same_outputs(log, model)
    assert simulator.image().memories["neuron"].tolist() == model.memory()


@given(images, st.lists(events, max_size=5), st.integers(1, 3))
@thorough
def test_batch_equals_single_samples(start, samples, threads):
    singles = []
    for words in samples:
        singles.append(send(TinyOdinSimulator(start), words, membrane=True))
    offsets = np.cumsum([0, *map(len, samples)])
    marks = np.concatenate([np.arange(-1, len(words)) for words in samples] or [[]]).astype(int)
    words = np.array([w for sample in samples for w in sample], np.uint32)
    batch = run_batch(
        start, words, offsets, marks, offsets + np.arange(len(offsets)), threads=threads
    )
    for s, log in enumerate(singles):
        mine = slice(batch.out_offsets[s], batch.out_offsets[s + 1])
        assert batch.out_addr[mine].tolist() == log.out_addr.tolist()
        assert batch.out_event[mine].tolist() == log.out_event.tolist()
        assert batch.outputs[s] == log.out_addr.size
        assert batch.sops[s] == log.sops
        for name in ("core_cycles", "stall_cycles", "pops", "drops"):
            assert getattr(batch, name)[s] == getattr(log, f"ev_{name}").sum()
        assert batch.drops_by_neuron[s].tolist() == log.drops_by_neuron.tolist()
        first = offsets[s] + s
        assert (batch.membranes[first] == TinyOdinSimulator(start).membrane).all()
        assert (batch.membranes[first + 1 : first + 1 + len(samples[s])] == log.membranes).all()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_recorded_trace(path):
    verdict = verify(str(path))
    assert verdict.ok, str(verdict)


def test_traces_cover_both_kinds():
    engines = {verify(str(path)).engines for path in FILES}
    assert engines == {("cycle",), ("transaction", "cycle")}


@pytest.mark.parametrize("engine", ["send", "send_timed"])
def test_threshold_zero_in_a_closed_loop_is_a_livelock(engine):
    start = image(open_loop=0)
    start.memories["neuron"][:] = 255  # all disabled, never firing
    start.memories["neuron"][9] = 0  # threshold 0, enabled: fires at every touch
    start.memories["synapse"][:] = 0
    simulator = TinyOdinSimulator(start)
    before = simulator.image()
    with pytest.raises(
        LivelockError, match=r"^livelock: sample 0, event 1: .* neuron 9$"
    ) as caught:
        getattr(simulator, engine)(np.array([0x102, 5], np.uint32))
    assert (caught.value.event, caught.value.neuron) == (1, 9)
    assert not simulator.image().differences(before)


def test_livelock_in_a_batch_names_the_sample():
    start = image(open_loop=0)
    start.memories["neuron"][:] = 255
    start.memories["neuron"][9] = 0
    start.memories["synapse"][:] = 0
    with pytest.raises(LivelockError) as caught:
        run_batch(start, np.array([0x102, 0x103, 5], np.uint32), np.array([0, 1, 3]), max_pops=99)
    assert (caught.value.sample, caught.value.event) == (1, 1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (np.array([3, 1024], np.uint32), "event 1: 1024 does not fit 10 address bits"),
        (np.array([-1]), "event 0: -1 does not fit 10 address bits"),
        (np.array([0.5]), "events: float64[1], expected integers [n]"),
        (np.array([[1]]), "events: int64[1, 1], expected integers [n]"),
    ],
)
def test_impossible_events(words, message):
    with pytest.raises(UserError) as caught:
        TinyOdinSimulator(image()).send(words)
    assert str(caught.value) == message


def test_impossible_images():
    start = image()
    start.memories["synapse"] = start.memories["synapse"][:255]
    with pytest.raises(UserError, match=r"image of tinyodin: memory synapse: shape \(255, 256\)"):
        TinyOdinSimulator(start)
    gated = image()
    gated.registers["SPI_GATE_ACTIVITY"] = 1
    with pytest.raises(UserError, match="SPI_GATE_ACTIVITY is 1, the chip answers no event"):
        TinyOdinSimulator(gated)


def test_segments_with_snapshots_change_nothing():
    words = np.random.default_rng(0).integers(0, 1024, 40).astype(np.uint32)
    whole, parts = TinyOdinSimulator(image(3)), TinyOdinSimulator(image(3))
    one, two = whole.send(words), parts.send(words, snap_after=[0, 7, 7, 40])
    assert one.out_event.tolist() == two.out_event.tolist()
    assert (two.snapshots.neuron[-1] == whole.image().memories["neuron"]).all()
    timed = TinyOdinSimulator(image(3)).send_timed(words, snap_after=[0, 7, 7, 40])
    plain = TinyOdinSimulator(image(3)).send_timed(words)
    assert timed.out_cycle.tolist() == plain.out_cycle.tolist()
    assert timed.total_cycles == plain.total_cycles
    assert (timed.snapshots.neuron == two.snapshots.neuron).all()


def test_no_events_at_all():
    log = TinyOdinSimulator(image()).send_timed(np.zeros(0, np.uint32))
    assert log.total_cycles == 7
    model = reference(image())
    assert model.run([], Host())["total"] == 7
    assert run_batch(image(), np.zeros(0, np.uint32), np.array([0])).out_addr.size == 0
