"""Recorded runs of ReckOn: both models reproduce them, and say where an edited one differs."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from reference_models.reckon import ReckonReference

from nm_backends.trace import TraceError
from nm_reckon.sample import SampleLog
from nm_reckon.trace import load, recognises, verify, verify_on

TRACES = Path(__file__).resolve().parent / "traces" / "reckon"
CASES = sorted(TRACES.glob("*.npz"))
QUICK = ("ep_big", "ep_seed0", "inf_dirty0", "inf_thr_nonpos", "inf_outwide", "inf_tiny")
TINY = TRACES / "inf_tiny.npz"
LEARNING = TRACES / "ep_big.npz"
SPI = TRACES / "spi_cueacc_program.npz"


@pytest.fixture
def edited(tmp_path):
    """Copy a trace with changed arrays: a path."""

    def edit(source, **changes):
        with np.load(source) as stored:
            arrays = {name: stored[name] for name in stored.files}
        for name, change in changes.items():
            arrays[name] = change(arrays[name].copy())
        path = tmp_path / source.name
        np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
        return path

    return edit


def flipped(*index, bit=1):
    def change(array):
        array[index] ^= bit
        return array

    return change


def put(index, value):
    def change(array):
        array[index] = value
        return array

    return change


def test_there_are_traces():
    assert {*QUICK, "spi_cueacc_program"} < {path.stem for path in CASES}


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_simulator_reproduces(path):
    verdict = verify(path)
    assert verdict.ok, str(verdict)
    assert verdict.chip == "reckon"
    assert verdict.counts["events"] > 0
    assert verdict.counts["values"] > 100_000


@pytest.mark.parametrize("name", QUICK)
def test_the_plain_model_reproduces(name):
    verdict = verify_on(TRACES / f"{name}.npz", ReckonReference)
    assert verdict.ok, str(verdict)


@pytest.mark.parametrize(
    ("source", "changes", "place"),
    [
        (TINY, {"spikes": flipped(70, 0, bit=4)}, "sample 1, tick 10, neuron 2, spikes[70, 2]"),
        (TINY, {"oneur_step": flipped(3, 1)}, "sample 0, tick 3, oneur_step[3, 1]"),
        (TINY, {"oneur_ready": flipped(60, 0)}, "sample 1, tick 0, oneur_ready[60, 0]"),
        (TINY, {"winner_count": flipped(149, 1)}, "sample 2, tick 29, winner_count[149, 1]"),
        (TINY, {"out_data": flipped(1)}, "sample 1, tick 59, out_data[1]"),
        (
            TINY,
            {"lfsr": flipped(5, 4)},
            "sample 0, tick 5, lfsr: membrane rounding, odd[5, 4]",
        ),
        (TINY, {"cycles": flipped(5, 3)}, "sample 0, tick 5, cycles: PROP[5, 3]"),
        (
            TINY,
            {"cap_mem_step": flipped(7, 1, 6, bit=4)},
            "sample 0, tick 7, neuron 3, cap_mem_step: v_odd[7, 1, 6]",
        ),
        (
            TINY,
            {"cap_mem_ready": flipped(7, 2, 2)},
            "sample 0, tick 7, neuron 4, cap_mem_ready: t_inp_even[7, 2, 2]",
        ),
        (
            TINY,
            {"neur_mem_after": flipped(1, 2, 0)},
            "sample 1, neuron 4, neur_mem_after: v_even[1, 2, 0]",
        ),
        (TINY, {"lfsr_init": flipped(4)}, "lfsr_init: membrane rounding, odd[4]"),
        (LEARNING, {"dw_inp": flipped(0, 9, 4)}, "sample 0, neuron 4, dw_inp[0, 9, 4]"),
        (LEARNING, {"dw_rec": flipped(1, 9, 4)}, "sample 1, neuron 4, dw_rec[1, 9, 4]"),
        (LEARNING, {"dw_out": flipped(0, 9, 2)}, "sample 0, neuron 2, dw_out[0, 9, 2]"),
        (
            TINY,
            {"lfsr": flipped(9, 0), "spikes": flipped(8, 0), "dw_inp": flipped(0, 0, 0)},
            "sample 0, tick 8, neuron 0, spikes[8, 0]",
        ),
        (SPI, {"neur_mem": flipped(99, 15)}, "sample 0, neuron 198, neur_mem: alpha[99, 15]"),
        (SPI, {"w_rec": flipped(3, 4)}, "sample 0, neuron 4, w_rec[3, 4]"),
        (SPI, {"read_data": flipped(7)}, "sample 0, read_data[7]"),
        (SPI, {"SPI_KAPPA": flipped()}, "sample 0, SPI_KAPPA"),
        (SPI, {"lfsr": flipped(12)}, "sample 0, lfsr: noise[12]"),
        (SPI, {"dirty": flipped(0)}, "sample 0, neuron 0, dirty[0]"),
        (SPI, {"is_header": flipped(4)}, "sample 0, is_header[4]"),
    ],
)
def test_the_first_difference_is_named(edited, source, changes, place):
    verdict = verify(edited(source, **changes))
    assert not verdict.ok
    assert f"differs at {place}: expected " in str(verdict)
    assert verdict.divergence.expected != verdict.divergence.got


def test_missing_and_late_outputs(edited):
    fewer = {name: lambda array: array[:-1] for name in ("out_data", "out_tick")}
    assert "tick 29, out_data[2]: expected nothing, got" in str(verify(edited(TINY, **fewer)))
    late = str(verify(edited(TINY, out_tick=put(0, 58))))
    assert "sample 0, tick 58, out_tick[0]: expected 58, got 59" in late


@pytest.mark.parametrize(
    ("source", "changes", "message"),
    [
        (TINY, {"ev_addr": lambda a: a.astype(int) + 255}, r"array ev_addr: holds 255\.\.257"),
        (TINY, {"ev_tick": put(-1, 150)}, "array ev_tick: not ascending below 150"),
        (TINY, {"ev_tick": put(0, 99)}, "array ev_tick: not ascending below 150"),
        (TINY, {"ev_tick": put(0, -1)}, r"array ev_tick: holds -1\.\."),
        (TINY, {"ev_tick": lambda a: a[1:]}, r"array ev_addr: uint8\[\d+\], expected integers"),
        (TINY, {"cap_tick": put(1, 0)}, "array cap_tick: not ascending below 150"),
        (TINY, {"out_tick": put(2, 1000)}, "array out_tick: not ascending below 150"),
        (TINY, {"n_ticks": put(0, 1 << 30)}, "array tick_start: not the sums of n_ticks, 150"),
        (TINY, {"n_ticks": put(0, 1)}, r"array n_ticks: holds 1\.\.60, expected 2\.\."),
        (TINY, {"tick_start": lambda a: a[:2]}, "array tick_start: not the sums of n_ticks"),
        (TINY, {"lfsr_init": put(3, 1 << 15)}, "32768 for membrane rounding, even, a generator of"),
        (TINY, {"SPI_NUM_OUT_NEUR": lambda a: np.array(16)}, r"SPI_NUM_OUT_NEUR: holds 16\.\.16"),
        (TINY, {"SPI_ALPHA_CONF": lambda a: a[:127]}, "array SPI_ALPHA_CONF: "),
        (TINY, {"SPI_KAPPA": lambda a: None}, "array SPI_KAPPA: missing"),
        (TINY, {"w_rec_init": lambda a: a.astype(float)}, "array w_rec_init: not a plain array"),
        (TINY, {"target_valid": lambda a: a + 2}, r"array target_valid: holds 2\.\."),
        (TINY, {"neur_mem_init": lambda a: a[:, :15]}, r"array neur_mem_init: uint8\[128, 15\]"),
        (
            TINY,
            {"SPI_REGRESSION": lambda a: np.array(1), "label_tick": put(0, 5)},
            "array label_tick: a label, but SPI_REGRESSION is 1",
        ),
        (TINY, {"SPI_LOCAL_TICK": lambda a: np.array(1)}, "inf_tiny.npz: SPI_LOCAL_TICK is 1"),
        (SPI, {"mosi_words": lambda a: a[:-1], "is_header": lambda a: a[:-1]}, "truncated"),
        (SPI, {"mosi_words": put(0, 0x60010000)}, "target 6 does not exist"),
        (SPI, {"mosi_words": put(0, 0x00010007)}, "no register at address 7"),
        (SPI, {"read_len": put(0, 5)}, "array read_data: not read_len words"),
        (SPI, {"read_header": put(0, 0x10040000)}, "array read_header: bit 31 is not set"),
    ],
)
def test_nonsense_is_refused(edited, source, changes, message):
    with pytest.raises(TraceError, match=message):
        verify(edited(source, **changes))


def test_a_trace_of_something_else_is_refused(tmp_path):
    path = tmp_path / "other.npz"
    np.savez(path, x=np.zeros(3))
    assert not recognises({"x"})
    with pytest.raises(TraceError, match="not a recorded run of reckon"):
        load(path)


class Cue:
    """Stands in for a simulator in a training run: learns nothing and answers 0."""

    def __init__(self, image, dirty=None, lfsr=None):
        self.lfsr = np.zeros(13, np.uint32)

    def set_register(self, name, value):
        assert name == "SPI_DO_EPROP"

    def sample(self, sample, record=(), capture=()):
        assert sample.ticks == 2250
        return SampleLog(np.zeros(1, np.uint8), np.zeros(1, np.int32), np.zeros(4, np.int64))


def cue_results(epochs):
    """The arrays of a training run in which nothing happens; no sample recorded at every tick."""
    arrays = {}
    for phase in ("train", "test"):
        arrays[f"label_{phase}"] = np.arange(50) % 2
        arrays |= {f"{n}_{phase}": np.zeros((epochs, 50), int) for n in ("n_spikes", "cycles")}
        arrays[f"inferred_{phase}"] = np.zeros((epochs, 50), int)
        arrays[f"correct_{phase}"] = np.full(epochs, 25)
    for when, count in (("epoch", epochs), ("sample", 0)):
        for name, shape in (("inp", (40, 112)), ("rec", (100, 112)), ("out", (100, 2))):
            arrays[f"w_{name}_after_{when}"] = np.zeros((count, *shape), np.int8)
        arrays[f"lfsr_after_{when}"] = np.zeros((count, 13), np.uint32)
    for name, width in (("spikes", 13), ("oneur_step", 2), ("lfsr", 13), ("cycles", 4)):
        arrays[f"trace_{name}"] = np.zeros((0, 2250, width), int)
    arrays["trace_mem_tick"] = np.zeros(0, int)
    arrays["trace_mem_ready"] = np.zeros((0, 0, 52, 16), int)
    return arrays


@pytest.fixture
def cue_files(tmp_path):
    """A training run in its folder, with a data set and weights of our own making."""
    (tmp_path / "data").mkdir()
    for phase in ("train", "test"):
        lines = ["50"]
        for sample in range(50):
            lines += ["3, 100", f"-2, {sample % 2}", "-1, 2250"]
        (tmp_path / f"data/dataset_cueAcc_{phase}.dat").write_text("\n".join(lines))
    for name, size in (("inp", 4000), ("rec", 10000), ("out", 200)):
        (tmp_path / f"data/init_rand_weights_{name}_cueAcc.dat").write_text("0\n" * size)
    shutil.copy(SPI, tmp_path)
    path = tmp_path / "cueacc_train.npz"
    np.savez(path, **cue_results(1))
    return path


class Still(Cue):
    """A simulator whose weights stay zero."""

    def image(self):
        sizes = {"input_weight": 4096, "recurrent_weight": 4096, "output_weight": 512}
        memories = {name: np.zeros((words, 16), np.uint8) for name, words in sizes.items()}
        return SimpleNamespace(memories=memories)


def test_a_training_run_needs_the_files_beside_it(cue_files):
    (cue_files.parent / "data" / "dataset_cueAcc_test.dat").unlink()
    verdict = verify_on(cue_files, Still)
    assert not verdict.ok
    assert verdict.reason == "needs data/dataset_cueAcc_test.dat beside it"


def test_every_sample_of_a_training_run_is_compared(cue_files):
    assert verify_on(cue_files, Still).ok
    arrays = cue_results(1)
    arrays["cycles_test"][0, 31] = 7
    np.savez(cue_files, **arrays)
    assert "sample 81, cycles_test[0, 31]: expected 7, got 0" in str(verify_on(cue_files, Still))
    arrays["w_rec_after_epoch"][0, 4, 111] = 1
    np.savez(cue_files, **arrays)
    found = str(verify_on(cue_files, Still))
    assert "sample 49, neuron 111, w_rec_after_epoch[0, 4, 111]: expected 1, got 0" in found


@pytest.mark.parametrize("line", ["10000000000000", "x", "50\n77, 3", "50\n3, 9999", "1\n-1, 2250"])
def test_a_damaged_data_set_is_refused(cue_files, line):
    (cue_files.parent / "data" / "dataset_cueAcc_train.dat").write_text(line)
    with pytest.raises(TraceError, match=r"dataset_cueAcc_train\.dat"):
        verify_on(cue_files, Still)


def test_a_trace_without_a_name_is_recognised(nmb):
    """The chip needs not be named: its backend knows its traces by their arrays."""
    odin = TRACES.parent / "odin" / "lif_fanin_saturation_00.npz"
    result = nmb("verify", TINY, odin, SPI, "--json")
    assert result.exit_code == 0, result.output
    chips = [trace["chip"] for trace in json.loads(result.stdout)["traces"]]
    assert chips == ["reckon", "odin", "reckon"]
