"""What a lab needs to program and drive a real chip, as a directory of plain files.

``README.txt`` in the directory explains every file to the person who sends them. The manifest holds
the SHA-256 of all of them and is written last. `read_export` reads the image back from three places
(the SPI stream, the memory images, the register list), which must agree.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nm_backends import event_files
from nm_backends.artifact import ArtifactError, check_program, spec_fingerprint
from nm_backends.conforms import conforms
from nm_backends.container import load_json
from nm_backends.errors import UserError
from nm_backends.export_readme import readme
from nm_backends.memory_files import (
    LEARNED_REGISTERS,
    learned_name,
    memory_text,
    parse_memory,
    parse_registers,
    register_text,
)
from nm_backends.run import refuse_learning
from nm_backends.spikes import prepare
from nm_backends.stream import SampleStream, aer_text, parse_aer, parse_spi, spi_bytes, spi_text

if TYPE_CHECKING:
    from nm_backends.aer import EventPlan, Lesson
    from nm_backends.chip import Backend, ChipSpec
    from nm_backends.image import Image
    from nm_backends.program import Program

__all__ = ["FORMAT", "VERSION", "export", "read_events", "read_export", "read_learned"]

FORMAT = "nm-backends export"
VERSION = 1
MANIFEST = "manifest.json"
_MAX_BYTES = 1 << 30  # of one file; ten thousand samples of a full chip stay below
_PART = ".part-"


def export(
    program: Program,
    directory: str | os.PathLike[str],
    spikes: Any = None,
    targets: Any = None,
    learning: Any = None,
) -> list[Path]:
    """Write ``program`` for the real chip into ``directory``.

    A new directory appears complete or not at all. In an earlier export every file is replaced
    whole, files of it that are no longer needed go, and the manifest comes last; a directory with
    anything else in it and no manifest of ours is refused.

    Parameters
    ----------
    program
        A compiled program.
    directory
        Made if needed.
    spikes
        As for ``program.run``: also write the events that the host sends for them, and the output
        events that the simulator predicts.
    targets
        As for ``program.learn``: the chip is programmed to learn, the events are those of one pass
        over the samples in their order, the teacher's among them, and ``*_learned.hex`` is what the
        memories that learn must hold after it. ``program`` itself does not change.
    learning
        The chip's learning options or a mapping of them, with ``targets``.

    Returns
    -------
    list of Path
        The files, in order.

    Raises
    ------
    ArtifactError
        When ``directory`` is in other use, or the program does not fit its chip.
    """
    from nm_backends.assumptions import backend_of

    target = Path(directory)
    earlier = _earlier(target)
    backend = backend_of(program)
    check_program(program, backend, "program")
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=_PART, dir=target.parent))
    try:
        lesson = _lesson(program, backend, spikes, targets, learning)
        names = _write_all(aside, program, backend, spikes, lesson)
        _write_manifest(aside, names, program, backend)
        _install(aside, target, [*names, MANIFEST], earlier)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return [target / name for name in [*names, MANIFEST]]


# Writing --------------------------------------------------------------------------------------


def _write_all(
    folder: Path, program: Program, backend: Backend, spikes: Any, lesson: Lesson | None
) -> list[str]:
    """Write everything but the manifest; return the file names in order."""
    spec, image = backend.spec, lesson.image if lesson else program.image
    stream = backend.write_stream(image)
    files: dict[str, Iterable[str] | bytes] = {
        "spi.txt": [spi_text(stream, spec.name, spec.spi_bits)]
    }
    if all(max(t.words) < 1 << spec.spi_bits for t in stream):
        files["spi.bin"] = spi_bytes(stream, spec.spi_bits)
    for memory in spec.memories:
        files[f"{memory.name}.hex"] = [memory_text(image, spec, memory)]
    files["registers.txt"] = [register_text(image, spec)]
    plan = lesson.plan if lesson else _plan(program, backend, spikes)
    if plan:
        files["input_map.csv"] = event_files.input_map(plan)
        files["output_map.csv"] = event_files.output_map(plan)
    if plan and spikes is not None:
        restorer = None if lesson and lesson.runs_on else getattr(backend, "restore_stream", None)
        restore = restorer(image, plan.state) if restorer else []
        pins = any(sample.pins for sample in plan.samples)
        told = any(sample.targets or sample.answers for sample in plan.samples)
        samples = event_files.sample_streams(plan, restore)
        files["aer.txt"] = aer_text(samples, spec.spi_bits, pins, told)
        files["expected.csv"] = event_files.expected(plan)
    if lesson:
        files |= _learned(lesson, spec)
    own, names = getattr(backend, "export_readme", None), list(files)
    text = own(program, plan, names) if own else readme(program, spec, plan, names)
    files["README.txt"] = [text]
    for name, content in files.items():
        _write(folder / name, content)
    return list(files)


def _learned(lesson: Lesson, spec: ChipSpec) -> dict[str, Iterable[str] | bytes]:
    """Return the files that say what the chip holds after the lesson."""
    files: dict[str, Iterable[str] | bytes] = {
        learned_name(memory.name): [memory_text(lesson.learned, spec, memory)]
        for memory in spec.memories
        if memory.name in lesson.memories
    }
    registers = register_text(lesson.learned, spec)
    if registers != register_text(lesson.image, spec):
        files[LEARNED_REGISTERS] = [registers]
    return files


def _lesson(
    program: Program, backend: Backend, spikes: Any, targets: Any, options: Any
) -> Lesson | None:
    """Return what the chip is sent to learn; None where it shall not."""
    if targets is None:
        if options is not None:
            raise UserError("export: learning options without targets", "give targets, too")
        return None
    if spikes is None:
        raise UserError("export: targets without spikes", "give the spikes to learn from")
    make = getattr(backend, "learner", None)
    if make is None:
        raise refuse_learning(program)
    learner = make(program, options)
    planner = getattr(learner, "lesson", None)
    if planner is None:
        raise ArtifactError(
            f"chip {program.chip!r}: its plugin does not say which events let it learn",
            "export without targets",
        )
    counts = prepare(program.network, spikes).counts
    lesson: Lesson = planner(counts, learner.counts(targets, *counts.shape[:2]))
    return lesson


def _plan(program: Program, backend: Backend, spikes: Any) -> EventPlan | None:
    planner = getattr(backend, "plan_events", None)
    if planner is None:
        if spikes is not None:
            raise ArtifactError(
                f"chip {program.chip!r}: its plugin does not say which events to send",
                "export without spikes",
            )
        return None
    counts = None if spikes is None else prepare(program.network, spikes).counts
    plan: EventPlan = planner(program, counts)
    return plan


def _write(path: Path, content: Iterable[str] | bytes) -> None:
    with path.open("wb") as file:
        if isinstance(content, bytes):
            file.write(content)
        else:
            for part in content:
                file.write(part.encode())


def _write_manifest(folder: Path, names: list[str], program: Program, backend: Backend) -> None:
    from nm_backends import __version__

    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "nm_backends": __version__,
        "chip": program.chip,
        **_under(program),
        "spec": spec_fingerprint(backend.spec),
        "source": Path(program.network.source).name,  # a lab needs no paths of ours
        "outputs": program.network.outputs,
        "files": {name: _entry(folder / name) for name in names},
    }
    _write(folder / MANIFEST, [json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"])


def _under(program: Program) -> dict[str, Any]:
    """Return what about the chip is not the default."""
    options = program.options
    found = {"chips": options.chips} if options.chips > 1 else {}
    return found | ({"assumptions": dict(options.assumptions)} if options.assumptions else {})


def _entry(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
        return {"size": file.tell(), "sha256": digest.hexdigest()}


def _earlier(target: Path) -> list[str]:
    """Return the files of an earlier export in ``target``; refuse any other directory in use."""
    if not target.exists():
        return []
    if not target.is_dir():
        raise ArtifactError(f"{target}: is not a directory", "give another name")
    if not any(target.iterdir()):
        return []
    try:
        return [*_manifest(target)["files"], MANIFEST]
    except ArtifactError as error:
        raise ArtifactError(
            f"{target}: holds files that are no export of ours ({error})",
            "give a new or an empty directory",
        ) from None


def _install(aside: Path, target: Path, names: list[str], earlier: list[str]) -> None:
    if not target.exists():
        aside.chmod(0o777 & ~_umask())
        aside.rename(target)
        return
    for name in names:  # the manifest is the last
        (aside / name).replace(target / name)
    for name in set(earlier) - set(names):
        (target / name).unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


# Reading --------------------------------------------------------------------------------------


def read_export(directory: str | os.PathLike[str]) -> Image:
    """Return the image that an export programs.

    Raises
    ------
    ArtifactError, StreamError
        When a file is missing, damaged or changed, when the stream is unsafe or incomplete, and
        when the stream, the memory images and the register list do not say the same.
    """
    folder = Path(directory)
    manifest = _manifest(folder)
    backend = _backend_of(folder, manifest)
    spec = backend.spec
    sent = parse_spi(_text(folder, manifest, "spi.txt"), bits=spec.spi_bits)
    image = backend.read_stream(sent)
    for memory in spec.memories:
        name = f"{memory.name}.hex"
        array = parse_memory(_text(folder, manifest, name), spec, memory, name)
        if not np.array_equal(array, image.memories[memory.name]):
            where = np.argwhere(array != image.memories[memory.name])[0].tolist()
            raise ArtifactError(f"{folder}: {name} and spi.txt differ at {where}")
    listed = parse_registers(_text(folder, manifest, "registers.txt"), "registers.txt")
    if listed != parse_registers(register_text(image, spec), "spi.txt"):
        raise ArtifactError(f"{folder}: registers.txt and spi.txt differ")
    return image


def read_events(directory: str | os.PathLike[str]) -> list[SampleStream]:
    """Return what an export sends for its samples.

    Raises
    ------
    ArtifactError, StreamError
        When ``aer.txt`` is missing, damaged or changed.
    """
    folder = Path(directory)
    manifest = _manifest(folder)
    bits = _backend_of(folder, manifest).spec.spi_bits
    return parse_aer(_text(folder, manifest, "aer.txt"), bits=bits)


def read_learned(directory: str | os.PathLike[str]) -> Image:
    """Return the image that the chip must hold after the samples of a learning export.

    Raises
    ------
    ArtifactError, StreamError
        When the export is not one for learning, or a file is missing, damaged or changed.
    """
    folder = Path(directory)
    manifest = _manifest(folder)
    spec, image = _backend_of(folder, manifest).spec, read_export(folder)
    learned = [m for m in spec.memories if learned_name(m.name) in manifest["files"]]
    if not learned:
        raise ArtifactError(f"{folder}: this export is not one for learning")
    for memory in learned:
        name = learned_name(memory.name)
        text = _text(folder, manifest, name)
        image.memories[memory.name] = parse_memory(text, spec, memory, name)
    if LEARNED_REGISTERS in manifest["files"]:
        text = _text(folder, manifest, LEARNED_REGISTERS)
        for name, value in parse_registers(text, LEARNED_REGISTERS).items():
            if not isinstance(image.registers.get(name), np.ndarray):  # bit vectors do not learn
                image.registers[name] = value
    return image


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        data = path.read_bytes() if path.stat().st_size <= 1 << 20 else b""
    except OSError as error:
        raise ArtifactError(f"{path}: {error.strerror}: not an export") from error
    manifest = load_json(str(path), data)
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ArtifactError(f"{path}: not the manifest of an export")
    if manifest.get("version") != VERSION:
        raise ArtifactError(
            f"{path}: version {str(manifest.get('version'))[:20]}, this nm-backends reads {VERSION}"
        )
    files = manifest.get("files")
    if not isinstance(files, dict) or not all(_plain_name(name) for name in files):
        raise ArtifactError(f"{path}: its list of files is none")
    return manifest


def _plain_name(name: str) -> bool:
    return name == Path(name).name and name not in ("", ".", "..") and "\\" not in name


def _text(folder: Path, manifest: dict[str, Any], name: str) -> str:
    path, entry = folder / name, manifest["files"].get(name)
    if not isinstance(entry, dict):
        raise ArtifactError(f"{folder}: this export has no {name}")
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ArtifactError(f"{path}: larger than {_MAX_BYTES} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path}: {error.strerror}") from error
    found = hashlib.sha256(data).hexdigest()
    if found != entry.get("sha256"):
        raise ArtifactError(
            f"{path}: {len(data)} bytes, SHA-256 {found[:16]}.., "
            f"expected {str(entry.get('size'))[:20]} bytes, {str(entry.get('sha256'))[:16]}..",
            "the file was changed or damaged: export again",
        )
    return data.decode("utf-8", "replace")


def _backend_of(folder: Path, manifest: dict[str, Any]) -> Backend:
    from nm_backends.assumptions import backend_for
    from nm_backends.errors import UserError
    from nm_backends.program import CompileOptions

    chips, given = manifest.get("chips", 1), manifest.get("assumptions", {})
    if not isinstance(chips, int) or not conforms(given, dict[str, bool | int | float | str]):
        raise ArtifactError(f"{folder}: the manifest's chips or assumptions are none")
    try:
        options = CompileOptions(chips=chips, assumptions=given)
        backend = backend_for(str(manifest.get("chip")), options)
    except UserError as error:
        raise ArtifactError(f"{folder}: {error}", error.hint) from error
    if manifest.get("spec") != spec_fingerprint(backend.spec):
        raise ArtifactError(f"{folder}: written for a chip with other memories or registers")
    return backend
