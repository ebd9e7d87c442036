"""Data for comparing learning rules: two made-up sets, and MNIST and CIFAR-10 of one's own files.

The made-up sets are those on which direct random target projection was published (C. Frenkel,
M. Lefebvre, D. Bol, Front. Neurosci. 15:629892, 2021).
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from nm_backends.errors import UserError
from nm_backends.idx_files import read_mnist

__all__ = [
    "Samples",
    "Split",
    "cifar10",
    "mnist",
    "synthetic_classification",
    "synthetic_regression",
]

_FEATURES, _OUTPUTS = 256, 10
_CIFAR_SHAPE = (3, 32, 32)
_CIFAR_RECORD = 1 + 3 * 32 * 32  # a label, then red, green and blue


class Samples(NamedTuple):
    """Inputs float32 ``[samples, ...]``; targets int64 ``[samples]``, or float32 ``[samples, 10]``.

    Whole numbers are classes, floats are values to come close to.
    """

    inputs: np.ndarray
    targets: np.ndarray


class Split(NamedTuple):
    """`Samples` to train with, and those to test with."""

    train: Samples
    test: Samples


def synthetic_classification(train: int = 25_000, test: int = 5_000, seed: int = 0) -> Split:
    """Return ten classes of five clusters each, 256 features of which 128 tell them apart.

    Parameters
    ----------
    train, test
        Samples. Another sum of the two makes other clusters.
    seed
        Of scikit-learn's ``make_classification``; 0 is the published set. None of its features are
        redundant, which descriptions leave open: with none the authors' accuracies come out.

    Raises
    ------
    UserError
        scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import make_classification
    except ImportError:
        raise UserError(
            "the classification set is made by scikit-learn, which is not installed",
            'pip install "nm-backends[snntorch]", or scikit-learn alone',
        ) from None
    inputs, labels = make_classification(
        n_samples=train + test, n_features=_FEATURES, n_informative=128, n_redundant=0,
        n_classes=_OUTPUTS, n_clusters_per_class=5, class_sep=4.5, random_state=seed,
    )  # fmt: skip
    return _divided(inputs.astype(np.float32), labels.astype(np.int64), train)


def synthetic_regression(train: int = 5_000, test: int = 1_000, seed: int = 0) -> Split:
    """Return 256 noisy readings of an angle each, and ten cosines of their mean.

    An input is normal around an angle of -pi to pi with a standard deviation of 1; target ``i`` of
    10 is ``cos(mean(input) + pi (i - 4.5) / 9)``.
    """
    random = np.random.default_rng(seed)
    angle = random.uniform(-np.pi, np.pi, (train + test, 1))
    inputs = random.normal(angle, 1.0, (train + test, _FEATURES)).astype(np.float32)
    phase = np.pi * (np.arange(_OUTPUTS) - 4.5) / 9
    targets = np.cos(inputs.mean(axis=1, dtype=np.float64)[:, None] + phase)
    return _divided(inputs, targets.astype(np.float32), train)


def _divided(inputs: np.ndarray, targets: np.ndarray, train: int) -> Split:
    return Split(Samples(inputs[:train], targets[:train]), Samples(inputs[train:], targets[train:]))


def mnist(directory: str | Path, train: int | None = None) -> Split:
    """Return MNIST's images ``[samples, 1, 28, 28]`` of 0 to 1, from its four idx files.

    Parameters
    ----------
    directory
        Holds the files, see `nm_backends.idx_files.read_mnist`.
    train
        Read the first so many images to train with only.
    """
    parts = read_mnist(directory, "train", train), read_mnist(directory, "t10k")
    return Split(*(Samples(images[:, None].astype(np.float32) / 255, y) for images, y in parts))


def cifar10(directory: str | Path) -> Split:
    """Return CIFAR-10's images ``[samples, 3, 32, 32]``, each colour with mean 0 and deviation 1.

    Parameters
    ----------
    directory
        Holds ``data_batch_1.bin`` to ``data_batch_5.bin`` and ``test_batch.bin``, the "binary
        version" of CIFAR-10. (The "python version" is of pickles, which can hold any program.)

    Raises
    ------
    UserError
        A file is missing, or is not of whole records.
    """
    folder = Path(directory)
    batches = [_cifar_batch(folder / f"data_batch_{n}.bin") for n in range(1, 6)]
    images, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    test, test_labels = _cifar_batch(folder / "test_batch.bin")
    mean, deviation = (
        f(images, axis=(0, 2, 3), keepdims=True, dtype=np.float64).astype(np.float32)
        for f in (np.mean, np.std)
    )
    deviation = np.maximum(deviation, 1e-6)
    return Split(
        Samples((images - mean) / deviation, labels),
        Samples((test - mean) / deviation, test_labels),
    )


def _cifar_batch(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return float32 images of 0 to 1 and int64 labels of one file."""
    try:
        records = np.fromfile(path, np.uint8)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read: {error.strerror}",
            "give the folder with the six .bin files of CIFAR-10's binary version",
        ) from None
    if not records.size or records.size % _CIFAR_RECORD:
        raise UserError(f"{path}: {records.size:,} bytes, not records of {_CIFAR_RECORD:,}")
    records = records.reshape(-1, _CIFAR_RECORD)
    labels = records[:, 0].astype(np.int64)
    if labels.max() >= _OUTPUTS:
        raise UserError(f"{path}: label {labels.max()}, expected 0 to {_OUTPUTS - 1}")
    return records[:, 1:].reshape(-1, *_CIFAR_SHAPE).astype(np.float32) / 255, labels
