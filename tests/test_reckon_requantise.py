"""ReckOn programs whose weights have moved: what follows, what stays."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from crossbar_networks import bernoulli, inputs, layers, link, network, neurons, single
from test_reckon_learning import compiled, samples
from test_reckon_mapping import membranes
from test_reckon_session import looped
from test_requantise import assert_same_image, moved

import nm_backends as nmb
from nm_backends.errors import UserError
from nm_backends.requantise import requantise
from nm_backends.run import reference
from nm_reckon.backend import BACKEND
from nm_reckon.reading import Reading, split

DATA = Path(nmb.__file__).parent / "data"
NETWORKS = {
    "stacked": lambda: layers(12, 8, 4, mean=0.2, decay=0.9, bias=0.05),
    "looped": lambda: looped(3, delay=2, bias=0.02, read=3),
    "subtracts": lambda: looped(4, "subtract_delayed", delay=3),
    "alone": lambda: layers(9, 5, mean=0.3),
    "several ticks": lambda: looped(1, "zero", 0.6, delay=1, read=2),
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("calibrated", [False, True])
def test_unchanged_weights_give_the_same_image(name, calibrated):
    given = NETWORKS[name]()
    spikes = bernoulli(20, 4, given.input_size, 0.3)
    program = nmb.compile(given, "reckon", calibrate=spikes if calibrated else None)
    made = requantise(program, given)
    assert_same_image(made.image, program.image)
    assert list(made.layout) == list(program.layout)
    assert all(np.array_equal(made.layout[n], a) for n, a in program.layout.items())
    assert made.resources == program.resources
    assert made.metadata["requantised"]
    for population, fit in made.fit.populations.items():
        before = program.fit.populations[population]
        assert fit.weight_error == before.weight_error
        assert np.array_equal(fit.threshold, before.threshold)


def test_a_learned_image_stays_too():
    program, (spikes, labels) = compiled(), samples()
    program.learn(spikes, labels, options={"rate_output": 0.1, "seed": 3}, progress=False)
    assert_same_image(requantise(program, program.network).image, program.image)


def test_weights_move_by_whole_units_and_everything_else_stays():
    weights = np.random.default_rng(0).integers(-6, 7, (20, 5)).astype(float)
    weights[0] = 7
    program = nmb.compile(single(weights, threshold=9.0), "reckon")
    raised = requantise(program, moved(program.network, lambda w: np.where(w < 6, w + 0.5, w)))
    wanted = np.where(weights < 6, weights + 0.5, weights)
    assert np.allclose(raised.weights("fc"), wanted.T)
    fit, before = (p.fit.populations["a"] for p in (raised, program))
    assert np.array_equal(fit.threshold, before.threshold)
    assert fit.weight_error == pytest.approx(0)
    assert np.array_equal(raised.layout["address"], program.layout["address"])
    beyond = requantise(program, moved(program.network, lambda w: 100 * w))
    unit = (1 << program.image.registers["SPI_FP_LOC_WINP"]) / program.layout["scale"]
    assert np.max(beyond.weights("fc").T / unit) == pytest.approx(127)
    assert beyond.fit.populations["a"].clipped > 0
    silent = requantise(program, moved(program.network, lambda w: 0 * w))
    assert not silent.run(bernoulli(5, 1, 20)).spikes.any()


@pytest.mark.parametrize("name", NETWORKS)
def test_moved_weights_are_at_most_a_unit_from_what_is_asked(name):
    """Half a unit is the rounding of what was there, half that of the move."""
    given = NETWORKS[name]()
    rng = np.random.default_rng(1)
    program = nmb.compile(given, "reckon")
    other = moved(given, lambda w: np.where(w == 0, 0, w - 0.1 * w * rng.random(w.shape)))
    made = requantise(program, other)
    held = BACKEND.realised(made).network
    reading, layout = Reading.of(made.layout, other), made.layout
    scale = dict(split(reading.fire, layout["scale"][: reading.lag.size]))
    scale |= split(reading.read, layout["out_scale"])
    for there, asked, before in zip(
        held.projections, other.projections, given.projections, strict=True
    ):
        inp, post = asked.pre == "in", other.populations[asked.post]
        which = "WOUT" if not post.spiking else "WINP" if inp else "WREC"
        unit = (1 << made.image.registers[f"SPI_FP_LOC_{which}"]) / scale[post.name]
        off = np.abs((there.weights - asked.weights).toarray()) / unit
        assert off.max() <= 1 + 1e-9
        assert (there.weights != before.weights).nnz


def test_biases_and_inputs_come_and_go():
    rng = np.random.default_rng(2)
    weights = rng.integers(1, 9, (6, 4)) / 8
    weights[3] = 0
    given = network([inputs(6), neurons("a", 4, threshold=2.0)], [link("in", "a", weights)])
    program = nmb.compile(given, "reckon")
    assert program.layout["event_channel"].tolist() == [0, 1, 2, 4, 5]

    def change(w):
        w[3], w[5] = [0.125, 0, 0.25, 0.375], 0
        return w

    made = requantise(program, moved(given, change, bias=0.25))
    assert made.layout["event_channel"].tolist() == [0, 1, 2, 3, 4, -1]
    assert np.allclose(made.weights("fc"), change(weights.copy()).T)
    assert np.allclose(made.to_nir().nodes["fc"].bias, 0.25)
    spikes = bernoulli(30, 3, 6, 0.4)
    assert np.array_equal(made.run(spikes).spikes, reference(made.network, spikes).spikes)
    back = requantise(made, given)
    assert np.array_equal(back.run(spikes).spikes, program.run(spikes).spikes)
    assert_same_image(back.image, program.image)


def test_relays_come_and_go():
    """A layer that begins to be skipped needs neurons that hand its spikes on."""
    rng = np.random.default_rng(3)
    w = rng.integers(1, 9, (3, 5, 5)) / 8
    skipped = np.zeros((5, 3))
    populations = [inputs(5), *(neurons(n, 5, threshold=2.0) for n in "abc"), membranes("y", 3)]
    links = [
        link("in", "a", w[0]), link("a", "b", w[1]), link("b", "c", w[2]),
        link("c", "y", rng.integers(-8, 9, (5, 3)) / 8), link("a", "y", skipped),
    ]  # fmt: skip
    given = network(populations, links)
    skipped = rng.integers(1, 9, (5, 3)) / 8
    other = replace(
        given, projections=[*links[:4], replace(links[4], weights=sp.csr_array(skipped))]
    )
    program = nmb.compile(given, "reckon")
    made = requantise(program, other)
    assert made.layout["address"].size == program.layout["address"].size + 10
    assert np.array_equal(made.layout["address"][:15], program.layout["address"])
    spikes = bernoulli(30, 3, 5, 0.4)
    result, model = made.run(spikes), reference(other, spikes)
    np.testing.assert_array_equal(result.layers["c"], model.layers["c"])
    np.testing.assert_allclose(result.spikes, model.spikes, rtol=0.01, atol=0.1)  # 8 bits: 127/128
    assert_same_image(requantise(made, given).image, program.image)


def test_what_does_not_fit_any_more_is_refused():
    weights = np.ones((256, 3))
    program = nmb.compile(single(weights, threshold=5.0), "reckon")
    with pytest.raises(UserError, match="take more inputs: 257, the chip has 256"):
        requantise(program, moved(program.network, lambda w: w, bias=0.5))


def test_the_digits_network_takes_no_time():
    said = nmb.Discretisation(framework="snntorch", dt=1e-3, reset="zero")
    program = nmb.compile(DATA / "digits.nir", "reckon", said)
    other = moved(program.network, lambda w: w * 1.01)
    times = []
    for _ in range(5):
        begin = time.process_time()
        requantise(program, other)
        times.append(time.process_time() - begin)
    print(f"requantise: {1e3 * min(times):.1f} ms")
    assert min(times) < 0.5  # some milliseconds; machines differ
