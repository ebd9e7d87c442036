"""A look at the text of an HDF5 file before libhdf5 sees it: one damaged byte may hang it.

Variable-length text (in NIR files the names of types and nodes) lies in heaps; a data set holds
descriptors (length, heap, index). libhdf5 (2.0 at least) does not come back from a heap in which
the size of an object overflows when it is rounded up, and it allocates whatever length a descriptor
declares.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["heaps_are_sound", "longest_text"]

_SIGNATURE = b"GCOL\x01\0\0\0"
_HEADER = struct.Struct("<8sQ")
_OBJECT = struct.Struct("<HHIQ")
_DESCRIPTOR = np.dtype([("length", "<u4"), ("heap", "<u8"), ("index", "<u4")])


def heaps_are_sound(file: Path) -> bool:
    """Whether the objects of every global heap collection lie inside it, one after another."""
    with (
        file.open("rb") as handle,
        mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        start = data.find(_SIGNATURE)
        while start >= 0:
            if not _is_sound(data, start):
                return False
            start = data.find(_SIGNATURE, start + 8)
    return True


def _is_sound(data: mmap.mmap, start: int) -> bool:
    if start + _HEADER.size > len(data):
        return False
    size: int = _HEADER.unpack_from(data, start)[1]
    end = start + size
    if end > len(data):
        return False
    place = start + _HEADER.size
    while place + _OBJECT.size <= end:
        index: int
        length: int
        index, _, _, length = _OBJECT.unpack_from(data, place)
        if index == 0:  # free space up to the end; its length counts its own header
            return bool(_OBJECT.size <= length <= end - place)
        place += _OBJECT.size + (length + 7) // 8 * 8
    return place <= end


def longest_text(h5py: Any, item: Any, file: Path) -> int | None:
    """Return the longest length that a data set of text declares; None if it cannot be told.

    Parameters
    ----------
    h5py
        The module, which is imported late.
    item
        A data set of variable-length text, not larger than some thousand elements.
    file
        The file that it is in.
    """
    layout = item.id.get_create_plist()
    kind = layout.get_layout()
    if kind == h5py.h5d.CHUNKED:
        parts = _chunks(h5py, item, layout)
    elif kind == h5py.h5d.CONTIGUOUS:
        parts = _contiguous(item, file)
    else:
        return None
    if parts is None:
        return None
    longest = 0
    for part in parts:
        whole = len(part) // _DESCRIPTOR.itemsize * _DESCRIPTOR.itemsize
        lengths = np.frombuffer(part[:whole], _DESCRIPTOR)["length"]
        longest = max(longest, int(lengths.max(initial=0)))
    return longest


def _contiguous(item: Any, file: Path) -> list[bytes]:
    offset = item.id.get_offset()
    if offset is None:  # nothing was ever written
        return []
    with file.open("rb") as handle:
        handle.seek(offset)
        return [handle.read(int(item.size) * _DESCRIPTOR.itemsize)]


def _chunks(h5py: Any, item: Any, layout: Any) -> list[bytes] | None:
    filters = {layout.get_filter(i)[0] for i in range(layout.get_nfilters())}
    if filters - {h5py.h5z.FILTER_DEFLATE}:
        return None
    limit = int(np.prod(item.chunks, dtype=np.int64)) * _DESCRIPTOR.itemsize
    parts = []
    for i in range(item.id.get_num_chunks()):
        place = item.id.get_chunk_info(i).chunk_offset
        mask, raw = item.id.read_direct_chunk(place)
        packed = filters and not mask
        parts.append(zlib.decompressobj().decompress(raw, limit) if packed else raw)
    return parts
