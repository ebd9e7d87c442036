"""Energy and time: the operating points that were published, and what a figure says of itself."""

import json
from dataclasses import replace

import numpy as np
import pytest

import nm_backends as nmb
from nm_backends import cost
from nm_backends.errors import UserError
from nm_backends.real_time import step_cycles
from nm_backends.registry import get_backend
from nm_backends.testing import conventions, random_model, random_spikes
from nm_odin.spec import SPEC as ODIN
from nm_reckon.spec import SPEC as RECKON
from nm_tinyodin.spec import SPEC as TINYODIN

FULL_RATE = 37.5e6  # two cycles per synaptic operation at 75 MHz
BIOLOGICAL = 256 * 256 * 10.0  # each of 256 neurons fires ten times a second; 256 operations each


@pytest.fixture(scope="module")
def runs():
    spikes = random_spikes(1)
    programs = {c: nmb.compile(random_model(0), c, conventions()) for c in ("odin", "tinyodin")}
    return {chip: (program, program.run(spikes)) for chip, program in programs.items()}


def test_odin_at_full_rate():
    """12.7 pJ per synaptic operation at 0.55 V, 75 MHz, everything included."""
    published = ODIN.quantities["E_total"].value
    assert cost.power(ODIN, FULL_RATE).mean / FULL_RATE == pytest.approx(published, rel=0.005)
    busy = cost.energy(ODIN, cycles=np.array([75e6]), sops=np.array([FULL_RATE]))
    assert busy.mean / FULL_RATE == pytest.approx(published, rel=0.005)
    assert busy.status == "unconfirmed"  # as its weakest constants are


def test_odin_in_biological_time():
    """54 pJ per operation at 10 Hz per neuron with the slowest clock that will do, 78 % leakage."""
    found = cost.power(ODIN, BIOLOGICAL, clock_hz=2 * BIOLOGICAL)
    assert found.mean / BIOLOGICAL == pytest.approx(54e-12, rel=0.01)
    assert ODIN.quantities["P_leak"].value / found.mean == pytest.approx(0.78, abs=0.005)


def test_odin_recognises_gestures_as_published():
    """882.8 kSOP: 7.42 uJ without leakage and idle power, 23.5 ms (author's result files)."""
    sops = 882.8e3
    dynamic = ODIN.quantities["E_SOP"].value * sops
    assert dynamic == pytest.approx(7.42e-6, rel=0.005)
    found = cost.latency(ODIN, ODIN.quantities["cycles_per_neuron"].value * sops)
    assert found.mean == pytest.approx(23.5e-3, rel=0.005)
    assert (found.unit, found.status) == ("s", "published")


def test_reckon_between_its_published_totals():
    """0.6 nJ for a time step without events; more than that is a lower bound, and says so."""
    estimate = get_backend("reckon").estimate
    counts = {"cycles": np.array([100]), "ticks": np.array([1])}
    quiet = estimate({**counts, "sops": np.array([0])})["energy"]
    assert quiet.mean == RECKON.quantities["E_step_inference_min"].value == 0.6e-9
    assert quiet.status == "extrapolated"
    most = RECKON.quantities["E_step_inference_max"].value
    within = estimate({**counts, "sops": np.array([7_800])})["energy"]
    assert most * 0.98 < within.mean < most


def test_no_constants_no_energy(runs):
    assert cost.energy(TINYODIN, np.ones(1), np.ones(1)) is None
    assert cost.power(TINYODIN, 1e6) is None
    result = runs["tinyodin"][1]
    assert result.energy is None
    assert result.metadata["energy_note"] == "no energy figures are published for tinyodin"


def test_idle_neurons_count(runs):
    """ODIN sweeps all 256 neurons for each served event, tinyODIN those up to SPI_MAX_NEUR."""
    for chip, swept in (("odin", 256), ("tinyodin", None)):
        program, result = runs[chip]
        swept = swept or program.image.registers["SPI_MAX_NEUR"] + 1
        assert swept > sum(p.size for p in program.network.neurons) - 1
        sops = result.counters["sops"]
        assert (sops % swept == 0).all()
        assert (sops // swept >= result.counters["events_in"] - len(result.spikes)).all()


@pytest.mark.parametrize("chip", ["odin", "tinyodin"])
def test_a_figure_says_how_it_came_about(runs, chip):
    result = runs[chip][1]
    for found in filter(None, (result.latency, result.energy)):
        assert found.value.shape == (5,)
        assert found.unit in ("s", "J")
        assert "f_clk" in found.formula
        assert found.source
        assert found.status in str(found)


def test_real_time_is_the_input_beside_the_chip(runs):
    result = runs["odin"][1]
    found = result.real_time
    np.testing.assert_allclose(found.factor.value, 20 * 1e-3 / result.latency.value)
    np.testing.assert_allclose(found.clock.value * found.factor.value, 75e6)
    rate = result.counters["sops"] / 0.02
    expected = cost.power(ODIN, rate, found.clock.value)
    np.testing.assert_allclose(found.power.value, expected.value)
    assert found.ok
    assert (found.factor.status, found.power.status) == ("published", "unconfirmed")
    assert runs["tinyodin"][1].real_time.power is None
    with pytest.raises(UserError, match="how long each step takes was not recorded"):
        _ = found.overruns


@pytest.mark.parametrize("chip", ["odin", "reckon"])
def test_the_steps_add_up_to_the_sample(chip):
    program = nmb.compile(random_model(0), chip, conventions())
    result = program.run(random_spikes(1), record=("ticks",))
    seconds = result.real_time.step_seconds
    assert seconds.shape == (20, 5)
    np.testing.assert_allclose(seconds.sum(axis=0), result.latency.value)
    assert (seconds >= 0).all()
    assert len(result.real_time.overruns) == 0
    assert "no step overruns" in str(result.real_time)


def test_steps_that_overrun_are_named():
    """A burst of input in two steps, in steps of 0.2 ms: each of its events takes ODIN 7 us."""
    program = nmb.compile(random_model(0), "odin", replace(conventions(), dt=2e-4))
    spikes = np.zeros((12, 2, 12), np.uint8)
    spikes[3, 1] = 6
    spikes[8, 1] = 12
    found = program.run(spikes, record=("ticks",)).real_time
    assert found.overruns.tolist() == [[8, 1], [3, 1]]
    late = found.step_seconds[[3, 8], 1]
    assert found.lag[0] == 0
    assert late.max() - 2e-4 <= found.lag[1] <= late.sum() - 4e-4
    text = str(found)
    assert f"2 of 24 steps overrun 0.0002 s: step 8 of sample 1 ({late[1]:.3g} s)" in text
    assert found.to_dict()["overruns"][0] == {"step": 8, "sample": 1}


def test_where_steps_have_no_time_of_their_own():
    program = nmb.compile(random_model(0), "odin", conventions())
    with pytest.raises(UserError, match="records nothing besides spikes"):
        program.run(random_spikes(1), record=("ticks",), driving="back_to_back")
    assert program.run(np.zeros((0, 2, 12), np.uint8)).real_time is None
    with pytest.raises(UserError, match=r"^ticks: this program on 'odin' is not run step by step"):
        step_cycles(object(), program, random_spikes(1))


def test_nmb_run_says_whether_it_is_fast_enough(nmb, model_file, spike_file):
    nmb("compile", model_file, "--chip", "reckon", "-o", "p.nmb")
    printed = nmb("run", "p.nmb", "--input", spike_file, "--record", "ticks").stdout
    assert "real time, steps of 0.001 s:" in printed
    assert "no step overruns" in printed
    said = json.loads(nmb("run", "p.nmb", "--input", spike_file, "--json").stdout)["real_time"]
    assert said["ok"]
    assert said["slowest_factor"] <= said["factor"]
    assert "overruns" not in said
