import numpy as np
import pytest
from crossbar_networks import CHIPS, bernoulli, inputs, layers, link, network, neurons, single
from hypothesis import given, settings
from hypothesis import strategies as st

from nm_backends.compiler import compile_model
from nm_backends.crossbar.demand import demand
from nm_backends.crossbar.events import decode_outputs, encode_spikes
from nm_backends.crossbar.wiring import fired_sources, wire
from nm_backends.placement import place
from nm_backends.program import CompileOptions

PLAIN = CompileOptions(order="ascending", settle="never")


def stored(program):
    """Return the signed weights in the image, int ``[row, neuron]``."""
    nibbles = program.image.memories["synapse"].astype(int)
    if program.chip == "tinyodin":
        return nibbles - (nibbles >> 3 << 4)
    sign = 1 - 2 * program.image.registers["SPI_SYN_SIGN"].astype(int)
    return (nibbles & 7) * sign[:, None]


def heard(program):
    """Add up the stored rows of every source: what its spike does to each network neuron."""
    layout, weights = program.layout, stored(program)
    rows = np.flatnonzero(layout["row_source"] >= 0)
    found = {}
    for row in rows:
        source = int(layout["row_source"][row])
        found[source] = found.get(source, 0) + weights[row]
    return found


@pytest.mark.parametrize("name", CHIPS)
@given(seed=st.integers(0, 2**16), hidden=st.integers(1, 20), out=st.integers(1, 8))
@settings(deadline=None, max_examples=25)
def test_the_image_holds_every_weight_once_and_copies_hear_the_same(name, seed, hidden, out):
    net = layers(9, hidden, out, seed=seed)
    program = compile_model(net, name, options=PLAIN)
    wiring, layout = wire(net), program.layout
    columns = heard(program)
    for source, real in enumerate(wiring.weights):
        effect = columns.get(source, np.zeros(256, int))
        mine = effect[layout["address"]]
        assert ((mine == 0) | (np.sign(mine) == np.sign(real))).all()
        twice = layout["copy"] >= 0
        np.testing.assert_array_equal(effect[layout["copy"][twice]], mine[twice])
        others = np.setdiff1d(np.arange(256), [*layout["address"], *layout["copy"]])
        assert not effect[others].any()


@pytest.mark.parametrize("name", CHIPS)
def test_rows_of_neurons_are_their_addresses_and_inputs_never_sit_there(name):
    program = compile_model(layers(20, 12, 5), name, options=PLAIN)
    layout, inputs_ = program.layout, 20
    taken = np.flatnonzero((layout["row_source"] >= 0) & (layout["row_source"] < inputs_))
    places = {*layout["address"], *layout["copy"][layout["copy"] >= 0]}
    assert places.isdisjoint(taken.tolist())
    for row in np.flatnonzero(layout["row_source"] >= inputs_):
        n = layout["row_source"][row] - inputs_
        assert row in (layout["address"][n], layout["copy"][n])
    outputs = layout["address"][12:]
    assert not stored(program)[outputs].any(), "neurons that drive nobody have empty rows"


@pytest.mark.parametrize("name", CHIPS)
def test_without_neuron_to_neuron_weights_all_rows_are_free_for_inputs(name):
    rng = np.random.default_rng(0)
    net = single(np.abs(rng.normal(0, 1, (256, 256))))
    program = compile_model(net, name, options=PLAIN)
    assert program.image.registers["SPI_OPEN_LOOP"] == 1
    assert {r.name: r.used for r in program.resources}["rows"] == 256
    assert {r.name: r.used for r in program.resources}["neurons"] == 256


def test_a_source_of_one_sign_takes_one_row_on_odin():
    mixed = single([[1.0, -1.0], [1.0, 2.0], [-1.0, -2.0], [0.0, 0.0]])
    need = demand(mixed, True)
    assert (need.channels, need.input_rows) == (3, 4)
    program = compile_model(mixed, "odin", options=PLAIN)
    assert program.layout["slot_channel"].tolist() == [0, 0, 1, 2]


def test_odin_duplicates_only_neurons_with_both_signs():
    hidden, out = neurons("h", 3), neurons("o", 2)
    net = network(
        [inputs(1), hidden, out],
        [link("in", "h", [[1, 1, 1]]), link("h", "o", [[1, -1], [1, 1], [-1, -1]])],
    )
    program = compile_model(net, "odin", options=PLAIN)
    assert program.layout["copy"].tolist() == [1, -1, -1, -1, -1]
    assert program.image.registers["SPI_SYN_SIGN"][:4].tolist() == [1, 0, 0, 1]
    assert "ODIN021" in program.report.codes


@pytest.mark.parametrize("name", CHIPS)
def test_unused_neurons_are_disabled_and_out_of_reach(name):
    program = compile_model(layers(6, 4, 3), name)
    words = program.image.memories["neuron"].astype(np.int64)
    used = {*program.layout["address"], *program.layout["copy"]}
    for n in set(range(256)) - used:
        assert words[n, -1] >> 7 == 1, "disabled"
        if name == "odin":
            assert words[n, 0] & 1 == 1, "an all-zero word would be an Izhikevich neuron"
            assert (words[n, 1] | words[n, 2] << 8) >> 1 & 255 == 255
        else:
            assert (words[n, 1] >> 4 | words[n, 2] << 4) == 4095


def test_tinyodin_sweeps_end_with_the_last_neuron():
    program = compile_model(layers(6, 4, 3), "tinyodin")
    assert program.image.registers["SPI_MAX_NEUR"] == 6


@pytest.mark.parametrize("name", CHIPS)
def test_only_rows_and_time_references_are_ever_sent(name):
    net = layers(10, 8, 4, decay=0.9, bias=0.05)
    for options in (CompileOptions(), CompileOptions(settle="always"), PLAIN):
        words = compile_model(net, name, options=options).layout["slot_word"]
        if name == "odin":
            assert set((words & 0xFF).tolist()) <= {0x07, 0x7F}
        else:
            assert all(word < 256 or word == 0x1FF for word in words.tolist())


@pytest.mark.parametrize("name", CHIPS)
@given(bias=st.lists(st.integers(-56, 56), min_size=1, max_size=6))
@settings(deadline=None, max_examples=30)
def test_biases_beyond_a_weight_are_exact_with_two_rows(name, bias):
    size = len(bias)
    net = single(np.full((1, size), 7.0), threshold=200.0, bias=np.array(bias, float))
    program = compile_model(net, name, options=PLAIN)
    layout, weights = program.layout, stored(program)
    total = np.zeros(256, int)
    for word, channel, count in zip(
        layout["slot_word"], layout["slot_channel"], layout["slot_count"], strict=True
    ):
        if channel < 0:
            row = int(word) >> 8 if name == "odin" else int(word)
            total += weights[row] * count
    np.testing.assert_array_equal(total[layout["address"]], bias)


def test_orders_of_events():
    net = single([[1.0, -0.5], [2.0, 1.0], [-1.0, -1.0]])

    def signs(order):
        options = CompileOptions(order=order, settle="never", row_pairs="never")
        program = compile_model(net, "odin", options=options)
        rows = program.layout["slot_word"] >> 8
        return program.layout["row_sign"][rows].tolist()

    assert signs("ascending") == [-1, 1, 1, -1]
    assert signs("excitatory_first") == [1, 1, -1, -1]
    assert signs("inhibitory_first") == [-1, -1, 1, 1]


def test_row_pairs_on_a_chip_with_signed_synapses():
    options = CompileOptions(order="inhibitory_first", settle="never", row_pairs="always")
    program = compile_model(single([[1.0, -0.5], [2.0, 1.0]]), "tinyodin", options=options)
    layout, weights = program.layout, stored(program)
    order = [weights[int(word)] for word in layout["slot_word"]]
    assert layout["slot_channel"].tolist() == [0, 0, 1]
    assert (order[0] <= 0).all()
    assert all((row >= 0).all() for row in order[1:])


@given(
    seed=st.integers(0, 2**16),
    steps=st.integers(0, 6),
    batch=st.integers(1, 20),
    size=st.sampled_from([(8, 5), (100, 21), (100, 64)]),
    rate=st.sampled_from([0.02, 0.5, 2.0]),
)
@settings(deadline=None, max_examples=40)
def test_encoding_is_that_of_a_plain_loop(seed, steps, batch, size, rate):
    rng = np.random.default_rng(seed)
    slots, channels = int(rng.integers(1, size[0])), size[1]
    layout = {
        "slot_word": rng.integers(0, 1 << 17, slots).astype(np.uint32),
        "slot_channel": rng.integers(-1, channels, slots),
        "slot_count": rng.integers(1, 4, slots),
        "slot_delay": rng.integers(0, 3, slots),
    }
    layout["slot_delay"][layout["slot_channel"] < 0] = 0
    spikes = rng.poisson(rate, (steps, batch, channels)).astype(np.uint8)
    coded = encode_spikes(layout, spikes, threads=2)
    for s in range(batch):
        words, ends = [], []
        for t in range(steps):
            for word, channel, count, delay in zip(*layout.values(), strict=True):
                times = 1 if channel < 0 else (spikes[t - delay, s, channel] if t >= delay else 0)
                words += [word] * int(count * times)
            ends.append(len(words))
        np.testing.assert_array_equal(coded.words[coded.offsets[s] : coded.offsets[s + 1]], words)
        np.testing.assert_array_equal(coded.step_end[s], ends)


def test_decoding_counts_per_step_and_skips_silent_steps():
    step_end = np.array([[2, 2, 5], [1, 1, 1]])
    neuron_of = np.full(256, -1)
    neuron_of[[3, 4]] = [0, 1]
    address = np.array([3, 9, 4, 4, 3], np.uint8)
    event = np.array([0, 1, 2, 4, 0], np.int32)
    counts = decode_outputs(address, event, np.array([0, 4, 5]), step_end, neuron_of, 2)
    assert counts[:, 0].tolist() == [[1, 0], [0, 0], [0, 2]]
    assert counts[:, 1].tolist() == [[1, 0], [0, 0], [0, 0]]


def test_counts_stop_at_255():
    neuron_of = np.zeros(256, np.int64)
    address, event = np.zeros(300, np.uint8), np.zeros(300, np.int32)
    counts = decode_outputs(address, event, np.array([0, 300]), np.array([[1]]), neuron_of, 1)
    assert counts.tolist() == [[[255]]]


def test_two_copies_sit_side_by_side_inhibitory_first():
    signs = np.array([[True, True], [False, True], [True, True]])
    placed = place(signs[:1], signs, 256, split_inputs=True, split_neurons=True)
    assert placed.address.tolist() == [0, 2, 3]
    assert placed.copy.tolist() == [1, -1, 4]
    assert placed.senders.row.tolist() == [0, 1, 2, 3, 4]
    assert placed.senders.sign.tolist() == [-1, 1, 1, -1, 1]
    assert placed.inputs.row.tolist() == [5, 6]
    assert placed.free[0] == 7


def test_what_every_source_sent_includes_delays():
    net = network(
        [inputs(2), neurons("a", 2)],
        [link("in", "a", [[1, 0], [0, 0]]), link("in", "a", [[0, 0], [0, 2]], delay=2)],
    )
    wiring = wire(net)
    assert wiring.channel.tolist() == [0, 1]
    assert wiring.delay.tolist() == [0, 2]
    spikes = bernoulli(6, 3, 2, 0.5)
    sent = fired_sources(wiring, spikes, {"a": np.zeros((6, 3, 2))})
    np.testing.assert_array_equal(sent[:, :, 0], spikes[:, :, 0])
    np.testing.assert_array_equal(sent[2:, :, 1], spikes[:4, :, 1])
    assert not sent[:2, :, 1].any()
