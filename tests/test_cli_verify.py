"""``nmb verify``: a table, the first divergence, and the exit code."""

import json
from pathlib import Path

import numpy as np
import pytest

TRACES = Path(__file__).resolve().parent / "traces"
TINY = sorted(TRACES.glob("tinyodin/*.npz"))
ODIN = TRACES / "odin" / "lif_fanin_saturation_00.npz"


@pytest.fixture
def edited(tmp_path):
    """Copy a trace with one value of one array changed: a path."""

    def edit(source, name, index):
        with np.load(source) as stored:
            arrays = {key: stored[key] for key in stored.files}
        arrays[name][index] ^= 1
        path = tmp_path / f"edited-{source.name}"
        np.savez(path, **arrays)
        return path

    return edit


def test_one_table_for_all_traces(nmb):
    result = nmb("verify", *TINY, ODIN)
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["tinyodin", str(len(TINY)), str(len(TINY)), "0", "0"] in [row[:5] for row in rows]
    assert ["odin", "1", "1", "0", "0"] in [row[:5] for row in rows]
    assert f"all {len(TINY) + 1} traces are reproduced bit for bit" in result.stdout


@pytest.mark.parametrize(
    ("name", "index"),
    [("out_addr", 0), ("out_cycle", -1), ("neuron_final", (3, 0)), ("ev_core_cycles", 5)],
)
def test_the_first_divergence_is_named(nmb, edited, name, index):
    path = edited(TRACES / "tinyodin" / "saturation_00.npz", name, index)
    result = nmb("verify", path)
    assert result.exit_code == 1
    assert "edited-saturation_00.npz: differs at " in result.stdout
    assert "expected " in result.stdout
    assert ", got " in result.stdout
    said = json.loads(nmb("verify", path, "--json").stdout)
    assert said["ok"] is False
    assert said["traces"][0]["divergence"]["expected"] != said["traces"][0]["divergence"]["got"]


def test_json(nmb):
    said = json.loads(nmb("verify", ODIN, "--json").stdout)
    assert said["ok"] is True
    assert said["traces"][0]["chip"] == "odin"
    assert said["traces"][0]["counts"]["events"] > 0


def test_a_file_that_is_no_trace_does_not_stop_the_others(nmb, tmp_path):
    bad = tmp_path / "bad.npz"
    np.savez(bad, x=np.zeros(3))
    result = nmb("verify", bad, ODIN)
    assert result.exit_code == 1
    assert "bad.npz: array meta: missing" in result.stdout
    assert "odin" in result.stdout
    said = json.loads(nmb("verify", bad, ODIN, "--json").stdout)
    assert said["unusable"][0]["file"] == str(bad)
    assert said["traces"][0]["ok"] is True


def test_another_chip_can_be_asked_for(nmb):
    result = nmb("verify", ODIN, "--chip", "tinyodin")
    assert result.exit_code in (1, 2)
    assert "Traceback" not in result.output


def test_no_traces(nmb):
    assert nmb("verify").exit_code == 2
