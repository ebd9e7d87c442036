"""Recorded hardware traces: reading them without trusting them, and where a replay first differs.

A trace is an ``.npz`` file with the initial state of a chip, the events sent to it and everything
that came back, recorded from RTL, an FPGA or silicon. What a chip's traces hold is said by its
plugin as a table of `Expect`.
"""

from __future__ import annotations

import io
import json
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nm_backends.errors import UserError

if TYPE_CHECKING:
    from nm_backends.chip import Field

__all__ = [
    "Divergence",
    "Expect",
    "Trace",
    "TraceError",
    "TraceVerdict",
    "array_names",
    "field_at",
    "load_trace",
]

_MAX_MEMBERS = 1000
_MAX_BYTES = 256 << 20  # unpacked; a recorded run of a thousand events takes 0.5 MB
# what zipfile raises for broken files, in words of its own
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, LookupError, NotImplementedError,
    RuntimeError, ValueError,
)  # fmt: skip


class TraceError(UserError):
    """A file that is not a usable trace: which file, which array, what is wrong with it."""


@dataclass(frozen=True)
class Expect:
    """What an array of a trace must look like.

    Parameters
    ----------
    shape
        Lengths; a name stands for a length that must be the same wherever the name is used.
    minimum, maximum
        Range of the integers in it.
    optional
        The array may be missing.
    """

    shape: tuple[int | str, ...] = ()
    minimum: int = 0
    maximum: int = (1 << 62) - 1
    optional: bool = False


@dataclass
class Trace:
    """A trace whose arrays are as expected."""

    path: str
    meta: dict[str, Any]
    arrays: dict[str, np.ndarray]

    @property
    def name(self) -> str:
        """File name, for messages."""
        return Path(self.path).name

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    def __contains__(self, name: str) -> bool:
        return name in self.arrays

    def meta_value(self, key: str, kind: type, default: Any = None) -> Any:
        """Return an entry of ``meta``; `TraceError` when it is missing or of another kind."""
        value = self.meta.get(key, default)
        usable = isinstance(value, kind) and not isinstance(value, bool)
        if not usable or (isinstance(value, int) and value < 0):
            raise TraceError(
                f"{self.name}: meta: {key} is {str(value)[:40]!r}, expected {kind.__name__}"
            )
        return value


@dataclass(frozen=True)
class Divergence:
    """The first place where a replay differs from the recording.

    Parameters
    ----------
    engine
        Which engine was replaying.
    field
        The array, or the field of a memory word, that differs.
    expected, got
        The recorded and the computed value; None where there is none.
    event
        Index of the input event at work, if it is known.
    cycle
        Recorded clock cycle, for outputs and time stamps.
    neuron
        Address of the neuron or memory word.
    index
        Index into the array.
    sample, tick
        Number of the sample, and time step within it, where a chip is driven in samples.
    """

    engine: str
    field: str
    expected: int | None
    got: int | None
    event: int | None = None
    cycle: int | None = None
    neuron: int | None = None
    index: tuple[int, ...] = ()
    sample: int | None = None
    tick: int | None = None

    def __str__(self) -> str:
        where = [
            f"{name} {value}"
            for name, value in (
                ("sample", self.sample),
                ("tick", self.tick),
                ("event", self.event),
                ("neuron", self.neuron),
                ("cycle", self.cycle),
            )
            if value is not None
        ]
        index = f"[{', '.join(map(str, self.index))}]" if self.index else ""
        values = f"expected {_word(self.expected)}, got {_word(self.got)}"
        return f"{', '.join([*where, self.field + index])}: {values} ({self.engine} engine)"


def _word(value: int | None) -> str:
    return "nothing" if value is None else str(value)


@dataclass(frozen=True)
class TraceVerdict:
    """Whether a trace was reproduced bit for bit.

    Parameters
    ----------
    engines
        The engines that replayed it, in order; empty when none could.
    divergence
        The first difference, if there is one.
    reason
        Why the trace could not be replayed, such as an unsupported feature.
    counts
        What was compared: ``events``, ``outputs`` and, over all engines, ``values``.
    """

    file: str
    chip: str
    case: str
    engines: tuple[str, ...]
    ok: bool
    divergence: Divergence | None = None
    reason: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        if self.ok:
            counts = ", ".join(f"{number} {name}" for name, number in self.counts.items())
            return f"{self.file}: ok ({' and '.join(self.engines)}: {counts})"
        return f"{self.file}: {self.reason or f'differs at {self.divergence}'}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {**asdict(self), "counts": dict(self.counts)}

    def to_json(self) -> str:
        """Return the same as a JSON object (the form of ``nmb verify --json``)."""
        return json.dumps(self.to_dict(), indent=2)


def field_at(fields: Sequence[Field], byte: int, changed: int) -> str:
    """Return the field of a memory word that holds the lowest set bit of a ``changed`` byte."""
    bit = 8 * byte + (changed & -changed).bit_length() - 1
    names = (one.name for one in fields if one.lsb <= bit < one.lsb + one.width)
    return next(names, f"bit {bit}")


def array_names(path: str | os.PathLike[str]) -> frozenset[str]:
    """Return the names of the arrays in a trace; `TraceError` when it is no ``.npz`` file."""
    with _opened(path) as (_, members):
        return frozenset(members)


def load_trace(
    path: str | os.PathLike[str], expected: Mapping[str, Expect], meta: bool = True
) -> Trace:
    """Read those arrays of a trace that are ``expected``, and its ``meta``.

    Parameters
    ----------
    path
        The ``.npz`` file.
    expected
        Array name to what it must look like.
    meta
        Whether the trace must say what it is; if not, ``Trace.meta`` is empty.

    Raises
    ------
    TraceError
        For anything else than a trace with these arrays; nothing is unpickled, and no memory is
        taken before the file has shown that it holds the data.
    """
    name = Path(path).name
    with _opened(path) as (archive, members):
        wanted = {n: members[n] for n in ("meta", *expected) if n in members}
        arrays = {n: _read_array(name, archive, info) for n, info in wanted.items()}
    said = arrays.pop("meta", None)
    about = _meta(name, said) if meta or said is not None else {}
    _check_arrays(name, arrays, expected)
    return Trace(str(path), about, arrays)


@contextmanager
def _opened(
    path: str | os.PathLike[str],
) -> Iterator[tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]]:
    """Open a trace and list its arrays; whatever is wrong with the file is a `TraceError`."""
    name = Path(path).name
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive, _members(name, archive)
    except OSError as error:
        raise TraceError(f"{path}: {error.strerror or error}") from error
    except TraceError:
        raise
    except _DAMAGED as error:
        raise TraceError(f"{name}: damaged or not an .npz file ({error})") from error


def _members(name: str, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    infos = archive.infolist()
    total = sum(info.file_size for info in infos)
    if len(infos) > _MAX_MEMBERS or total > _MAX_BYTES:
        raise TraceError(
            f"{name}: {len(infos)} arrays of {total} bytes, "
            f"limits are {_MAX_MEMBERS} and {_MAX_BYTES}"
        )
    return {info.filename.removesuffix(".npy"): info for info in infos}


def _read_array(name: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    data = archive.read(info)
    try:
        stream = io.BytesIO(data)
        version = np.lib.format.read_magic(stream)
        readers = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        shape, _, dtype = readers[version](stream)
        size = math.prod(shape) * dtype.itemsize
        if dtype.kind not in "biuU" or size != len(data) - stream.tell():
            raise ValueError(f"{dtype}{list(shape)} in {len(data)} bytes")
        stream.seek(0)
        return np.lib.format.read_array(stream, allow_pickle=False)
    except Exception as error:  # the header is a Python literal: its parser fails in many ways
        where = info.filename.removesuffix(".npy")
        raise TraceError(f"{name}: array {where[:40]}: not a plain array ({error})") from None


def _meta(name: str, array: np.ndarray | None) -> dict[str, Any]:
    if array is None:
        raise TraceError(f"{name}: array meta: missing; not a trace")
    try:
        meta = json.loads(array.item()) if array.dtype.kind == "U" and array.size == 1 else None
    except (ValueError, RecursionError):
        meta = None
    if not isinstance(meta, dict):
        raise TraceError(f"{name}: array meta: not a JSON object")
    return meta


def _check_arrays(
    name: str, arrays: Mapping[str, np.ndarray], expected: Mapping[str, Expect]
) -> None:
    lengths: dict[str, int] = {}
    for key, want in expected.items():
        if key not in arrays:
            if want.optional:
                continue
            raise TraceError(f"{name}: array {key}: missing")
        array = arrays[key]
        shape = _resolve(array.shape, want.shape, lengths)
        if array.shape != shape or array.dtype.kind not in "biu":
            raise TraceError(
                f"{name}: array {key}: {array.dtype}{list(array.shape)}, "
                f"expected integers [{', '.join(map(str, shape))}]"
            )
        if array.size and not want.minimum <= int(array.min()) <= int(array.max()) <= want.maximum:
            raise TraceError(
                f"{name}: array {key}: holds {array.min()}..{array.max()}, "
                f"expected {want.minimum}..{want.maximum}"
            )


def _resolve(
    found: tuple[int, ...], wanted: Sequence[int | str], lengths: dict[str, int]
) -> tuple[int | str, ...]:
    """Replace names of lengths by numbers; a new name takes the length found."""
    shape: list[int | str] = []
    for axis, length in enumerate(wanted):
        if isinstance(length, str) and axis < len(found) and len(found) == len(wanted):
            length = lengths.setdefault(length, found[axis])
        shape.append(length)
    return tuple(shape)
