"""Programming streams: complete, safe on the chip, and readable again."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spi_model import SpiModel

from nm_backends import stream
from nm_backends.chip import Transaction
from nm_backends.image import Image
from nm_backends.spi import StreamError
from nm_odin import stream as odin
from nm_tinyodin import stream as tinyodin

CHIPS = {"odin": odin, "tinyodin": tinyodin}
each_chip = pytest.mark.parametrize("chip", CHIPS)
few = settings(max_examples=8, deadline=None)
seeds = st.integers(0, 2**32 - 1)


def random_image(chip: str, seed: int, **registers: int) -> Image:
    rng = np.random.default_rng(seed)
    spec = CHIPS[chip].protocol().spec
    width = spec.memories[0].width // 8
    values: dict[str, int | np.ndarray] = {
        r.name: rng.integers(0, 2, r.width).astype(np.uint8)
        if r.width > 20
        else int(rng.integers(0, 1 << r.width))
        for r in spec.registers
    }
    return Image(
        {
            "neuron": rng.integers(0, 256, (256, width)).astype(np.uint8),
            "synapse": rng.integers(0, 16, (256, 256)).astype(np.uint8),
        },
        {**values, **registers},
    )


def expect_programmed(model: SpiModel, chip: str, image: Image) -> None:
    words = [int.from_bytes(row.tobytes(), "little") for row in image.memories["neuron"]]
    assert model.neuron == words
    assert model.synapses() == image.memories["synapse"].tolist()
    for register in CHIPS[chip].protocol().spec.registers:
        value = image.registers[register.name]
        if isinstance(value, np.ndarray):
            bits = "".join(str(model.registers[2 + i // 16] >> i % 16 & 1) for i in range(256))
            assert bits == "".join(map(str, value))
        else:
            assert model.registers[register.address] == value, register.name


@each_chip
@given(seed=seeds)
@few
def test_the_chip_holds_the_image_whatever_it_held_before(chip: str, seed: int) -> None:
    image = random_image(chip, seed)
    model = SpiModel(chip, seed)
    model.send(CHIPS[chip].write_stream(image))
    expect_programmed(model, chip, image)
    assert model.pushed == []
    assert model.ignored == 0
    if chip == "odin":  # the SDSP flags of every neuron follow its final word
        assert model.flags_from == model.neuron


@each_chip
@given(seed=seeds)
@few
def test_what_is_written_reads_back(chip: str, seed: int) -> None:
    image = random_image(chip, seed)
    sent = CHIPS[chip].write_stream(image)
    assert image.differences(CHIPS[chip].read_stream(sent)) == []
    text = stream.spi_text(sent, chip)
    assert stream.parse_spi(text) == sent
    wire = stream.spi_bytes(sent)
    assert len(wire) == 5 * len(sent)
    assert [(t.address, t.data) for t in stream.spi_from_bytes(wire)] == [
        (t.address, t.data) for t in sent
    ]


@each_chip
def test_gate_first_loop_second_gate_last(chip: str) -> None:
    sent = CHIPS[chip].write_stream(random_image(chip, 1, SPI_GATE_ACTIVITY=0, SPI_OPEN_LOOP=0))
    assert [(t.address, t.data) for t in sent[:2]] == [(0, 1), (1, 1)]
    assert (sent[-1].address, sent[-1].data) == (0, 0)
    memory = [i for i, t in enumerate(sent) if t.address >> 16 & 3]
    first, second = (i for i, t in enumerate(sent) if t.address == 1)
    assert first < min(memory) < max(memory) < second
    assert [i for i, t in enumerate(sent) if t.address == 0] == [0, len(sent) - 1]


@each_chip
def test_every_register_gets_its_final_value_after_the_memories(chip: str) -> None:
    sent = CHIPS[chip].write_stream(random_image(chip, 2))
    last = max(i for i, t in enumerate(sent) if t.address >> 16 & 3)
    count = 26 if chip == "odin" else 4
    assert sorted(t.address for t in sent[last + 1 :]) == list(range(count))


def test_odin_is_quiet_while_it_is_programmed_and_ends_with_masked_writes() -> None:
    sent = odin.write_stream(random_image("odin", 3))
    assert [(t.address, t.data) for t in sent[:4]] == [(0, 1), (1, 1), (18, 0), (20, 0)]
    masked = [t.address & 0xFF for t in sent if t.address >> 16 & 3 == 1 and t.data == 0xFF00]
    assert masked == list(range(256))


@each_chip
@given(seed=seeds)
@few
def test_restore_brings_back_the_state_and_nothing_else(chip: str, seed: int) -> None:
    image = random_image(chip, seed, SPI_GATE_ACTIVITY=0)
    model = SpiModel(chip, seed)
    model.send(CHIPS[chip].write_stream(image))
    before = list(model.neuron)
    rng = np.random.default_rng(seed)
    for neuron in range(256):  # the state as a run may have left it
        first, count = (0, 12) if chip == "tinyodin" else (70, 16 if before[neuron] & 1 else 55)
        noise = int.from_bytes(rng.bytes(7), "little") % (1 << count)
        model.neuron[neuron] ^= noise << first
    model.send(CHIPS[chip].protocol().restore(image, range(256)))
    assert model.neuron == before
    assert model.pushed == []
    assert model.ignored == 0
    expect_programmed(model, chip, image)


def unsafe(sent: list[Transaction], address: int) -> list[Transaction]:
    return [t for i, t in enumerate(sent) if t.address != address or i > 10]


@each_chip
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: unsafe(s, 0), r"unsafe, SPI_GATE_ACTIVITY must be 1 when the neuron memory"),
        (lambda s: unsafe(s, 1), r"unsafe, SPI_OPEN_LOOP must be 1 when the neuron memory"),
        (lambda s: [*s, Transaction(0x3FF, 0)], r"no register at address 1023"),
        (lambda s: [Transaction(0x70000, 0), *s], r"command 11 does not exist"),
        (lambda s: [Transaction(0x10000, 0), *s], r"neither the read nor the write bit"),
        (lambda s: [Transaction(1 << 20, 0), *s], r"20-bit words"),
        (lambda s: s[:9] + s[10:], r"incomplete: neuron memory word \d+ byte \d+ never written"),
        (lambda s: s[:30000], r"incomplete: synapse memory word"),
        (lambda s: [*s[:9], Transaction(0x5F300, 0xFF00)], r"the neuron memory has no byte 243"),
        (lambda s: [t for t in s if t.address != 3], r"incomplete: SPI_\w+ \(address 3\)"),
    ],
)
def test_a_wrong_stream_is_refused(chip: str, change, message: str) -> None:
    sent = change(CHIPS[chip].write_stream(random_image(chip, 4)))
    with pytest.raises(StreamError, match=message):
        CHIPS[chip].read_stream(sent)


@each_chip
@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda i: i.memories.pop("neuron"), "memory neuron: missing"),
        (lambda i: i.memories.update(x=np.zeros(1)), "memory x: unknown to the chip"),
        (lambda i: i.registers.pop("SPI_OPEN_LOOP"), "register SPI_OPEN_LOOP: missing"),
        (lambda i: i.registers.update(SPI_OPEN_LOOP=2), "2 does not fit 1 bits"),
        (lambda i: i.registers.update(SPI_OPEN_LOOP=True), "bool, expected an integer"),
        (lambda i: i.memories["synapse"].__setitem__((3, 4), 16), r"synapse\[3, 4\]: 16"),
        (lambda i: i.memories.update(synapse=np.zeros((256, 255), np.uint8)), "expected .256, 256"),
        (lambda i: i.memories.update(neuron=np.zeros((256, 4))), "float64, expected uint8"),
    ],
)
def test_an_image_that_does_not_fit_is_refused(chip: str, break_it, message: str) -> None:
    image = random_image(chip, 5)
    break_it(image)
    with pytest.raises(ValueError, match=message):
        CHIPS[chip].write_stream(image)


SAMPLES = [
    stream.SampleStream(0, [Transaction(0, 1), Transaction(0, 0)], [np.array([7, 0x1FFFF]), []]),
    stream.SampleStream(5, [], [np.array([], int)]),
]


def test_events_as_text() -> None:
    for sample in SAMPLES:
        sample.steps = [np.asarray(words, np.uint32) for words in sample.steps]
    text = "".join(stream.aer_text(SAMPLES))
    assert text.splitlines()[1:] == (
        [
            "S 0",
            "P 00000 00001",
            "P 00000 00000",
            "T 0",
            "A 00007",
            "A 1ffff",
            "T 1",
            "E",
            "S 5",
            "T 0",
            "E",
        ]
    )
    back = stream.parse_aer(text)
    assert [s.number for s in back] == [0, 5]
    assert back[0].restore == SAMPLES[0].restore
    assert [words.tolist() for words in back[0].steps] == [[7, 0x1FFFF], []]
    assert back[0].words.tolist() == [7, 0x1FFFF]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("T 0", "line 1: 'T 0' cannot stand here"),
        ("S 0\nS 1", "line 2: 'S 1' cannot stand here"),
        ("S 0\nT 1", "line 2: 'T 1' cannot stand here"),
        ("S 0\nA 1", "line 2: 'A 1' cannot stand here"),
        ("S 0\nT 0\nP 0 0", "line 3: 'P 0 0' cannot stand here"),
        ("S 0\nT 0\nA 100000", "line 3: '100000' is not a hexadecimal number below 0x100000"),
        ("S 0\nT 0\nA -1", "line 3: '-1' is not a hexadecimal"),
        ("S 0\nT 0\nA 1_0", "line 3: '1_0' is not a hexadecimal"),
        ("S 0\nT 0\nA", "line 3: '' is not a hexadecimal"),
        ("S x", "line 1: 'x' is not a decimal"),
        ("S 0\nP 1", "line 2: '1' is not an address and a data word"),
        ("S 0\nT 0", "the last sample has no end"),
        ("Q", "line 1: 'Q' cannot stand here"),
    ],
)
def test_bad_events_name_file_and_line(text: str, message: str) -> None:
    with pytest.raises(StreamError, match=re.escape(message)):
        stream.parse_aer(text)


@pytest.mark.parametrize("line", ["00000", "0 0 0", "g 0", "0 100000", "0 -1", "0 \uff11"])
def test_bad_transactions_name_file_and_line(line: str) -> None:
    with pytest.raises(StreamError, match=r"^x line 2: "):
        stream.parse_spi("# head\n" + line + "\n", "x")


def test_bad_wire_bytes() -> None:
    with pytest.raises(StreamError, match="truncated"):
        stream.spi_from_bytes(b"1234")


def test_bursts_of_wide_words() -> None:
    sent = [Transaction(0x80000000, 1, "one"), Transaction(0x30020000, 7, "", (8, 0xFFFFFFFF))]
    text = stream.spi_text(sent, "x", 32)
    assert text.splitlines() == [
        "# SPI stream 1: address data (32 bits each, hexadecimal), in this order",
        "# chip x",
        "80000000 00000001  # one",
        "30020000 00000007 00000008 ffffffff",
    ]
    assert stream.parse_spi(text, bits=32) == sent
    assert stream.spi_bytes(sent, 32).hex() == text.replace(" # one", "").split("x\n")[1].replace(
        "\n", ""
    ).replace(" ", "")
    with pytest.raises(StreamError, match="not an address and a data word"):
        stream.parse_spi("0 1 2")


def test_pins_stand_before_the_words_of_a_step() -> None:
    sample = stream.SampleStream(0, [Transaction(1, 2, "", (3,))], [np.array([5], np.uint32)] * 2)
    sample.pins = {0: [("SAMPLE", 1), ("INFER_ACC", 0)], 1: [("SAMPLE", 0)]}
    text = "".join(stream.aer_text([sample], 32, pins=True))
    assert "T 0\nH SAMPLE 1\nH INFER_ACC 0\nA 00005\nT 1\nH SAMPLE 0\n" in text
    (back,) = stream.parse_aer(text, bits=32)
    assert (back.pins, back.restore) == (sample.pins, sample.restore)


@pytest.mark.parametrize("line", ["H SAMPLE", "H SAMPLE 2", "H sample 1", "H SAMPLE 1 1"])
def test_bad_pins_name_file_and_line(line: str) -> None:
    with pytest.raises(StreamError, match=r"line 3: .* is not a pin and 0 or 1"):
        stream.parse_aer(f"S 0\nT 0\n{line}\n")


def test_pins_do_not_follow_words() -> None:
    with pytest.raises(StreamError, match="line 4: 'H A 1' cannot stand here"):
        stream.parse_aer("S 0\nT 0\nA 1\nH A 1\n")


def test_targets_stand_before_words_and_answers_after_them() -> None:
    words = [np.array([5], np.uint32), np.array([], np.uint32)]
    answers = {0: [1], 1: [2, 255]}
    sample = stream.SampleStream(0, [], words, {0: [("SAMPLE", 1)]}, {0: [3]}, answers)
    text = "".join(stream.aer_text([sample], 32, pins=True, targets=True))
    head, *lines = text.splitlines()
    within = ["H SAMPLE 1", "L 00003", "A 00005", "R 00001"]
    assert lines == ["S 0", "T 0", *within, "T 1", "R 00002", "R 000ff", "E"]
    assert head == (
        "# AER stream 1: S sample | P address data | T step | H pin value | L target | A word | "
        "R answer | E"
    )
    (back,) = stream.parse_aer(text, bits=32)
    assert (back.pins, back.targets, back.answers) == (sample.pins, sample.targets, sample.answers)
    assert back.words.tolist() == [5]
    assert next(stream.aer_text([])) == (
        "# AER stream 1: S sample | P address data | T step | A word | E\n"
    )


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("A 1\nL 1", "line 4: 'L 1' cannot stand here"),
        ("R 1\nA 1", "line 4: 'A 1' cannot stand here"),
        ("R 1\nH P 1", "line 4: 'H P 1' cannot stand here"),
        ("L x", "line 3: 'x' is not a hexadecimal"),
        ("R", "line 3: '' is not a hexadecimal"),
    ],
)
def test_bad_targets_name_file_and_line(lines: str, message: str) -> None:
    with pytest.raises(StreamError, match=message):
        stream.parse_aer(f"S 0\nT 0\n{lines}\n")
