"""How far spikes and decisions are from the model's, and how weights are rated."""

import numpy as np
import pytest
from crossbar_networks import single

from nm_backends.agreement import decision_error, readout_agreement
from nm_backends.compiler import compile_model
from nm_backends.placement import place


def counts(rows):
    """Return spikes ``[1, batch, neurons]`` with these counts."""
    return np.array([rows], np.uint8)


def test_decisions_do_not_change_where_all_neurons_fire_more_often():
    wanted = counts([[6, 0, 0], [0, 6, 0]])
    double = counts([[12, 0, 0], [0, 12, 0]])
    assert decision_error(double, wanted) == pytest.approx(decision_error(wanted, wanted), abs=0.02)


def test_undecided_counts_cost_more_than_right_ones_and_wrong_ones_most():
    wanted = counts([[8, 0, 0], [0, 8, 0]])
    flat = counts([[3, 3, 3], [3, 3, 3]])
    wrong = counts([[0, 8, 0], [8, 0, 0]])
    errors = [decision_error(fired, wanted) for fired in (wanted, flat, wrong)]
    assert errors == sorted(errors)
    assert errors[1] == pytest.approx(np.log(3))
    assert readout_agreement(wrong, wanted) == 0


def test_one_neuron_decides_nothing():
    assert decision_error(counts([[4]]), counts([[9]])) == 0


@pytest.mark.parametrize(
    ("weights", "snr"), [([[1.0, 3.0], [-2.0, 2.0]], np.inf), ([[7.0, 7.0], [3.4, -2.6]], None)]
)
def test_the_snr_of_weights_is_that_of_their_rounding_errors(weights, snr):
    program = compile_model(single(weights, threshold=20.0), "tinyodin")
    fit = program.fit.populations["a"]
    if snr is None:
        asked = np.array(weights)
        error = np.linalg.norm(asked - np.rint(asked)) / np.linalg.norm(asked)
        snr = -20 * np.log10(error)
    assert fit.weight_snr == pytest.approx(snr, rel=1e-6)


@pytest.mark.parametrize(("first", "order"), [(-1, [-1, -1, 1, 1]), (1, [1, 1, -1, -1])])
def test_rows_of_one_sign_come_before_all_of_the_other(first, order):
    signs = np.array([[True, True], [True, True], [False, False]])
    placed = place(
        np.zeros((1, 2), bool), signs, 16, split_inputs=True, split_neurons=True, first=first
    )
    by_row = dict(zip(placed.senders.row.tolist(), placed.senders.sign.tolist(), strict=True))
    assert [by_row[row] for row in sorted(by_row)] == order
    taken = [*placed.address, *placed.copy[placed.copy >= 0]]
    assert sorted(taken) == list(range(placed.places))
