"""The generator of the cue-accumulation task: its statistics are those of the published files."""

import numpy as np
import pytest

from nm_backends.errors import UserError
from nm_reckon import cue_accumulation as cue

MANY = cue.generate(1000, 7)
BY_CUE = np.array([[MANY.spikes[cue.cue_steps(k), :, side].sum(axis=(0, 2)) for side in cue.SIDES]
                   for k in range(cue.CUES)])  # fmt: skip


def between(spikes, rate, spread=5):
    """Whether a rate is that of spikes, to within ``spread`` standard errors."""
    return abs(spikes.mean() - rate) < spread * np.sqrt(rate / spikes.size)


def test_cues_come_on_one_side_each_at_their_times_and_nothing_in_between():
    assert [cue.cue_steps(k).start for k in range(7)] == [50, 200, 350, 500, 650, 800, 950]
    assert cue.cue_steps(6).stop == 1050
    silent = np.ones(cue.STEPS, bool)
    for k in range(cue.CUES):
        silent[cue.cue_steps(k)] = False
        shown = BY_CUE[k] > 0
        assert (shown.sum(axis=0) == 1).all()
        assert np.array_equal(shown[1], MANY.sides[:, k])
        assert between(BY_CUE[k].sum(axis=0) / 1000, 0.04)
    assert not MANY.spikes[silent][..., :20].any()
    assert MANY.spikes.max() == 1


def test_recall_and_background_have_the_published_rates():
    assert not MANY.spikes[:2100, :, 20:30].any()
    assert between(MANY.spikes[2100:, :, 20:30], 0.04)
    assert between(MANY.spikes[..., 30:], 0.01)
    assert MANY.spikes.sum() / 1000 == pytest.approx(563, rel=0.01)


def test_the_label_is_the_side_with_more_cues():
    to_b = MANY.sides.sum(axis=1, dtype=np.int64)
    assert np.array_equal(MANY.labels, to_b > 3)
    assert 0.45 < MANY.labels.mean() < 0.55
    majority = np.maximum(to_b, 7 - to_b).mean() / 7
    assert majority == pytest.approx(0.72, abs=0.015)  # files: 0.714 and 0.72
    neighbours = np.mean(MANY.sides[:, 1:] == MANY.sides[:, :-1])
    assert neighbours == pytest.approx(0.58, abs=0.02)  # files: 175 and 171 of 300
    counts = np.bincount(to_b, minlength=8)
    files = np.array([0, 3, 10, 9, 7, 12, 5, 4]) + np.array([2, 6, 10, 11, 5, 9, 6, 1])
    chi_square = ((files - counts / 10) ** 2 / (counts / 10)).sum()
    assert chi_square < 18.5  # 1 % point of seven degrees of freedom


def test_the_seed_decides_and_more_samples_begin_with_the_same():
    few, again, other = cue.generate(3, 7), cue.generate(3, 7), cue.generate(3, 8)
    assert np.array_equal(few.spikes, again.spikes)
    assert not np.array_equal(few.spikes, other.spikes)
    with pytest.raises(UserError, match="samples is 0"):
        cue.generate(0, 1)


def test_events_are_the_spikes():
    few = cue.generate(4, 1)
    for sample, events in enumerate(few.events):
        spikes = np.zeros((cue.STEPS, cue.INPUTS), np.uint8)
        np.add.at(spikes, (events["t"] // 1000, events["x"]), 1)
        assert np.array_equal(spikes, few.spikes[:, sample])
        assert (np.diff(events["t"]) >= 0).all()


def written(path, data):
    """Write samples as the public release has them."""
    lines = [str(data.labels.size)]
    for sample, label in enumerate(data.labels):
        marked = False
        for step, channel in np.argwhere(data.spikes[:, sample]):
            if step >= 2100 and not marked:
                lines.append(f"-2, {label}")
                marked = True
            lines.append(f"{channel}, {step}")
        lines.append("-1, 2250")
    path.write_text("\n".join(lines) + "\n")
    return lines


def test_data_files_are_read(tmp_path):
    data = cue.generate(3, 5)
    written(tmp_path / "d.dat", data)
    read = cue.read_dat(tmp_path / "d.dat")
    assert np.array_equal(read.spikes, data.spikes)
    assert np.array_equal(read.labels, data.labels)
    (tmp_path / "w.dat").write_text("1\n-2\n3\n-128\n127\n0\n")
    weights = cue.read_weights(tmp_path / "w.dat", (3, 2))
    assert weights.tolist() == [[1, -2], [3, -128], [127, 0]]
    assert weights.dtype == np.int8


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no number of samples"),
        ("1, 2\n", "no number of samples"),
        ("one\n", "line 1: 'one' is not integers"),
        ("1\n40, 3\n", "line 2: address 40, time 3"),
        ("1\n3, 2250\n", "line 2: address 3, time 2250"),
        ("1\n3\n", "line 2: expected 'address, time'"),
        ("1\n-1, 2250\n", "line 2: a sample ends at 2250, label None"),
        ("1\n-2, 1\n-1, 2000\n", "line 3: a sample ends at 2000"),
        ("2\n-2, 1\n-1, 2250\n", "1 samples, the first line promises 2"),
        ("0\n3, 3\n", "line 2: expected"),
    ],
)
def test_a_damaged_file_is_named_with_the_line(tmp_path, text, words):
    path = tmp_path / "d.dat"
    path.write_text(text)
    with pytest.raises(UserError, match=words) as raised:
        cue.read_dat(path)
    assert path.name in str(raised.value)


def test_files_that_are_not_there_or_no_weights_are_named(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        cue.read_dat(tmp_path / "none.dat")
    (tmp_path / "w.dat").write_text("1\n300\n")
    with pytest.raises(UserError, match="expected 8 bits"):
        cue.read_weights(tmp_path / "w.dat", (2, 1))
    with pytest.raises(UserError, match="2 weights, expected 3 x 1"):
        cue.read_weights(tmp_path / "w.dat", (3, 1))
