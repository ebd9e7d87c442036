"""ReckOn's programming stream and exports: what the chip's SPI would hold, and what a lab sends."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from crossbar_networks import bernoulli, layers, link
from hypothesis import given, settings
from hypothesis import strategies as st
from reckon_bench import sent_as_sample
from test_reckon_mapping import membranes

from nm_backends.chip import Transaction
from nm_backends.compiler import compile_model
from nm_backends.export import read_events, read_export
from nm_backends.image import Image
from nm_backends.image_check import memory_layout
from nm_backends.spi import StreamError
from nm_reckon.simulator import run_batch
from nm_reckon.spec import SPEC
from nm_reckon.spi_slave import ReckonSlave
from nm_reckon.stream import (
    read_stream,
    restore_stream,
    transactions,
    words_of,
    write_stream,
)

PUBLISHED = Path(__file__).parent / "traces" / "reckon" / "spi_cueacc_program.npz"


def random_image(seed):
    rng = np.random.default_rng(seed)
    memories = {
        m.name: rng.integers(0, 256, memory_layout(SPEC, m)[0], np.uint8) for m in SPEC.memories
    }
    registers = {r.name: int(rng.integers(0, 1 << r.width)) for r in SPEC.registers if r.width < 33}
    return Image(memories, registers | {"SPI_ALPHA_CONF": rng.integers(0, 2, 128, np.uint8)})


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=5, deadline=None)
def test_read_back(seed):
    image = random_image(seed)
    sent = write_stream(image)
    assert not image.differences(read_stream(sent))
    assert transactions(words_of(sent)) == [
        Transaction(t.address, t.data, "", t.more) for t in sent
    ]
    assert sent[0].words == (0x00010000, 1)
    assert sent[-1].words == (0x00010000, 0)
    assert all(t.address >> 31 == 0 for t in sent)


def test_the_published_set_up_is_programmed_as_recorded():
    """The recorded stream and ours for its image leave the same chip behind."""
    recorded = np.load(PUBLISHED)
    theirs = ReckonSlave()
    theirs.accept(recorded["mosi_words"].tolist())
    theirs.registers.setdefault("SPI_GET_TAR_REQ_OUT", 1)  # left as a reset makes it
    image = theirs.image()
    ours = ReckonSlave()
    ours.accept(words_of(write_stream(image)))
    assert ours.registers == theirs.registers
    for name, memory in theirs.memories.items():
        np.testing.assert_array_equal(ours.memories[name], memory, err_msg=name)
    np.testing.assert_array_equal(ours.lfsr, theirs.lfsr)
    np.testing.assert_array_equal(ours.lfsr, recorded["lfsr"])
    assert ours.dirty.all()  # all words are written, so all count
    for name in (n for n in recorded.files if n.startswith("SPI_")):
        if name in ours.registers and recorded[name].ndim == 0:
            width = next(r.width for r in SPEC.registers if r.name == name)
            assert ours.registers[name] == int(recorded[name]) & (1 << width) - 1, name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s[:-1], "unsafe, SPI_EN_CONF must be set to 0 last"),
        (lambda s: [*s[:-3], s[-1]], "incomplete: output_weight word"),
        (lambda s: [*s[:5], *s[6:]], r"incomplete: SPI_\w+ \(address \d+\) never written"),
        (lambda s: [Transaction(0x00010000, 0), *s[1:]], "loads nothing while SPI_EN_CONF is 0"),
        (lambda s: [Transaction(0x60010000, 0), *s], "target 6 does not exist"),
        (lambda s: [Transaction(0x000103FF, 0), *s], "there is no register at address 1023"),
        (lambda s: [Transaction(0x00020001, 0, "", (1,)), *s], "2 data words for one register"),
    ],
)
def test_bad_streams(change, message):
    with pytest.raises(StreamError, match=message):
        read_stream(change(write_stream(random_image(1))))


def test_truncated_words():
    with pytest.raises(StreamError, match=r"word 0 \(0x10040000\): 1 data words \(truncated\?\)"):
        transactions([0x10040000, 5])


def test_an_image_that_does_not_fit():
    image = random_image(0)
    image.registers["SPI_KAPPA"] = 256
    with pytest.raises(ValueError, match="not an image of reckon: register SPI_KAPPA: 256"):
        write_stream(image)


@pytest.fixture
def spikes():
    return bernoulli(9, 2, 6, 0.5, 4)


def classifier(spikes, decay):
    net = layers(6, 8, seed=1, mean=0.4, decay=decay)
    net.populations["y"] = membranes("y", 3, decay=0.9, bias=0.1)
    net.projections.append(link("l1", "y", np.random.default_rng(1).normal(0, 1, (8, 3))))
    net.outputs = {"output": "y"}
    return compile_model(net, "reckon", calibrate=spikes)


def rows(folder, name):
    with (folder / name).open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("kind", ["spikes", "membranes", "rounded"])
def test_what_is_exported_drives_the_chip(tmp_path, spikes, kind):
    if kind == "spikes":
        program = compile_model(layers(6, 8, 4, seed=1, mean=0.4), "reckon", calibrate=spikes)
    else:
        program = classifier(spikes, 0.9)
        program.image.registers["SPI_EN_STOCH_ROUND"] = int(kind == "rounded")
    folder = tmp_path / "export"
    program.export(folder, spikes)
    image = read_export(folder)
    assert not image.differences(program.image)
    wire = np.frombuffer((folder / "spi.bin").read_bytes(), ">u4").tolist()
    assert not read_stream(transactions(wire)).differences(image)
    streams = read_events(folder)
    restore = restore_stream(image)
    assert bool(restore) == (kind == "rounded")
    expected = rows(folder, "expected.csv")
    for stream in streams:
        assert [t.words for t in stream.restore] == [t.words for t in restore]
        (log,) = run_batch(image, [sent_as_sample(stream)])
        mine = [row for row in expected if row["sample"] == str(stream.number)]
        assert [int(row["byte"], 16) for row in mine] == log.out_data.tolist()
        assert [int(row["tick"]) for row in mine] == log.out_tick.tolist()
    result = program.run(spikes)
    if kind != "spikes":
        assert [int(row["byte"], 16) for row in expected] == result.metadata["label"].tolist()
        assert {row["meaning"] for row in expected} == {"label"}


def test_the_files_of_an_export(tmp_path, spikes):
    program = classifier(spikes, 0.9)
    program.export(tmp_path, spikes)
    text = (tmp_path / "README.txt").read_text()
    for word in ("TIME_TICK", "INFER_ACC", "SPI_EN_CONF", "l1 0, y 1", "1 * t + 2"):
        assert word in text
    assert "{" not in text
    assert max(map(len, text.splitlines())) <= 100
    names = set(json.loads((tmp_path / "manifest.json").read_text())["files"])
    assert {"spi.txt", "spi.bin", "aer.txt", "expected.csv", "input_weight.hex"} <= names
    inputs = rows(tmp_path, "input_map.csv")
    assert [row["words"] for row in inputs] == [f"{a:05x}" for a in range(7)]
    assert inputs[6]["note"] == "bias, in every step"
    outputs = rows(tmp_path, "output_map.csv")
    assert [(row["node"], row["neuron"]) for row in outputs] == [("y", str(n)) for n in range(3)]
    program.export(tmp_path / "plain")
    assert "TIME_TICK pulse" not in (tmp_path / "plain" / "README.txt").read_text()
