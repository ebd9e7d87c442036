"""S-SDSP's random numbers: the period of the generator, and how often synapses flip."""

import numpy as np
import pytest
from morphic_cases import chip

from nm_backends.errors import UserError
from nm_morphic.draws import allowed, draws
from nm_morphic.simulator import MorphicSimulator


def step(state, bits=17, tap=14):
    return (state << 1 | (state >> bits - 1 ^ state >> tap - 1) & 1) & (1 << bits) - 1


def test_the_generator_has_the_full_period():
    state, length = step(1), 1
    while state != 1:
        state, length = step(state), length + 1
    assert length == (1 << 17) - 1 == draws(17, 14, 10).period


def test_draws_are_the_newest_bits_after_their_steps():
    cycle = draws(17, 14, 10)
    for state in (1, 0x1FFFF, 0x0A5A5):
        place, following = cycle.place[state], state
        for _ in range(10):
            following = step(following)
        assert cycle.states[place] == state
        assert cycle.values[place] == following & 1023
        assert cycle.states[(place + 1) % cycle.period] == following
    assert cycle.place[0] == -1


def test_permissions_go_on_beyond_the_end_of_the_cycle():
    cycle = draws(17, 14, 10)
    bits = np.unpackbits(allowed(cycle, 300).view(np.uint8), bitorder="little")
    assert np.array_equal(bits[: cycle.period], cycle.values < 300)
    assert np.array_equal(bits[cycle.period :][:512], bits[:512])


def test_a_polynomial_that_is_not_of_maximal_length_is_refused():
    with pytest.raises(UserError, match=r"^assumption lfsr_tap: x\^17 \+ x\^13 \+ 1 is not of"):
        draws(17, 13, 10)


def learner(weights, wish, p_up=0, p_down=0, seeds=(5, 6, 7, 8), plastic=7):
    """All neurons want the same: inhibitory rows of zeros, or of ones, keep them where they are."""
    fields = {
        "thr": 1023, "core": 500 if wish else -500, "thetamem": 0, "ca_en": 1,
        "ca_theta2": 7, "ca_theta3": 7,
    }  # fmt: skip
    return MorphicSimulator(
        chip(
            weights,
            fields=fields,
            seeds=seeds,
            WEIGHT_MODE=1,
            ROW_SIGN=np.ones((4, 1024)),
            PLASTIC=plastic,
            P_UP=p_up,
            P_DOWN=p_down,
        )
    )


@pytest.mark.parametrize("k", [1, 20, 300, 1000])
@pytest.mark.parametrize("up", [True, False])
def test_flips_come_as_often_as_their_probability_says(k, up):
    weights = np.full((4, 1024, 512), not up, np.uint8)
    simulator = learner(weights, up, *((k, 0) if up else (0, k)))
    events = np.column_stack([np.zeros(1024, int), np.repeat(2, 1024), np.arange(1024)])
    simulator.send(events)
    flips = (simulator.weights[0, 2] != weights[2]).astype(float)
    p = k / 1024
    margin = 4.5 * np.sqrt(p * (1 - p))
    assert abs(flips.mean() - p) < margin / np.sqrt(flips.size) + 1e-5
    assert (abs(flips.mean(axis=0) - p) < margin / np.sqrt(1024) + 1e-3).all()  # each neuron
    assert (abs(flips.mean(axis=1) - p) < margin / np.sqrt(512) + 5e-3).all()  # each row
    assert np.array_equal(simulator.weights[0, [0, 1, 3]], weights[[0, 1, 3]])


def test_flips_of_successive_rows_and_neurons_are_uncorrelated():
    simulator = learner(np.zeros((4, 1024, 512), np.uint8), True, 512)
    simulator.send(np.column_stack([np.zeros((1024, 2), int), np.arange(1024)]))
    flips = simulator.weights[0, 0] - 0.5
    for other in (np.roll(flips, 1, 0), np.roll(flips, 1, 1)):
        assert abs((flips * other).mean() * 4) < 5 / np.sqrt(flips.size)


def test_certain_and_impossible_flips():
    weights = np.random.default_rng(0).integers(0, 2, (4, 1024, 512), np.uint8)
    row = np.array([[0, 0, 700]])
    for up, p_up, p_down, expected in (
        (True, 1024, 0, 1), (False, 0, 1024, 0), (True, 0, 1024, None), (False, 1024, 0, None),
    ):  # fmt: skip
        simulator = learner(weights, up, p_up, p_down)
        simulator.send(row)
        found = simulator.weights[0, 0, 700]
        assert np.array_equal(found, weights[0, 700] if expected is None else 0 * found + expected)


@pytest.mark.parametrize(("plastic", "row"), [(1, 511), (2, 512), (2, 767), (4, 768), (4, 1023)])
def test_only_rows_of_plastic_levels_learn_and_draw(plastic, row):
    for mask in (plastic, 7 ^ plastic):
        simulator = learner(np.zeros((4, 1024, 512), np.uint8), True, 1024, plastic=mask)
        before = simulator.lfsr
        simulator.send(np.array([[0, 3, row]]))
        learned = mask == plastic
        assert simulator.weights[0, 3, row].all() == learned
        assert (simulator.lfsr[0, 3] != before[0, 3]) == learned
        assert np.array_equal(simulator.lfsr[0, :3], before[0, :3])


def test_seeds_decide_and_data_does_not_change_the_sequence():
    zeros = np.zeros((4, 1024, 512), np.uint8)
    events = np.array([[0, 1, row] for row in (600, 5, 601)])
    found = []
    for seeds, wish in (
        ((1, 9, 1, 1), 1),
        ((1, 9, 1, 1), 1),
        ((1, 10, 1, 1), 1),
        ((1, 9, 1, 1), 0),
    ):
        simulator = learner(zeros, wish, 100, seeds=seeds)
        simulator.send(events)
        found.append((simulator.weights.tobytes(), simulator.lfsr.tolist()))
    assert found[0] == found[1]
    assert found[0][0] != found[2][0]
    assert found[0][0] != found[3][0]
    assert found[0][1] == found[3][1]
