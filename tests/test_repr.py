"""What a person sees at the prompt: a few lines, never arrays."""

import pytest

import nm_backends as nmb
from nm_backends.testing import conventions, random_model, random_spikes


@pytest.fixture(scope="module")
def program():
    return nmb.compile(random_model(0), "tinyodin", conventions())


def test_a_result_is_a_few_lines(program):
    shown = repr(program.run(random_spikes(1)))
    assert shown.startswith("Result: 5 samples, spikes 20 x 5 x 4\n  if1: ")
    assert "  cycles: " in shown
    assert "  latency: " in shown
    assert len(shown.splitlines()) < 15
    assert "array" not in shown


def test_what_else_is_printed_shows_itself_at_the_prompt(program):
    assert repr(program) == str(program)
    assert repr(program.network) == str(program.network)
    assert "array" not in repr(program)
