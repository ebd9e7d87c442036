"""What several test files share. Nothing here is heavy: imports stand inside the fixtures."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.register_assert_rewrite("nm_backends.testing")
ROOT = Path(__file__).resolve().parent.parent
TOY = ROOT / "examples" / "toy_chip_plugin"
_NEEDS = {"lava": "lava_*", "distributed": "study_dask", "optuna": "study_tuning"}
collect_ignore_glob = [f"test_{name}.py" for need, name in _NEEDS.items() if not find_spec(need)]


@pytest.fixture
def nmb(tmp_path, monkeypatch):
    """Run ``nmb`` in this process, in an empty directory: ``nmb("check", path, "--chip", "odin")``.

    Gives click's result: ``exit_code``, ``stdout``, ``stderr``, ``output``.
    """
    from click.testing import CliRunner

    from nm_backends.cli import cli

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NMB_DEBUG", raising=False)
    runner = CliRunner()

    def run(*args):
        return runner.invoke(cli, [str(arg) for arg in args], prog_name="nmb")

    return run


@pytest.fixture
def python():
    """Run Python in a fresh process: ``python("-m", "nm_backends", "chips", path=[...])``."""

    def run(*args, path=(), env=None, cwd=None):
        variables = {k: v for k, v in os.environ.items() if not k.startswith(("NMB_", "NM_BACK"))}
        variables |= {"PYTHONPATH": os.pathsep.join(map(str, path))} if path else {}
        return subprocess.run(
            [sys.executable, *map(str, args)],
            env=variables | (env or {}),
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    return run


@pytest.fixture
def model_file(tmp_path):
    """Write a small model that fits every chip, with the conventions that it needs: a path."""
    import nir

    from nm_backends.testing import random_model

    graph = random_model(0)
    graph.metadata["nm_backends"] = {"dt": 1e-3, "framework": "snntorch", "reset": "zero"}
    path = tmp_path / "small.nir"
    nir.write(path, graph)
    return path


@pytest.fixture
def spike_file(tmp_path):
    """Write input spikes for the small model: a path."""
    import numpy as np

    from nm_backends.testing import random_spikes

    path = tmp_path / "spikes.npz"
    np.savez(path, spikes=random_spikes(1))
    return path


@pytest.fixture
def digits():
    """Give the path of the digits network."""
    return ROOT / "nm_backends" / "data" / "digits.nir"
