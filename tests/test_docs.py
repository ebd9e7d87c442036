"""The pages that are made from the code say what the code says, for every registered chip."""

import re
from pathlib import Path

import pytest
from conftest import TOY

import nm_backends
from nm_backends.discovery import Candidate
from nm_backends.docs.api_pages import home_of
from nm_backends.docs.chip_pages import chip_names, rules_for
from nm_backends.docs.cli_page import cli_page, commands
from nm_backends.docs.generated import generated_pages
from nm_backends.docs.node_graphs import specimens
from nm_backends.docs.rule_pages import rule_list
from nm_backends.entries import load_object
from nm_backends.lowering.model import FIELDS
from nm_backends.registry import chips, core_rules, rules_of
from nm_backends.testing import temporary_plugin

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "nm_backends" / "docs"
WRITTEN = [*DOCS.glob("pages/**/*.md"), *ROOT.glob("plugins/*/page.md"), ROOT / "README.md"]

PROGRAMS = [
    (path.name, program)
    for path in sorted(DOCS.glob("pages/*.md"))
    for program in re.findall(r"<!-- run -->\n```python\n(.*?)```", path.read_text(), re.DOTALL)
]


@pytest.fixture(scope="module")
def pages():
    return generated_pages()


def listed(page):
    """The rules that a page lists, and those that it explains."""
    rows = re.findall(r"^\| \[(\w+)\]\(#\w+\) \| (\w+) \|", page, re.MULTILINE)
    return rows, re.findall(r"^#+ (\w+) \{#\w+\}\n\n\*(\w+)\*$", page, re.MULTILINE)


def same_rules(page, rules):
    rows, explained = listed(page)
    assert rows == explained == sorted((rule.code, rule.severity) for rule in rules)
    plain = page.replace("`", "")
    for rule in rules:
        for line in filter(None, map(str.strip, rule.explanation.splitlines())):
            assert line.replace("`", "") in plain, f"{rule.code}: {line}"


def test_every_chip_has_a_page_with_the_rules_of_the_code(pages):
    assert chip_names() == sorted(chips())
    for name in chips():
        page = pages[f"chips/{name}.md"]
        same_rules(page, rules_for(name))
        assert f"[{name}]({name}.md)" in pages["chips/index.md"]


def test_core_rules_are_those_of_the_code(pages):
    same_rules(pages["rules.md"], [*core_rules(), *rules_of()])


def test_every_figure_stands_with_its_source(pages):
    for name, spec in chips().items():
        rows = [line.split(" | ") for line in pages[f"chips/{name}.md"].splitlines()]
        found = {row[0].strip("| `"): row for row in rows if len(row) == 5}
        for figure, quantity in spec.quantities.items():
            assert found[figure][2] == quantity.status
            assert found[figure][4].strip(" |")


def test_a_chip_of_a_plugin_gets_a_page(monkeypatch):
    monkeypatch.syspath_prepend(str(TOY))
    with temporary_plugin(Candidate("toy", "toy_chip")):
        page = generated_pages()["chips/toy.md"]
    same_rules(page, load_object("toy_chip.rules:RULES"))
    assert "64 inputs (made up)" in page
    assert "so `result.energy` is None: nothing is made up" in page


def test_the_node_table_asks_about_every_primitive_of_nir():
    assert {one.kind for one in specimens()} == FIELDS.keys() - {"Input", "Output"}


def test_the_node_table_says_what_check_says(pages):
    page = pages["chips/tinyodin.md"]
    assert "| IF, reset to zero | yes |" in page
    assert re.search(r"\| LI as output \| \*\*no\*\* \| .*\(\[TINY003\]\(#tiny003\)\) \|", page)


def test_every_command_and_option_is_on_the_page():
    page = cli_page()
    sections = dict(
        re.findall(r"^## nmb (\S+)\n\n```text\n(.*?)```", page, re.DOTALL | re.MULTILINE)
    )
    assert list(sections) == [name for name, _ in commands()]
    for name, command in commands():
        for option in (word for p in command.params for word in p.opts if word.startswith("-")):
            assert option in sections[name], f"nmb {name} {option}"


def test_every_public_name_is_in_the_reference(pages):
    shown = re.findall(
        r"^::: (\S+)\n    options:\n      heading: (\S+)", pages["api/index.md"], re.MULTILINE
    )
    names = set(nm_backends.__all__) - {"__version__"}
    assert {heading for _, heading in shown} >= {f"nm_backends.{name}" for name in names}
    for name in names:
        module, _, attribute = home_of(name).rpartition(".")
        assert load_object(f"{module}:{attribute}") is getattr(nm_backends, name)


def test_text_of_rules_cannot_break_a_table():
    rule = core_rules()[0]
    page = rule_list([type(rule)("X001", "error", "a | b * c", "a | b * c\n\nMore.")])
    assert "| a \\| b \\* c |" in page


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_written_page_names_exists(path):
    text = path.read_text()
    names = {name for name, _ in commands()}
    for command in re.findall(r"(?:^|`)nmb ([a-z]+)\b", text, re.MULTILINE):
        assert command in names, f"nmb {command}"
    known = {rule.code for name in chips() for rule in rules_for(name)}
    known |= {rule.code for rule in core_rules()} | {"TOY001", "TOY002", "TOY003"}
    for code in re.findall(r"`(?:nmb explain )?([A-Z]{3,8}\d{3})`", text):
        assert code in known, code
    for file in re.findall(
        r"\b(?:tests|examples|plugins|nm_backends)/[\w/]+\.(?:py|md|npz|nir)\b", text
    ):
        assert (ROOT / file).exists(), file


@pytest.mark.parametrize(("page", "program"), PROGRAMS)
def test_programs_on_written_pages_run(page, program, monkeypatch):
    monkeypatch.chdir(ROOT)
    exec(compile(program, page, "exec"), {})
