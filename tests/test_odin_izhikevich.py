"""ODIN's Izhikevich neurons: both engines against the slow model, the named fields, the limits."""

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
    send,
    send_timed,
    thorough,
)
from hypothesis import given
from hypothesis import strategies as st
from reference_models import izhikevich
from test_odin_engine import events, image, images, reference, same_state

from nm_backends.errors import UserError
from nm_backends.eventcore.words import extract
from nm_odin.izh_fields import IZH_FIELDS
from nm_odin.izh_kernel import EXCITATORY, INHIBITORY, touch_izh
from nm_odin.izh_sweep import touch_row
from nm_odin.loading import load_neurons
from nm_odin.simulator import OdinSimulator, run_batch
from nm_odin.spec import SPEC
from nm_odin.state import IZH_NAMES
from nm_odin.trace import verify
from nm_odin.words import izhikevich_word, read_word, write_word

BEHAVIOURS = [
    f for f in IZH_FIELDS if f.name.endswith("_en") or f.name in ("leak_en", "burst_incr")
]
TREFS = [0x7F] * 4


def with_izhikevich(start, number, share, disabled, calm):
    """Turn a share of the neurons into Izhikevich neurons with random words.

    Of the calm ones few behaviours are on, and threshold and state are such that they can get far.
    """
    rng = np.random.default_rng(number)
    words = start.memories["neuron"]
    izh = rng.random(256) < share
    new = rng.integers(0, 256, (256, 16), np.uint8)
    new[:, 0] &= 0xFE
    fields = {}
    if calm:
        fields = {f.name: (rng.random(256) < 0.15).astype(np.int64) for f in BEHAVIOURS}
        fields |= {"fi_sel": rng.integers(0, 2, 256), "thr": rng.integers(2, 8, 256)}
        fields |= {f.name: np.zeros(256, np.int64) for f in IZH_FIELDS if 70 <= f.lsb < 125}
    fields["neur_disable"] = (rng.random(256) < disabled).astype(np.int64)
    words[izh] = izhikevich_word(new, **fields)[izh]
    return start


@st.composite
def cores(draw, timeref=0):
    start = draw(images)
    closed = not start.registers["SPI_OPEN_LOOP"]
    share = draw(st.sampled_from([0.1, 0.5, 1]))
    disabled = 0.97 if closed else draw(st.sampled_from([0.1, 0.9]))
    start = with_izhikevich(start, draw(seed), share, disabled, draw(st.booleans()))
    start.registers["SPI_BURST_TIMEREF"] = timeref
    return start


longer = st.lists(st.one_of(events, st.just(TREFS)), max_size=4).map(
    lambda parts: [word for part in parts for word in part]
)


@given(cores(), longer, hosts, seed)
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


@given(cores(), longer, seed)
@thorough
def test_transaction_engine_equals_clocked_model(start, words, number):
    up, down = np.random.default_rng(number).integers(0, 2, (2, 256), np.uint8)
    simulator = OdinSimulator(start, up=up, down=down)
    log = send(simulator, words)
    model = reference(start, up, down)
    model.run(words)
    same_outputs(log, model)
    same_state(simulator, model)


@given(seed, st.booleans(), st.sampled_from([0.5, 1]), seed)
@thorough
def test_long_runs_equal_single_touches(number, calm, share, choice):
    """Rows and time references in open loop, without the clocked model's way: long and fast."""
    start = with_izhikevich(image(number, (1, 0, 0, 1, 0)), number, share, 0.1, calm)
    rng = np.random.default_rng(choice)
    rows = np.where(rng.random(60) < 0.2, 0x7F, rng.integers(0, 256, 60) << 8 | 7)
    simulator, model = OdinSimulator(start), reference(start)
    log = simulator.send(rows.astype(np.uint32))
    fired = []
    for row in rows.tolist():
        for neuron in range(256):
            weights = [0] * 8 if row == 0x7F else model.read_group(row >> 8, neuron & ~7)
            if row != 0x7F and neuron % 8 == 0:
                model.learn_group(row >> 8, neuron)
                latched = weights
            weight = 0 if row == 0x7F else latched[neuron % 8]
            spike = model.touch(neuron, weight, row == 0x7F)
            fired += [] if spike is None else [spike]
    assert log.out_addr.tolist() == fired
    same_state(simulator, model)


@given(seed, st.booleans(), st.booleans(), st.booleans(), st.sampled_from([0.6, 1]))
@thorough
def test_rows_of_all_neurons_equal_single_touches(number, calm, up, learning, share):
    start = with_izhikevich(image(number), number, share, 0.1, calm)
    rng = np.random.default_rng(number)
    whole = load_neurons(start.memories["neuron"])
    izh = whole["izhikevich"][0] != 0
    whole["touch"] = (rng.integers(0, 4, 256) | 1) * izh
    whole["learning"] = learning
    single = whole.copy()
    fired = touch_row(whole[0], up)
    kind, expected = EXCITATORY if up else INHIBITORY, []
    for k in np.flatnonzero(izh).tolist():
        event = touch_izh(single[0], k, kind, single["touch"][0, k] > 1, False)
        expected += [k] * bool(event and single["enabled"][0, k])
    assert whole["fired_izh"][0, :fired].tolist() == expected
    for name in (*IZH_NAMES, "restless", "membrane", "calcium", "calcium_up", "calcium_down"):
        one, two = (n["izh"] if name in IZH_NAMES else n for n in (whole, single))
        assert (one[name][0, izh] == two[name][0, izh]).all(), name
    for name in ("up", "down"):
        assert (whole[name][0, izh] == single[name][0, izh]).all(), name


@given(seed)
@thorough
def test_flags_after_programming(number):
    start = with_izhikevich(image(number), number, 0.7, 0.1, False)
    simulator = OdinSimulator(start)
    for k, stored in enumerate(start.memories["neuron"]):
        word = int.from_bytes(bytes(stored), "little")
        if not word & 1:
            _, flags, _ = izhikevich.touch(word, None)
            assert (simulator.up[k], simulator.down[k]) == flags


@given(cores(), st.lists(events, max_size=4))
@thorough
def test_batch_equals_single_samples(start, samples):
    singles = [send(OdinSimulator(start), words) for words in samples]
    offsets = np.cumsum([0, *map(len, samples)])
    words = np.array([w for sample in samples for w in sample], np.uint32)
    batch = run_batch(start, words, offsets, threads=2)
    outputs = [a for log in singles for a in log.out_addr.tolist()]
    assert batch.out_addr.tolist() == outputs


def test_membrane_is_core():
    start = with_izhikevich(image(3), 3, 0.5, 0, False)
    simulator = OdinSimulator(start)
    log = simulator.send(np.array([0x0507, 0x7F, 0x0907], np.uint32), membrane=True)
    words = simulator.image().memories["neuron"]
    core = next(f for f in IZH_FIELDS if f.name == "core")
    izh = (words[:, 0] & 1) == 0
    assert (simulator.membrane[izh] == extract(words, core)[izh]).all()
    assert (simulator.membrane[~izh] >= 0).all()
    assert (log.membranes[-1] == simulator.membrane).all()


def test_every_field_is_described_and_all_bits_are_covered():
    bits = sorted(b for f in IZH_FIELDS for b in range(f.lsb, f.lsb + f.width))
    assert bits == [*range(125), 127]
    assert all(len(field.doc) > 5 for field in IZH_FIELDS)
    assert len({field.name for field in IZH_FIELDS}) == len(IZH_FIELDS)
    assert SPEC.fields["neuron_izh"] == IZH_FIELDS


@given(st.binary(min_size=16, max_size=16))
def test_words_as_named_fields(stored):
    word = np.frombuffer(stored, np.uint8)
    fields = read_word(word)
    assert ("fi_sel" in fields) == (not stored[0] & 1)
    again = write_word(**fields)
    known = [*range(40), *range(70, 86), 127] if stored[0] & 1 else [*range(125), 127]
    mask = np.packbits(np.isin(np.arange(128), known), bitorder="little")
    assert (again == word & mask).all()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"thr": 8}, "thr 8: expected 0..7"),
        ({"core": -9}, "core -9: expected -8..7"),
        ({"treshold": 1}, "treshold: no field of an Izhikevich word"),
        ({"lif_izh_sel": 1, "fi_sel": 0}, "fi_sel: no field of a LIF word"),
    ],
)
def test_impossible_fields(fields, message):
    with pytest.raises(UserError) as caught:
        write_word(**fields)
    assert str(caught.value).startswith(message)


def test_divergence_names_the_field_of_an_izhikevich_word(tmp_path):
    def phase(words):
        words[40, 13] ^= 4
        return words

    path = TRACES / "odin" / "izh_behaviours_open_02.npz"
    verdict = verify(altered(path, tmp_path / "memory.npz", neuron_final=phase))
    found = verdict.divergence
    assert (found.field, found.neuron) == ("neuron_final: reson_sign", 40)
