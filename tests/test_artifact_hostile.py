"""Programs from strangers: every file either loads or gives one clear error."""

from __future__ import annotations

import hashlib
import io
import json
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest
from artifact_example import bare_chip, make_program, plain, saved_program  # noqa: F401

from nm_backends import artifact, container
from nm_backends.artifact import ArtifactError

# Hostile files --------------------------------------------------------------------------------


def rewrite(path, change, *, seal=True):
    """Unpack, let ``change(members)`` edit the members, and pack again with a true manifest."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    manifest = json.loads(members["manifest.json"])
    if seal and isinstance(manifest, dict):
        table = {name: entry(data) for name, data in members.items() if name != "manifest.json"}
        manifest["members"] = table
        members["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def entry(data: bytes) -> dict[str, object]:
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def edit(member, change):
    def apply(members):
        value = json.loads(members[member])
        members[member] = json.dumps(change(value) or value).encode()

    return apply


def manifest(**values):
    return edit("manifest.json", lambda m: m.update(values))


def body(change):
    return edit("program.json", change)


def npy(array, **options) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def put(name, data):
    return lambda members: members.update({name: data})


def header(text: str, data: bytes = b"") -> bytes:
    line = text.encode().ljust(118 - 10 + 19) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(line).to_bytes(2, "little") + line + data


def population(change):
    return body(lambda p: change(p["network"]["populations"]["fc/1.é"]))


NEURON = "image/memories/neuron.npy"
INDICES = "network/projections/0/weights/indices.npy"
POINTERS = "network/projections/0/weights/indptr.npy"
DECAY = "network/populations/_1/decay.npy"
HUGE = "{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000,), }"

SEALED = {
    "other format": (manifest(format="x"), r"format 'x', expected 'nm-backends program'"),
    "newer version": (manifest(version=2), r"version 2, this nm-backends reads version 1"),
    "version true": (manifest(version=True), r"version True, this"),
    "no version": (edit("manifest.json", lambda m: {"format": m["format"]}), r"version None"),
    "manifest is a list": (edit("manifest.json", lambda m: [1]), r"format '\[1\]'"),
    "other chip's spec": (manifest(spec="0" * 16), r"other memories or registers"),
    "chip of the manifest": (manifest(chip="odin"), r"names another chip"),
    "chip not installed": (
        lambda m: (manifest(chip="loihi9")(m), body(lambda p: p.update(chip="loihi9"))(m)),
        r"unknown chip 'loihi9'",
    ),
    "chip is a number": (body(lambda p: p.update(chip=3)), r"chip: a int, expected str"),
    "unknown member": (put("extra.npy", npy(np.ones(3))), r"unknown member 'extra.npy'"),
    "missing array": (lambda m: m.pop(NEURON), r"missing member 'image/memories/neuron.npy'"),
    "missing body": (lambda m: m.pop("program.json"), r"missing member 'program.json'"),
    "climbing name": (put("../../evil", b""), r"'../../evil': not a plain relative name"),
    "absolute name": (put("/etc/evil", b""), r"'/etc/evil': not a plain relative name"),
    "windows name": (put("a\\b", b""), r"not a plain relative name"),
    "bad JSON": (put("program.json", b"{"), r"program.json: bad JSON"),
    "not UTF-8": (put("program.json", b"\xff\xfe"), r"program.json: bad JSON"),
    "NaN in JSON": (put("program.json", b'{"chip": NaN}'), r"NaN is not a JSON number"),
    "huge float": (put("program.json", b'{"chip": 1e999}'), r"too large"),
    "huge int": (put("program.json", b'{"chip": ' + b"9" * 9999 + b"}"), r"9999 digits"),
    "key twice": (put("program.json", b'{"chip": 1, "chip": 2}'), r"a key stands twice"),
    "deep JSON": (put("program.json", b"[" * 100_000), r"nested too deeply"),
    "deep lists": (
        body(lambda p: p.update(metadata={"x": json.loads("[" * 400 + "]" * 400)})),
        r"^(?!.*Traceback)",  # deep but legal: loads, or says so
    ),
    "body is a list": (put("program.json", b"[]"), r"not a Program"),
    "unknown field": (body(lambda p: p.update(evil=1)), r"Program has no field 'evil'"),
    "missing field": (body(lambda p: p.pop("image") and None), r"lacks its field 'image'"),
    "unknown type": (body(lambda p: p.update(options={"$type": "os"})), r"unknown type 'os'"),
    "wrong type": (body(lambda p: p.update(options=p["report"])), r"a Report, expected Compile"),
    "unknown option": (body(lambda p: p["options"].update(order="x")), r"a str, expected Literal"),
    "unknown notation": (body(lambda p: p.update(report={"$eval": "1"})), r"notation '\$eval'"),
    "array twice": (
        body(lambda p: p["layout"].update(again=p["layout"]["rows"])), r"is used twice"
    ),
    "pickle": (
        put(NEURON, npy(np.array([{}], object), allow_pickle=True)), r"dtype object is not allowed"
    ),
    "not an array": (put(NEURON, b"hello"), r"neuron.npy': not a plain array"),
    "huge array": (put(NEURON, header(HUGE)), r"shape \(1000000000000,\) of uint8"),
    "evil header": (put(NEURON, header("__import__('os')")), r"neuron.npy': not a plain array"),
    "deep header": (put(NEURON, header("(" * 100)), r"neuron.npy': not a plain array"),
    "negative shape": (
        put(NEURON, header(HUGE.replace("1000000000000", "-1"))), r"shape \(-1,\)"
    ),
    "image shape": (
        put(NEURON, npy(np.zeros((255, 4), np.uint8))),
        r"image: memory neuron: shape \(255, 4\), expected \(256, 4\)",
    ),
    "image dtype": (put(NEURON, npy(np.zeros((256, 4)))), r"neuron: float64, expected uint8"),
    "weight range": (
        put("image/memories/synapse.npy", npy(np.full((256, 256), 16, np.uint8))),
        r"synapse\[0, 0\]: 16 does not fit 4 bits",
    ),
    "register range": (
        body(lambda p: p["image"]["registers"].update(SPI_MAX_NEUR=-1)), r"-1 does not fit 8 bits"
    ),
    "register unknown": (
        body(lambda p: p["image"]["registers"].update(X=1)), r"register X: unknown to the chip"
    ),
    "column out of range": (put(INDICES, npy(np.full(7, 3, np.int32))), r"columns 3 to 3 of 3"),
    "negative column": (put(INDICES, npy(np.full(7, -1, np.int32))), r"columns -1 to -1 of 3"),
    "row pointers": (put(POINTERS, npy(np.array([0, 9, 3, 3, 7], np.int32))), r"indptr"),
    "float indices": (put(INDICES, npy(np.zeros(7))), r"dtypes float64, float64, int32"),
    "NaN decay": (put(DECAY, npy(np.full(3, np.nan))), r"decay holds NaN"),
    "short decay": (put(DECAY, npy(np.ones(2))), r"decay is float64\[2\], expected float64\[3\]"),
    "other name": (population(lambda p: p.update(name="x")), r"calls itself 'x'"),
    "huge population": (
        body(lambda p: p["network"]["populations"]["in"].update(shape={"$tuple": [10**12]})),
        r"expected 1 to 16777216 neurons",
    ),
    "unknown population": (
        body(lambda p: p["network"]["projections"][0].update(pre="x")), r"unknown population 'x'"
    ),
    "against the order": (
        body(lambda p: p["network"]["projections"][1].update(delay=0)), r"against the order"
    ),
    "bool for a number": (
        body(lambda p: p["network"]["projections"][1].update(delay=True)), r"a bool, expected int"
    ),
    "fit of nobody": (
        body(lambda p: p["fit"].update(populations={"x": p["fit"]["populations"]["fc/1.é"]})),
        r"fit: 'x' is no population",
    ),
    "short fit": (
        put("fit/populations/_0/leak.npy", npy(np.ones(2))), r"leak is float64\[2\], expected"
    ),
    "no output": (body(lambda p: p["network"].update(outputs={})), r"no outputs"),
    "unhashable key": (
        body(lambda p: p.update(metadata={"$items": [[[], 1]]})), r"pairs with plain keys"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SEALED)
def test_a_hostile_file_gives_one_clear_error(saved, case):
    change, message = SEALED[case]
    rewrite(saved, change)
    tracemalloc.start()
    try:
        if case == "deep lists":
            artifact.load(saved)
            return
        with pytest.raises(ArtifactError, match=message) as caught:
            artifact.load(saved)
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()
    assert "p.nmb" in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_changed_member_is_noticed(saved):
    rewrite(saved, put("layout/rows.npy", npy(np.arange(4, dtype=np.int16)[::-1])), seal=False)
    with pytest.raises(ArtifactError, match=r"member 'layout/rows.npy': SHA-256 .*, expected"):
        artifact.load(saved)


def test_a_member_that_stands_twice(saved):
    with warnings.catch_warnings(), zipfile.ZipFile(saved, "a") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("program.json", b"{}")
    with pytest.raises(ArtifactError, match=r"member 'program.json' stands twice"):
        artifact.load(saved)


def test_a_bomb_is_not_unpacked(saved):
    with (
        zipfile.ZipFile(saved, "a", zipfile.ZIP_DEFLATED) as archive,
        archive.open("b", "w") as bomb,
    ):
        for _ in range(300):
            bomb.write(bytes(1 << 20))
    tracemalloc.start()
    with pytest.raises(ArtifactError, match=r"members of 3\d+ bytes unpacked"):
        artifact.load(saved)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


def test_a_bomb_that_lies_about_its_size(saved):
    data = saved.read_bytes()
    with zipfile.ZipFile(saved) as archive:
        info = archive.getinfo("image/memories/synapse.npy")
    # the directory stands at the end; make it announce one byte less
    at = data.rindex(b"image/memories/synapse.npy") - 46 + 24
    saved.write_bytes(data[:at] + (info.file_size - 1).to_bytes(4, "little") + data[at + 4 :])
    with pytest.raises(ArtifactError, match=r"p\.nmb"):
        artifact.load(saved)


def test_too_many_members(saved, monkeypatch):
    monkeypatch.setattr(container, "MAX_MEMBERS", 5)
    with pytest.raises(ArtifactError, match="limits are 5 and"):
        artifact.load(saved)


def test_every_truncation_and_many_damages_are_noticed(saved):
    whole = saved.read_bytes()
    rng = np.random.default_rng(1)
    for length in [0, 1, 21, *rng.integers(22, len(whole), 60).tolist()]:
        saved.write_bytes(whole[:length])
        with pytest.raises(ArtifactError):
            artifact.load(saved)
    for position in rng.integers(0, len(whole), 200).tolist():
        damaged = bytearray(whole)
        damaged[position] ^= 1 << int(rng.integers(8))
        saved.write_bytes(damaged)
        try:
            loaded = artifact.load(saved)
        except ArtifactError:
            continue
        assert plain(loaded.image) == plain(make_program().image)  # a bit that says nothing


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"not an nm-backends file \(no zip\), 0 bytes"),
        (b"PK\3\4 and then nothing" + bytes(50), r"truncated, 71 bytes"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), r"not an nm-backends file \(no zip\)"),
        (bytes(20) + b"PK\6\7" + bytes(16) + b"PK\5\6" + bytes(18), r"directory is too large"),
        (b"PK\5\6" + bytes(8) + b"\xff" * 4 + bytes(6), r"directory is too large"),
        (b"PK\5\6" + bytes(18), r"no manifest.json: not written by nm-backends"),
    ],
)
def test_what_is_no_container(tmp_path, content, message):
    (tmp_path / "x.nmb").write_bytes(content)
    with pytest.raises(ArtifactError, match=message):
        artifact.load(tmp_path / "x.nmb")


def test_no_such_file(tmp_path):
    with pytest.raises(ArtifactError, match="No such file"):
        artifact.load(tmp_path / "none.nmb")
    with pytest.raises(ArtifactError, match="Is a directory"):
        artifact.load(tmp_path)
