"""What is assumed about a chip: listed, corrected, refused with a reason."""

import json
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

import nm_backends as nmb
from nm_backends.assumptions import assume, assumptions_of, choice, describe, made
from nm_backends.errors import UserError
from nm_backends.rules import Report


@dataclass(frozen=True)
class Guesses:
    depth: int = choice(8, "depth of the queue", "so many entries", "as on its sibling")
    ratio: float = choice(0.5, "duty", "half", "a guess")
    dense: bool = choice(True, "layout", "dense", "a guess")
    order: str = choice("xy", "order", "x first", "a guess")


class Chip:
    spec = SimpleNamespace(name="guessed")

    def __init__(self, assumptions=None):
        self.assumptions = assumptions or Guesses()

    def assuming(self, assumptions):
        return Chip(assumptions)


def test_a_backend_is_had_under_other_assumptions():
    chip = Chip()
    assert assume(chip, {}) is chip
    other = assume(chip, {"depth": "16", "dense": "false"})
    assert other.assumptions == Guesses(depth=16, dense=False)
    assert assume(chip, {"dense": "false", "depth": "16"}) is other
    assert [a.name for a in assumptions_of(other) if not a.default] == ["depth", "dense"]
    assert "depth = 16  (not the default)\n    open: depth of the queue" in describe(other)


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        ({"dept": 1}, "no assumption 'dept'", "did you mean depth"),
        ({"depth": "many"}, "assumption depth: 'many', expected a value like 8", ""),
        ({"depth": 1.5}, r"assumption depth: 1\.5", ""),
        ({"depth": True}, "assumption depth: True", ""),
        ({"order": 3}, "assumption order: 3", ""),
        ({"ratio": "nothing"}, "assumption ratio", ""),
    ],
)
def test_impossible_assumptions_are_refused(given, message, hint):
    with pytest.raises(UserError, match=message) as refused:
        made(Guesses, given)
    assert hint in refused.value.hint


def test_a_report_says_what_it_rests_on():
    report = Report("guessed", assumptions=assumptions_of(Guesses(depth=9)))
    text = "rests on 4 assumptions, depth=9 (nmb chips guessed --assumptions)"
    assert text in str(report).splitlines()
    assert json.loads(report.to_json())["assumptions"][0]["value"] == 9
    assert "assumptions" not in Report("known").to_dict()


def test_nothing_is_assumed_about_a_chip_whose_rtl_is_public(nmb):
    assert nmb("chips", "odin", "--assumptions").stdout == "nothing about odin is assumed\n"
    assert json.loads(nmb("chips", "odin", "--assumptions", "--json").stdout)["assumptions"] == []
    assert nmb("chips", "--assumptions").exit_code == 2


def test_assumptions_of_such_a_chip_cannot_be_changed():
    from nm_backends.testing import conventions, random_model

    with pytest.raises(UserError, match="nothing about odin is assumed: 'depth' cannot be changed"):
        nmb.compile(random_model(0), "odin", conventions(), assumptions={"depth": 2})
