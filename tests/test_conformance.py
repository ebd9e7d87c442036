"""The conformance suite over every registered chip, and over the example plugin."""

import sys

import pytest
from conftest import TOY

from nm_backends.discovery import Candidate
from nm_backends.entries import ChipEntry
from nm_backends.registry import registry
from nm_backends.testing import CASES, cases_for, temporary_plugin

EXAMPLE = Candidate("toy", "toy_chip", "toy-chip-plugin", "0.1.0")
sys.path.insert(0, str(TOY))

with temporary_plugin(EXAMPLE):
    CHIPS = sorted(entry.name for entry, _ in registry().entries(ChipEntry))
    PAIRS = [(chip, case) for chip in CHIPS for case in cases_for(chip)]


@pytest.fixture(autouse=True)
def example():
    """Register the example plugin; it is not installed here."""
    with temporary_plugin(EXAMPLE) as plugin:
        yield plugin


@pytest.mark.parametrize(("chip", "case"), PAIRS, ids=str)
def test_conformance(chip, case):
    case.run(chip)


def test_every_chip_is_here():
    assert {"odin", "tinyodin", "toy"} <= set(CHIPS)


def test_built_in_chips_support_everything():
    for chip in ("odin", "tinyodin"):
        assert len(cases_for(chip)) == len(CASES)


def test_what_is_not_supported_has_a_reason(example):
    (entry,) = example.entries
    assert set(entry.unsupported) == {"verify", "events_are_exported"}
    assert all(len(reason) > 10 for reason in entry.unsupported.values())
    assert not {case.name for case in cases_for("toy")} & set(entry.unsupported)


def test_an_unknown_case_is_refused(example):
    from dataclasses import replace

    example.entries[0] = replace(example.entries[0], unsupported={"flies": "no wings"})
    with pytest.raises(ValueError, match=r"does not support unknown cases: \['flies'\]"):
        cases_for("toy")


def test_the_temporary_plugin_goes_again():
    from nm_backends.errors import UserError

    other = Candidate("other", "toy_chip", "x", "1")
    with pytest.warns(UserWarning, match="already registered"), temporary_plugin(other):
        pass
    with pytest.raises(UserError):
        cases_for("other")
