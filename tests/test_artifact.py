"""Programs as files: exact, deterministic, atomic."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import zipfile

import numpy as np
import pytest
from artifact_example import bare_chip, make_program, plain, saved_program  # noqa: F401

from nm_backends import artifact
from nm_backends.artifact import ArtifactError
from nm_backends.codec import TYPES, Decoder, Encoder
from nm_tinyodin.spec import SPEC

# Round trips ----------------------------------------------------------------------------------


def test_everything_comes_back(saved):
    before, after = make_program(), artifact.load(saved)
    for name in ("chip", "network", "image", "layout", "resources", "fit", "report", "options"):
        assert plain(getattr(after, name)) == plain(getattr(before, name)), name
    assert after.metadata == before.metadata
    assert after.network.metadata == before.network.metadata
    assert after.network.discretisation.assumed == ("dt",)
    assert list(after.network.populations) == ["in", "fc/1.é"]
    assert before.image.differences(after.image) == []
    assert after.network.projections[0].weights.indices.dtype == np.int32
    after.image.memories["neuron"][0] = 0  # writable, as after a compilation


def test_the_same_program_gives_the_same_bytes(saved, tmp_path):
    again, loaded = tmp_path / "again.nmb", tmp_path / "loaded.nmb"
    artifact.save(make_program(), again)
    artifact.save(artifact.load(saved), loaded)
    assert saved.read_bytes() == again.read_bytes() == loaded.read_bytes()


def test_the_manifest_says_what_it_is(saved):
    with zipfile.ZipFile(saved) as archive:
        assert archive.namelist()[0] == "manifest.json"
        manifest = json.loads(archive.read("manifest.json"))
        neuron = archive.read("image/memories/neuron.npy")
    assert (manifest["format"], manifest["version"]) == ("nm-backends program", 1)
    assert (manifest["chip"], manifest["spec"]) == ("tinyodin", artifact.spec_fingerprint(SPEC))
    entry = manifest["members"]["image/memories/neuron.npy"]
    assert entry == {"size": len(neuron), "sha256": hashlib.sha256(neuron).hexdigest()}
    assert np.load(io.BytesIO(neuron)).shape == (256, 4)


@pytest.mark.parametrize(
    "value",
    [
        np.array(3.5), np.zeros((0, 4), np.int8), np.arange(6).reshape(2, 3).T, np.array([True]),
        np.array([1, 2], ">i4"), np.array([np.nan, np.inf]), float("-inf"), (), [], {}, {"": ()},
        {1: {2.5: None}}, "\x00ü", 2**70, -0.0,
    ],
)  # fmt: skip
def test_values_come_back(value):
    encoder = Encoder()
    data = json.loads(json.dumps(encoder.encode(value, "x"), allow_nan=False))
    back = Decoder("file", encoder.members).decode(data, "x")
    assert type(back) is type(value)
    np.testing.assert_equal(back, value)
    if isinstance(value, np.ndarray):
        assert back.shape == value.shape
        assert back.dtype == value.dtype.newbyteorder("=")


def test_every_stored_class_has_an_evaluable_annotation():
    from nm_backends.codec import _hints

    for cls in TYPES.values():
        assert _hints(cls)


# Writing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_an_old_file_survives_a_failure(saved, monkeypatch, error):
    old = saved.read_bytes()

    def fail(self, *_, **__):
        raise error

    monkeypatch.setattr(zipfile.ZipFile, "writestr", fail)
    with pytest.raises(type(error)):
        artifact.save(make_program(), saved)
    assert saved.read_bytes() == old
    assert [p.name for p in saved.parent.iterdir()] == ["p.nmb"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p: p.metadata.update(f=print), "metadata/f: a builtin_function_or_method cannot"),
        (lambda p: p.metadata.update(f=np.array([object()])), "array of object cannot be saved"),
        (lambda p: p.network.metadata.update({3: 1}), "a dict, expected dict.str, object."),
        (lambda p: setattr(p, "options", 3), "options: a int, expected CompileOptions"),
        (lambda p: p.image.registers.update(SPI_MAX_NEUR=256), "256 does not fit 8 bits"),
        (lambda p: setattr(p, "chip", "tinyodim"), "unknown chip 'tinyodim'"),
    ],
)
def test_what_could_not_be_loaded_is_not_saved(tmp_path, spoil, message):
    program = make_program()
    spoil(program)
    with pytest.raises(ArtifactError, match=message):
        artifact.save(program, tmp_path / "p.nmb")
    assert list(tmp_path.iterdir()) == []
