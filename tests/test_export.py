"""Exports: complete, explained, whole or not at all, and readable again."""

from __future__ import annotations

import hashlib
import json
import os
import re
from types import SimpleNamespace

import numpy as np
import pytest
from artifact_example import make_program
from hypothesis import given, settings
from hypothesis import strategies as st
from test_stream import random_image

from nm_backends import registry
from nm_backends.aer import EventPlan, InputEvents, OutputEvent, SampleEvents
from nm_backends.artifact import ArtifactError
from nm_backends.export import export, read_events, read_export
from nm_backends.memory_files import memory_text, parse_memory
from nm_backends.spi import StreamError
from nm_backends.stream import parse_spi, spi_from_bytes
from nm_odin.spec import SPEC as ODIN
from nm_tinyodin.spec import SPEC as TINYODIN
from nm_tinyodin.stream import protocol

WITHOUT = ["spi.txt", "spi.bin", "neuron.hex", "synapse.hex", "registers.txt", "input_map.csv",
           "output_map.csv", "README.txt", "manifest.json"]  # fmt: skip


def plan_events(program, spikes) -> EventPlan:
    """Input k is row k; two neurons answer, the second of them stored twice."""
    samples = []
    for s in range(0 if spikes is None else spikes.shape[1]):
        steps = [np.flatnonzero(frame).astype(np.uint32) for frame in spikes[:, s]]
        samples.append(SampleEvents(steps, np.array([0, 0, 2]), np.array([9, 7, 8])))
    inputs = [InputEvents("", 0, 0, (0x1FF,), "time reference")]
    inputs += [InputEvents("in", k, 0, (k, k)) for k in range(4)]
    outputs = [
        OutputEvent(7, "a, b", 0),
        OutputEvent(8, "a, b", 1),
        OutputEvent(9, "a, b", 1, False),
    ]
    return EventPlan(inputs, outputs, [7, 8], "Mind the order.", 1234, samples)


@pytest.fixture(autouse=True)
def backend(monkeypatch):
    backend = SimpleNamespace(
        spec=TINYODIN, write_stream=protocol().write, read_stream=protocol().read,
        restore_stream=protocol().restore, plan_events=plan_events,
    )  # fmt: skip
    monkeypatch.setattr(registry, "get_backend", lambda _: backend)
    return backend


SPIKES = np.zeros((3, 2, 4), bool)
SPIKES[0, 0, [1, 3]] = SPIKES[2, 0, 2] = SPIKES[1, 1, 0] = True


@pytest.fixture
def folder(tmp_path):
    export(make_program(), tmp_path / "build", SPIKES)
    return tmp_path / "build"


def test_files_are_reported_in_order(tmp_path):
    written = export(make_program(), tmp_path / "deep" / "build")
    assert [path.name for path in written] == WITHOUT
    assert sorted(os.listdir(tmp_path / "deep" / "build")) == sorted(WITHOUT)
    assert os.listdir(tmp_path / "deep") == ["build"]


def test_the_image_comes_back(folder):
    assert make_program().image.differences(read_export(folder)) == []


def test_text_and_wire_say_the_same(folder):
    text = parse_spi((folder / "spi.txt").read_text())
    wire = spi_from_bytes((folder / "spi.bin").read_bytes())
    assert [(t.address, t.data) for t in text] == [(t.address, t.data) for t in wire]


def test_event_files(folder):
    assert (folder / "input_map.csv").read_text().splitlines()[:3] == [
        "node,neuron,delay,words,note", ",0,0,001ff,time reference", "in,0,0,00000 00000,",
    ]  # fmt: skip
    assert (folder / "output_map.csv").read_text().splitlines() == [
        "address,node,neuron,counts", '7,"a, b",0,1', '8,"a, b",1,1', '9,"a, b",1,0',
    ]  # fmt: skip
    assert (folder / "expected.csv").read_text().splitlines()[:4] == [
        "sample,event,step,address,node,neuron",
        '0,0,0,9,"a, b",1', '0,0,0,7,"a, b",0', '0,2,2,8,"a, b",1',
    ]  # fmt: skip


def test_events_come_back(folder):
    restore = protocol().restore(make_program().image, [7, 8])
    samples = read_events(folder)
    assert [s.number for s in samples] == [0, 1]
    assert [[w.tolist() for w in s.steps] for s in samples] == [[[1, 3], [], [2]], [[], [0], []]]
    for sample in samples:
        assert [(t.address, t.data) for t in sample.restore] == [
            (t.address, t.data) for t in restore
        ]


def test_the_readme_explains_every_file(folder):
    text = (folder / "README.txt").read_text()
    for path in folder.iterdir():
        if path.name != "README.txt":
            assert path.name in text or f"*{path.suffix}" in text, path.name
    assert "1234 CLK cycles" in text
    assert "Mind the order." in text
    assert not re.search(r"[{}]", text)
    assert max(map(len, text.splitlines())) <= 100


def test_the_same_program_gives_the_same_files(folder, tmp_path):
    export(make_program(), tmp_path / "again", SPIKES)
    for path in folder.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name


@pytest.mark.parametrize("spec", [ODIN, TINYODIN], ids=lambda spec: spec.name)
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=5, deadline=None)
def test_memory_files_come_back(spec, seed):
    image = random_image(spec.name, seed)
    for memory in spec.memories:
        text = memory_text(image, spec, memory)
        array = parse_memory(text, spec, memory, "x.hex")
        assert np.array_equal(array, image.memories[memory.name])
        assert array.dtype == np.uint8
    words = [int(line, 16) for line in memory_text(image, spec, spec.memories[1]).split()]
    pre, post = np.random.default_rng(seed).integers(0, 256, 2).tolist()
    nibble = words[32 * pre + post // 8] >> 4 * (post % 8) & 15
    assert nibble == image.memories["synapse"][pre, post]


# Directories ----------------------------------------------------------------------------------


def test_a_later_export_replaces_an_earlier_one(folder):
    (folder / "lab notes.txt").write_text("mine")
    program = make_program()
    program.image.memories["neuron"][3] ^= 1
    export(program, folder)
    assert program.image.differences(read_export(folder)) == []
    assert not (folder / "aer.txt").exists()
    assert (folder / "lab notes.txt").read_text() == "mine"


def test_an_empty_directory_is_used(tmp_path):
    (tmp_path / "empty").mkdir()
    export(make_program(), tmp_path / "empty")
    read_export(tmp_path / "empty")


@pytest.mark.parametrize("name", ["precious.txt", "manifest.json"])
def test_other_directories_are_refused(tmp_path, name):
    (tmp_path / name).write_text("{}")
    with pytest.raises(ArtifactError, match="holds files that are no export of ours"):
        export(make_program(), tmp_path)
    assert os.listdir(tmp_path) == [name]


def test_a_file_is_no_directory(tmp_path):
    (tmp_path / "x").write_text("")
    with pytest.raises(ArtifactError, match="is not a directory"):
        export(make_program(), tmp_path / "x")


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_nothing(folder, tmp_path, monkeypatch, backend, error):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def fail(*_):
        raise error

    monkeypatch.setattr(backend, "plan_events", fail)
    for target in (folder, tmp_path / "new"):
        with pytest.raises(type(error)):
            export(make_program(), target, SPIKES)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert os.listdir(tmp_path) == ["build"]


def test_a_chip_without_events(tmp_path, backend):
    del backend.plan_events
    export(make_program(), tmp_path / "a")
    assert "input_map.csv" not in os.listdir(tmp_path / "a")
    with pytest.raises(ArtifactError, match="does not say which events to send"):
        export(make_program(), tmp_path / "b", SPIKES)
    assert os.listdir(tmp_path) == ["a"]


# Damage ---------------------------------------------------------------------------------------


def seal(folder, name):
    """Make the manifest agree with a changed file."""
    manifest = json.loads((folder / "manifest.json").read_text())
    data = (folder / name).read_bytes()
    manifest["files"][name] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def change_manifest(folder, **values):
    manifest = json.loads((folder / "manifest.json").read_text()) | values
    (folder / "manifest.json").write_text(json.dumps(manifest))


def substitute(folder, name, old, new, count=1):
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new, count))
    seal(folder, name)


DAMAGES = {
    "no manifest": (lambda f: (f / "manifest.json").unlink(), r"not an export"),
    "bad manifest": (lambda f: (f / "manifest.json").write_text("{"), r"bad JSON"),
    "other manifest": (lambda f: change_manifest(f, format="x"), r"not the manifest of an export"),
    "newer": (lambda f: change_manifest(f, version=9), r"version 9, this nm-backends reads 1"),
    "climbing": (lambda f: change_manifest(f, files={"../x": {}}), r"its list of files is none"),
    "other spec": (lambda f: change_manifest(f, spec="0"), r"other memories or registers"),
    "no stream": (lambda f: (f / "spi.txt").unlink(), r"spi.txt: No such file"),
    "not listed": (lambda f: change_manifest(f, files={}), r"this export has no spi.txt"),
    "truncated": (
        lambda f: (f / "spi.txt").write_bytes((f / "spi.txt").read_bytes()[:9999]),
        r"spi.txt: 9999 bytes, SHA-256 \w+.., expected \d+ bytes",
    ),
    "garbage": (lambda f: substitute(f, "spi.txt", "\n50000 ", "\nzebra "), r"spi.txt line 5"),
    "unsafe": (lambda f: substitute(f, "spi.txt", "\n00001 00001", ""), r"unsafe, SPI_OPEN_LOOP"),
    "other hex": (
        lambda f: (
            (f / "neuron.hex").write_text("00000000\n" * 256),
            seal(f, "neuron.hex"),
        ),
        r"neuron.hex and spi.txt differ at \[0, 0\]",
    ),
    "short hex": (
        lambda f: ((f / "neuron.hex").write_text("0\n" * 256), seal(f, "neuron.hex")),
        r"neuron.hex line 1: '0', expected 8 hex digits",
    ),
    "few words": (
        lambda f: ((f / "neuron.hex").write_text(""), seal(f, "neuron.hex")),
        r"neuron.hex: 0 words, expected 256",
    ),
    "other register": (
        lambda f: substitute(f, "registers.txt", "SPI_MAX_NEUR 3 8 09", "SPI_MAX_NEUR 3 8 0a"),
        r"registers.txt and spi.txt differ",
    ),
    "bad register": (
        lambda f: substitute(f, "registers.txt", "SPI_MAX_NEUR 3", "SPI_MAX_NEUR"),
        r"registers.txt line 5",
    ),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_a_damaged_export_gives_one_clear_error(folder, case):
    damage, message = DAMAGES[case]
    damage(folder)
    with pytest.raises((ArtifactError, StreamError), match=message) as caught:
        read_export(folder)
    assert len(str(caught.value)) < 500


def test_damaged_events(folder):
    substitute(folder, "aer.txt", "\nE\n", "\n")
    with pytest.raises(StreamError, match=r"aer.txt line \d+: 'S 1' cannot stand here"):
        read_events(folder)
