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
    assert {"morphic", "odin", "reckon", "spoon", "tinyodin", "toy"} <= set(CHIPS)


def test_built_in_chips_support_everything():
    for chip in ("morphic", "odin", "reckon", "spoon", "tinyodin"):
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


def dead_neuron(backend, program, run):
    run.layers["if2"][:, :, 0] = 0
    run.membranes.clear()


def leaks_between_samples(backend, program, run):
    run.layers["if1"][:, 1:] |= run.layers["if1"][:, :1]


def never_the_same(backend, program, run):
    backend.runs = getattr(backend, "runs", 0) + 1
    run.counters["cycles"] += backend.runs


def fires_in_silence(backend, program, run):
    run.layers["if2"][-1] = 1


def forgets_a_counter(backend, program, run):
    del run.counters["sops"]


@pytest.mark.parametrize(
    ("defect", "case"),
    [
        (dead_neuron, "membranes_are_recorded"),
        (leaks_between_samples, "batch_equals_singles"),
        (never_the_same, "runs_the_same_twice"),
        (fires_in_silence, "silence_stays_silent"),
        (forgets_a_counter, "operations_are_counted"),
    ],
)
def test_the_suite_notices_a_defect(monkeypatch, defect, case):
    from toy_chip.backend import ToyBackend

    sound = ToyBackend.execute

    def execute(self, program, spikes, record, threads):
        run = sound(self, program, spikes, record, threads)
        defect(self, program, run)
        return run

    monkeypatch.setattr(ToyBackend, "execute", execute)
    (run,) = [c.run for c in CASES if c.name == case]
    with pytest.raises((AssertionError, KeyError)):
        run("toy")


def test_the_suite_notices_a_session_that_forgets(monkeypatch):
    from nm_backends.crossbar.session import CrossbarSession

    sound = CrossbarSession.step

    def forgetful(self, counts, targets=None):
        self.reset()
        return sound(self, counts, targets)

    monkeypatch.setattr(CrossbarSession, "step", forgetful)
    (run,) = [c.run for c in CASES if c.name == "steps_are_the_run"]
    with pytest.raises(AssertionError, match="of step"):
        run("odin")


def test_the_suite_notices_an_incomplete_stream(monkeypatch):
    from toy_chip.backend import ToyBackend

    sound = ToyBackend.write_stream
    monkeypatch.setattr(ToyBackend, "write_stream", lambda self, image: sound(self, image)[1:])
    (run,) = [c.run for c in CASES if c.name == "programming_stream_is_complete"]
    with pytest.raises(AssertionError, match="synapse"):
        run("toy")
