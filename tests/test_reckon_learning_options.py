"""Learning in the field's terms, as registers and back: nothing is lost but what is said."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nm_backends.errors import UserError
from nm_reckon.eprop_registers import describe
from nm_reckon.eprop_setup import EpropSetup, PseudoDerivative, Regularisation
from nm_reckon.learning_options import LEARNING_REGISTERS, ReckonLearning, seed_registers
from nm_reckon.propose import propose
from nm_reckon.spec import REGISTERS, RESET_SEEDS

# The test bench of the public release (src/tbench.sv).
PUBLISHED = {
    "SPI_FP_LOC_WINP": 3, "SPI_FP_LOC_WREC": 3, "SPI_FP_LOC_WOUT": 3, "SPI_FP_LOC_TINP": 3,
    "SPI_FP_LOC_TREC": 4, "SPI_FP_LOC_TOUT": 6, "SPI_LEARN_SIG_SCALE": 5, "SPI_REGUL_MODE": 2,
    "SPI_REGUL_W": 3, "SPI_EN_STOCH_ROUND": 1, "SPI_REGRESSION": 0, "SPI_NO_OUT_ACT": 0,
    "SPI_KAPPA": 0x79, "SPI_THR_H_0": 205, "SPI_THR_H_1": 205, "SPI_THR_H_2": 205,
    "SPI_THR_H_3": 205, "SPI_H_0": 0, "SPI_H_1": 0, "SPI_H_2": 0, "SPI_H_3": 0, "SPI_H_4": 1,
    "SPI_LR_R_WINP": 0, "SPI_LR_P_WINP": 8, "SPI_LR_R_WREC": 0, "SPI_LR_P_WREC": 8,
    "SPI_LR_R_WOUT": 0, "SPI_LR_P_WOUT": 14, "SPI_REGUL_F0": 160, "SPI_REGUL_K_INP_R": 0,
    "SPI_REGUL_K_INP_P": 10, "SPI_REGUL_K_REC_R": 0, "SPI_REGUL_K_REC_P": 10, "SPI_REGUL_K_MUL": 0,
    "SPI_DO_EPROP": 7,
}  # fmt: skip
ALPHA, THR = 0x7FEF, 614
WIDTH = {register.name: register.width for register in REGISTERS}


def test_the_published_registers_are_a_sensible_set_up():
    found = describe(PUBLISHED, ALPHA, THR)
    assert found.threshold == pytest.approx(0.6, abs=1e-3)
    assert found.tau_m == pytest.approx(1.927, rel=1e-3)
    assert found.tau_out == pytest.approx(0.0178, rel=1e-2)
    assert found.rates == (2.0**-17, 2.0**-17, 2.0**-9)
    assert found.pseudo_derivative == PseudoDerivative("step", 1.0, start=205 / 1024)
    assert found.weight_limits == (1.0, 1.0, 1.0)
    assert found.trace_limits == (64.0, 32.0, 8.0)
    assert found.signal_limit == 16.0
    assert found.regularisation.mode == "additive"
    assert found.regularisation.weights == ("input", "recurrent")
    assert found.regularisation.target_rate == pytest.approx(10.4, abs=0.05)
    assert found.regularisation.strength == 0.5
    assert found.activation


def test_proposing_it_gives_the_published_registers_back_without_rounding():
    proposal = propose(describe(PUBLISHED, ALPHA, THR))
    assert {name: PUBLISHED[name] for name in proposal.registers} == proposal.registers
    assert (proposal.alpha, proposal.thr) == (ALPHA, THR)
    assert not proposal.rounded


def test_the_defaults_are_the_published_registers():
    base = describe(PUBLISHED, ALPHA, THR)
    contents = ReckonLearning().contents(base, regression=False)
    assert contents == {name: PUBLISHED[name] for name in LEARNING_REGISTERS}
    back = ReckonLearning.from_registers(PUBLISHED, base, ALPHA, THR)
    assert back.contents(base, regression=False) == contents
    assert back.rate_output == ReckonLearning().rate_output


@settings(deadline=None, max_examples=200)
@given(
    st.fixed_dictionaries(
        {
            **{f"SPI_FP_LOC_{n}": st.integers(0, 7) for n in ("WINP", "WREC", "WOUT")},
            **{f"SPI_FP_LOC_{n}": st.integers(3, 7) for n in ("TINP", "TREC", "TOUT")},
            **{f"SPI_LR_P_{n}": st.integers(0, 20) for n in ("WINP", "WREC", "WOUT")},
            "SPI_LEARN_SIG_SCALE": st.integers(0, 8),
            "SPI_KAPPA": st.integers(1, 127),
            "SPI_REGUL_MODE": st.sampled_from([0, 1, 2, 3, 6, 7]),
            "SPI_REGUL_W": st.integers(1, 3),
            "SPI_REGUL_F0": st.integers(1, 30),
            "SPI_REGUL_K": st.integers(0, 20),
            "SPI_REGUL_K_MUL": st.integers(0, 10),
            "SPI_REGRESSION": st.integers(0, 1),
            "SPI_NO_OUT_ACT": st.integers(0, 1),
            "edge": st.integers(-3000, 3000),
            "height": st.sampled_from([1, 3, 5, 7]),
            "alpha": st.integers(0x7000, 0x7FFF),
            "thr": st.integers(1, 32767),
            "scale": st.sampled_from([100.0, 1024.0, 5000.0]),
        }
    )
)
def test_registers_described_and_proposed_again_are_the_same(drawn):
    """Everything is a power of two; where several say the same, the products must agree."""
    registers = dict(PUBLISHED) | drawn
    scale, alpha, thr = (registers.pop(name) for name in ("scale", "alpha", "thr"))
    shift, edge, height = (registers.pop(name) for name in ("SPI_REGUL_K", "edge", "height"))
    for side in ("INP", "REC"):
        registers[f"SPI_REGUL_K_{side}_P"] = shift
    registers |= {f"SPI_THR_H_{i}": edge & 0xFFFF for i in range(4)} | {"SPI_H_4": height}
    found = describe(registers, alpha, thr, scale)
    proposal = propose(found)
    assert not [item for item in proposal.rounded if "strength" not in item.name]
    for name in ("SPI_KAPPA", "SPI_REGUL_MODE", "SPI_LEARN_SIG_SCALE", "SPI_FP_LOC_WOUT"):
        assert proposal.registers[name] == registers[name]
    again = describe(proposal.registers, proposal.alpha, proposal.thr, scale)
    assert again.rates == pytest.approx(found.rates)
    if found.regularisation.mode != "none":
        assert again.regularisation.target_rate == pytest.approx(found.regularisation.target_rate)


def test_what_had_to_be_rounded_is_said():
    asked = EpropSetup(
        tau_m=0.2, tau_out=0.02, rates=(1e-5, 1e-5, 3e-3),
        pseudo_derivative=PseudoDerivative("triangle", gamma=0.3),
        regularisation=Regularisation("both", strength=0.3, ceiling=10.0),
    )  # fmt: skip
    proposal = propose(asked)
    by_name = {item.name: item for item in proposal.items}
    assert by_name["tau_out"].asked == 0.02
    assert by_name["tau_out"].realised == pytest.approx(-1e-3 / math.log(122 / 128))
    assert by_name["tau_out"].error == pytest.approx(0.041, abs=1e-3)
    assert by_name["rates, input"].error < 0.42
    assert by_name["rates, output"].realised == 2.0**-8
    assert by_name["regularisation, ceiling"].realised == 8.0
    text, plain = str(proposal), json.loads(json.dumps(proposal.to_json()))
    assert "tau_out" in text
    assert "SPI_KAPPA = 122" in text
    assert len(plain["items"]) == len(proposal.items)
    assert plain["registers"] == proposal.registers


@pytest.mark.parametrize("gamma", [0.3, 1.0, 4.0])
def test_a_triangle_is_followed_on_its_rising_side(gamma):
    asked = EpropSetup(pseudo_derivative=PseudoDerivative("triangle", gamma=gamma))
    edges, values = propose(asked).realised.pseudo_derivative.segments(asked.threshold)
    membranes = np.linspace(-0.5, asked.threshold, 400)
    wanted = gamma * np.maximum(0, 1 - np.abs(membranes - 0.6) / 0.6)
    realised = values[np.searchsorted(edges, membranes, side="right")]
    assert np.abs(realised - wanted).max() < gamma * (1 / 9 + 0.1)  # five levels, integers


def test_a_boxcar_ends_above_the_threshold():
    proposal = propose(EpropSetup(pseudo_derivative=PseudoDerivative("boxcar", width=0.2)))
    heights = [proposal.registers[f"SPI_H_{i}"] for i in range(5)]
    assert (heights[0], heights[4]) == (0, 0)
    assert heights[1] > 0
    assert proposal.registers["SPI_THR_H_0"] == round(0.4 * 1024)
    assert proposal.registers["SPI_THR_H_3"] == round(0.8 * 1024)


def test_negative_heights_are_twos_complement():
    shape = PseudoDerivative("segments", edges=(-0.5, 0, 0.2, 0.4), values=(-1, 0, 0.5, 1, 0))
    proposal = propose(EpropSetup(pseudo_derivative=shape))
    assert proposal.registers["SPI_THR_H_0"] == -512 & 0xFFFF
    assert proposal.registers["SPI_H_0"] > 15
    assert proposal.realised.pseudo_derivative.values[:2] == (-1, 0)


def test_no_update_term_reaches_the_guard_bit():
    for limit in (64.0, 500.0):
        asked = EpropSetup(rates=(3e-6, 3e-6, 1e-3), trace_limits=(limit, 32.0, 8.0))
        registers = propose(asked).registers
        traces = 4095 >> registers["SPI_FP_LOC_TINP"]
        assert 32767 * traces * registers["SPI_H_4"] < 1 << 27


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tau_m": 0.005}, "leak factor of 0.8187 in a step of 0.001 s; the chip has 0.875 to 1"),
        ({"threshold": 40.0}, "threshold: 40960 in the chip's units, expected 1 to 32767"),
        ({"weight_limits": (1.0, 30.0, 1.0)}, "recurrent weights up to 30: out of range"),
        ({"trace_limits": (64.0, 600.0, 8.0)}, "recurrent traces up to 600 spikes: out of range"),
        ({"rates": (1e9, 1e-5, 1e-3)}, "learning rate 1e\\+09, as a shift"),
        ({"signal_limit": 1e6}, "signal_limit, as a shift"),
        ({"regularisation": Regularisation(target_rate=50.0)}, "target rate 50 Hz: its trace"),
        ({"rates": (-1.0, 0.0, 0.0)}, "rates is -1.0, expected 0 or more"),
        ({"dt": 0.0}, "dt is 0.0, expected more than 0"),
        ({"task": "sorting"}, "classification or regression"),
    ],
)
def test_what_is_out_of_reach_is_said(changes, words):
    with pytest.raises(UserError, match=words):
        propose(EpropSetup(**changes))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rate_input": -1}, "rate_input is -1, expected a number, 0 or more"),
        ({"rate_output": "high"}, "rate_output is 'high'"),
        ({"gamma": 0}, "gamma is 0, expected a number, more than 0"),
        ({"pseudo_derivative": "round"}, "'round': expected step, boxcar, triangle"),
        ({"regularisation": "l2"}, "'l2': expected none, additive, damped or both"),
        ({"regularised": ("output",)}, "expected input, recurrent"),
        ({"regularisation": "none", "always": True}, "always needs mode additive or both"),
        ({"window": 0}, "window is 0"),
        ({"window": (5, 5)}, "window is \\(5, 5\\)"),
        ({"halve_every": 1.5}, "halve_every is 1.5"),
        ({"seed": -1}, "seed is -1"),
        ({"registers": {"SPI_KAPA": 1}}, "SPI_KAPA"),
        ({"registers": {"SPI_KAPPA": 256}}, "SPI_KAPPA is 256, expected an integer of 8 bits"),
        ({"SPI_LR_P_WINP": 32}, "expected an integer of 5 bits"),
        ({"rate_inputs": 1}, "'rate_inputs': unknown"),
        (3, "expected ReckonLearning"),
    ],
)
def test_options_are_checked(options, words):
    with pytest.raises(UserError, match=words):
        ReckonLearning.of(options)


def test_rates_halve_and_registers_override():
    base = describe(PUBLISHED, ALPHA, THR)
    options = ReckonLearning.of({"halve_every": 2, "SPI_H_0": -3, "SPI_SEED_INP": 7})
    shifts = [options.contents(base, False, epoch)["SPI_LR_P_WOUT"] for epoch in range(5)]
    assert shifts == [14, 14, 13, 13, 12]
    contents = options.contents(base, False)
    assert contents["SPI_H_0"] == -3 & 31
    assert contents["SPI_SEED_INP"] == 7
    json.dumps(options.to_json())
    regression = ReckonLearning().contents(base, regression=True)
    assert (regression["SPI_REGRESSION"], regression["SPI_NO_OUT_ACT"]) == (1, 1)


def test_windows():
    assert ReckonLearning().steps(200) == (0, 200)
    assert ReckonLearning(window=150).steps(2250) == (2100, 2250)
    assert ReckonLearning(window=150).steps(100) == (0, 100)
    assert ReckonLearning(window=(3, 7)).steps(9) == (3, 7)
    with pytest.raises(UserError, match="a sample of 5 steps"):
        ReckonLearning(window=(3, 7)).steps(5)


def test_random_seeds_fit_and_no_generator_is_zero():
    for seed in range(20):
        found = seed_registers(seed)
        assert set(found) == set(RESET_SEEDS)
        for name, value in found.items():
            assert 0 < value < 1 << WIDTH[name]
            if WIDTH[name] == 30:
                assert value & 0x7FFF
                assert value >> 15
    assert seed_registers(1) == seed_registers(1) != seed_registers(2)
