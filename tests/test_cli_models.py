"""``nmb lower``, ``nmb check`` and ``nmb compile``."""

import json

import bad_files
import pytest

from nm_backends.cli.options import NAMES, discretisation_from

NONE = {
    name: () if name in ("reset", "graded", "v0", "w_in", "v_reset") else None for name in NAMES
}


def test_lower(nmb, digits):
    result = nmb("lower", digits)
    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["lif1", "LIF", "48", "0.9", "1", "0", "1", "zero"] in rows
    assert ["lif1", "lif2", "480", "0", "fc2"] in rows
    assert "can be lowered" in rows_text(result)


def rows_text(result):
    return " ".join(result.stdout.split())


def test_lower_json(nmb, digits):
    said = json.loads(nmb("lower", digits, "--json").stdout)
    assert said["ok"] is True
    network = said["network"]
    assert [p["size"] for p in network["populations"]] == [64, 48, 10]
    assert network["projections"][1] == {
        "pre": "lif1",
        "post": "lif2",
        "synapses": 480,
        "delay": 0,
        "nodes": ["fc2"],
    }
    assert network["discretisation"]["dt"] == 1e-3


def test_lower_says_what_it_assumed(nmb, tmp_path):
    import nir

    path = tmp_path / "bare.nir"
    nir.write(path, bad_files.graph())
    result = nmb("lower", path)
    assert "NMB120 warning" in result.stdout
    assert "NMB120" not in nmb("lower", path, "--dt", "1e-3").stdout


def test_lower_options_reach_the_network(nmb, digits):
    options = ("--reset", "subtract", "--dt", "1e-3", "--spike-cmp", ">=")
    network = json.loads(nmb("lower", digits, *options, "--json").stdout)["network"]
    assert {p["reset"] for p in network["populations"]} == {None, "subtract"}
    assert network["populations"][1]["spike_cmp"] == ">="


def test_lower_refuses(nmb, tmp_path):
    result = nmb("lower", tmp_path / "gone.nir", "--json")
    assert result.exit_code == 1
    said = json.loads(result.stdout)
    assert (said["ok"], said["network"]) == (False, None)
    assert said["diagnostics"][0]["code"] == "NMB001"


def test_no_options_means_no_discretisation():
    assert discretisation_from(NONE) is None


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("dt", 1e-4, 1e-4),
        ("framework", "norse", "norse"),
        ("reset", ("zero",), "zero"),
        ("reset", ("a=zero", "b.c=none"), {"a": "zero", "b.c": "none"}),
        ("graded", ("a=2",), {"a": 2.0}),
        ("v0", ("v_leak",), "v_leak"),
        ("v0", ("0.5",), 0.5),
        ("v0", ("a=v_reset", "b=1"), {"a": "v_reset", "b": 1.0}),
        ("w_in", ("tau_syn/dt",), "tau_syn/dt"),
        ("w_in", ("a=b=tau_syn/dt",), {"a=b": "tau_syn/dt"}),
        ("v_reset", ("-0.1",), -0.1),
        ("snap", False, False),
        ("if_gain", "r*dt", "r*dt"),
    ],
)
def test_options_become_a_discretisation(name, given, value):
    assert getattr(discretisation_from({**NONE, name: given}), name) == value


@pytest.mark.parametrize("chip", ["odin", "reckon", "tinyodin"])
def test_check(nmb, digits, chip):
    result = nmb("check", digits, "--chip", chip)
    assert result.exit_code == 0, result.output
    assert f"on {chip}: fits" in result.stdout


def test_check_refuses_with_code_place_and_remedy(nmb, tmp_path):
    path = bad_files.wide(tmp_path / "wide.nir", 257)
    result = nmb("check", path, "--chip", "tinyodin")
    assert result.exit_code == 1
    assert "does not fit" in result.stdout
    assert "TINY" in result.stdout
    assert "help: " in result.stdout
    said = json.loads(nmb("check", path, "--chip", "tinyodin", "--json").stdout)
    assert (said["ok"], said["chip"]) == (False, "tinyodin")
    assert any(d["severity"] == "error" for d in said["diagnostics"])


def test_check_reports_everything_at_once(nmb, tmp_path):
    model = bad_files.graph(v_threshold=bad_files.np.array([1, float("nan"), 1]))
    model.nodes["fc"].weight[0, 0] = float("inf")
    path = bad_files.write(tmp_path / "two.nir", model)
    said = json.loads(nmb("check", path, "--chip", "odin", "--json").stdout)
    assert {d["node"] for d in said["diagnostics"] if d["severity"] == "error"} == {"fc", "lif"}


def test_the_chip_is_looked_up_before_the_model(nmb):
    result = nmb("check", "gone.nir", "--chip", "tinyodn")
    assert result.exit_code == 2
    assert "unknown chip 'tinyodn'" in result.output


def test_compile(nmb, model_file, tmp_path):
    result = nmb("compile", model_file, "--chip", "tinyodin", "-o", "small.nmb")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "small.nmb").stat().st_size > 1000
    assert "written: small.nmb" in result.stdout
    assert "neurons" in result.stdout
    assert "256" in result.stdout


def test_compile_json_and_calibration(nmb, model_file, spike_file):
    command = ("compile", model_file, "--chip", "odin", "-o", "small.nmb", "--json")
    said = json.loads(nmb(*command, "--calibrate", spike_file).stdout)
    assert said["ok"]
    assert said["program"] == "small.nmb"
    assert all(r["used"] <= r["available"] for r in said["resources"])
    assert set(said["fit"]) == {"if1", "if2"}


def test_compile_twice_gives_the_same_file(nmb, model_file, tmp_path):
    for name in ("a.nmb", "b.nmb"):
        nmb("compile", model_file, "--chip", "odin", "-o", name)
    assert (tmp_path / "a.nmb").read_bytes() == (tmp_path / "b.nmb").read_bytes()
