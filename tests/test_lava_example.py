"""The Lava example and the guide's Lava program run, each with a time limit."""

import re
import subprocess
import sys

import pytest
from conftest import ROOT

pytestmark = pytest.mark.lava
PAGE = ROOT / "nm_backends" / "docs" / "pages" / "guide" / "lava.md"
BLOCKS = re.findall(r"<!-- lava -->\n```python\n(.*?)```", PAGE.read_text(), re.S)


def run(*command, cwd):
    """Run Python; it ends at its own time limit, or here."""
    done = subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True, timeout=150, cwd=cwd
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("chip", ["odin", "tinyodin"])
def test_the_example_runs_a_chip_beside_lavas_own_neurons(chip, tmp_path):
    example = ROOT / "examples" / "lava_chip_process.py"
    said = run(example, "--chip", chip, "--samples", "6", "--limit", "100", cwd=tmp_path)
    assert f"{chip} in Lava and by itself: the same, bit for bit" in said
    for name in ("Lava", chip):
        assert int(re.search(rf"^{name}: (\d+) of 6 digits", said, re.M)[1]) >= 5


def test_the_guides_program(tmp_path):
    (block,) = BLOCKS
    script = tmp_path / "program.py"
    script.write_text(block)
    (tmp_path / "nm_backends").symlink_to(ROOT / "nm_backends")
    assert "True" in run(script, cwd=tmp_path)
