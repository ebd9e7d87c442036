"""ODIN's two engines against a clocked model, recorded traces and each other: LIF and SDSP."""

import numpy as np
import pytest
from engine_cases import (
    TRACES,
    altered,
    bit,
    draw_schedule,
    hosts,
    same_clock,
    same_outputs,
    seed,
    send,
    send_timed,
    thorough,
    trace_image,
)
from hypothesis import given
from hypothesis import strategies as st
from reference_models.clocked import Host
from reference_models.odin import OdinReference

from nm_backends.errors import UserError
from nm_backends.eventcore.errors import LivelockError
from nm_backends.image import Image
from nm_backends.trace import TraceError
from nm_odin.simulator import OdinSimulator, run_batch
from nm_odin.trace import verify

FILES = sorted((TRACES / "odin").glob("*.npz"))
SPIKES = [k << 8 | 7 for k in range(256)]


def image(number=0, registers=(1, 0, 0, 0, 0), monitor=0, learning=0.5, quiet=0.9):
    """Random words, of which a share ``quiet`` has a high threshold; random synapses and signs."""
    rng = np.random.default_rng(number)
    words = rng.integers(0, 256, (256, 16), np.uint8)
    words[:, 0] |= 1  # LIF
    threshold = np.where(rng.random(256) < quiet, rng.integers(200, 256, 256), words[:, 1])
    low = words[:, 1] & 1 | threshold << 1
    words[:, 1] = low & 0xFF
    words[:, 2] = words[:, 2] & 0xFC | low >> 8
    words[:, 2] |= ((rng.random(256) < learning) << 1).astype(np.uint8)
    words[:, 15] = words[:, 15] & 0x7F | ((rng.random(256) < 0.1) << 7).astype(np.uint8)
    names = ("OPEN_LOOP", "AER_SRC_CTRL_nNEUR", "UPDATE_UNMAPPED_SYN", "PROPAGATE_UNMAPPED_SYN")
    named = dict(zip((*names, "SDSP_ON_SYN_STIM"), registers, strict=True))
    return Image(
        {"neuron": words, "synapse": rng.integers(0, 16, (256, 256), np.uint8)},
        {
            "SPI_GATE_ACTIVITY": 0,
            "SPI_SYN_SIGN": (rng.random(256) < 0.4).astype(np.uint8),
            "SPI_BURST_TIMEREF": 0,
            "SPI_OUT_AER_MONITOR_EN": 0,
            "SPI_MONITOR_NEUR_ADDR": monitor,
            "SPI_MONITOR_SYN_ADDR": 0,
            **{f"SPI_{name}": value for name, value in named.items()},
        },
    )


images = st.builds(
    image,
    seed,
    st.tuples(bit, bit, bit, bit, bit),
    st.sampled_from([0, 9, 254, 255]),
    st.sampled_from([0, 0.5, 1]),
    st.sampled_from([0.9, 1]),
)
event = st.one_of(
    st.sampled_from(SPIKES),
    st.integers(0, 255).map(lambda k: k << 8 | 0x7F),
    st.integers(0, 255).map(lambda k: k << 8 | 0xFF),
    st.integers(0, 255).map(lambda k: k << 8 | 0x80),
    st.integers(0x10000, 0x1FFFF),
    st.integers(0, 0xFFFF).map(lambda n: n & 0xFFF8 | 1),
    st.integers(0, 0x1FFFF).filter(lambda n: n & 0x100FF),  # bistability of all: 16,384 cycles
)
events = st.lists(event, max_size=12)


def reference(start, up=None, down=None):
    simulator = OdinSimulator(start)
    memories = start.memories
    return OdinReference(
        memories["neuron"],
        memories["synapse"],
        start.registers,
        simulator.up if up is None else up,
        simulator.down if down is None else down,
    )


def same_state(simulator, model):
    memories = simulator.image().memories
    assert memories["neuron"].tolist() == model.memory()
    assert memories["synapse"].tolist() == model.synapses
    assert (simulator.up.tolist(), simulator.down.tolist()) == (model.up, model.down)


@given(images, events, hosts, seed)
@thorough
def test_cycle_engine_equals_clocked_model(start, words, host, number):
    host = draw_schedule(host, words, number)
    simulator = OdinSimulator(start)
    log = send_timed(simulator, words, host)
    model = reference(start)
    model.run(words, host)
    same_outputs(log, model)
    same_clock(log, model)
    same_state(simulator, model)


@given(images, events, seed)
@thorough
def test_transaction_engine_equals_clocked_model(start, words, number):
    up, down = np.random.default_rng(number).integers(0, 2, (2, 256), np.uint8)
    simulator = OdinSimulator(start, up=up, down=down)
    log = send(simulator, words)
    model = reference(start, up, down)
    model.run(words)
    same_outputs(log, model)
    same_state(simulator, model)


def test_bistability_of_all_synapses():
    start = image(5, (0, 0, 1, 0, 0))
    words = np.array([0x0507, 0x0000, 0x0907], np.uint32)
    simulator, model = OdinSimulator(start), reference(start)
    log = simulator.send_timed(words, driving="back_to_back", max_pops=1000)
    model.run(words, Host(driving="back_to_back"))
    same_outputs(log, model)
    same_clock(log, model)
    same_state(simulator, model)


@given(images, st.lists(events, max_size=5), st.integers(1, 3))
@thorough
def test_batch_equals_single_samples(start, samples, threads):
    singles = [send(OdinSimulator(start), words) for words in samples]
    offsets = np.cumsum([0, *map(len, samples)])
    words = np.array([w for sample in samples for w in sample], np.uint32)
    batch = run_batch(start, words, offsets, threads=threads)
    for s, log in enumerate(singles):
        mine = slice(batch.out_offsets[s], batch.out_offsets[s + 1])
        assert batch.out_addr[mine].tolist() == log.out_addr.tolist()
        assert batch.out_event[mine].tolist() == log.out_event.tolist()
        assert batch.sops[s] == log.sops
        for name in ("core_cycles", "stall_cycles", "pops", "drops"):
            assert getattr(batch, name)[s] == getattr(log, f"ev_{name}").sum()


@given(seed, st.lists(st.sampled_from([*SPIKES, 0x7F]), max_size=12))
@thorough
def test_short_way_without_learning_gives_the_same(number, words):
    """A core without calcium against the same core with it, its weights frozen by the mapping."""
    start = image(number, (1, 0, 0, 1, 0), learning=0)
    start.memories["neuron"][:, 2] &= 0xFD
    start.memories["synapse"] &= 7
    learning = start.copy()
    learning.memories["neuron"][:, 2] |= 2
    plain, full = OdinSimulator(start), OdinSimulator(learning)
    assert not plain.neurons["learning"][0]
    assert full.neurons["learning"][0]
    one, two = plain.send(np.array(words, np.uint32)), full.send(np.array(words, np.uint32))
    assert one.out_addr.tolist() == two.out_addr.tolist()
    assert (plain.membrane == full.membrane).all()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_recorded_trace(path):
    verdict = verify(str(path))
    assert verdict.ok, str(verdict)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_flags_after_programming(path):
    with np.load(path, allow_pickle=False) as arrays:
        simulator = OdinSimulator(trace_image(arrays))
        assert (simulator.up == arrays["up_init"]).all()
        assert (simulator.down == arrays["down_init"]).all()


def test_threshold_zero_in_a_closed_loop_is_a_livelock():
    start = image(registers=(0, 0, 0, 0, 0), learning=0, quiet=1)
    start.memories["synapse"][:] = 0
    start.memories["neuron"][:, 9] &= 0x3F  # membranes below the thresholds of 200 and more
    start.memories["neuron"][:, 8:10] = 0
    start.memories["neuron"][77, 1] &= 1
    start.memories["neuron"][77, 2] &= 0xFE
    start.memories["neuron"][77, 15] &= 0x7F
    with pytest.raises(LivelockError) as caught:
        OdinSimulator(start).send(np.array([0x10FF, 0x0107], np.uint32))
    assert (caught.value.event, caught.value.neuron) == (1, 77)


@pytest.mark.parametrize("flags", [np.zeros(255), np.full(256, 2), np.zeros(256, float)])
def test_impossible_flags(flags):
    with pytest.raises(UserError, match=r"flags up: expected 0 or 1, \[256\]"):
        OdinSimulator(image(), up=flags)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"marks": np.array([2]), "mark_offsets": np.array([0, 1])}, "not an event of its sample"),
        ({"marks": np.array([1, 0]), "mark_offsets": np.array([0, 2])}, "not ascending"),
        ({"marks": np.array([0])}, "mark_offsets: expected to ascend from 0 to 1"),
        ({"offsets": np.array([0, 3])}, "offsets: expected to ascend from 0 to 2"),
        ({"offsets": np.array([0, 2, 1, 2])}, "offsets: expected to ascend from 0 to 2"),
        ({"max_pops": 0}, "max_pops 0"),
    ],
)
def test_impossible_batches(options, message):
    arguments = {"words": np.array([7, 7], np.uint32), "offsets": np.array([0, 2])} | options
    with pytest.raises(UserError, match=message):
        run_batch(image(), **arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"driving": "fast"}, "driving 'fast': expected one of idle, back_to_back, scheduled"),
        ({"driving": "scheduled"}, r"req_cycle: float64\[0\], expected \[1\]"),
        ({"driving": "scheduled", "req_cycle": np.array([-1])}, "a cycle is negative"),
        ({"driving": "back_to_back", "snap_after": [1]}, "snap_after: the chip is only idle"),
        ({"snap_after": [2]}, "snap_after"),
        ({"ack_delay": -1}, "negative"),
        ({"idle_cycles": 0}, "idle_cycles 0"),
    ],
)
def test_impossible_timing(options, message):
    with pytest.raises(UserError, match=message):
        OdinSimulator(image()).send_timed(np.array([7], np.uint32), **options)


def test_divergence_names_event_field_and_neuron(tmp_path):
    path = FILES[0]

    def later(addresses):
        addresses[3] ^= 1
        return addresses

    verdict = verify(altered(path, tmp_path / "output.npz", out_addr=later))
    found = verdict.divergence
    assert (found.field, found.index, found.engine) == ("out_addr", (3,), "transaction")
    assert found.expected == found.got ^ 1
    assert f"event {found.event}, neuron {found.neuron}, out_addr[3]: expected" in str(verdict)
    assert verdict.to_dict()["divergence"]["index"] == (3,)

    def membrane(words):
        words[40, 9] ^= 1
        return words

    verdict = verify(altered(path, tmp_path / "memory.npz", neuron_final=membrane))
    found = verdict.divergence
    assert (found.field, found.neuron) == ("neuron_final: core", 40)


@pytest.mark.parametrize("lost", [0, -1])
def test_divergence_of_missing_outputs(tmp_path, lost):
    shorter = {
        name: (lambda array: np.delete(array, lost))
        for name in ("out_addr", "out_event", "out_cycle")
    }
    verdict = verify(altered(FILES[0], tmp_path / "short.npz", **shorter))
    assert not verdict.ok
    assert verdict.divergence.field.startswith("out_")


def test_divergence_in_the_clock_only(tmp_path):
    def shift(cycles):
        cycles[2:] += 1
        return cycles

    verdict = verify(altered(FILES[0], tmp_path / "clock.npz", ev_ack_cycle=shift))
    assert verdict.engines == ("transaction", "cycle")
    assert (verdict.divergence.field, verdict.divergence.event) == ("ev_ack_cycle", 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"events": None}, "array events: missing"),
        ({"events": lambda a: a[:-1]}, "array ev_core_cycles: int32[300], expected integers [299]"),
        ({"events": lambda a: a | 1 << 17}, "event 0: 131335 does not fit 17 address bits"),
        ({"synapse_init": lambda a: a | 16}, "array synapse_init: holds 24..31, expected 0..15"),
        ({"SPI_OPEN_LOOP": np.array(2)}, "array SPI_OPEN_LOOP: holds 2..2, expected 0..1"),
        ({"neuron_init": lambda a: a[:, :4]}, "array neuron_init: uint8[256, 4], expected"),
        ({"out_addr": np.array(["a"])}, "array out_addr: <U1[1], expected integers"),
        ({"meta": None}, "array meta: missing; not a trace"),
        ({"meta": np.array("[1]")}, "array meta: not a JSON object"),
        ({"meta": np.array('{"chip": "ReckOn"}')}, "a trace of 'ReckOn', expected odin"),
        ({"meta": np.array('{"chip": "ODIN"}')}, "meta: driving is 'None', expected str"),
    ],
)
def test_unusable_traces(tmp_path, changes, message):
    path = altered(FILES[0], tmp_path / "bad.npz", **changes)
    with pytest.raises(TraceError) as caught:
        verify(path)
    assert str(caught.value).startswith("bad.npz: ")
    assert message in str(caught.value)


@pytest.mark.parametrize("keep", [0, 10, 5000, -30])
def test_truncated_traces(tmp_path, keep):
    path = tmp_path / "cut.npz"
    path.write_bytes(FILES[0].read_bytes()[:keep])
    with pytest.raises(TraceError, match=r"^cut\.npz: damaged or not an \.npz file"):
        verify(str(path))
