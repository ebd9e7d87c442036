"""ReckOn programs as files: a layout that was tampered with never reaches the kernels."""

import numpy as np
import pytest
from crossbar_networks import bernoulli, layers

import nm_backends as nmb
from nm_backends.compiler import compile_model
from nm_reckon.backend import BACKEND


@pytest.fixture
def program():
    return compile_model(layers(6, 9, 4, seed=1, mean=0.4, bias=0.05), "reckon")


def set_to(name, index, value):
    return lambda layout: layout[name].__setitem__(index, value)


BROKEN = {
    "event_shift: out of range": set_to("event_shift", 0, -1),
    "event_channel: out of range": set_to("event_channel", 0, 6),
    "address: out of range": set_to("address", 2, 256),
    "address: expected 13 different places": set_to("address", 1, 0),
    "lag: out of range": set_to("lag", 0, 1 << 13),
    "probe: out of range": set_to("probe", 0, 13),
    "ticks_per_step: out of range": set_to("ticks_per_step", 0, 0),
    "deepest: less than a lag": set_to("deepest", 0, 0),
    "vote_steps: out of range": set_to("vote_steps", 0, -1),
    "scale: not a positive number": set_to("scale", 0, np.nan),
    "lag: missing": lambda layout: layout.pop("lag"),
    "lag: expected 2": lambda layout: layout.update(lag=np.zeros(3, np.int64)),
    "out_scale: expected 0": lambda layout: layout.update(out_scale=np.ones(1)),
    "event_shift: expected 8": lambda layout: layout.update(event_shift=np.zeros(1, np.int64)),
    "scale: float64[9, 1], expected a list of numbers": lambda layout: layout.update(
        scale=np.ones((9, 1))
    ),
}


@pytest.mark.parametrize("message", BROKEN)
def test_a_broken_layout_is_named(program, message):
    assert BACKEND.check_program(program) == []
    BROKEN[message](program.layout)
    assert any(line.startswith(message) for line in BACKEND.check_program(program))


def test_saved_and_loaded_with_its_options(program, tmp_path):
    path = tmp_path / "p.nmb"
    program.options = nmb.CompileOptions(vote_steps=3)
    program.save(path)
    again, spikes = nmb.load(path), bernoulli(9, 2, 6, 0.4)
    assert again.options.vote_steps == 3
    assert again.metadata == program.metadata
    np.testing.assert_array_equal(again.run(spikes).spikes, program.run(spikes).spikes)
