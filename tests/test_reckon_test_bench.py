"""The test bench of the public release: what it programs and how it drives, from its own files."""

import numpy as np
import pytest
from test_reckon_cue_accumulation import written

from nm_backends.errors import UserError
from nm_reckon import cue_accumulation as cue
from nm_reckon import test_bench as bench

SHAPES = {"inp": (40, 100), "rec": (100, 100), "out": (100, 2)}


@pytest.fixture
def release(tmp_path):
    """A folder with files as the public release has them, and weights like its own."""
    rng = np.random.default_rng(0)
    for name, shape in SHAPES.items():
        spread = {"inp": 14.3, "rec": 1.8, "out": 9.1}[name]
        weights = np.rint(rng.normal(0, spread, shape)).astype(int)
        if name == "rec":
            np.fill_diagonal(weights, 0)
        text = "\n".join(map(str, weights.ravel()))
        (tmp_path / f"init_rand_weights_{name}_cueAcc.dat").write_text(text)
    for name, seed in (("train", 1), ("test", 2)):
        written(tmp_path / f"dataset_cueAcc_{name}.dat", cue.generate(4, seed))
    return tmp_path


def test_the_image_holds_the_files_and_the_registers(release):
    image = bench.image(release)
    assert image.registers["SPI_LR_P_WOUT"] == 14
    assert image.registers["SPI_SEED_STRND_TREC"] == 0x3F6FF6F6
    lines = (release / "init_rand_weights_rec_cueAcc.dat").read_text().split()
    held = image.memories["recurrent_weight"].view(np.int8).reshape(256, 256)
    assert held[:100, :100].ravel().tolist() == list(map(int, lines))
    assert not held[100:].any()
    assert not held[:, 100:].any()


def test_epochs_count_what_is_right_and_go_on_from_each_other(release):
    one, two = list(bench.run(release, 2)), list(bench.run(release, 2))
    assert one == two
    assert len(one) == 2
    assert all(0 <= right <= 4 for epoch in one for right in epoch)


def test_a_sample_is_driven_as_the_sheet_says():
    data = cue.generate(2, 3)
    learned, tested = (bench.samples(data, learn)[1] for learn in (True, False))
    assert learned.label_tick == 2100
    assert learned.label == data.labels[1]
    assert learned.target_valid.sum() == learned.infer_acc.sum() == 150
    assert tested.target_valid is None
    assert tested.label_tick == -1
    assert learned.ev_tick.size == data.spikes[:, 1].sum()


def test_a_folder_without_the_files_is_named(tmp_path):
    with pytest.raises(UserError, match=r"weights_inp_cueAcc[.]dat: No such file"):
        bench.image(tmp_path)
