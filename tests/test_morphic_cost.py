"""MorphIC's figures from operation counts, against those that its author published."""

import numpy as np
import pytest

from nm_backends.assumptions import assumptions_of, describe
from nm_backends.errors import UserError
from nm_morphic import cost
from nm_morphic.assumptions import Assumptions
from nm_morphic.spec import NEURON_FIELDS, ROUTE_FIELDS, SPEC


def test_gesture_classification_costs_what_was_published():
    """4 x (400-210-5) at 0.8 V and 55 MHz: 1.906 MSOP, 57.18 uJ dynamic, 17.3 ms."""
    assert cost.dynamic_energy(1.906e6).mean == pytest.approx(57.18e-6, rel=0.05)
    assert cost.operating_time(1.906e6).mean == pytest.approx(17.3e-3, rel=0.05)


def test_power_at_the_full_rate_and_of_the_rank_order_digits():
    """51 pJ per operation at 110 MSOP/s; 5.45 mW and 21.8 uJ at 250 classifications/s."""
    assert cost.power(110e6).mean / 110e6 == pytest.approx(51e-12, rel=0.05)
    rank_order = cost.power(418e3 * 250)
    assert rank_order.mean == pytest.approx(5.45e-3, rel=0.05)
    assert rank_order.mean / 250 == pytest.approx(21.8e-6, rel=0.05)
    assert rank_order.status == "unconfirmed"


def test_rate_coded_digits():
    """205 uJ per classification is what 3.9 MSOP in their shortest time take."""
    seconds = cost.operating_time(3.9e6)
    found = cost.estimate({"sops": np.array([3.9e6]), "cycles": seconds.value * np.array([55e6])})
    assert found["energy"].mean == pytest.approx(205e-6, rel=0.05)
    assert found["latency"].mean == pytest.approx(seconds.mean)
    assert found["energy_dynamic"].mean < found["energy"].mean


def test_maximum_rates():
    assert 1 / cost.operating_time(1, cores=1).mean == pytest.approx(27.5e6)
    assert 1 / cost.operating_time(1, voltage="1.2 V").mean == pytest.approx(420e6)
    assert cost.dynamic_energy(1, "1.2 V").mean == pytest.approx(65e-12)


def test_power_at_high_voltage_is_refused():
    with pytest.raises(UserError, match=r"^power at 1.2 V: leakage and idle power are not publ"):
        cost.power(1e6, voltage="1.2 V")
    with pytest.raises(UserError, match=r"voltage '1 V': expected one of '0\.8 V', '1\.2 V'"):
        cost.dynamic_energy(1, "1 V")
    with pytest.raises(UserError, match=r"at most 5\.5e\+07 Hz and 1\.1e\+08 SOP/s"):
        cost.power(120e6)
    with pytest.raises(UserError, match="cores: 0"):
        cost.operating_time(1, 0)


def test_limits_follow_from_the_published_figures():
    assert (SPEC.neurons, SPEC.rows, SPEC.synapses) == (2048, 1024, 2_097_152)
    assert sum(field.width for field in ROUTE_FIELDS) == 27
    assert all(field.lsb % 8 == 0 for field in NEURON_FIELDS)
    assert len({register.address for register in SPEC.registers}) == len(SPEC.registers)
    assert all(quantity.source for quantity in SPEC.quantities.values())


def test_every_assumption_says_what_is_open_and_what_was_chosen():
    text = describe(Assumptions(hop_latency=3))
    for choice in assumptions_of(Assumptions()):
        assert choice.default
        assert choice.still_open
        assert choice.chosen
        assert f"{choice.name} = " in text
    assert "hop_latency = 3  (not the default)" in text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"membrane_bits": 16}, r"^assumption membrane_bits: 16, expected 2\.\.15$"),
        ({"route_order": "z"}, "route_order: 'z', expected one of 'xy', 'yx'"),
        ({"calcium": "own"}, "calcium: 'own', expected one of 'odin'"),
        ({"lfsr_tap": 17}, "lfsr_tap: 17, expected below lfsr_bits"),
        ({"lfsr_bits": 8, "lfsr_tap": 3}, "probability_bits: more than lfsr_bits"),
        ({"lfsr_bits": 16}, "probability_bits: 10 divides the period"),
    ],
)
def test_assumptions_that_cannot_be_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        Assumptions(**changes)
