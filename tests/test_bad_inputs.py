"""Bad inputs through the command line: one screen that names the cause, and nothing left behind."""

import bad_files as bad
import numpy as np
import pytest

INF, NAN = np.float32("inf"), np.float32("nan")
ONES = np.ones(3, np.float32)


def first(values, value):
    """Copy an array with another first element."""
    copy = np.array(values)
    copy.flat[0] = value
    return copy


def weights(value):
    """Make an edit that puts another weight matrix into the model."""
    return lambda node: bad.replace(node["nodes/fc"], "weight", value)


def text_file(path):
    path.write_text("this is not what you think it is\n" * 20)
    return path


def empty_file(path):
    path.touch()
    return path


def no_nodes(node):
    del node["nodes"]


def no_tau(node):
    del node["nodes/lif/tau"]


def robot(node):
    bad.replace(node["nodes/fc"], "type", b"Robot")


def link_out(node):
    import h5py

    del node["nodes/fc/weight"]
    node["nodes/fc/weight"] = h5py.ExternalLink("/etc/passwd", "/weight")


def edges(*pairs):
    return lambda node: bad.replace(node, "edges", np.array(pairs, dtype="S"))


# name: (how to make the file, given a path and the sound model; what the message must say)
MODELS = {
    "missing file": (lambda p, m: p, "no file"),
    "directory": (lambda p, m: p.parent, "is a directory"),
    "empty file": (lambda p, m: empty_file(p), "empty"),
    "text file": (lambda p, m: text_file(p), "not an HDF5 file"),
    "pickle": (lambda p, m: bad.pickled(p), "pickle"),
    "npz": (lambda p, m: bad.arrays(p.with_suffix(".npz"), a=ONES), "zip archive"),
    "truncated HDF5": (lambda p, m: bad.cut(p, m), "cut short"),
    "cut to 100 bytes": (lambda p, m: bad.cut(p, m, 0.005), "cut short"),
    "corrupt HDF5, start": (lambda p, m: bad.flipped(p, m, 0.001), "damaged"),
    "corrupt HDF5, middle": (lambda p, m: bad.flipped(p, m, 0.2, 8192), "the text in /node/edges"),
    "no nodes": (lambda p, m: bad.edited(p, no_nodes), "nodes"),
    "unknown node type": (lambda p, m: bad.edited(p, robot), "Robot"),
    "missing field": (lambda p, m: bad.edited(p, no_tau), "tau"),
    "external link": (lambda p, m: bad.edited(p, link_out), "fc"),
    "sub-graph in itself": (lambda p, m: bad.nested_in_itself(p), "NMB003"),
    "edge to nowhere": (
        lambda p, m: bad.edited(p, edges(("input", "fc"), ("fc", "lif"), ("zzz", "output"))),
        "zzz",
    ),
    "no way to the output": (
        lambda p, m: bad.edited(p, edges(("input", "fc"), ("lif", "output"))),
        "NMB",
    ),
    "loop of linear nodes": (
        lambda p, m: bad.edited(
            p, edges(("input", "fc"), ("fc", "fc"), ("fc", "lif"), ("lif", "output"))
        ),
        "fc",
    ),
    "weights of the wrong shape": (
        lambda p, m: bad.edited(p, weights(np.ones((3, 7), np.float32))),
        "fc",
    ),
    "weights of one axis": (lambda p, m: bad.edited(p, weights(np.ones(12, np.float32))), "fc"),
    "weights NaN": (lambda p, m: bad.edited(p, weights(np.full((3, 4), NAN))), "fc"),
    "weights infinite": (lambda p, m: bad.edited(p, weights(np.full((3, 4), INF))), "fc"),
    "weights complex": (lambda p, m: bad.edited(p, weights(np.full((3, 4), 1j))), "fc"),
    "weights text": (lambda p, m: bad.edited(p, weights(np.full((3, 4), b"x"))), "fc"),
    "negative tau": (lambda p, m: bad.model(p, tau=first(0.01 * ONES, -1)), "lif"),
    "zero tau": (lambda p, m: bad.model(p, tau=first(0.01 * ONES, 0)), "lif"),
    "tau NaN": (lambda p, m: bad.model(p, tau=first(0.01 * ONES, NAN)), "lif"),
    "threshold NaN": (lambda p, m: bad.model(p, v_threshold=first(ONES, NAN)), "lif"),
    "r infinite": (lambda p, m: bad.model(p, r=first(ONES, INF)), "lif"),
    "dt much longer than tau": (lambda p, m: bad.model(p, tau=1e-5 * ONES), "lif"),
    "257th neuron": (lambda p, m: bad.wide(p, 257), "256"),
    "10 million neurons": (lambda p, m: bad.wide(p, 10_000_000), "10"),
    "10 thousand million neurons": (lambda p, m: bad.wide(p, 10_000_000_000), "NMB"),
}

OPTIONS = {
    "unknown chip": (("--chip", "tinyodn"), "did you mean tinyodin"),
    "unknown reset rule": (("--chip", "odin", "--reset", "soft"), "zero_dropinput"),
    "reset rule of an unknown node": (("--chip", "odin", "--reset", "liff=zero"), "liff"),
    "graded without a node": (("--chip", "odin", "--graded", "2"), "NODE=FACTOR"),
    "graded with text": (("--chip", "odin", "--graded", "lif=much"), "much"),
    "unknown framework": (("--chip", "odin", "--framework", "pytorch"), "pytorch"),
    "dt negative": (("--chip", "odin", "--dt", "-1"), "dt"),
    "dt zero": (("--chip", "odin", "--dt", "0"), "dt"),
    "dt NaN": (("--chip", "odin", "--dt", "nan"), "dt"),
    "dt text": (("--chip", "odin", "--dt", "1ms"), "1ms"),
    "no chip": ((), "--chip"),
}

SPIKES = {
    "missing": (lambda p: p, "no such file"),
    "directory": (lambda p: p.parent, "is a directory"),
    "empty file": (empty_file, "spikes.npz"),
    "text file": (text_file, "spikes.npz"),
    "pickle": (bad.pickled, "spikes.npz"),
    "truncated": (lambda p: bad.cut(p, bad.arrays(p, spikes=np.ones((9, 4)))), "spikes.npz"),
    "object array": (bad.object_array, "holds Python objects"),
    "10 TiB announced": (bad.huge_header, "10240 GiB"),
    "several arrays": (lambda p: bad.arrays(p, a=ONES, b=ONES), "no array 'spikes' among a, b"),
    "no array": (lambda p: bad.arrays(p), "no array 'spikes'"),
    "text": (lambda p: bad.arrays(p, spikes=np.full((5, 4), "x")), "not numbers"),
    "complex": (lambda p: bad.arrays(p, spikes=np.full((5, 4), 1j)), "not numbers"),
    "one axis": (lambda p: bad.arrays(p, spikes=np.ones(12)), "time axis"),
    "no time": (lambda p: bad.arrays(p, spikes=np.ones((0, 1, 4))), "nothing in it"),
    "too few channels": (lambda p: bad.arrays(p, spikes=np.ones((5, 2, 3), np.uint8)), "batch, 4]"),
    "too many axes": (lambda p: bad.arrays(p, spikes=np.ones((5, 2, 4, 4), np.uint8)), "batch, 4]"),
    "negative": (lambda p: bad.arrays(p, spikes=np.full((5, 2, 4), -1)), "negative"),
    "NaN": (lambda p: bad.arrays(p, spikes=np.full((5, 2, 4), NAN)), "NaN"),
    "fractions": (lambda p: bad.arrays(p, spikes=np.full((5, 2, 4), 0.5)), "whole numbers"),
    "256 spikes at once": (lambda p: bad.arrays(p, spikes=np.full((5, 2, 4), 256)), "255"),
}

PROGRAMS = {
    "missing": (lambda p, good: p, "No such file"),
    "directory": (lambda p, good: p.parent, "directory"),
    "empty file": (lambda p, good: empty_file(p), "bad.nmb"),
    "text file": (lambda p, good: text_file(p), "bad.nmb"),
    "pickle": (lambda p, good: bad.pickled(p), "bad.nmb"),
    "npz": (lambda p, good: bad.arrays(p.with_suffix(".npz"), a=ONES), "bad.npz"),
    "truncated": (lambda p, good: bad.cut(p, good), "bad.nmb"),
    "flipped bytes": (lambda p, good: bad.flipped(p, good, 0.4), "bad.nmb"),
    "zip bomb": (lambda p, good: bad.bomb(p), "bad.nmb"),
    "path traversal": (
        lambda p, good: bad.rezipped(p, good, extra=[("../../evil.npy", b"x")]),
        "evil.npy",
    ),
    "pickle payload": (
        lambda p, good: bad.rezipped(p, good, extra=[("payload.pkl", b"cos\nsystem\n")]),
        "payload.pkl",
    ),
    "other memory": (
        lambda p, good: bad.rezipped(
            p, good, [("image/memories/neuron.npy", bad.npy_bytes(np.zeros(3)))]
        ),
        "neuron.npy",
    ),
    "later version": (lambda p, good: bad.manifest_with(p, good, version=99), "99"),
    "another format": (lambda p, good: bad.manifest_with(p, good, format="zip"), "format"),
    "chip that is not there": (lambda p, good: bad.manifest_with(p, good, chip="loihi"), "chip"),
}

TRACES = {
    "missing": (lambda p: p, "trace.npz"),
    "text file": (text_file, "trace.npz"),
    "no meta": (lambda p: bad.arrays(p, events=ONES), "meta"),
    "meta is no JSON": (lambda p: bad.trace(p, meta=np.array("{")), "meta"),
    "unknown chip": (lambda p: bad.trace(p, chip="loihi"), "loihi"),
    "missing arrays": (lambda p: bad.trace(p, events=None), "missing"),
    "wrong shape": (lambda p: bad.trace(p, neuron_init=np.zeros((3, 4), np.uint8)), "neuron_init"),
    "object array": (bad.object_array, "trace.npz"),
}


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """Compile a small model once: a folder with a sound model, program and input."""
    from nm_backends.compiler import compile_model

    folder = tmp_path_factory.mktemp("good")
    bad.model(folder / "model.nir")
    compile_model(folder / "model.nir", "tinyodin").save(folder / "program.nmb")
    bad.arrays(folder / "spikes.npz", spikes=np.ones((5, 2, 4), np.uint8))
    return folder


@pytest.fixture
def refused(nmb, tmp_path):
    """Run a command that must fail, with a message, on one screen, without a trace of itself."""

    def run(text, *args):
        before = {path: path.stat().st_size for path in tmp_path.rglob("*")}
        result = nmb(*args)
        lines = result.output.splitlines()
        assert result.exit_code in (1, 2), result.output
        assert text in result.output
        assert "Traceback" not in result.output
        assert "UNPICKLED" not in result.output
        assert 1 <= len(lines) <= 40
        assert {path: path.stat().st_size for path in tmp_path.rglob("*")} == before
        return result

    return run


@pytest.mark.parametrize("case", MODELS)
@pytest.mark.parametrize("command", ["check", "compile"])
def test_models(refused, good, tmp_path, case, command):
    make, text = MODELS[case]
    path = make(tmp_path / "model.nir", good / "model.nir")
    output = ("-o", "out.nmb") if command == "compile" else ()
    result = refused(text, command, path, "--chip", "tinyodin", *output)
    assert result.exit_code == 1


@pytest.mark.parametrize("case", OPTIONS)
def test_options(refused, good, case):
    options, text = OPTIONS[case]
    refused(text, "check", good / "model.nir", *options)


@pytest.mark.parametrize("case", SPIKES)
def test_spikes(refused, good, tmp_path, case):
    make, text = SPIKES[case]
    path = make(tmp_path / "spikes.npz")
    result = refused(text, "run", good / "program.nmb", "--input", path, "-o", "out.npz")
    assert result.exit_code == 2
    assert str(path) in result.output


@pytest.mark.parametrize("case", SPIKES)
def test_calibration(refused, good, tmp_path, case):
    make, _ = SPIKES[case]
    path = make(tmp_path / "spikes.npz")
    command = ("compile", good / "model.nir", "--chip", "tinyodin", "-o", "out.nmb")
    refused("", *command, "--calibrate", path)


@pytest.mark.parametrize("case", PROGRAMS)
@pytest.mark.parametrize("command", ["run", "export"])
def test_programs(refused, good, tmp_path, case, command):
    make, text = PROGRAMS[case]
    path = make(tmp_path / "bad.nmb", good / "program.nmb")
    options = ("--input", good / "spikes.npz", "-o", "out")
    assert refused(text, command, path, *options).exit_code == 2


@pytest.mark.parametrize("case", TRACES)
def test_traces(refused, tmp_path, case):
    make, text = TRACES[case]
    refused(text, "verify", make(tmp_path / "trace.npz"))


@pytest.mark.parametrize(
    ("output", "text"),
    [
        ("nowhere/out.nmb", "does not exist"),
        (".", "is a directory"),
        ("file/out.nmb", "file"),
        ("/proc/out.nmb", "/proc"),
    ],
)
def test_outputs(refused, good, tmp_path, output, text):
    text_file(tmp_path / "file")
    refused(text, "compile", good / "model.nir", "--chip", "tinyodin", "-o", output)
    refused(text, "run", good / "program.nmb", "--input", good / "spikes.npz", "-o", output)


def test_export_into_a_directory_in_other_use(refused, good, tmp_path):
    text_file(tmp_path / "precious.txt")
    refused("", "export", good / "program.nmb", "-o", tmp_path)


def test_demo_into_a_file(refused, tmp_path):
    refused("file", "demo", "-o", text_file(tmp_path / "file"), "--samples", "2")


def test_a_full_disk_keeps_the_old_program(refused, good, tmp_path, monkeypatch):
    import errno
    import os

    old = tmp_path / "out.nmb"
    old.write_bytes(b"old")

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    refused("No space left", "compile", good / "model.nir", "--chip", "tinyodin", "-o", old)
    assert old.read_bytes() == b"old"


def test_a_hostile_file_as_a_model_name(refused):
    refused("no file", "check", "\x1b[31mx.nir", "--chip", "tinyodin")
