"""ODIN's burst engine: against the clocked model, and what is refused."""

import pickle

import numpy as np
import pytest
from engine_cases import draw_schedule, hosts, same_clock, same_outputs, seed, send_timed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference_models.bursts import BurstReference, Undefined
from test_odin_engine import event, image, same_state

from nm_backends.errors import UserError
from nm_backends.eventcore.errors import LivelockError, UnsupportedByEngine
from nm_odin.errors import UndefinedError
from nm_odin.simulator import OdinSimulator, run_batch
from nm_odin.words import izhikevich_word

slow = settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
BURSTERS = (0, 3, 77, 200, 255)
HARMLESS = [0xFF11] * 34  # define the words of the main queue


def bursting(number, timeref, bursters=(3, 77, 200), spikes=2, interval=0, from_rows=0, learning=0):
    """Few neurons can fire, at any excitation that moves them; LIF neurons only listen."""
    start = image(number, (0, from_rows, 0, 1, 1), monitor=number % 256, learning=learning, quiet=1)
    rng = np.random.default_rng(number)
    words = start.memories["neuron"]
    words[:, 15] |= 0x80
    one = np.ones(256, np.int64)
    izh = izhikevich_word(
        np.zeros((256, 16), np.uint8),
        thr=rng.integers(1, 3, 256),
        rfr=rng.integers(0, 3, 256),
        spk_ref=one * spikes,
        isi_ref=one * interval,
        neg_en=rng.integers(0, 2, 256),
        ca_en=one * (learning > 0),
        ca_theta2=one * 5,
        ca_theta3=one * 7,
        thetamem=one,
        burst_incr=rng.integers(0, 2, 256),
        inacc=rng.integers(0, 8, 256),
    )
    chosen = list(bursters)
    words[chosen] = izh[chosen]
    words[chosen, 15] &= 0x7F
    start.registers["SPI_SYN_SIGN"][:] = rng.random(256) < 0.3
    start.registers["SPI_BURST_TIMEREF"] = timeref
    return start


starts = st.builds(
    bursting,
    seed,
    st.one_of(st.integers(505, 1600), st.integers(40, 600)),
    st.lists(st.sampled_from(BURSTERS), min_size=1, max_size=4, unique=True),
    st.integers(1, 4),
    st.integers(0, 7),
    st.integers(0, 1),
    st.sampled_from([0, 0.7]),
)
rows = st.integers(0, 255).map(lambda k: k << 8 | 7)
kicks = st.sampled_from(BURSTERS).map(lambda k: [k << 8 | 0xE1] * 3)  # w = 7: two or three steps
bursts = st.lists(st.one_of(kicks, kicks, st.lists(st.one_of(rows, event), max_size=3)), max_size=6)
words = bursts.map(lambda parts: [word for part in parts for word in part])


def pair(start, slot, count):
    simulator = OdinSimulator(start, burst_slot=slot, burst_count=count)
    memories = start.memories
    model = BurstReference(
        memories["neuron"], memories["synapse"], start.registers,
        simulator.up, simulator.down, slot, count,
    )  # fmt: skip
    return simulator, model


@given(starts, words, hosts, seed, st.integers(0, 56), st.sampled_from([True, True, False]))
@slow
def test_cycle_engine_equals_clocked_model(start, sent, host, number, slot, defined):
    sent = HARMLESS * defined + sent
    host = draw_schedule(host, sent, number)
    simulator, model = pair(start, slot, number % start.registers["SPI_BURST_TIMEREF"])
    try:
        log = send_timed(simulator, sent, host, max_pops=40)
    except UndefinedError:
        with pytest.raises(Undefined):
            model.run(sent, host)
        return
    model.run(sent, host)
    same_outputs(log, model)
    same_clock(log, model)
    same_state(simulator, model)
    assert (simulator.queues["slot"][0], model.period - simulator.queues["next_slot"][0]) == (
        model.slot,
        model.prescaler,
    )


@pytest.mark.parametrize("cut", [36, 37, 38])
def test_a_run_can_be_cut_where_the_chip_is_idle(cut):
    sent = np.array([*HARMLESS, 0x0507, 0x4D07, 0x0307, 0xC807], np.uint32)
    whole, parts = (OdinSimulator(bursting(5, 700)) for _ in range(2))
    log = whole.send_timed(sent)
    first = parts.send_timed(sent[:cut])
    second = parts.send_timed(sent[cut:])
    assert log.out_addr.tolist() == [*first.out_addr, *second.out_addr]
    assert whole.image().memories["neuron"].tolist() == parts.image().memories["neuron"].tolist()


def test_bursts_need_a_clock():
    simulator = OdinSimulator(bursting(1, 900))
    message = (
        "bursts need the cycle-accurate engine: SPI_BURST_TIMEREF is not 0, the loop is closed and "
        "spk_ref is not 0 in 3 enabled neurons, the first is neuron 3"
    )
    for call in (
        lambda: simulator.send(np.array([7], np.uint32)),
        lambda: run_batch(bursting(1, 900), np.array([7], np.uint32), np.array([0, 1])),
    ):
        with pytest.raises(UnsupportedByEngine) as caught:
            call()
        assert str(caught.value) == message


@pytest.mark.parametrize("change", [{"SPI_OPEN_LOOP": 1}, {"SPI_BURST_TIMEREF": 0}])
def test_without_the_burst_engine_both_engines_agree(change):
    start = bursting(2, 900)
    start.registers.update(change)
    sent = np.array([*range(0x0007, 0x4007, 0x100), 0x7F], np.uint32)
    one, two = OdinSimulator(start), OdinSimulator(start)
    assert one.send(sent).out_addr.tolist() == two.send_timed(sent).out_addr.tolist()
    assert (one.membrane == two.membrane).all()


def firing():
    """Neuron 3 fires at its own row and no other does."""
    start = bursting(0, 1500, bursters=(3,), spikes=1)
    start.memories["synapse"][:] = 8
    start.memories["neuron"][3] = izhikevich_word(
        np.zeros((1, 16), np.uint8), thr=[1], spk_ref=[1], inacc=[7]
    )[0]
    start.memories["synapse"][9, 3] = 15
    start.registers["SPI_SYN_SIGN"][:] = 0
    return start


def test_a_fifth_entry_is_refused_and_nothing_has_happened():
    simulator = OdinSimulator(firing())
    before = simulator.image().memories["neuron"].copy()
    sent = [*HARMLESS, *[0x03E1, 0x03E1] * 300]
    with pytest.raises(UndefinedError) as caught:
        simulator.send_timed(np.array(sent, np.uint32), driving="back_to_back")
    error = caught.value
    assert error.overflow
    assert str(error).startswith(f"event {error.event}, while neuron ")
    assert "fifth entry" in str(error)
    assert (simulator.image().memories["neuron"] == before).all()
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_a_short_slot_can_be_a_livelock():
    simulator = OdinSimulator(bursting(5, 100, spikes=1, bursters=(3,)))
    sent = np.array([*HARMLESS, *[0x03E1] * 8], np.uint32)
    with pytest.raises((LivelockError, UndefinedError)):
        simulator.send_timed(sent, max_pops=500)


@pytest.mark.parametrize(("slot", "count"), [(57, 0), (-1, 0), (0, 901), (0, -1)])
def test_impossible_counters(slot, count):
    with pytest.raises(UserError, match="burst_slot"):
        OdinSimulator(bursting(1, 900), burst_slot=slot, burst_count=count)
