"""Compiled programs as files (``.nmb``): documented, versioned, safe to open from strangers.

A ``.nmb`` file is a zip with

``manifest.json``
    ``format`` ("nm-backends program"), ``version``, ``nm_backends`` (who wrote it), ``chip``,
    ``spec`` (fingerprint of the chip's memories and registers) and ``members``: size and SHA-256 of
    every other member.
``program.json``
    The fields of `nm_backends.program.Program`, in the notation of `nm_backends.codec`.
``*.npy``
    Its arrays, named after their place: ``image/memories/neuron.npy``, ``layout/...``. Plain
    numbers only, little-endian, ``.npy`` version 1.0.

The same program always gives the same bytes. Nothing in the file is executed or unpickled; what is
loaded has been checked against the installed chip: memory shapes, register widths, the network.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nm_backends.container import ArtifactError, load_json, read_container, write_container
from nm_backends.files import atomic_write

if TYPE_CHECKING:
    from nm_backends.chip import Backend, ChipSpec
    from nm_backends.program import Program
    from nm_backends.system.program import System

__all__ = [
    "FORMAT", "SYSTEM_FORMAT", "VERSION", "ArtifactError", "load", "load_single", "save",
    "spec_fingerprint", "write_object",
]  # fmt: skip

FORMAT = "nm-backends program"
SYSTEM_FORMAT = "nm-backends system"
VERSION = 1
_BODY = "program.json"
_BODIES = {FORMAT: _BODY, SYSTEM_FORMAT: "system.json"}


def save(program: Program, path: str | os.PathLike[str]) -> None:
    """Write ``program`` to ``path``; an older file survives any failure.

    Raises
    ------
    ArtifactError
        When the program holds something that cannot be saved, or that `load` would refuse.
    """
    backend = _backend(program, str(path))
    check_program(program, backend, f"{path} not written")
    write_object(program, FORMAT, _BODY, path)


def write_object(
    value: Program | System, form: str, member: str, path: str | os.PathLike[str]
) -> None:
    """Write a checked program or system, its fields as the JSON member ``member``."""
    from nm_backends import __version__
    from nm_backends.codec import Encoder

    encoder = Encoder()
    body = encoder.encode_fields(value)
    text = json.dumps(body, indent=1, ensure_ascii=False, allow_nan=False)
    head = {
        "format": form,
        "version": VERSION,
        "nm_backends": __version__,
        "chip": value.chip,
        "spec": spec_fingerprint(_backend(value, str(path)).spec),
    }
    with atomic_write(path) as aside:
        write_container(aside, head, {member: text.encode(), **encoder.members})


def load(path: str | os.PathLike[str]) -> Program | System:
    """Read a program that `save` wrote, or a system of several (`nm_backends.system`).

    Raises
    ------
    ArtifactError
        When the file is damaged, was tampered with, is of another version, is for a chip that is
        not installed, or holds what the chip cannot hold.
    """
    manifest, members = read_container(path, tuple(_BODIES), VERSION)
    name, form = Path(path).name, str(manifest["format"])
    member = _BODIES[form]
    if member not in members:
        raise ArtifactError(f"{name}: missing member {member!r}")
    try:
        body = load_json(f"{name}: {member}", members.pop(member))
        program = _decode(name, form, body, members)
    except RecursionError:
        raise ArtifactError(f"{name}: {member}: nested too deeply") from None
    if program.chip != manifest.get("chip"):
        raise ArtifactError(f"{name}: the manifest names another chip than {member}")
    backend = _backend(program, name)
    expected = spec_fingerprint(backend.spec)
    if manifest.get("spec") != expected:
        raise ArtifactError(
            f"{name}: written for chip {program.chip!r} with other memories or registers "
            f"({str(manifest.get('spec'))[:16]}, installed: {expected})",
            "compile the model again",
        )
    _check_loaded(program, backend, name)
    return program


def load_single(path: str | os.PathLike[str], why: str) -> Program:
    """Read a program for one chip.

    Parameters
    ----------
    why
        What needs a single chip, for the error.
    """
    from nm_backends.program import Program

    program = load(path)
    if not isinstance(program, Program):
        raise ArtifactError(
            f"{Path(path).name}: for {len(program.parts)} chips, but {why}", "compile for one chip"
        )
    return program


def _check_loaded(program: Program | System, backend: Backend, name: str) -> None:
    from nm_backends.program import Program
    from nm_backends.system.artifact import check_system

    if isinstance(program, Program):
        check_program(program, backend, name)
    else:
        check_system(program, name)


def check_program(program: Program, backend: Backend, name: str) -> None:
    """Raise `ArtifactError` unless the chip can execute ``program`` without surprises."""
    from nm_backends.image_check import check_image
    from nm_backends.network_check import check_network

    problems = [f"image: {line}" for line in check_image(program.image, backend.spec)]
    problems += [f"network: {line}" for line in check_network(program.network)]
    problems += [f"fit: {line}" for line in _fit_problems(program)]
    if not problems:  # a backend may know more about its own layout
        check = getattr(backend, "check_program", None)
        problems = [f"layout: {line}" for line in check(program)] if check else []
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise ArtifactError(f"{name}: {problems[0]}{more}", "compile the model again")


def _fit_problems(program: Program) -> Iterator[str]:
    for name, fit in program.fit.populations.items():
        population = program.network.populations.get(name)
        if population is None or fit.name != name:
            yield f"{name!r} is no population"
            continue
        for key in ("threshold_asked", "threshold", "leak_asked", "leak"):
            array = getattr(fit, key)
            if array.dtype.kind not in "iuf" or array.shape != (population.size,):
                found = f"{array.dtype}{list(array.shape)}"
                yield f"{name!r}: {key} is {found}, expected numbers [{population.size}]"


def spec_fingerprint(spec: ChipSpec) -> str:
    """Return 16 hexadecimal digits that change when memories or registers of the chip change."""
    parts = [
        spec.name,
        spec.rows,
        spec.neurons,
        sorted((m.name, m.words, m.width) for m in spec.memories),
        sorted((r.name, r.address, r.width) for r in spec.registers),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _decode(name: str, form: str, body: Any, members: dict[str, bytes]) -> Program | System:
    from nm_backends.codec import Decoder
    from nm_backends.program import Program
    from nm_backends.system.program import System

    decoder = Decoder(name, members)
    program: Program | System = (
        decoder.decode_as(System, body, _BODIES[form])
        if form == SYSTEM_FORMAT
        else decoder.decode_as(Program, body, _BODY)
    )
    unused = set(members) - decoder.used
    if unused:
        raise ArtifactError(f"{name}: unknown member {min(unused)!r}")
    return program


def _backend(program: Program | System, name: str) -> Backend:
    from nm_backends.assumptions import backend_of
    from nm_backends.errors import UnknownNameError, UserError

    try:
        return backend_of(program)
    except UnknownNameError as error:
        hint = f"install the plugin that brings chip {program.chip!r} ({error.hint})"
        raise ArtifactError(f"{name}: {error}", hint) from error
    except UserError as error:
        raise ArtifactError(f"{name}: {error}", error.hint) from error
