"""Spike files of the command line, read with suspicion and written whole or not at all."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nm_backends.errors import UserError
from nm_backends.files import atomic_write

__all__ = ["SpikeFile", "check_output", "naming", "read_any", "read_spikes",
           "read_targets", "write_arrays"]  # fmt: skip

LIMIT = 2 << 30  # bytes of one array
MAPPED = 64 << 20  # bytes of a .npy file from which on it is not read, but mapped
EXPECTED = (
    "expected a .npy file, or an .npz file with an array 'spikes' (or one array only): "
    "[time, batch, *input shape] or [time, *input shape], boolean or small counts"
)
# NotImplementedError and RuntimeError: compression methods and passwords that zipfile refuses.
BROKEN = (
    ValueError,
    EOFError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class SpikeFile:
    """Input spikes, and the labels and targets that lay beside them (None: there are none).

    ``spikes`` are an array; of `read_any` perhaps one on disk, or `Recordings`.
    """

    path: str
    spikes: Any
    labels: np.ndarray | None = None
    targets: np.ndarray | None = None


def read_spikes(path: str) -> SpikeFile:
    """Read input spikes from ``.npy`` or ``.npz``; nothing in the file is executed.

    Raises
    ------
    UserError
        Naming the file, what is in it, and what was expected.
    """
    spikes, labels, targets = _opened(path)
    _check_spikes(path, spikes)
    if labels is not None and (labels.ndim != 1 or labels.dtype.kind not in "iu"):
        raise UserError(
            f"{path}: labels are {labels.dtype}{list(labels.shape)}",
            "expected one integer per sample; leave the array out if there are none",
        )
    return SpikeFile(path, spikes, labels, targets)


def read_any(path: str) -> SpikeFile:
    """Read input spikes as `read_spikes` does, or open what is too large for that.

    That is a folder of `nm_backends.recordings`, or a ``.npy`` file of more than `MAPPED` bytes,
    whose values are checked as they are read.
    """
    folder = Path(path)
    if (folder / "about.json").exists():
        from nm_backends.recordings import Recordings

        held = Recordings(folder)
        return SpikeFile(path, held, held.labels)
    if not (folder.suffix == ".npy" and folder.is_file() and folder.stat().st_size > MAPPED):
        return read_spikes(path)
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except (OSError, *BROKEN) as error:
        raise UserError(f"{path}: not a readable array file ({error})", EXPECTED) from None
    if array.dtype.kind not in "biuf" or array.ndim < 3:
        what = f"{array.dtype} {list(array.shape)}"
        raise UserError(f"{path}: spikes are {what}", EXPECTED)
    return SpikeFile(path, array)


def read_targets(path: str) -> np.ndarray:
    """Read what should come out: labels ``[batch]``, or ``[time, batch, neurons]``.

    In an ``.npz`` file that is the array ``targets``, else ``labels``, else the only one there is.
    """
    only, labels, targets = _opened(path)
    found = labels if targets is None else targets
    return only if found is None else found


def _opened(path: str) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    if os.path.isdir(path):
        raise UserError(f"{path}: is a directory", EXPECTED)
    try:
        return _load(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file", EXPECTED) from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}", EXPECTED) from None
    except MemoryError:
        raise UserError(f"{path}: the arrays do not fit into memory", EXPECTED) from None
    except BROKEN as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path}: not a readable array file ({reason})", EXPECTED) from None


def _load(path: str) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Return spikes, labels and targets."""
    with open(path, "rb") as file:
        magic = file.read(2)
        file.seek(0)
        if magic != b"PK":
            return _read_array(file, "spikes"), None, None
        with zipfile.ZipFile(file) as archive:
            names = [n.removesuffix(".npy") for n in archive.namelist() if n.endswith(".npy")]
            others = [name for name in names if name != "labels"]
            if "spikes" not in names and len(others) != 1:
                there = f"among {', '.join(names[:10])}" if names else "and no other array"
                raise ValueError(f"no array 'spikes' {there}")
            spikes = _read_member(archive, "spikes" if "spikes" in names else others[0])
            labels, targets = (
                _read_member(archive, name) if name in names else None
                for name in ("labels", "targets")
            )
            return spikes, labels, targets


def _read_member(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(f"{name}.npy") as member:
        return _read_array(member, name)


def _read_array(file: Any, name: str) -> np.ndarray:
    form = np.lib.format
    version = form.read_magic(file)
    if version == (1, 0):
        shape, fortran, dtype = form.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, fortran, dtype = form.read_array_header_2_0(file)
    else:
        raise ValueError(f"array {name} has format version {version}")
    if dtype.hasobject:
        raise ValueError(f"array {name} holds Python objects, which are never loaded from a file")
    size = dtype.itemsize * int(np.prod(np.array(shape, dtype=object), initial=1))
    if min(shape, default=1) < 0:
        raise ValueError(f"array {name} has the shape {shape}")
    if size > LIMIT:
        raise ValueError(f"array {name} would take {size / 2**30:.0f} GiB")
    data = bytearray(file.read(size))  # writable, as every other array of a user
    if len(data) != size:
        raise ValueError(f"array {name} is cut short: {len(data)} of {size} bytes")
    flat = np.frombuffer(data, dtype=dtype)
    return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)


def _check_spikes(path: str, spikes: np.ndarray) -> None:
    what = f"{path}: spikes are {spikes.dtype} {list(spikes.shape)}"
    if spikes.dtype.names:
        return  # an event list; its fields are checked where it is read
    if spikes.dtype.kind not in "biuf":
        raise UserError(f"{what}, not numbers", EXPECTED)
    if spikes.ndim < 2:
        raise UserError(f"{what}: the time axis and the input axis are needed", EXPECTED)
    if spikes.size == 0:
        raise UserError(f"{what}: there is nothing in it", EXPECTED)
    if spikes.dtype.kind == "f" and not np.all(np.isfinite(spikes)):
        raise UserError(f"{what}: some are NaN or infinite", EXPECTED)
    low, high = spikes.min(), spikes.max()
    if low < 0:
        raise UserError(f"{what}: some are negative ({low})", "a spike count is 0 or more")
    if high > 255:
        raise UserError(f"{what}: counts up to {high}", "at most 255 spikes per step and input")
    if spikes.dtype.kind == "f" and np.any(spikes != np.floor(spikes)):
        raise UserError(f"{what}: some are not whole numbers", "chips take spikes, not values")


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Name the file in what the model has to say about its spikes."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{path}: {error}", error.hint) from error


def check_output(path: str, *inputs: str | None) -> None:
    """Refuse an output path that cannot be written or is an input, before the work is done."""
    target = Path(path)
    for given in inputs:
        there = given is not None and target.exists() and os.path.exists(given)
        if there and os.path.samefile(str(given), target):
            raise UserError(f"{path}: the output would overwrite the input", "give another name")
    parent = target.parent
    if not parent.is_dir():
        raise UserError(f"{path}: the directory {parent} does not exist", "make it first")
    if target.is_dir():
        raise UserError(f"{path}: is a directory", "give the name of a file")
    if not os.access(parent, os.W_OK):
        raise UserError(f"{path}: the directory {parent} cannot be written", "choose another")


def write_arrays(path: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Write an ``.npz`` file, whole or not at all."""
    check_output(path)
    with atomic_write(path) as aside, open(aside, "wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
