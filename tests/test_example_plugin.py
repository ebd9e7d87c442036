"""The example plugin, installed from its own pyproject as a user would, works end to end."""

import importlib.util
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from conftest import TOY


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Install the example into a directory of its own: what goes on the path."""
    folder = tmp_path_factory.mktemp("toy")
    source = shutil.copytree(TOY, folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    command += ["--disable-pip-version-check", "--target", folder / "site"]
    if importlib.util.find_spec("hatchling"):  # then no network is needed
        command.append("--no-build-isolation")
    subprocess.run([*map(str, command), str(source)], check=True, timeout=240)
    return folder / "site"


@pytest.fixture
def nmb(python, site, tmp_path):
    """Run ``nmb`` in a process that sees the installed example."""

    def run(*args, **options):
        return python("-m", "nm_backends", *args, path=[site], cwd=tmp_path, **options)

    return run


def test_listed_with_its_origin(nmb):
    chips = {c["name"]: c for c in json.loads(nmb("chips", "--json").stdout)["chips"]}
    assert chips["toy"]["origin"] == "toy-chip-plugin 0.1.0"
    assert chips["toy"]["version"] == "0.1.0"
    assert chips["toy"]["neurons"] == 32
    assert {"morphic", "odin", "reckon", "spoon", "tinyodin", "toy"} == set(chips)
    assert "toy-chip-plugin 0.1.0" in nmb("chips").stdout


def test_sheet_and_rules(nmb):
    assert "64 inputs (made up)" in nmb("chips", "toy").stdout
    explained = nmb("explain", "TOY002")
    assert explained.returncode == 0
    assert "Train a feed-forward network." in explained.stdout


def test_check_compile_run_save_load(nmb, model_file, spike_file, tmp_path):
    checked = nmb("check", model_file, "--chip", "toy")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    compiled = nmb("compile", model_file, "--chip", "toy", "-o", "small.nmb")
    assert compiled.returncode == 0, compiled.stdout + compiled.stderr
    ran = nmb("run", "small.nmb", "--input", spike_file, "-o", "out.npz", "--record", "membrane")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    with np.load(tmp_path / "out.npz") as out:
        assert out["spikes"].shape == (20, 5, 4)
        assert out["spikes"].any()
        assert out["membranes/if1"].shape == (20, 5, 10)
    again = nmb("run", "small.nmb", "--input", spike_file, "--json")
    assert json.loads(again.stdout)["samples"] == 5


def test_close_to_the_float_model(nmb, model_file, spike_file, tmp_path):
    nmb("compile", model_file, "--chip", "toy", "-o", "small.nmb")
    nmb("run", "small.nmb", "--input", spike_file, "-o", "chip.npz")
    ran = nmb("run", model_file, "--reference", "--input", spike_file, "-o", "float.npz")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    with np.load(tmp_path / "chip.npz") as chip, np.load(tmp_path / "float.npz") as exact:
        assert np.mean(chip["layers/if1"] == exact["layers/if1"]) > 0.95


def test_export(nmb, model_file, spike_file):
    nmb("compile", model_file, "--chip", "toy", "-o", "small.nmb")
    exported = nmb("export", "small.nmb", "-o", "build", "--json")
    assert exported.returncode == 0, exported.stdout + exported.stderr
    assert json.loads(exported.stdout)["files"]


def test_limits_are_told(nmb, digits):
    refused = nmb("check", digits, "--chip", "toy", "--json")
    assert refused.returncode == 1
    report = json.loads(refused.stdout)
    codes = {d["code"] for d in report["diagnostics"] if d["severity"] == "error"}
    assert codes == {"TOY001", "TOY003"}


def test_switched_off(nmb):
    without = nmb("chips", "--json", env={"NM_BACKENDS_DISABLE": "toy"})
    assert "toy" not in {c["name"] for c in json.loads(without.stdout)["chips"]}
    refused = nmb("chips", "toy", env={"NM_BACKENDS_NO_AUTOLOAD": "1"})
    assert refused.returncode == 2
    assert "unknown chip 'toy'" in refused.stderr


BROKEN = {
    "import error": ("import nothing_here", "cannot be imported: ModuleNotFoundError"),
    "nonsense": (
        "from nm_backends.hookspecs import hookimpl\n"
        "@hookimpl\ndef nm_register_chips(register): register(42)",
        "registered 42, expected a ChipEntry",
    ),
    "duplicate": (
        "from toy_chip import nm_register_chips",
        "ChipEntry 'toy' is already registered by plugin 'toy'",
    ),
}


@pytest.fixture
def broken(tmp_path):
    """Make an installed distribution of one module: what goes on the path."""

    def make(text):
        folder = tmp_path / "broken"
        info = folder / "broken_chip-6.6.6.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-chip\nVersion: 6.6.6\n")
        (info / "entry_points.txt").write_text("[nm_backends]\nzz_broken = zz_broken_chip\n")
        (folder / "zz_broken_chip.py").write_text(text + "\n")
        return folder

    return make


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_neighbour_is_reported_and_skipped(python, site, broken, case):
    text, reason = BROKEN[case]
    path = [site, broken(text)]
    listed = python("-m", "nm_backends", "chips", path=path)
    assert listed.returncode == 0
    assert "toy-chip-plugin 0.1.0" in listed.stdout
    warning = f"warning: plugin 'zz_broken' (broken-chip 6.6.6) skipped: {reason}"
    (line,) = listed.stderr.splitlines()
    assert line.startswith(warning)
    details = python("-m", "nm_backends", "plugins", "-v", path=path).stdout
    assert reason in details
    assert "Traceback" in details


COMMAND = """
import click
from nm_backends.hookspecs import hookimpl

@hookimpl
def nm_register_commands(cli):
    @cli.command("hello")
    def hello():
        "Say hello."
        click.echo("hello from a plugin")

    @cli.command("check")
    def check():
        click.echo("not the real one")
"""


def test_a_plugin_adds_a_command(python, broken):
    path = [broken(COMMAND)]
    listed = python("-m", "nm_backends", "--help", path=path).stdout
    assert "hello    Say hello." in listed
    assert python("-m", "nm_backends", "hello", path=path).stdout == "hello from a plugin\n"
    assert "not the real one" not in python("-m", "nm_backends", "check", path=path).stdout
