"""Bit fields of memory words that are stored as little-endian bytes."""

from __future__ import annotations

import numpy as np

from nm_backends.chip import Field

__all__ = ["extract", "insert"]


def _span(field: Field) -> tuple[int, int, int]:
    first = field.lsb // 8
    return first, (field.lsb + field.width + 7) // 8, field.lsb - 8 * first


def extract(words: np.ndarray, field: Field) -> np.ndarray:
    """Return ``field`` of every word in ``words`` (uint8 ``[n, bytes]``) as int64 ``[n]``."""
    first, end, shift = _span(field)
    values = words[:, first].astype(np.int64)
    for byte in range(first + 1, end):
        values |= words[:, byte].astype(np.int64) << 8 * (byte - first)
    values = values >> shift & (1 << field.width) - 1
    if field.signed:
        values -= (values >> field.width - 1) << field.width
    return values


def insert(words: np.ndarray, field: Field, values: np.ndarray) -> None:
    """Set ``field`` of every word in place."""
    first, end, shift = _span(field)
    mask = (1 << field.width) - 1 << shift
    new = (values.astype(np.int64) << shift) & mask
    for byte in range(first, end):
        down = 8 * (byte - first)
        keep = ~(mask >> down) & 0xFF
        words[:, byte] = words[:, byte] & keep | (new >> down & 0xFF).astype(np.uint8)
