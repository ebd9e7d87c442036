"""A file is written whole or not at all."""

import os
import stat

import pytest

from nm_backends.files import atomic_write


def test_writes(tmp_path):
    path = tmp_path / "out.bin"
    with atomic_write(path) as aside:
        assert aside.parent == tmp_path
        aside.write_bytes(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["out.bin"]


@pytest.mark.parametrize("error", [OSError("full"), KeyboardInterrupt(), SystemExit(3)])
@pytest.mark.parametrize("old", [None, b"old"])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, error, old):
    path = tmp_path / "out.bin"
    if old is not None:
        path.write_bytes(old)

    def fail():
        with atomic_write(str(path)) as aside:
            aside.write_bytes(b"half")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert os.listdir(tmp_path) == ([] if old is None else ["out.bin"])
    assert old is None or path.read_bytes() == old


def test_permissions_are_those_of_the_old_file_or_of_any_new_one(tmp_path):
    path, plain = tmp_path / "out.bin", tmp_path / "plain.bin"
    plain.touch()
    with atomic_write(path) as aside:
        aside.write_bytes(b"1")
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
    path.chmod(0o600)
    with atomic_write(path) as aside:
        aside.write_bytes(b"2")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_message_names_the_file_that_was_asked_for(tmp_path):
    path = tmp_path / "nowhere" / "out.bin"
    with pytest.raises(FileNotFoundError) as caught, atomic_write(path):
        pass
    assert caught.value.filename == str(path)
