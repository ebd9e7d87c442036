"""The idx files of MNIST, plain or with ``.gz``."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np

from nm_backends.errors import UserError

__all__ = ["read_idx", "read_mnist"]

_IMAGES, _LABELS = 0x00000803, 0x00000801  # magic numbers: unsigned bytes, 3 axes or 1
_CLASSES, _SHAPE = 10, (28, 28)


def read_mnist(
    directory: str | Path, part: str, most: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the first ``most`` images of a part of MNIST, or all, with their labels.

    Parameters
    ----------
    directory
        Holds ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``, ``t10k-images-idx3-ubyte``
        and ``t10k-labels-idx1-ubyte``, plain or with ``.gz``.
    part
        ``train`` or ``t10k``.

    Returns
    -------
    images, labels
        uint8 ``[samples, 28, 28]`` and int64 ``[samples]``.

    Raises
    ------
    UserError
        A file is missing, is no idx file, or does not fit the other.
    """
    images, labels = (
        _find(Path(directory), f"{part}-{kind}")
        for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")
    )
    pictures, named = read_idx(images, _IMAGES)[:most], read_idx(labels, _LABELS)
    if pictures.shape[1:] != _SHAPE:
        raise UserError(f"{images}: images of {pictures.shape[1]}x{pictures.shape[2]}, not 28x28")
    if len(named) < len(pictures) or (most is None and len(named) != len(pictures)):
        raise UserError(f"{labels}: {len(named)} labels for {len(pictures)} images in {images}")
    named = named[: len(pictures)].astype(np.int64)
    if not len(named):
        raise UserError(f"{images}: no images")
    if named.max() >= _CLASSES:
        raise UserError(f"{labels}: label {named.max()}, expected 0 to {_CLASSES - 1}")
    return pictures, named


def _find(directory: Path, name: str) -> Path:
    for path in (directory / name, directory / f"{name}.gz"):
        if path.is_file():
            return path
    raise UserError(
        f"{directory / name}: no such file, nor with .gz",
        "give the folder with the four idx files of MNIST",
    )


def read_idx(path: Path, magic: int) -> np.ndarray:
    """Return the unsigned bytes of an idx file, plain or gzip, with the axes that it declares.

    Raises
    ------
    UserError
        Another magic number, or not as many bytes as the header says.
    """
    axes = magic & 0xFF
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            head = file.read(4 + 4 * axes)
            if len(head) < 4 + 4 * axes:
                raise UserError(f"{path}: {len(head)} bytes, too short for an idx header")
            found, *shape = struct.unpack(f">{axes + 1}I", head)
            if found != magic:
                raise UserError(
                    f"{path}: magic number 0x{found:08x}, expected 0x{magic:08x}",
                    "images and labels may have been swapped, or a .gz file renamed",
                )
            data = file.read()
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    wanted = int(np.prod(shape, dtype=object))
    if len(data) != wanted:
        raise UserError(
            f"{path}: {len(data):,} bytes after the header, which promises {wanted:,}",
            "the file is cut short or damaged: fetch it again",
        )
    return np.frombuffer(data, np.uint8).reshape(shape)
