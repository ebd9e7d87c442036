"""SPOON's examples: digits trained off and on the chip, movements learned from labels."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))


def said(module, capsys, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["example", *map(str, arguments)])
    module.main()
    return capsys.readouterr().out


def test_movements_are_learned_from_labels(capsys, monkeypatch):
    import spoon_events

    text = said(spoon_events, capsys, monkeypatch, "--train", 200, "--test", 80, "--passes", 10)
    assert float(re.search(r"right: ([\d.]+) %", text)[1]) > 50  # of eight movements
    assert "extrapolated" in text


def test_recordings_of_nmnist_are_read(tmp_path):
    import spoon_events

    events = [(3, 4, 1, 70000), (2, 9, 0, 5), (30, 30, 0, 300000)]  # the second is cut away
    data = bytes(
        b for x, y, p, t in events for b in (x, y, p << 7 | t >> 16, t >> 8 & 255, t & 255)
    )
    for digit in (0, 7):
        folder = tmp_path / "Test" / str(digit)
        folder.mkdir(parents=True)
        (folder / f"0000{digit}.bin").write_bytes(data)
    samples, labels = spoon_events.nmnist(tmp_path, "Test", 5)
    assert labels.tolist() == [0, 7]
    assert samples[0].tolist() == [(70000, 0, 1, False), (300000, 27, 27, False)]  # one polarity


@pytest.mark.frameworks
def test_digits_are_learned_off_and_on_the_chip(capsys, monkeypatch):
    import spoon_digits

    text = said(spoon_digits, capsys, monkeypatch, "--seeds", 1, "--epochs", 6, "--passes", 12)
    (row,) = (line for line in text.splitlines() if line.startswith("mean"))
    accuracy = [float(number) for number in re.findall(r"([\d.]+) %", row)]
    assert accuracy[0] > 85
    assert accuracy[1] > accuracy[0] - 1  # quantised: within a point of float
    assert accuracy[2] > accuracy[1] - 4  # on chip: within four points of off chip
    assert "published" in text


@pytest.mark.frameworks
def test_upscaled_digits_fill_the_default_input():
    import spoon_digits

    (images, labels), (tested, _) = spoon_digits.digits()
    assert images.shape == (1437, 28, 28)
    assert len(tested) == spoon_digits.TESTED
    assert images.max() == 255
    assert len(labels) == 1437
    assert np.array_equal(images[0, 2:5, 2:5], np.full((3, 3), images[0, 2, 2]))
