"""ODIN's monitoring mode: the engine against the clocked model, the decoder, what is refused."""

import numpy as np
import pytest
from engine_cases import (
    TRACES,
    altered,
    draw_schedule,
    hosts,
    same_clock,
    same_outputs,
    seed,
    send_timed,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference_models.bursts import Undefined
from reference_models.clocked import Host
from reference_models.monitor import MonitorBurstReference, MonitorReference
from test_odin_bursts import HARMLESS, bursting
from test_odin_bursts import words as burst_words
from test_odin_engine import event, image, same_state
from test_odin_izhikevich import with_izhikevich

from nm_backends.errors import UserError
from nm_backends.eventcore.errors import UnsupportedByEngine
from nm_odin.errors import UndefinedError
from nm_odin.monitor import decode_monitor
from nm_odin.simulator import OdinSimulator, run_batch
from nm_odin.trace import verify
from nm_odin.words import read_word, write_word

slow = settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))
address = st.sampled_from([0, 7, 8, 100, 248, 255])


def monitoring(start, neuron, row):
    start.registers["SPI_OUT_AER_MONITOR_EN"] = 1
    start.registers["SPI_MONITOR_NEUR_ADDR"] = neuron
    start.registers["SPI_MONITOR_SYN_ADDR"] = row
    return start


@st.composite
def cores(draw):
    flags = draw(st.tuples(*[st.integers(0, 1)] * 5))
    start = image(draw(seed), flags, learning=draw(st.sampled_from([0, 0.5, 1])))
    share, calm = draw(st.sampled_from([0, 0.5, 1])), draw(st.booleans())
    start = with_izhikevich(start, draw(seed), share, 0.1 if flags[0] else 0.97, calm)
    return monitoring(start, draw(address), draw(address))


@st.composite
def near(draw, neuron, row):
    """An event that writes the monitored neuron or the memory word with its synapse."""
    post = draw(st.sampled_from([neuron, neuron ^ 1]))
    payload = draw(st.integers(1, 31))
    return draw(
        st.sampled_from([
            row << 8 | 7, neuron << 8 | 7, 0x7F, post << 8 | 0xFF, row << 8 | 0x80,
            0x10000 | row << 8 | post, post << 8 | payload << 3 | 1,
        ])
    )  # fmt: skip


@st.composite
def runs(draw):
    start = draw(cores())
    watched = near(
        start.registers["SPI_MONITOR_NEUR_ADDR"], start.registers["SPI_MONITOR_SYN_ADDR"]
    )
    return start, draw(st.lists(st.one_of(watched, watched, event), max_size=10))


def pair(start, model=MonitorReference, **counter):
    simulator = OdinSimulator(start, **{f"burst_{name}": value for name, value in counter.items()})
    memories = start.memories
    return simulator, model(
        memories["neuron"], memories["synapse"], start.registers,
        simulator.up, simulator.down, *counter.values(),
    )  # fmt: skip


@given(runs(), hosts, seed)
@slow
def test_engine_equals_clocked_model(run, host, number):
    start, words = run
    host = draw_schedule(host, words, number)
    simulator, model = pair(start)
    log = send_timed(simulator, words, host, max_pops=40)
    model.run(words, host)
    same_outputs(log, model)
    same_clock(log, model)
    same_state(simulator, model)


@given(
    seed, st.integers(505, 1600), address, address, burst_words, hosts, st.integers(0, 56),
    st.integers(0, 1),
)  # fmt: skip
@slow
def test_engine_equals_clocked_model_with_bursts(
    number, timeref, neuron, row, words, host, slot, from_rows
):
    start = bursting(number, timeref, (3, 8, 100), from_rows=from_rows, learning=0.7)
    start = monitoring(start, neuron, row)
    words = HARMLESS + words
    host = draw_schedule(host, words, number)
    simulator, model = pair(start, MonitorBurstReference, slot=slot, count=number % timeref)
    try:
        log = send_timed(simulator, words, host, max_pops=40)
    except UndefinedError:
        with pytest.raises(Undefined):
            model.run(words, host)
        return
    model.run(words, host)
    same_outputs(log, model)
    same_clock(log, model)
    same_state(simulator, model)


def test_bistability_of_all_synapses():
    start = monitoring(image(5, (0, 0, 1, 0, 0)), 77, 130)
    words = np.array([0x8207, 0x0000, 0x4DFF], np.uint32)
    simulator, model = pair(start)
    log = simulator.send_timed(words, max_pops=1000)
    model.run(words)
    same_outputs(log, model)
    same_clock(log, model)
    same_state(simulator, model)
    bistable = np.flatnonzero(log.out_event == 1)
    assert log.out_addr[bistable].tolist() == [synapse_word(simulator)]
    assert log.ev_stall_cycles[1] == 6


def synapse_word(simulator):
    return 0xF0 | simulator.image().memories["synapse"][130, 77]


@pytest.mark.parametrize("ack_delay", [0, 5])
def test_three_words_delay_each_other(ack_delay):
    """Neuron 8 and its synapse are written in the same cycle; the words are 7 cycles apart."""
    start = monitoring(image(1), 8, 20)
    log = OdinSimulator(start).send_timed(np.array([0x1407], np.uint32), ack_delay=ack_delay)
    assert log.out_addr.size == 3
    assert log.out_addr[2] >= 0xF0
    assert np.diff(log.out_cycle).tolist() == [7 + 2 * ack_delay] * 2
    assert log.ev_stall_cycles.tolist() == [3 * 7 - 1 + 6 * ack_delay]


@given(runs())
@slow
def test_the_last_decoded_states_are_those_in_the_memories(run):
    start, words = run
    neuron, row = (start.registers[f"SPI_MONITOR_{name}_ADDR"] for name in ("NEUR", "SYN"))
    simulator = OdinSimulator(start)
    log = send_timed(simulator, words, Host(), max_pops=40)
    memories = simulator.image().memories
    fields = read_word(memories["neuron"][neuron])
    izhikevich = fields["lif_izh_sel"] == 0
    found = decode_monitor(log.out_addr, izhikevich=izhikevich)
    assert 2 * found.neuron.size + found.synapse.size == log.out_addr.size
    if found.neuron.size:
        last = found.neuron[-1]
        assert (last["core"], last["calcium"]) == (fields["core"], fields["calcium"])
        assert last["reson_sign"] == (fields["reson_sign"] if izhikevich else 0)
        assert (last["up"], last["down"]) == (simulator.up[neuron], simulator.down[neuron])
    if found.synapse.size:
        last = found.synapse[-1]
        assert last["mapped"] << 3 | last["weight"] == memories["synapse"][row, neuron]


def test_a_membrane_seen_from_outside():
    """Neuron 3 gets 5, 5 and 2 from row 9; at 12 it fires and is back at 0."""
    start = image(0)
    start.memories["neuron"][:] = write_word(lif_izh_sel=1, thr=200, neur_disable=1)
    start.memories["neuron"][3] = write_word(lif_izh_sel=1, thr=12)
    start.memories["synapse"][:] = 0
    start.memories["synapse"][9, 3] = 8 | 5
    start.registers["SPI_SYN_SIGN"][:] = 0
    words = np.array([0x0907, 0x0907, 0x0341], np.uint32)
    log = OdinSimulator(monitoring(start, 3, 9)).send_timed(words)
    found = decode_monitor(log.out_addr)
    assert found.neuron["core"].tolist() == [5, 10, 0]
    assert found.neuron["spike"].tolist() == [False, False, True]
    assert log.out_event[found.neuron["word"]].tolist() == [0, 1, 2]
    assert found.synapse["weight"].tolist() == [5, 5]
    assert found.synapse["mapped"].all()


def test_words_are_told_apart_by_their_place():
    found = decode_monitor([0xF9, 0x04, 0xFF, 0xA4, 0xF1, 0xF2])
    assert found.neuron["word"].tolist() == [1, 3]
    assert found.neuron["core"].tolist() == [255, 0xF1]
    assert found.neuron["spike"].tolist() == [False, True]
    assert found.neuron["down"].tolist() == [False, True]
    assert found.synapse["word"].tolist() == [0, 5]
    assert found.synapse["mapped"].tolist() == [True, False]
    assert found.synapse["weight"].tolist() == [1, 2]


def test_nothing_decodes_to_nothing():
    found = decode_monitor(np.zeros(0, np.uint8))
    assert (found.neuron.size, found.synapse.size) == (0, 0)


@pytest.mark.parametrize(
    ("words", "izhikevich", "message"),
    [
        ([0xF1, 0x04], False, "word 1, the last: the first half of a neuron's state, without the"),
        ([0x01, 0x10], False, "words 0 and 1: 0x01, 0x10 are not the state of a LIF neuron"),
        ([0x04, 0x10], True, "words 0 and 1: 0x04, 0x10 are not the state of an Izhikevich neuron"),
        ([0xF1, 0x60, 0x01], False, "words 1 and 2: 0x60, 0x01 are not the state of a LIF neuron"),
        ([0x04, 0x100], False, "words: expected 0..255, the addresses of the output link"),
        ([0.5], False, "words: float64[1], expected integers [n]"),
        ([[4, 4]], False, "words: int64[1, 2], expected integers [n]"),
    ],
)
def test_impossible_words(words, izhikevich, message):
    with pytest.raises(UserError) as caught:
        decode_monitor(np.array(words), izhikevich=izhikevich)
    assert str(caught.value).startswith(message)


def test_a_recorded_membrane():
    """Of a trace: the last state of neuron 77 is the one in its word at the end."""
    with np.load(TRACES / "odin" / "monitor_lif_open_00.npz", allow_pickle=False) as arrays:
        found = decode_monitor(arrays["out_addr"])
        fields = read_word(arrays["neuron_final"][77])
        last = found.synapse[-1]
        assert last["mapped"] << 3 | last["weight"] == arrays["synapse_final"][18, 77]
    assert found.neuron["core"][:6].tolist() == [3, 6, 9, 7, 14, 13]
    assert (found.neuron["core"][-1], found.neuron["calcium"][-1]) == (
        fields["core"],
        fields["calcium"],
    )


@pytest.mark.parametrize("exactness", ["cycle", "transaction"])
def test_a_trace_is_replayed_where_there_is_a_clock(tmp_path, exactness):
    def relabel(meta):
        return np.array(str(meta).replace('"cycle"', f'"{exactness}"'))

    path = TRACES / "odin" / "monitor_izh_learning_00.npz"
    verdict = verify(altered(path, tmp_path / "monitor.npz", meta=relabel))
    assert verdict.ok, str(verdict)
    assert verdict.engines == ("cycle",)


def test_monitoring_needs_a_clock():
    start = monitoring(image(), 3, 9)
    message = (
        "the monitoring mode needs the cycle-accurate engine: SPI_OUT_AER_MONITOR_EN is 1, the "
        "outputs are states of one neuron and one synapse, not spikes"
    )
    for call in (
        lambda: OdinSimulator(start).send(np.array([7], np.uint32)),
        lambda: run_batch(start, np.array([7], np.uint32), np.array([0, 1])),
    ):
        with pytest.raises(UnsupportedByEngine) as caught:
            call()
        assert str(caught.value) == message
