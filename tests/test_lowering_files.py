"""Files that are no files, not NIR, damaged or hostile: refused with a reason, quickly."""

import os
import pickle
import zipfile

import h5py
import numpy as np
import pytest
from nir_graphs import QUIET, chain, graph, inp, lif, linear, node, out, write

from nm_backends.lowering import lower, lower_collect, read_nir
from nm_backends.rules import CompileError


def refusal(path):
    """Return code and message of the single error."""
    network, report = lower_collect(path, QUIET)
    assert network is None
    (error,) = report.errors
    return error.code, error.message


@pytest.fixture
def good(tmp_path):
    return write(tmp_path / "good.nir", chain(linear(np.eye(2)), lif(2)))


def test_missing_file_names_its_neighbours(good):
    code, message = refusal(good.with_name("god.nir"))
    assert code == "NMB001"
    assert message == f"there is no file {good.with_name('god.nir')}"
    report = lower_collect(good.with_name("god.nir"))[1]
    assert report.errors[0].hint == "did you mean 'good.nir'?"


def test_missing_directory(tmp_path):
    report = lower_collect(tmp_path / "nowhere" / "a.nir")[1]
    assert report.errors[0].hint == f"there is no directory {tmp_path / 'nowhere'} either"


def test_directory_empty_file_and_device(tmp_path):
    empty = tmp_path / "empty.nir"
    empty.touch()
    assert refusal(tmp_path) == ("NMB001", f"{tmp_path} is a directory, not a file")
    assert refusal(empty) == ("NMB001", f"{empty} is empty")
    assert refusal(os.devnull) == ("NMB001", f"{os.devnull} is not a regular file")


def test_a_path_that_no_system_accepts():
    assert refusal("a\0b.nir")[0] == "NMB001"
    assert refusal("x" * 5000)[0] == "NMB001"


def test_permission_denied(good, monkeypatch):
    def deny(*_args, **_more):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(good), "open", deny)
    assert refusal(good) == ("NMB001", f"{good} cannot be opened: Permission denied")


def zipped(path, inside):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(inside, b"x")


def test_other_kinds_of_files_are_recognised(tmp_path):
    path = tmp_path / "model.nir"
    zipped(path, "archive/data.pkl")
    assert refusal(path) == (
        "NMB002",
        "this is a PyTorch checkpoint (torch.save), not a NIR file; load it with torch",
    )
    zipped(path, "readme.txt")
    assert refusal(path) == ("NMB002", "this is a zip archive, not a NIR file")
    path.write_bytes(pickle.dumps({"a": 1}))
    assert refusal(path) == ("NMB002", "this is a Python pickle, not a NIR file; it was not opened")
    np.save(path.with_suffix(".npy"), np.zeros(3))
    path.write_bytes(path.with_suffix(".npy").read_bytes())
    assert refusal(path) == ("NMB002", "this is a numpy array, not a NIR file")
    path.write_text('{"nodes": {}}')
    assert refusal(path) == ("NMB002", "this looks like JSON, not like a NIR file (HDF5)")
    path.write_bytes(os.urandom(1) * 100)
    assert refusal(path)[0] == "NMB002"


def test_hdf5_without_a_graph(tmp_path):
    path = tmp_path / "other.nir"
    with h5py.File(path, "w") as handle:
        handle["weights"] = np.zeros(3)
    assert refusal(path) == (
        "NMB002",
        "this HDF5 file has no group 'node', so it is not a NIR file",
    )
    with h5py.File(path, "w") as handle:
        handle["node"] = 3
    assert refusal(path) == ("NMB002", "'node' is not a group of nodes")
    with h5py.File(path, "w") as handle:
        handle.attrs["__type__"] = "NIRGraphData"
    assert refusal(path)[1] == "this file holds recorded NIR data (spikes or voltages), not a graph"


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9, 0.99])
def test_truncated(good, keep):
    data = good.read_bytes()
    good.write_bytes(data[: int(len(data) * keep)])
    code, message = refusal(good)
    assert code == "NMB001"
    assert message.startswith("the file is damaged or cut short (")


def test_flipped_bytes_never_raise_anything_else(good):
    data = bytearray(good.read_bytes())
    rng = np.random.default_rng(0)
    for _ in range(150):
        broken = bytearray(data)
        for place in rng.integers(8, len(broken), 3):
            broken[place] = rng.integers(256)
        good.write_bytes(broken)
        network, report = lower_collect(good, QUIET)
        assert (network is None) == bool(report.errors)


def test_links_are_not_followed(good, tmp_path):
    for link in (h5py.SoftLink("/node/nodes"), h5py.ExternalLink("other.h5", "/")):
        path = write(tmp_path / "links.nir", chain(lif(2)))
        with h5py.File(path, "a") as handle:
            handle["node/nodes/more"] = link
        code, message = refusal(path)
        assert (code, message) == ("NMB003", "links to other files or places are not followed")


def test_a_group_that_contains_itself(tmp_path):
    path = write(tmp_path / "loop.nir", graph({"input": inp(2), "g": chain(lif(2)), "o": out(2)}))
    with h5py.File(path, "a") as handle:
        handle["node/nodes/g/nodes/again"] = handle["node/nodes/g"]
    code, message = refusal(path)
    assert code == "NMB003"
    assert message == "groups are nested more than 32 deep (or contain themselves)"


def test_many_links_to_one_group(tmp_path):
    """Each level holds the next one ten times: ten levels would be ten thousand million nodes."""
    path = write(tmp_path / "laughs.nir", chain(lif(2)))
    with h5py.File(path, "a") as handle:
        below = handle.create_group("leaf")
        for level in range(10):
            group = handle.create_group(f"level{level}")
            for i in range(10):
                group[f"n{i}"] = below
            below = group
        handle["node/nodes/laugh"] = below
    assert refusal(path) == ("NMB003", "the file has more than 12,288 groups")


def test_huge_declarations_are_refused_unread(tmp_path):
    path = write(tmp_path / "huge.nir", chain(linear(np.eye(2)), lif(2)))
    cases = {
        "node/nodes/1/weight": (1 << 40, 4),
        "node/nodes/2/tau": (10_000_000,),
        "node/nodes/input/shape": (1 << 50,),
        "node/edges": (1 << 40, 2),
    }
    for name, shape in cases.items():
        with h5py.File(path, "a") as handle:
            kept = handle[name][()]
            del handle[name]
            handle.create_dataset(name, shape=shape, dtype="f4", chunks=True, compression="gzip")
        code, message = refusal(path)
        assert code == "NMB014"
        assert "declares" in message
        with h5py.File(path, "a") as handle:
            del handle[name]
            handle.create_dataset(
                name, data=kept, dtype=h5py.string_dtype() if "edges" in name else None
            )
    assert lower(path, QUIET).input_size == 2


def test_many_large_declarations_share_one_budget(tmp_path):
    path = write(tmp_path / "many.nir", chain(lif(2)))
    with h5py.File(path, "a") as handle:
        for i in range(5):
            group = handle.create_group(f"node/nodes/w{i}")
            group["type"] = "Linear"
            group.create_dataset("weight", shape=(8192, 8191), dtype="f8", chunks=True)
    code, message = refusal(path)
    assert code == "NMB014"
    assert message.startswith("the data sets declare more than 1,073,741,824 bytes")


def test_data_kept_outside_is_not_read(tmp_path):
    secret = tmp_path / "secret.bin"
    secret.write_bytes(np.arange(4.0).tobytes())
    path = write(tmp_path / "outside.nir", chain(linear(np.eye(2)), lif(2)))
    with h5py.File(path, "a") as handle:
        del handle["node/nodes/1/weight"]
        handle.create_dataset(
            "node/nodes/1/weight", shape=(2, 2), dtype="f8", external=[(str(secret), 0, 32)]
        )
    assert refusal(path) == ("NMB003", "data kept in other files is not read")


def test_types_that_are_no_numbers(tmp_path):
    for value in (np.zeros(2, dtype=[("a", "f4")]), np.zeros(2, dtype=complex)):
        path = write(tmp_path / "types.nir", chain(lif(2)))
        with h5py.File(path, "a") as handle:
            del handle["node/nodes/1/tau"]
            handle["node/nodes/1/tau"] = value
        assert refusal(path)[0] in ("NMB003", "NMB006")


def test_wrong_structure_inside(tmp_path):
    for name, value, code in [
        ("node/edges", np.zeros((3, 3)), "NMB006"),
        ("node/nodes/1/type", 3, "NMB005"),
        ("node/nodes/1", 3.0, "NMB006"),
        ("node/nodes/input/shape", "two", "NMB006"),
        ("node/nodes/1/type", "x" * 5000, "NMB004"),
    ]:
        path = write(tmp_path / "inside.nir", chain(lif(2)))
        with h5py.File(path, "a") as handle:
            del handle[name]
            handle[name] = value
        report = lower_collect(path, QUIET)[1]
        assert code in {d.code for d in report.errors}, name
        assert all(len(d.message) < 400 for d in report.errors)


def test_control_characters_in_names_are_escaped(tmp_path):
    tree = {"input": inp(2), "a\x1b[31m": lif(2, tau=-1.0), "output": out(2)}
    report = lower_collect(write(tmp_path / "esc.nir", graph(tree)), QUIET)[1]
    assert report.errors[0].node == "a\\x1b[31m"
    assert "\x1b" not in str(report)


def test_a_single_node_and_a_root_without_node_group(tmp_path):
    single = write(tmp_path / "single.nir", lif(3))
    assert lower(single, QUIET).populations["lif"].size == 3
    path = tmp_path / "root.nir"
    with (
        h5py.File(path, "w") as handle,
        h5py.File(write(tmp_path / "a.nir", chain(lif(2)))) as source,
    ):
        for key in source["node"]:
            source.copy(f"node/{key}", handle)
    assert lower(path, QUIET).output.size == 2


def test_text_may_be_fixed_length_bytes(tmp_path):
    path = write(tmp_path / "old.nir", chain(lif(2)))
    with h5py.File(path, "a") as handle:
        del handle["node/edges"], handle["node/nodes/1/type"]
        handle["node/edges"] = np.array([[b"input", b"1"], [b"1", b"output"]])
        handle["node/nodes/1/type"] = np.array([b"LIF"])
    assert lower(path, QUIET).output.node_type == "LIF"


def test_graphs_nested_without_end_in_memory():
    endless = graph({"input": inp(2), "output": out(2)})
    endless["nodes"]["again"] = endless
    report = lower_collect(endless, QUIET)[1]
    assert {d.code for d in report.errors} == {"NMB003"}


def test_read_nir_gives_nodes_and_findings(good):
    made, report = read_nir(good)
    assert list(made.nodes) == ["1", "2", "input", "output"]
    assert made.nodes["2"].fields["tau"].tolist() == [0.01, 0.01]
    assert report.ok
    with pytest.raises(CompileError) as caught:
        read_nir(chain(node("LIF")))
    assert {d.code for d in caught.value.report.errors} == {"NMB005"}


def test_lower_raises_with_the_whole_report(good):
    with pytest.raises(CompileError) as caught:
        lower(good.with_name("none.nir"))
    assert caught.value.report.source == str(good.with_name("none.nir"))
    assert "NMB001" in str(caught.value)


def heap_object(path):
    """Return the place of the first object header in the first text heap of a file."""
    return path.read_bytes().index(b"GCOL\x01") + 16


def test_a_heap_object_whose_size_overflows_does_not_hang(good):
    data = bytearray(good.read_bytes())
    place = heap_object(good)
    data[place + 8 : place + 16] = (2**64 - 16).to_bytes(8, "little")
    good.write_bytes(data)
    assert refusal(good) == (
        "NMB001",
        "the file is damaged or cut short (its text heap is inconsistent)",
    )


@pytest.mark.parametrize("chunked", [False, True])
def test_text_of_a_length_that_nobody_needs_is_not_allocated(tmp_path, chunked):
    path = write(tmp_path / "long.nir", chain(lif(2)))
    with h5py.File(path, "a") as handle:
        del handle["node/nodes/1/type"]
        kind = handle.create_dataset(
            "node/nodes/1/type",
            data=np.array([b"x" * 70_000], dtype=object),
            dtype=h5py.string_dtype(),
            **({"chunks": (1,), "compression": "gzip"} if chunked else {}),
        )
        assert kind.shape == (1,)
    assert refusal(path) == ("NMB003", "the text in /node/nodes/1/type is 70,000 bytes long")


def test_compressed_text_is_read(tmp_path):
    path = write(tmp_path / "packed.nir", chain(lif(2)))
    with h5py.File(path, "a") as handle:
        pairs = handle["node/edges"][()]
        del handle["node/edges"]
        handle.create_dataset(
            "node/edges", data=pairs, dtype=h5py.string_dtype(), compression="gzip"
        )
    assert lower(path, QUIET).output.name == "1"


def test_products_that_leave_the_numbers_are_found(tmp_path):
    huge = linear(1e200 * np.eye(2))
    report = lower_collect(chain(huge, huge, lif(2)), QUIET)[1]
    (error,) = report.errors
    assert (error.code, error.node) == ("NMB007", "3")
    assert error.message == "the weights into this node through 1, 2 are too large for a number"
    report = lower_collect(chain(lif(2, tau=1e-320)), QUIET, strict=False)[1]
    assert {d.code for d in report.errors} == {"NMB015", "NMB007"}
