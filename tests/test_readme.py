"""README and guide keep their word: commands and programs run, and print what is shown."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
GUIDE = sorted((ROOT / "nm_backends" / "docs" / "pages" / "guide").glob("*.md"))
PAGES = {"README": README, **{path.stem: path.read_text() for path in GUIDE}}
REPORT = re.compile(r"<!-- report -->\n```sh\n(.*?)```.*?```text\n(.*?)```", re.DOTALL)


def blocks(mark, languages=r"\w+"):
    """Page, language and text of all blocks below a mark."""
    found = re.compile(rf"<!-- {mark} -->\n```({languages})\n(.*?)```", re.DOTALL)
    return [
        pytest.param(*block, id=f"{page}{number}")
        for page, text in PAGES.items()
        for number, block in enumerate(found.findall(text))
    ]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder that looks like the checkout, but can be written to."""
    (tmp_path / "nm_backends").symlink_to(ROOT / "nm_backends", target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{ROOT / 'plugins'}")
    monkeypatch.setenv("COLUMNS", "160")
    return tmp_path


def run(*command):
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_shell(text):
    """Run commands `nmb`, and return what each one printed."""
    printed = {}
    for line in text.strip().splitlines():
        program, *words = line.split("#")[0].split()
        assert program == "nmb"
        printed[line] = run("-m", "nm_backends", *words)
    return printed


def test_there_is_something_to_run():
    assert len(README.splitlines()) < 350
    assert len(blocks("run")) > 10
    assert len(blocks("run with frameworks")) > 4


@pytest.mark.parametrize(("language", "text"), blocks("run", "python"))
def test_programs_run(home, language, text):
    assert run("-c", text)


def test_commands_run_and_print_what_the_readme_shows(home):
    (block,) = blocks("run", "sh")
    printed = run_shell(block.values[1])
    assert all(printed.values())
    commands, shown = REPORT.search(README).groups()
    made = [line.removeprefix(".venv/bin/") for line in commands.splitlines()[1:]]
    text = "".join(printed[line] for line in made)
    seen = [" ".join(line.split()) for line in text.splitlines()]
    wanted = [" ".join(line.split()) for line in shown.splitlines()]
    assert seen[-len(wanted) :] == wanted


@pytest.mark.frameworks
@pytest.mark.parametrize(("language", "text"), blocks("run with frameworks"))
def test_programs_run_with_frameworks(home, language, text):
    assert run("-c", text)


def test_the_demo_prints_the_table_that_is_shown(home, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    printed = run("-m", "nm_backends", "demo", "-o", "out")
    shown = re.search(r"```text\n(.*?)```", README, re.DOTALL).group(1)
    for line in shown.strip().splitlines():
        assert line.strip() in printed, f"README shows {line!r}, nmb demo prints:\n{printed}"


def test_rules_that_are_named_exist(home):
    named = {code for text in PAGES.values() for code in re.findall(r"nmb explain (\w+\d)", text)}
    for code in named:
        assert code in run("-m", "nm_backends", "explain", code)
