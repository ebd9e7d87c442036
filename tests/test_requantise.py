"""Programs whose weights have moved: what follows, what stays."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from crossbar_networks import CHIPS, bernoulli, inputs, layers, link, network, neurons, single

import nm_backends as nmb
from nm_backends.errors import UserError
from nm_backends.requantise import requantise


def moved(given, change, bias=None):
    projections = [
        replace(p, weights=sp.csr_array(change(p.weights.toarray()))) for p in given.projections
    ]
    populations = {
        name: p if p.is_input or bias is None else replace(p, bias=p.bias + bias)
        for name, p in given.populations.items()
    }
    return replace(given, projections=projections, populations=populations)


def assert_same_image(a, b):
    assert {n: m.tobytes() for n, m in a.memories.items()} == {
        n: m.tobytes() for n, m in b.memories.items()
    }
    assert {n: np.asarray(r).tolist() for n, r in a.registers.items()} == {
        n: np.asarray(r).tolist() for n, r in b.registers.items()
    }


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("settle", ["never", "always"])
@pytest.mark.parametrize("calibrated", [False, True])
def test_unchanged_weights_give_the_same_image(chip, settle, calibrated):
    given = layers(12, 8, 4, mean=0.2, decay=0.9, bias=0.05)
    spikes = bernoulli(30, 4, 12, rate=0.3)
    options = nmb.CompileOptions(settle=settle)
    program = nmb.compile(given, chip, calibrate=spikes if calibrated else None, options=options)
    made = requantise(program, given)
    assert_same_image(made.image, program.image)
    assert all(np.array_equal(made.layout[n], a) for n, a in program.layout.items())
    assert made.metadata["weights_without_a_row"] == 0
    assert np.array_equal(made.run(spikes).spikes, program.run(spikes).spikes)


@pytest.mark.parametrize("chip", CHIPS)
def test_weights_move_by_whole_units_and_everything_else_stays(chip):
    weights = np.random.default_rng(0).integers(-6, 7, (20, 5)).astype(float)
    weights[0] = 7
    program = nmb.compile(single(weights, threshold=90.0, bias=1.0), chip)
    raised = requantise(program, moved(program.network, lambda w: np.where(w < 6, w + 1, w)))
    wanted = np.where(weights < 6, weights + 1, weights)
    assert np.allclose(raised.weights("fc"), wanted.T)
    fit, before = (p.fit.populations["a"] for p in (raised, program))
    assert np.array_equal(fit.threshold, before.threshold)
    assert fit.weight_error == pytest.approx(0)
    assert np.array_equal(raised.layout["address"], program.layout["address"])
    beyond = requantise(program, moved(program.network, lambda w: 10 * w))
    assert np.abs(beyond.weights("fc")).max() <= 8
    biased = requantise(program, moved(program.network, lambda w: w, bias=2.0))
    assert np.allclose(nmb.lower(biased.to_nir()).populations["a"].bias, 3.0)


@pytest.mark.parametrize("chip", CHIPS)
def test_sources_come_and_go(chip):
    weights = np.random.default_rng(1).integers(1, 7, (6, 4)).astype(float)
    weights[0], weights[3] = 7, 0
    program = nmb.compile(single(weights, threshold=90.0), chip)

    def change(w):
        w[3], w[5] = [1, 0, 2, 3], 0
        return w

    made = requantise(program, moved(program.network, change))
    assert np.allclose(made.weights("fc"), change(weights.copy()).T)
    again = requantise(made, moved(made.network, lambda w: w * [1, 0, 1, 1]))
    assert not again.weights("fc")[1].any()


def test_signs_without_a_row_are_given_up():
    weights = np.random.default_rng(2).integers(1, 8, (200, 4)).astype(float)
    weights[0] = 7
    given = single(weights, threshold=200.0)
    program = nmb.compile(given, "odin")

    def flip(w):
        w[:, 0] *= -1
        return w

    made = requantise(program, moved(given, flip))
    assert made.metadata["weights_without_a_row"] == 200
    found = made.weights("fc")
    assert not found[0].any()
    assert np.allclose(found[1:], weights.T[1:])
    few = single(weights[:100], threshold=200.0)
    made = requantise(nmb.compile(few, "odin"), moved(few, flip))
    assert np.allclose(made.weights("fc"), flip(weights[:100].copy()).T)
    assert {r.name: r.used for r in made.resources}["rows"] >= 200


def test_recurrent_weights_follow():
    rng = np.random.default_rng(3)
    w_in, w_rec = rng.integers(1, 8, (5, 6)).astype(float), -rng.integers(0, 8, (6, 6)) * 1.0
    given = network(
        [inputs(5), neurons("n", 6, threshold=30.0)],
        [link("in", "n", w_in), link("n", "n", w_rec, 1)],
    )
    given.projections[1].nodes = ("rec",)
    program = nmb.compile(given, "tinyodin")
    made = requantise(program, moved(given, lambda w: w - (w > 3)))
    assert np.allclose(made.weights("fc"), (w_in - (w_in > 3)).T)
    assert np.allclose(made.weights("rec"), w_rec.T)


def test_other_networks_are_refused():
    program = nmb.compile(single(np.ones((3, 2)), threshold=5.0), "odin")
    with pytest.raises(UserError, match="differ in their populations"):
        requantise(program, single(np.ones((3, 4)), threshold=5.0))


def test_a_chip_without_a_quick_way_compiles_anew(monkeypatch):
    from nm_backends.crossbar.backend import CrossbarBackend

    given = layers(6, 4, mean=0.3)
    program = nmb.compile(given, "tinyodin")
    other = moved(given, lambda w: w * 0.5)
    monkeypatch.delattr(CrossbarBackend, "requantise")
    assert_same_image(requantise(program, other).image, nmb.compile(other, "tinyodin").image)
