"""Our data classes as JSON plus ``.npy`` members, and back: a closed list of types, no pickle.

JSON has no tuples, arrays or NaN, so these are objects with one ``$`` key::

    {"$array": member}             an array, stored as .npy
    {"$csr": {shape, data, ...}}   a scipy CSR matrix
    {"$tuple": [...]}  {"$items": [[key, value], ...]}  {"$float": "nan"}
    {"$type": name, field: ...}    one of the data classes in `TYPES`

What comes back is checked against the annotations of its class, so that a file cannot put a word
where an array is expected.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, TypeVar, get_type_hints

import numpy as np
import scipy.sparse as sp

from nm_backends import assumptions, discretisation, image, network, program, rules
from nm_backends.conforms import conforms
from nm_backends.container import ArtifactError
from nm_backends.system import program as system_program

__all__ = ["TYPES", "Decoder", "Encoder"]

TYPES: dict[str, type] = {
    cls.__name__: cls
    for cls in (
        assumptions.Assumption,
        discretisation.Discretisation,
        image.Image,
        network.Network,
        network.Population,
        network.Projection,
        program.CompileOptions,
        program.Fit,
        program.Program,
        program.PopulationFit,
        program.Resource,
        rules.Diagnostic,
        rules.Report,
        system_program.Part,
        system_program.System,
    )
}
_NAMES = {"sp": sp, "Discretisation": discretisation.Discretisation, "Report": rules.Report}
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,40}")
_T = TypeVar("_T")
_KINDS = "biufSU"  # of arrays: no objects, no void


class Encoder:
    """Collects the ``.npy`` members of the values that it turns into JSON."""

    def __init__(self) -> None:
        self.members: dict[str, bytes] = {}

    def encode(self, value: Any, path: str) -> Any:
        """Return ``value`` as JSON data; ``path`` names its arrays and stands in errors."""
        if value is None or isinstance(value, (bool, str)):
            return value
        if isinstance(value, (int, np.integer)):
            return int(value)
        if isinstance(value, (float, np.floating)):
            number = float(value)
            return number if np.isfinite(number) else {"$float": repr(number)}
        if isinstance(value, np.bool_):
            return bool(value)
        if isinstance(value, np.ndarray):
            return {"$array": self._array(value, path)}
        if sp.issparse(value):
            return {"$csr": self._csr(value, path)}
        if isinstance(value, (list, tuple)):
            items = [self.encode(item, f"{path}/{i}") for i, item in enumerate(value)]
            return {"$tuple": items} if isinstance(value, tuple) else items
        if isinstance(value, Mapping):
            return self._mapping(value, path)
        if is_dataclass(value) and TYPES.get(type(value).__name__) is type(value):
            return {"$type": type(value).__name__, **self.encode_fields(value, f"{path}/")}
        raise ArtifactError(f"{path}: a {type(value).__name__} cannot be saved")

    def encode_fields(self, value: Any, prefix: str = "") -> dict[str, Any]:
        """Return the fields of a data class as JSON data, refusing what could not be read back."""
        content = {}
        for field in fields(value):
            item, path = getattr(value, field.name), f"{prefix}{field.name}"
            if not field.init:
                continue
            content[field.name] = self.encode(item, path)
            if not conforms(_plain(item), _hint(type(value), field.name)):
                kind = type(item).__name__
                raise ArtifactError(f"{path}: a {kind}, expected {field.type}: cannot be saved")
        return content

    def _mapping(self, value: Mapping[Any, Any], path: str) -> Any:
        content = {}
        for i, (key, item) in enumerate(value.items()):
            part = str(key) if _PLAIN.fullmatch(str(key)) else f"_{i}"
            content[key] = self.encode(item, f"{path}/{part}")
        if all(isinstance(key, str) and not key.startswith("$") for key in content):
            return content
        return {"$items": [[self.encode(key, path), item] for key, item in content.items()]}

    def _array(self, array: np.ndarray, path: str) -> str:
        if array.dtype.kind not in _KINDS:
            raise ArtifactError(f"{path}: an array of {array.dtype} cannot be saved")
        name, n = f"{path}.npy", 0
        while name in self.members:
            name, n = f"{path}~{n}.npy", n + 1
        little = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(array.shape)
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, little, version=(1, 0), allow_pickle=False)
        self.members[name] = buffer.getvalue()
        return name

    def _csr(self, matrix: Any, path: str) -> dict[str, Any]:
        matrix = matrix.tocsr()
        parts = {"data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr}
        arrays = {key: self._array(part, f"{path}/{key}") for key, part in parts.items()}
        return {"shape": [int(n) for n in matrix.shape], **arrays}


class Decoder:
    """Turns JSON data back into values, taking arrays from ``members``."""

    def __init__(self, where: str, members: Mapping[str, bytes]) -> None:
        self._where = where
        self._members = members
        self.used: set[str] = set()

    def decode(self, value: Any, path: str) -> Any:
        """Return the value; raise `ArtifactError` naming ``path`` when it cannot be one."""
        if isinstance(value, list):
            return [self.decode(item, f"{path}[{i}]") for i, item in enumerate(value)]
        if not isinstance(value, dict):
            return value
        special = [key for key in value if key.startswith("$")]
        if not special:
            return {key: self.decode(item, f"{path}.{key[:40]}") for key, item in value.items()}
        if special == ["$type"]:
            return self._object(value, path)
        notations = {
            "$array": self._array,
            "$csr": self._csr,
            "$float": self._float,
            "$items": self._items,
            "$tuple": self._tuple,
        }
        if len(value) != 1 or special[0] not in notations:
            raise self._error(path, f"unknown notation {special[0][:20]!r}")
        return notations[special[0]](value[special[0]], path)

    def _error(self, path: str, message: str) -> ArtifactError:
        return ArtifactError(f"{self._where}: {path}: {message}")

    def _object(self, value: dict[str, Any], path: str) -> Any:
        cls = TYPES.get(value["$type"]) if isinstance(value["$type"], str) else None
        if cls is None:
            raise self._error(path, f"unknown type {str(value['$type'])[:40]!r}")
        return self.decode_as(cls, {k: v for k, v in value.items() if k != "$type"}, path)

    def decode_as(self, cls: type[_T], value: Any, path: str) -> _T:
        """Return an object of the data class ``cls`` from the JSON data of its fields."""
        if not isinstance(value, dict):
            raise self._error(path, f"not a {cls.__name__}")
        content = {key: self.decode(item, f"{path}.{key[:40]}") for key, item in value.items()}
        known = {f.name: f for f in fields(cls) if f.init}  # type: ignore[arg-type]
        odd = set(content) - set(known)
        if odd:
            raise self._error(path, f"{cls.__name__} has no field {min(odd)[:40]!r}")
        for name, field in known.items():
            required = field.default is MISSING and field.default_factory is MISSING
            if name not in content and required:
                raise self._error(path, f"{cls.__name__} lacks its field {name!r}")
            if name in content and not conforms(content[name], _hint(cls, name)):
                kind = type(content[name]).__name__
                raise self._error(f"{path}.{name}", f"a {kind}, expected {field.type}")
        return cls(**content)

    def _tuple(self, value: Any, path: str) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise self._error(path, "a tuple is not a list")
        return tuple(self.decode(value, path))

    def _items(self, value: Any, path: str) -> dict[Any, Any]:
        pairs = self.decode(value, path)
        try:
            found = {key: item for key, item in pairs}  # noqa: C416  (not any iterable of pairs)
        except (TypeError, ValueError):
            raise self._error(path, "not a list of pairs with plain keys") from None
        return found

    def _float(self, value: Any, path: str) -> float:
        if value not in ("nan", "inf", "-inf"):
            raise self._error(path, f"not a number: {str(value)[:20]!r}")
        return float(value)

    def _array(self, name: Any, path: str) -> np.ndarray:
        if not isinstance(name, str) or name not in self._members:
            raise self._error(path, f"missing member {str(name)[:60]!r}")
        if name in self.used:  # else a small file could ask for a large array many times
            raise self._error(path, f"member {name!r} is used twice")
        self.used.add(name)
        try:
            return _from_npy(self._members[name])
        except Exception as error:  # the header is a Python literal: its parser fails in many ways
            raise self._error(f"member {name!r}", f"not a plain array: {error}") from None

    def _csr(self, value: Any, path: str) -> sp.csr_array:
        if not isinstance(value, dict) or set(value) != {"shape", "data", "indices", "indptr"}:
            raise self._error(path, "not a sparse matrix")
        parts = {key: self._array(value[key], path) for key in ("data", "indices", "indptr")}
        shape = value["shape"]
        problem = _csr_problem(shape, parts["data"], parts["indices"], parts["indptr"])
        if problem:
            raise self._error(path, f"not a sparse matrix: {problem}")
        return sp.csr_array((parts["data"], parts["indices"], parts["indptr"]), shape=tuple(shape))


def _plain(value: Any) -> Any:
    """Numpy numbers are stored as Python's, where an annotation asks for these."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value.item() if isinstance(value, np.generic) else value


def _hint(cls: Any, name: str) -> Any:
    return _hints(cls)[name]


@cache
def _hints(cls: Any) -> dict[str, Any]:
    return get_type_hints(cls, localns=_NAMES)


def _from_npy(data: bytes) -> np.ndarray:
    """Read a ``.npy`` file whose size agrees with its header; the header is read first."""
    stream = io.BytesIO(data)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("not version 1.0 of the .npy format")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    if dtype.kind not in _KINDS or dtype.fields or not dtype.itemsize:
        raise ValueError(f"dtype {dtype} is not allowed")
    count = 1
    for length in shape:
        count *= length
    expected = len(data) - stream.tell()
    if fortran or min(shape, default=0) < 0 or count * dtype.itemsize != expected:
        raise ValueError(f"shape {shape} of {dtype} does not make {expected} bytes")
    array: np.ndarray = np.ndarray(shape, dtype, buffer=data[stream.tell() :])
    return np.array(array)


def _csr_problem(
    shape: Any, data: np.ndarray, indices: np.ndarray, indptr: np.ndarray
) -> str | None:
    """Say what is wrong: scipy and our kernels walk these arrays without bounds checks."""
    if not (
        isinstance(shape, list)
        and len(shape) == 2
        and all(type(n) is int and 0 <= n < 1 << 31 for n in shape)
    ):
        return f"shape {str(shape)[:40]}"
    if {data.ndim, indices.ndim, indptr.ndim} != {1}:
        return "its arrays are not vectors"
    if indices.dtype.kind != "i" or indptr.dtype.kind != "i" or data.dtype != np.float64:
        return f"dtypes {data.dtype}, {indices.dtype}, {indptr.dtype}"
    if len(indptr) != shape[0] + 1 or indptr[0] != 0 or (np.diff(indptr) < 0).any():
        return "indptr"
    if not int(indptr[-1]) == len(indices) == len(data):
        return f"{len(data)} values, {len(indices)} indices, indptr ends at {indptr[-1]}"
    if len(indices) and (indices.min() < 0 or indices.max() >= shape[1]):
        return f"columns {indices.min()} to {indices.max()} of {shape[1]}"
    return None
