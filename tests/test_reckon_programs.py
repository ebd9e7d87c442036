"""ReckOn programs as files: a layout that was tampered with never reaches the kernels."""

import numpy as np
import pytest
from crossbar_networks import bernoulli, inputs, layers, link, network, neurons
from test_reckon_mapping import membranes

import nm_backends as nmb
from nm_backends.agreement import agreement
from nm_backends.compiler import compile_model
from nm_backends.run import reference
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


@pytest.mark.parametrize("reset", ["zero", "subtract_delayed"])
def test_the_network_that_the_chip_holds(reset):
    """Its float run is nearer to the chip than that of the model; exact integers come back."""
    net = layers(8, 12, 6, seed=2, mean=0.3, decay=0.93, bias=0.03, reset=reset)
    net.populations["y"] = membranes("y", 2, decay=0.9, bias=0.2)
    net.projections.append(link("l2", "y", np.random.default_rng(0).normal(0, 1, (6, 2))))
    spikes = bernoulli(30, 4, 8, 0.3, 1)
    program = compile_model(net, "reckon")
    held = BACKEND.realised(program)
    chip, model = program.run(spikes), reference(net, spikes)
    again = reference(held.network, spikes)
    for name in ("l1", "l2"):
        before = agreement(chip.layers[name], model.layers[name])
        after = agreement(chip.layers[name], again.layers[name])
        assert after >= before
        assert after > 0.99
    assert held.network.populations["y"].decay.tolist() == [115 / 128] * 2
    np.testing.assert_allclose(held.network.populations["y"].bias, 0.2, atol=0.01)
    np.testing.assert_allclose(held.network.populations["l1"].bias, 0.03, atol=0.005)
    assert set(held.notes["l1"]) == {"address", "threshold", "alpha"}


def test_what_is_exact_comes_back_exactly():
    rng = np.random.default_rng(1)
    net = network(
        [inputs(5), neurons("a", 4, threshold=2.0, bias=0.25)],
        [link("in", "a", rng.integers(-6, 9, (5, 4)) / 8)],
    )
    held = BACKEND.realised(compile_model(net, "reckon")).network
    np.testing.assert_allclose(
        held.projections[0].weights.toarray(), net.projections[0].weights.toarray(), atol=1e-12
    )
    np.testing.assert_allclose(held.populations["a"].threshold, 2.0, atol=1e-12)
    np.testing.assert_allclose(held.populations["a"].bias, 0.25, atol=1e-12)
