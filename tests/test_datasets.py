"""Data for comparing learning rules: made-up sets by their definitions, files as they are."""

import builtins

import numpy as np
import pytest
from mnist_files import mnist_like

from nm_backends import datasets
from nm_backends.errors import UserError


def test_the_classification_set_is_the_one_of_its_description():
    made = datasets.synthetic_classification(900, 300)
    (inputs, labels), test = made.train, made.test
    assert inputs.shape == (900, 256)
    assert test.inputs.shape == (300, 256)
    assert (inputs.dtype, labels.dtype) == (np.float32, np.int64)
    everything = np.concatenate([inputs, test.inputs])
    classes = np.bincount(np.concatenate([labels, test.targets]))
    assert classes.min() > 100  # ten classes of about 120; a hundredth of the labels is noise
    # Noise has a deviation of 1, what tells classes apart has a larger one.
    assert (everything.std(axis=0) > 2).sum() == 128
    again = datasets.synthetic_classification(900, 300)
    assert np.array_equal(again.train.inputs, inputs)
    other = datasets.synthetic_classification(900, 300, seed=1)
    assert not np.array_equal(other.train.inputs, inputs)


def test_the_classification_set_says_what_it_needs(monkeypatch):
    real = builtins.__import__

    def absent(name, *args, **options):
        if name.startswith("sklearn"):
            raise ImportError(name)
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(UserError, match="scikit-learn, which is not installed"):
        datasets.synthetic_classification(60, 20)


def test_the_regression_set_is_the_one_of_its_description():
    made = datasets.synthetic_regression()
    inputs, targets = made.train
    assert inputs.shape == (5000, 256)
    assert made.test.targets.shape == (1000, 10)
    mean = inputs.astype(np.float64).mean(axis=1)
    for i in range(10):
        wanted = np.cos(mean + np.pi * (i - 4.5) / 9)
        assert targets[:, i] == pytest.approx(wanted, abs=1e-5)
    assert inputs.std(axis=1).mean() == pytest.approx(1, abs=0.01)
    assert mean.std() == pytest.approx(np.pi / np.sqrt(3), rel=0.03)
    assert abs(mean).max() < np.pi + 0.5


def test_mnist_is_scaled_and_nothing_else(tmp_path):
    held = mnist_like(tmp_path)
    made = datasets.mnist(tmp_path, train=20)
    assert made.train.inputs.shape == (20, 1, 28, 28)
    assert made.test.inputs.shape == (12, 1, 28, 28)
    assert np.rint(255 * made.test.inputs[:, 0]).astype(int).tolist() == held["t10k"][0].tolist()
    assert made.test.targets.tolist() == held["t10k"][1].tolist()


def cifar_like(folder, number=6):
    rng, held = np.random.default_rng(0), {}
    for name in [f"data_batch_{n}" for n in range(1, 6)] + ["test_batch"]:
        images = rng.integers(0, 256, (number, 3, 32, 32)).astype(np.uint8)
        images[:, 1] //= 4
        labels = rng.integers(0, 10, number).astype(np.uint8)
        records = np.concatenate([labels[:, None], images.reshape(number, -1)], axis=1)
        (folder / f"{name}.bin").write_bytes(records.tobytes())
        held[name] = images, labels
    return held


def test_cifar_is_standardised_by_the_colours_of_what_is_trained_with(tmp_path):
    held = cifar_like(tmp_path)
    made = datasets.cifar10(tmp_path)
    assert made.train.inputs.shape == (30, 3, 32, 32)
    assert made.train.inputs.dtype == np.float32
    assert made.train.inputs.mean(axis=(0, 2, 3)) == pytest.approx(0, abs=1e-5)
    assert made.train.inputs.std(axis=(0, 2, 3)) == pytest.approx(1, abs=1e-5)
    assert made.train.targets[6:12].tolist() == held["data_batch_2"][1].tolist()
    images = np.concatenate([held[f"data_batch_{n}"][0] for n in range(1, 6)]).astype(float)
    green = (held["test_batch"][0][:, 1] - images[:, 1].mean()) / images[:, 1].std()
    assert made.test.inputs[:, 1] == pytest.approx(green, abs=1e-4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "give the folder with the six .bin files"),
        (b"", "0 bytes, not records of 3,073"),
        (b"\0" * 3072, "3,072 bytes, not records"),
        (b"\x0a" + b"\0" * 3072, "label 10, expected 0 to 9"),
    ],
)
def test_damaged_files_of_cifar_are_named(tmp_path, content, message):
    cifar_like(tmp_path)
    path = tmp_path / "data_batch_3.bin"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError) as raised:
        datasets.cifar10(tmp_path)
    assert "data_batch_3.bin" in str(raised.value)
    assert message in f"{raised.value} {raised.value.hint}"
