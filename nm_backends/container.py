"""A zip of named members that is safe to open from strangers, and always the same bytes.

Nothing is read before its size is known and allowed, nothing is unpickled, and every member must be
announced, with its SHA-256, by ``manifest.json``. Written files hold no time stamps.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from nm_backends.errors import UserError

__all__ = ["MANIFEST", "ArtifactError", "load_json", "read_container", "write_container"]

MANIFEST = "manifest.json"
MAX_BYTES = 256 << 20  # all members together, unpacked; the largest chip image is 0.1 % of it
MAX_MEMBERS = 10_000
MAX_JSON = 16 << 20
_DIRECTORY = 4 << 20  # bytes of the zip's own directory
_EPOCH = (1980, 1, 1, 0, 0, 0)
_MAX_DIGITS = 400  # of a number in JSON


class ArtifactError(UserError):
    """A file that is not what it should be: which file, which part of it, and what to do."""


def write_container(
    path: str | os.PathLike[str], head: Mapping[str, Any], members: Mapping[str, bytes]
) -> None:
    """Write a container to ``path``, which should not be a file in use (see ``atomic_write``).

    Parameters
    ----------
    path
        File to write.
    head
        First entries of the manifest: ``format``, ``version`` and others.
    members
        Member name to content, in the order in which they are written.
    """
    total = sum(map(len, members.values()))
    if total > MAX_BYTES or len(members) >= MAX_MEMBERS:
        raise ArtifactError(
            f"{path}: {len(members)} members of {total} bytes, "
            f"limits are {MAX_MEMBERS} and {MAX_BYTES}"
        )
    table = {
        name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in members.items()
    }
    manifest = json.dumps({**head, "members": table}, indent=1, allow_nan=False)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {MANIFEST: manifest.encode(), **members}.items():
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system, info.external_attr = 3, 0o644 << 16
            archive.writestr(info, data, zipfile.ZIP_DEFLATED, compresslevel=6)


def read_container(
    path: str | os.PathLike[str], form: str | tuple[str, ...], version: int
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Read a container of format ``form`` (or one of several): its manifest and its members.

    Raises
    ------
    ArtifactError
        For anything that is not exactly as `write_container` writes it.
    """
    name = Path(path).name
    try:
        with Path(path).open("rb") as file:
            return _read(name, file, form, version)
    except OSError as error:
        raise ArtifactError(f"{path}: {error.strerror or error}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, struct.error, NotImplementedError) as error:
        raise ArtifactError(f"{name}: damaged ({error})", "copy or compile it again") from error


def _read(
    name: str, file: BinaryIO, form: str | tuple[str, ...], version: int
) -> tuple[dict[str, Any], dict[str, bytes]]:
    _check_directory(name, file)
    with zipfile.ZipFile(file) as archive:
        infos = _check_members(name, archive)
        if MANIFEST not in infos:
            raise ArtifactError(f"{name}: no {MANIFEST}: not written by nm-backends")
        manifest = load_json(f"{name}: {MANIFEST}", _member(name, archive, infos.pop(MANIFEST)))
        _check_head(name, manifest, form, version)
        table = manifest.get("members")
        if not isinstance(table, dict):
            raise ArtifactError(f"{name}: {MANIFEST}: no table of members")
        for what, odd in (
            ("missing", set(table) - set(infos)),
            ("unknown", set(infos) - set(table)),
        ):
            if odd:
                raise ArtifactError(f"{name}: {what} member {min(odd)!r}")
        return manifest, {
            member: _checked(name, member, _member(name, archive, infos[member]), entry)
            for member, entry in table.items()
        }


def _check_directory(name: str, file: BinaryIO) -> None:
    """Refuse what is no zip, and directories so large that listing them would eat the memory."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - 42, 0))
    tail = file.read()
    end = tail[-22:]
    if len(end) < 22 or end[:4] != b"PK\5\6":
        file.seek(0)
        kind = "truncated" if file.read(4) == b"PK\3\4" else "not an nm-backends file (no zip)"
        raise ArtifactError(f"{name}: {kind}, {size} bytes", "copy or compile it again")
    if int.from_bytes(end[12:16], "little") > _DIRECTORY or tail[:4] == b"PK\6\7":
        raise ArtifactError(f"{name}: its zip directory is too large")
    file.seek(0)


def _check_members(name: str, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    infos: dict[str, zipfile.ZipInfo] = {}
    total = 0
    for info in archive.infolist():
        member = info.filename
        if member in infos:
            raise ArtifactError(f"{name}: member {member!r} stands twice")
        if member.startswith("/") or "\\" in member or ".." in member.split("/"):
            raise ArtifactError(f"{name}: member {member!r}: not a plain relative name")
        if info.flag_bits & 1 or info.compress_type not in (
            zipfile.ZIP_STORED,
            zipfile.ZIP_DEFLATED,
        ):
            raise ArtifactError(f"{name}: member {member!r}: encrypted or unknown compression")
        infos[member] = info
        total += info.file_size
    if total > MAX_BYTES or len(infos) > MAX_MEMBERS:
        raise ArtifactError(
            f"{name}: {len(infos)} members of {total} bytes unpacked, "
            f"limits are {MAX_MEMBERS} and {MAX_BYTES}"
        )
    return infos


def _member(name: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with archive.open(info) as stream:
        data = stream.read(info.file_size + 1)
    if len(data) != info.file_size:
        raise ArtifactError(
            f"{name}: member {info.filename!r}: {len(data)} bytes, expected {info.file_size}"
        )
    return data


def _checked(name: str, member: str, data: bytes, entry: Any) -> bytes:
    expected = entry.get("sha256") if isinstance(entry, dict) else None
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise ArtifactError(
            f"{name}: member {member!r}: SHA-256 {found[:16]}.., expected {str(expected)[:16]}..",
            "the file was changed or damaged: copy or compile it again",
        )
    return data


def _check_head(name: str, manifest: Any, form: str | tuple[str, ...], version: int) -> None:
    forms = (form,) if isinstance(form, str) else form
    if not isinstance(manifest, dict) or manifest.get("format") not in forms:
        found = manifest.get("format") if isinstance(manifest, dict) else manifest
        raise ArtifactError(f"{name}: format {str(found)[:40]!r}, expected {forms[0]!r}")
    found = manifest.get("version")
    if found != version or isinstance(found, bool):
        raise ArtifactError(
            f"{name}: version {str(found)[:20]}, this nm-backends reads version {version}",
            "compile the model again, or install the nm-backends that wrote the file "
            f"({str(manifest.get('nm_backends'))[:20]})",
        )


def load_json(where: str, data: bytes) -> Any:
    """Parse JSON strictly: no NaN, no duplicate keys, bounded size, depth and numbers.

    Raises
    ------
    ArtifactError
        With ``where`` in front.
    """
    if len(data) > MAX_JSON:
        raise ArtifactError(f"{where}: {len(data)} bytes of JSON, limit {MAX_JSON}")
    try:
        return json.loads(
            data.decode("utf-8"),
            parse_constant=_refuse,
            parse_int=_integer,
            parse_float=_float,
            object_pairs_hook=_unique,
        )
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise ArtifactError(f"{where}: bad JSON: {reason}") from error


def _refuse(text: str) -> None:
    raise ValueError(f"{text} is not a JSON number")


def _integer(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise ValueError(f"a number of {len(text)} digits")
    return int(text)


def _float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text[:40]} is too large")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found
