"""The README keeps its word: its commands and programs run, and print what it shows."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
FRAMEWORKS = re.findall(r"<!-- run with frameworks -->\n```python\n(.*?)```", README, re.DOTALL)
BLOCKS = re.findall(r"<!-- run -->\n```(\w+)\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder that looks like the checkout, but can be written to."""
    (tmp_path / "nm_backends").symlink_to(ROOT / "nm_backends", target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{ROOT / 'plugins'}")
    return tmp_path


def run(*command):
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_there_is_something_to_run():
    languages = [language for language, _ in BLOCKS]
    assert languages == ["sh"] + ["python"] * (len(languages) - 1)
    assert len(languages) > 6


@pytest.mark.parametrize(("language", "text"), BLOCKS)
def test_blocks_run(home, language, text):
    if language == "python":
        assert run("-c", text)
        return
    for line in text.strip().splitlines():
        program, *words = line.split("#")[0].split()
        assert program == "nmb"
        assert run("-m", "nm_backends", *words)


@pytest.mark.frameworks
@pytest.mark.parametrize("text", FRAMEWORKS)
def test_blocks_run_with_frameworks(home, text):
    assert run("-c", text)


def test_the_demo_prints_the_table_that_is_shown(home, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    printed = run("-m", "nm_backends", "demo", "-o", "out")
    shown = re.search(r"```text\n(.*?)```", README, re.DOTALL).group(1)
    for line in shown.strip().splitlines():
        assert line.strip() in printed, f"README shows {line!r}, nmb demo prints:\n{printed}"


def test_rules_named_in_the_readme_exist(home):
    for code in re.findall(r"nmb explain (\w+\d)", README):
        assert code in run("-m", "nm_backends", "explain", code)
