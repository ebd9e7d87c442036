"""Reading ``.nir`` files: HDF5 from anybody, opened with care.

Nothing is read before its declared size is known; links and data kept outside the file are refused.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import numpy as np

from nm_backends.lowering import rules as E
from nm_backends.lowering.fields import clean, text
from nm_backends.lowering.heaps import heaps_are_sound, longest_text
from nm_backends.lowering.model import MAX_NEURONS, MAX_NODES, MAX_SYNAPSES
from nm_backends.rules import Diagnostic

__all__ = ["Refused", "read_tree"]

MAX_DEPTH = 32
MAX_OBJECTS = 100_000
MAX_GROUPS = 3 * MAX_NODES
MAX_BYTES = 2**30
_SMALL = 4096
_LONGEST_TEXT = 2**16
_LARGE = {"weight": MAX_SYNAPSES, "edges": 8 * MAX_NODES}
_SIGNATURE = b"\x89HDF\r\n\x1a\n"


class Refused(Exception):
    """The file as a whole cannot be used; ``finding`` says why."""

    def __init__(self, finding: Diagnostic) -> None:
        super().__init__(finding.message)
        self.finding = finding


def read_tree(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the content of the group ``node`` as nested dicts of arrays.

    Raises
    ------
    Refused
        When the file cannot be opened, is not NIR, or is not harmless.
    """
    file = Path(path)
    _look_at(file)
    import h5py

    try:
        if not heaps_are_sound(file):
            raise ValueError("its text heap is inconsistent")
        with h5py.File(file, "r") as handle:
            return _Reader(h5py, handle, file).graph()
    except Refused:
        raise
    except Exception as problem:  # HDF5 reports a damaged file by nearly every exception there is
        message = f"the file is damaged or cut short ({_first_line(problem)})"
        raise Refused(E.unreadable_file.at(message)) from problem


def _first_line(problem: BaseException) -> str:
    lines = str(problem).splitlines()
    return clean(lines[0])[:200] if lines else type(problem).__name__


def _look_at(file: Path) -> None:
    """Refuse what is not an HDF5 file, saying what it is instead."""
    try:
        mode = file.stat().st_mode
        if stat.S_ISDIR(mode):
            raise Refused(E.unreadable_file.at(f"{file} is a directory, not a file"))
        if not stat.S_ISREG(mode):
            raise Refused(E.unreadable_file.at(f"{file} is not a regular file"))
        with file.open("rb") as handle:
            head = handle.read(4096)
    except FileNotFoundError:
        raise Refused(
            E.unreadable_file.at(f"there is no file {file}", hint=_neighbours(file))
        ) from None
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or str(problem)
        raise Refused(E.unreadable_file.at(f"{file} cannot be opened: {reason}")) from None
    if not head:
        raise Refused(E.unreadable_file.at(f"{file} is empty"))
    if not _has_signature(file, head):
        raise Refused(E.not_a_nir_file.at(_what_is_it(head)))


def _neighbours(file: Path) -> str:
    from nm_backends.lowering.fields import did_you_mean

    try:
        names = [entry.name for entry in os.scandir(file.parent) if entry.name.endswith(".nir")]
    except OSError:
        return f"there is no directory {file.parent} either"
    return did_you_mean(file.name, sorted(names)[:1000])


def _has_signature(file: Path, head: bytes) -> bool:
    """HDF5 may start at byte 0, 512, 1024, 2048, ... after a block of the user's own."""
    if head.startswith(_SIGNATURE):
        return True
    size, offset = file.stat().st_size, 512
    with file.open("rb") as handle:
        while offset < size and offset <= 2**24:
            handle.seek(offset)
            if handle.read(8) == _SIGNATURE:
                return True
            offset *= 2
    return False


def _what_is_it(head: bytes) -> str:
    if head.startswith(b"PK\x03\x04"):
        if b"/data.pkl" in head or b".pkl" in head:
            return "this is a PyTorch checkpoint (torch.save), not a NIR file; load it with torch"
        return "this is a zip archive, not a NIR file"
    if head.startswith(b"\x80") and head[1:2] in b"\x02\x03\x04\x05":
        return "this is a Python pickle, not a NIR file; it was not opened"
    if head.startswith(b"\x93NUMPY"):
        return "this is a numpy array, not a NIR file"
    if head.lstrip()[:1] in (b"{", b"["):
        return "this looks like JSON, not like a NIR file (HDF5)"
    return "this is not an HDF5 file, so it is not a NIR file"


class _Reader:
    """Walks an open file within a budget of groups, objects and bytes; reads data at the end."""

    def __init__(self, h5py: Any, handle: Any, file: Path) -> None:
        self.h5py, self.handle, self.file = h5py, handle, file
        self.objects, self.groups, self.bytes = 0, 0, 0
        self.pending: list[tuple[dict[str, Any], str, Any]] = []

    def graph(self) -> dict[str, Any]:
        root = self.handle
        kind = text(root.attrs["__type__"]) if "__type__" in root.attrs else None
        if kind == "NIRGraphData":
            message = "this file holds recorded NIR data (spikes or voltages), not a graph"
            raise Refused(E.not_a_nir_file.at(message))
        if "node" in root:
            holder: dict[str, Any] = {}
            self.child(root, "node", holder, "", 0)
            tree = holder.get("node")
        elif "nodes" in root:
            tree = self.group(root, "", 0)
        else:
            inside = ", ".join(clean(k) for k, _ in zip(root, range(5), strict=False)) or "nothing"
            message = "this HDF5 file has no group 'node', so it is not a NIR file"
            raise Refused(E.not_a_nir_file.at(message, found=inside))
        if not isinstance(tree, dict):
            raise Refused(E.not_a_nir_file.at("'node' is not a group of nodes"))
        for into, key, item in self.pending:
            into[key] = item[()]
        return tree

    def group(self, group: Any, place: str, depth: int) -> dict[str, Any]:
        self.groups += 1
        if self.groups > MAX_GROUPS:
            message = f"the file has more than {MAX_GROUPS:,} groups"
            raise Refused(E.unsafe_file.at(message, limit=f"{MAX_GROUPS:,}"))
        if depth > MAX_DEPTH:
            message = f"groups are nested more than {MAX_DEPTH} deep (or contain themselves)"
            raise Refused(E.unsafe_file.at(message, node=place[-200:], limit=MAX_DEPTH))
        tree: dict[str, Any] = {}
        for key in group:
            self.child(group, key, tree, place, depth)
        return tree

    def child(self, group: Any, key: str, into: dict[str, Any], place: str, depth: int) -> None:
        here = f"{place}/{clean(key)}"
        self.objects += 1
        if self.objects > MAX_OBJECTS:
            message = f"the file has more than {MAX_OBJECTS:,} objects"
            raise Refused(E.unsafe_file.at(message, limit=f"{MAX_OBJECTS:,}"))
        link = group.get(key, getlink=True)
        if not isinstance(link, self.h5py.HardLink):
            message = "links to other files or places are not followed"
            raise Refused(E.unsafe_file.at(message, found=f"{type(link).__name__} {here}"))
        item = group[key]
        if isinstance(item, self.h5py.Group):
            into[clean(key)] = self.group(item, here, depth + 1)
        elif isinstance(item, self.h5py.Dataset):
            into[clean(key)] = None
            self.dataset(item, clean(key), here)
            if item.shape is not None:
                self.pending.append((into, clean(key), item))
        else:
            raise Refused(E.unsafe_file.at("a named data type is no part of NIR", found=here))

    def dataset(self, item: Any, key: str, here: str) -> None:
        """Check the declared size of a data set before it is put down for reading."""
        self.refuse_unsafe(item, here)
        if item.shape is None:
            return
        limit = _LARGE.get(key, MAX_NEURONS)
        if item.dtype.kind in "OSU" and key != "edges":
            limit = _SMALL
        chunk = int(np.prod(item.chunks or (0,), dtype=object))
        if item.size > limit or chunk > max(limit, 2**24):
            message = f"{here} declares {int(item.size):,} elements"
            raise Refused(E.too_large.at(message, limit=f"{limit:,}", hint="nothing was read"))
        if item.dtype.kind == "O":
            self.refuse_long_text(item, here)
        self.bytes += int(item.size) * max(int(item.dtype.itemsize), 8)  # becomes float64
        if self.bytes > MAX_BYTES:
            message = f"the data sets declare more than {MAX_BYTES:,} bytes (up to {here})"
            raise Refused(E.too_large.at(message, limit=f"{MAX_BYTES:,}", hint="nothing was read"))

    def refuse_long_text(self, item: Any, here: str) -> None:
        longest = longest_text(self.h5py, item, self.file)
        if longest is None or longest > _LONGEST_TEXT:
            message = f"the text in {here} is " + (
                f"{longest:,} bytes long" if longest else "stored in an unusual way"
            )
            raise Refused(E.unsafe_file.at(message, limit=f"{_LONGEST_TEXT:,} bytes"))

    def refuse_unsafe(self, item: Any, here: str) -> None:
        if item.is_virtual or item.id.get_create_plist().get_external_count():
            message = "data kept in other files is not read"
            raise Refused(E.unsafe_file.at(message, found=here))
        dtype = item.dtype
        is_text = self.h5py.check_string_dtype(dtype) is not None
        if dtype.kind not in "biufcSUO" or (dtype.kind == "O" and not is_text):
            message = f"{here} is neither numbers nor text"
            raise Refused(E.unsafe_file.at(message, found=str(dtype)[:100]))
