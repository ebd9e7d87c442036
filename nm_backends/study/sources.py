"""Models and data of a study: read once, named by their content, ready to travel to workers."""

from __future__ import annotations

import hashlib
import inspect
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from nm_backends.errors import UserError
from nm_backends.study.description import Study

__all__ = ["Bundle", "Data", "Model", "collect", "salt"]

_IMPORTED = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True)
class Model:
    """A file: a graph (``.nir``) or a program (``.nmb``), the bytes of which name it."""

    form: str
    content: bytes
    chip: str | None = None

    @property
    def digest(self) -> str:
        """Name of the content."""
        return hashlib.sha256(self.form.encode() + b"\0" + self.content).hexdigest()


@dataclass(frozen=True)
class Data:
    """Samples and what should come out.

    Parameters
    ----------
    spikes
        ``[time, batch, *input shape]``, or a list of event lists or frames, one per sample.
    targets
        Labels ``[batch]``, or ``[time, batch, size]``; None where there are none.
    sensor_size
        Of event lists, see `nm_backends.Events`.
    """

    spikes: Any
    targets: np.ndarray | None = None
    sensor_size: tuple[int, int, int] | None = None

    @property
    def samples(self) -> int:
        """Number of samples."""
        return len(self.spikes) if isinstance(self.spikes, list) else int(self.spikes.shape[1])

    @property
    def labels(self) -> np.ndarray | None:
        """The targets, where they are labels."""
        return self.targets if self.targets is not None and self.targets.ndim == 1 else None

    @property
    def given(self) -> Any:
        """The spikes as ``program.run`` takes them."""
        if not isinstance(self.spikes, list):
            return self.spikes
        if self.spikes[0].dtype.names is None:
            return [(frames, 0) for frames in self.spikes]
        from nm_backends.event_data import Events

        return Events(self.spikes, self.sensor_size)

    def drawn(self, samples: int | None, seed: int | None, role: str) -> Data:
        """Return some of the samples, in their order, drawn without replacement; None: all."""
        if samples is None or samples >= self.samples:
            return self
        random = np.random.default_rng([seed or 0, salt(role)])
        chosen = np.sort(random.choice(self.samples, samples, replace=False))
        targets = self.targets
        if targets is not None:
            targets = targets[chosen] if targets.ndim == 1 else targets[:, chosen]
        if isinstance(self.spikes, list):
            return Data([self.spikes[i] for i in chosen], targets, self.sensor_size)
        return Data(self.spikes[:, chosen], targets)

    @property
    def digest(self) -> str:
        """Name of the content."""
        hashed = hashlib.sha256(repr(self.sensor_size).encode())
        arrays = self.spikes if isinstance(self.spikes, list) else [self.spikes]
        for array in [*arrays, *([] if self.targets is None else [self.targets])]:
            hashed.update(f"|{array.dtype.descr}{array.shape}|".encode())
            hashed.update(np.ascontiguousarray(array).tobytes())
        return hashed.hexdigest()


def salt(role: str) -> int:
    """Return what keeps the draws of roles apart."""
    return int.from_bytes(hashlib.sha256(role.encode()).digest()[:4], "big")


@dataclass
class Bundle:
    """Everything that trials read, by the name of its content; it travels once to each worker.

    ``memory`` holds what a worker has made of it; it stays where it is.
    """

    models: dict[str, Model] = field(default_factory=dict)
    data: dict[str, Data] = field(default_factory=dict)
    memory: dict[Any, Any] = field(default_factory=dict, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return {"models": self.models, "data": self.data, "memory": {}}


@dataclass
class Collected:
    """A bundle, and which names of the study mean what in it."""

    bundle: Bundle
    models: dict[str, str]
    data: dict[str, dict[str, str]]


def collect(study: Study) -> Collected:
    """Read all models and data of a study.

    Raises
    ------
    UserError
        Something cannot be read; named as in the study.
    """
    bundle, found = Bundle(), Collected(Bundle(), {}, {})
    found.bundle = bundle
    for name, roles in study.data.items():
        found.data[name] = {}
        for role, given in roles.items():
            data = _data(given, study.folder, f"{study.name}: data {role}")
            bundle.data[data.digest] = data
            found.data[name][role] = data.digest
    for name, given in study.models.items():
        model = _model(given, study.folder, f"{study.name}: model {name!r}", bundle)
        bundle.models[model.digest] = model
        found.models[name] = model.digest
        if model.chip is not None and model.chip not in study.chips:
            raise UserError(
                f"{study.name}: model {name!r} is a program of {model.chip}, "
                f"chips are {', '.join(study.chips)}",
                f"add {model.chip} to chips",
            )
    return found


def _model(given: Any, folder: Path, where: str, bundle: Bundle) -> Model:
    if isinstance(given, str | os.PathLike) and not _imported(given):
        path = folder / given
        try:
            content = path.read_bytes()
        except OSError as error:
            message = f"{where}: {path}: {error.strerror}"
            raise UserError(message, "give a .nir or .nmb file") from None
        if path.suffix != ".nmb":
            return Model("nir", content)
        from nm_backends.artifact import load

        return Model("nmb", content, load(path).chip)
    model = _live(given, folder, where)
    if hasattr(model, "image") or hasattr(model, "parts"):
        return Model("nmb", _written(model.save, ".nmb"), model.chip)
    from nm_backends.frontends import as_sample, to_nir

    graph = to_nir(model, as_sample(*(data.given for data in bundle.data.values())))
    import nir

    return Model("nir", _written(lambda path: nir.write(path, graph), ".nir"))


def _written(write: Any, suffix: str) -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"model{suffix}"
        write(path)
        return path.read_bytes()


def _imported(given: Any) -> bool:
    return isinstance(given, str) and _IMPORTED.fullmatch(given) is not None


def _live(given: Any, folder: Path, where: str) -> Any:
    """Return an object, or what ``module:name`` means: functions and classes are called."""
    if not _imported(given):
        return given
    module, _, name = given.partition(":")
    sys.path.insert(0, str(folder))
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise UserError(f"{where}: {given}: {error}", f"looked in {folder}, too") from None
    finally:
        sys.path.remove(str(folder))
    return found() if inspect.isroutine(found) or inspect.isclass(found) else found


def _data(given: Any, folder: Path, where: str) -> Data:
    if isinstance(given, str | os.PathLike) and not _imported(given):
        from nm_backends.cli.spikes import read_spikes

        file = read_spikes(str(folder / given))
        return _checked(file.spikes, file.labels if file.targets is None else file.targets, where)
    found = _live(given, folder, where)
    if isinstance(found, Mapping):
        found = (found.get("spikes"), found.get("labels"))
    if isinstance(found, tuple) and len(found) == 2 and not _event_list(found[0]):
        data = _checked(found[0], found[1], where)
    else:
        data = _checked(found, None, where)
    return data


def _event_list(item: Any) -> bool:
    return getattr(getattr(item, "dtype", None), "names", None) is not None


def _checked(spikes: Any, targets: Any, where: str) -> Data:
    from nm_backends.event_data import collected

    given, size = collected(spikes), None
    if given is not None:
        spikes, size = list(given.samples), given.sensor_size
        targets = given.labels if targets is None else targets
    else:
        spikes = np.asarray(spikes.detach() if hasattr(spikes, "detach") else spikes)
        if spikes.ndim < 3:
            raise UserError(
                f"{where}: spikes of shape {list(spikes.shape)}",
                "expected [time, batch, *input shape]; a single sample has a batch of 1",
            )
    wanted = None if targets is None else np.asarray(targets)
    data = Data(spikes, wanted, size)  # type: ignore[arg-type]
    if wanted is not None and data.samples != wanted.shape[0 if wanted.ndim == 1 else 1]:
        raise UserError(
            f"{where}: targets of shape {list(wanted.shape)} for {data.samples} samples",
            "expected a label for each sample, or [time, batch, size]",
        )
    return data
