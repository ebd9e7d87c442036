"""``examples/odin_digits_learning.py``: digits learned on ODIN, and the files it reads."""

import gzip
import json
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from mnist_files import KINDS, idx, mnist_like

from nm_backends.errors import UserError

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))
import digits_data
import odin_digits_learning as example


@pytest.mark.parametrize("zipped", [False, True])
def test_mnist_is_read_from_its_four_files(tmp_path, zipped):
    held = mnist_like(tmp_path, zipped=zipped)
    train, test = digits_data.mnist(tmp_path, train=20)
    assert train.images.shape == (20, 16, 16)
    assert test.images.shape == (12, 16, 16)
    assert np.array_equal(train.labels, held["train"][1][:20])
    assert np.array_equal(test.labels, held["t10k"][1])
    assert np.array_equal(test.images, digits_data.prepared(held["t10k"][0], 255))


def damage(path, how):
    content = path.read_bytes()
    if how == "cut":
        path.write_bytes(content[:-5])
    elif how == "longer":
        path.write_bytes(content + b"x")
    elif how == "magic":
        path.write_bytes(struct.pack(">I", 0x801) + content[4:])
    elif how == "short":
        path.write_bytes(content[:7])
    elif how == "missing":
        path.unlink()
    elif how == "gzip":
        path.unlink()
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(content)[:-40])
    elif how == "no gzip":
        path.unlink()
        path.with_name(path.name + ".gz").write_bytes(content)
    elif how == "size":
        path.write_bytes(idx(np.zeros((30, 16, 49), np.uint8), 0x803))
    elif how == "none":
        path.write_bytes(idx(np.zeros((0, 28, 28), np.uint8), 0x803))


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("cut", "23,515 bytes after the header, which promises 23,520"),
        ("longer", "23,521 bytes after the header"),
        ("magic", "magic number 0x00000801, expected 0x00000803"),
        ("short", "7 bytes, too short for an idx header"),
        ("missing", "no such file, nor with .gz"),
        ("gzip", "cannot be read"),
        ("no gzip", "cannot be read"),
        ("size", "images of 16x49, not 28x28"),
        ("none", "no images"),
    ],
)
def test_a_damaged_file_is_named_with_what_is_wrong(tmp_path, how, words):
    mnist_like(tmp_path)
    path = tmp_path / "train-images-idx3-ubyte"
    damage(path, how)
    with pytest.raises(UserError, match=words) as raised:
        digits_data.mnist(tmp_path)
    assert path.name in str(raised.value)


def test_labels_must_be_digits_and_as_many_as_images(tmp_path):
    mnist_like(tmp_path)
    path = tmp_path / "t10k-labels-idx1-ubyte"
    path.write_bytes(idx(np.full(12, 10, np.uint8), 0x801))
    with pytest.raises(UserError, match="label 10, expected 0 to 9"):
        digits_data.mnist(tmp_path)
    path.write_bytes(idx(np.zeros(13, np.uint8), 0x801))
    with pytest.raises(UserError, match="13 labels for 12 images"):
        digits_data.mnist(tmp_path)


def test_resizing_keeps_brightness_and_deskewing_straightens_a_slanted_bar():
    images = np.random.default_rng(0).random((3, 28, 28))
    assert digits_data.resized(np.ones((1, 28, 28)), 16) == pytest.approx(1)
    assert digits_data.resized(images, 28) == pytest.approx(images)
    bar = np.zeros((1, 16, 16))
    for row in range(3, 13):
        bar[0, row, 11 - row // 2] = 1
    straight = digits_data.deskewed(bar)[0]
    assert straight.sum() == pytest.approx(bar.sum())
    assert (straight.sum(axis=0) > 0.5).sum() <= 3 < (bar[0].sum(axis=0) > 0.5).sum()


def test_the_rank_order_code_fires_the_brightest_pixels_once_and_first():
    images = np.random.default_rng(0).permutation(256).astype(np.uint8).reshape(1, 16, 16)
    spikes = digits_data.rank_order(images, 60, 4)
    assert spikes.shape == (15, 1, 256)
    assert (spikes.sum(axis=(1, 2)) == 4).all()
    flat = images.reshape(-1)
    for step in range(15):
        assert set(flat[spikes[step, 0] == 1]) == set(range(255 - 4 * step, 251 - 4 * step, -1))
    flat_image = np.zeros((1, 16, 16), np.uint8)
    assert digits_data.rank_order(flat_image, 2, 1)[:, 0].argmax(axis=1).tolist() == [0, 1]


def results(capsys, *options):
    example.main(["--json", *options])
    return json.loads(capsys.readouterr().out)


def test_learning_beats_chance_and_random_weights_and_repeats_to_the_bit(capsys):
    options = ("--seeds", "1", "--epochs", "1", "--samples", "600")
    first = results(capsys, *options)
    assert first["train"] == 600
    assert first["test"] == 360
    assert first["once"]["mean"] > 0.6
    assert first["random"]["mean"] < 0.3
    assert first["ridge"] > first["once"]["mean"]
    assert first["curve"][0]["samples"] == 0
    assert first["curve"][-1] == {"samples": 600, **first["once"]}
    assert results(capsys, *options) == first
    other = example.learn(1, *coded(digits_data.scikit_digits(100)), 1)
    assert other["synapses"] != first["seeds"][0]["synapses"]


def coded(parts):
    made = (example.BRIGHTEST, example.PER_STEP)
    return [(digits_data.rank_order(part.images, *made), part.labels) for part in parts]


def test_histories_of_two_runs_are_equal():
    (spikes, labels), _ = coded(digits_data.scikit_digits(80))
    start = np.random.default_rng(0).integers(0, 8, (256, 10))
    programs = [example.compiled(start) for _ in range(2)]
    histories = [p.learn(spikes, labels, epochs=2, options=example.RULE) for p in programs]
    assert histories[0].to_json() == histories[1].to_json()
    memories = [p.image.memories["synapse"] for p in programs]
    assert np.array_equal(*memories)
    assert np.array_equal(example.weights_of(example.compiled(start)), start)


def test_files_of_mnist_go_the_same_way_and_the_curve_is_drawn(tmp_path, capsys):
    parts = zip(("train", "t10k"), (slice(0, 300), slice(300, 500)), strict=True)
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.rint(digits_data.resized(digits.images * 255 / 16, 28)).astype(np.uint8)
    for part, which in parts:
        data = (images[which], digits.target[which].astype(np.uint8))
        for (kind, magic), content in zip(KINDS.items(), data, strict=True):
            (tmp_path / f"{part}-{kind}").write_bytes(idx(content, magic))
    picture = tmp_path / "curve.png"
    found = results(
        capsys, "--mnist", str(tmp_path), "--seeds", "2", "--epochs", "2", "--out", str(picture)
    )
    assert found["source"] == f"MNIST in {tmp_path}"
    assert [found["train"], found["test"]] == [300, 200]
    assert found["last"]["mean"] > 0.5
    assert len(found["seeds"]) == 2
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert "random weights" in example.table(found)


def test_a_wrong_command_line_says_what_is_wrong(tmp_path, capsys):
    for line, words in (
        (["--mnist", str(tmp_path)], "no such file, nor with .gz"),
        (["--seeds", "0"], "--seeds 0: expected 1 or more"),
    ):
        with pytest.raises(SystemExit) as stopped:
            example.main(line)
        assert stopped.value.code == 2
        assert words in capsys.readouterr().err
