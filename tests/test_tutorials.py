"""The tutorials keep their word: their programs run in turn and print what is shown."""

import json
import re
import subprocess
import sys

import pytest
from conftest import ROOT
from tutorial_page import blocks

PAGES = ROOT / "nm_backends" / "docs" / "pages" / "tutorials"
MARKS = {"snntorch": pytest.mark.frameworks, "lava": pytest.mark.lava}
TUTORIALS = sorted(page.stem for page in PAGES.glob("*.md") if page.stem != "index")


def marked(name):
    return pytest.param(name, marks=MARKS[name]) if name in MARKS else name


@pytest.fixture
def home(tmp_path):
    """A folder that looks like the checkout, but can be written to."""
    for name in ("nm_backends", "examples", "tests"):
        (tmp_path / name).symlink_to(ROOT / name, target_is_directory=True)
    return tmp_path


def test_all_tutorials_are_listed():
    index = (PAGES / "index.md").read_text()
    assert sorted(re.findall(r"\]\(([\w-]+)\.md\)", index)) == TUTORIALS
    assert len(TUTORIALS) == 5


@pytest.mark.parametrize("name", [marked(name) for name in TUTORIALS])
def test_a_tutorial_prints_what_it_shows(name, home):
    page = PAGES / f"{name}.md"
    command = [sys.executable, ROOT / "tests" / "tutorial_page.py", page]
    done = subprocess.run(command, capture_output=True, text=True, cwd=home, timeout=150)
    assert done.returncode == 0, done.stdout + done.stderr
    printed = json.loads(done.stdout.splitlines()[-1])
    shown = blocks(page.read_text())
    assert len(printed) == len(shown) > 2
    for (_, text, expected), found in zip(shown, printed, strict=True):
        assert expected or not found, f"{text}\nprints\n{found}"
        assert lines(found) == lines(expected), f"{text}\nprints\n{found}"


def lines(text):
    """Return lines without the blanks that tables end in."""
    return [line.rstrip() for line in text.strip().splitlines() if line.strip()]
