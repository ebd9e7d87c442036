"""Event recordings in a folder, memory-mapped: a dataset of any size, opened at once.

``events.bin``
    The events of all samples, one after the other, as they lie in memory.
``starts.npy``
    Where each sample begins in it, and its end: int64 ``[samples + 1]``.
``labels.npy``
    int64 ``[samples]``; not there without labels.
``about.json``
    ``format``, ``dtype`` (numpy's description of an event), ``sensor_size``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from nm_backends.errors import UserError
from nm_backends.event_data import event_lists

__all__ = ["Recordings"]

FORMAT = "nm-backends recordings 1"


class Recordings:
    """A folder of recordings; samples are event lists with a label (or None), read when asked for.

    Parameters
    ----------
    folder
        What `write` has written.

    Raises
    ------
    UserError
        A file is missing, or they do not belong together.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        try:
            about = json.loads((self.folder / "about.json").read_text())
            self.dtype = np.dtype([(str(name), str(kind)) for name, kind in about["dtype"]])
            self.starts = np.load(self.folder / "starts.npy")
            labels = self.folder / "labels.npy"
            self.labels = np.load(labels) if labels.exists() else None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{folder}: no recordings: {error}", "see nm_backends.recordings"
            ) from None
        size = about.get("sensor_size")
        self.sensor_size = tuple(size) if size else None
        self._check(about.get("format"))
        path = self.folder / "events.bin"
        empty = not path.stat().st_size
        self.events = np.zeros(0, self.dtype) if empty else np.memmap(path, self.dtype, "r")

    def _check(self, form: object) -> None:
        path = self.folder / "events.bin"
        held = path.stat().st_size if path.exists() else -1
        samples = len(self.starts) - 1
        right = form == FORMAT and self.starts.ndim == 1 and samples >= 0
        right = right and not (np.diff(self.starts) < 0).any() and self.starts[0] == 0
        right = right and held == int(self.starts[-1]) * self.dtype.itemsize
        if not right or (self.labels is not None and self.labels.shape != (samples,)):
            raise UserError(
                f"{self.folder}: the files of these recordings do not belong together",
                "write them again",
            )

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, number: int) -> tuple[np.ndarray, int | None]:
        if not -len(self) <= number < len(self):
            raise IndexError(f"sample {number} of {len(self)}")
        number %= len(self)
        events = np.array(self.events[self.starts[number] : self.starts[number + 1]])
        return events, None if self.labels is None else int(self.labels[number])

    def __iter__(self) -> Iterator[tuple[np.ndarray, int | None]]:
        return (self[n] for n in range(len(self)))

    @classmethod
    def write(
        cls,
        folder: str | os.PathLike[str],
        samples: Iterable[Any],
        sensor_size: tuple[int, int, int] | None = None,
    ) -> Recordings:
        """Write samples, one by one as they come, and open what was written.

        Parameters
        ----------
        folder
            Made if it is not there; what it holds of this kind is replaced.
        samples
            Event lists, alone or with a label: a dataset of tonic, a generator.
        sensor_size
            ``(x, y, p)``; by default that of the dataset.

        Raises
        ------
        UserError
            A sample is no event list, has other fields than the first, or some have no label.
        """
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        (path / "about.json").unlink(missing_ok=True)  # until all is there, nothing is
        (path / "labels.npy").unlink(missing_ok=True)
        starts, labels, dtype = [0], [], None
        with open(path / "events.bin", "wb") as file:
            for number, item in enumerate(samples):
                events, label = item if isinstance(item, tuple | list) else (item, None)
                dtype = _checked(events, dtype, number)
                file.write(np.ascontiguousarray(events).tobytes())
                starts.append(starts[-1] + len(events))
                labels += [] if label is None else [int(label)]
        if dtype is None or len(labels) not in (0, len(starts) - 1):
            raise UserError(f"{folder}: {len(labels)} labels for {len(starts) - 1} samples")
        np.save(path / "starts.npy", np.array(starts, np.int64))
        if labels:
            np.save(path / "labels.npy", np.array(labels, np.int64))
        size = getattr(samples, "sensor_size", None) if sensor_size is None else sensor_size
        kinds = [(name, dtype[name].str) for name in dtype.names or ()]
        about = {"format": FORMAT, "dtype": kinds, "sensor_size": size and [int(n) for n in size]}
        (path / "about.json").write_text(json.dumps(about) + "\n")
        return cls(path)


def _checked(events: Any, dtype: np.dtype[Any] | None, number: int) -> np.dtype[Any]:
    if not event_lists([events]):
        raise UserError(f"sample {number} is a {type(events).__name__}, expected an event list")
    if dtype is not None and events.dtype != dtype:
        raise UserError(f"sample {number} has events of {events.dtype}, those before of {dtype}")
    packed = np.dtype([(name, events.dtype[name].str) for name in events.dtype.names])
    if packed != events.dtype:
        raise UserError(f"sample {number}: events of {events.dtype} have gaps or inner arrays")
    found: np.dtype[Any] = events.dtype
    return found
