"""Every exception becomes one screen of text and an exit code."""

import json
import zipfile
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from nm_backends.cli import Commands, cli
from nm_backends.cli.guard import shortened
from nm_backends.cli.output import json_option
from nm_backends.errors import UnknownNameError, UserError, did_you_mean
from nm_backends.rules import CompileError, Diagnostic, Report, rule


def raised_by_us():
    rule("X001", "error")(lambda network, spec: [])


def raised_on_the_way():
    return int("seven")


def raiser(error):
    def function():
        raise error

    return function


REPORT = Report("odin", "m.nir", [Diagnostic("ODIN001", "error", "too many", "fc1", hint="fewer")])
CASES = {
    "user error": (raiser(UserError("no spikes in x.npz", "add some")), 2, "no spikes in x.npz"),
    "unknown name": (raiser(UnknownNameError("unknown chip 'x'")), 2, "unknown chip 'x'"),
    "our own error": (raised_by_us, 2, "rule X001 has no docstring"),
    "a library's ValueError": (raised_on_the_way, 3, "this is a bug"),
    "a stranger's ValueError": (raiser(ValueError("odd")), 3, "this is a bug"),
    "no file": (lambda: Path("gone.nir").read_text(), 2, "gone.nir: no such file"),
    "zip": (raiser(zipfile.BadZipFile("File is not a zip file")), 2, "damaged"),
    "memory": (raiser(MemoryError("10 TiB")), 2, "not enough memory"),
    "report": (raiser(CompileError(REPORT)), 1, "ODIN001 error at fc1: too many"),
    "bug": (raiser(AttributeError("no attribute 'x'")), 3, "this is a bug"),
    "assertion": (raiser(AssertionError()), 3, "AssertionError"),
    "ctrl-c": (raiser(KeyboardInterrupt()), 130, "interrupted"),
}


def invoke(function, *args):
    group = Commands("nmb", callback=lambda: None)

    @group.command("go")
    @json_option
    def go(as_json):
        function()

    return CliRunner().invoke(group, ["go", *args])


@pytest.mark.parametrize("case", CASES)
def test_exit_code_and_message(case):
    function, code, text = CASES[case]
    result = invoke(function)
    assert result.exit_code == code
    assert text in result.output
    assert "Traceback" not in result.output
    assert len(result.output.splitlines()) <= 10


@pytest.mark.parametrize("case", ["user error", "report", "bug"])
def test_errors_in_json(case):
    function, code, _ = CASES[case]
    result = invoke(function, "--json")
    assert result.exit_code == code
    said = json.loads(result.stdout)
    assert said["ok"] is False
    assert "diagnostics" in said or said["error"]["message"]


def test_a_hint_is_printed():
    assert "help: add some" in invoke(CASES["user error"][0]).output


def test_debug_shows_the_traceback(monkeypatch):
    monkeypatch.setenv("NMB_DEBUG", "1")
    result = invoke(CASES["bug"][0])
    assert "Traceback (most recent call last)" in result.stderr


def test_a_very_long_message_is_cut():
    assert len(shortened("line\n" * 500).splitlines()) == 31
    assert len(shortened("x" * 10_000)) < 1_100
    assert len(invoke(raiser(UserError("line\n" * 500))).output.splitlines()) <= 40


def test_many_findings_fit_one_screen():
    findings = [Diagnostic("ODIN001", "error", f"problem {i}", hint="fewer") for i in range(200)]
    result = invoke(raiser(CompileError(Report("odin", "m.nir", findings))))
    assert len(result.output.splitlines()) <= 40
    assert "more findings (--json has them all)" in result.output


def test_unknown_command_gets_the_closest_name(nmb):
    result = nmb("complie", "x")
    assert result.exit_code == 2
    assert "No such command 'complie'; did you mean compile or compare?" in result.output


def test_every_command_has_one_line_of_help(nmb):
    result = nmb("--help")
    assert result.exit_code == 0
    lines = result.output.partition("Commands:")[2].strip().splitlines()
    assert len(lines) == len(cli.list_commands(click.Context(cli)))
    assert not [line for line in lines if line.endswith("...")]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("odn", "did you mean odin or tinyodin?"),
        ("zzzz", "known: odin, tinyodin"),
    ],
)
def test_did_you_mean(name, hint):
    assert did_you_mean(name, ["tinyodin", "odin"]) == hint


def test_did_you_mean_nothing():
    assert did_you_mean("x", []) == "none is registered"
