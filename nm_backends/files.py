"""Writing files so that a reader never sees half of one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["atomic_write"]


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write a file aside, then rename it into place.

    Yields the path of an empty temporary file in the same directory: write that one, close it, and
    leave the block. On any failure (full disk, Ctrl-C, an exception) the temporary file is removed
    and an older file at ``path`` stays as it was.

    Parameters
    ----------
    path
        Where the file shall be; its directory must exist.

    Examples
    --------
    >>> with atomic_write("out.npz") as aside:          # doctest: +SKIP
    ...     with open(aside, "wb") as file:
    ...         np.savez_compressed(file, spikes=spikes)
    """
    target = Path(path)
    try:
        handle, name = tempfile.mkstemp(f".{target.name}.part", ".", target.parent)
    except OSError as error:  # name the file that the user asked for, not the temporary one
        raise OSError(error.errno, error.strerror, str(target)) from None
    os.close(handle)
    aside = Path(name)
    try:
        yield aside
        _sync(aside)
        aside.chmod(_mode(target))
        aside.replace(target)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def _sync(path: Path) -> None:
    """Let errors of a delayed write (full disk, quota) appear before the old file is replaced."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _mode(target: Path) -> int:
    """Permissions of the old file, or those that a plain ``open`` would have given."""
    if target.exists():
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
