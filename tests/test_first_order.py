"""Neurons with a synaptic current on chips that have none: one time constant fitted to two."""

import numpy as np
import pytest
from crossbar_networks import bernoulli, inputs, link, network, neurons

from nm_backends.compiler import check, compile_model
from nm_backends.effective import constant, gain_of, parameter
from nm_backends.first_order import first_order, has_current, single_state
from nm_backends.lowering.reference import run_network
from nm_backends.program import CompileOptions
from nm_backends.registry import get_backend
from nm_backends.spikes import prepare

QUICK = CompileOptions(order="ascending", scale="maxabs", settle="never")
CHIPS = ("odin", "reckon", "tinyodin")


def second_order(slow=0.7, decay=0.9, outputs=3):
    random = np.random.default_rng(4)

    def layer(name, size):
        return neurons(
            name, size, node_type="CubaLIF", decay=decay, decay_syn=np.full(size, slow),
            gain=np.full(size, 0.5), gain_syn=np.full(size, 0.6), threshold=1.0,
        )  # fmt: skip

    return network(
        [inputs(12), layer("a", 10), layer("b", outputs)],
        [
            link("in", "a", random.normal(0.25, 0.35, (12, 10))),
            link("a", "b", random.normal(0.3, 0.4, (10, outputs))),
        ],
    )


@pytest.fixture(scope="module")
def spikes():
    return bernoulli(40, 24, 12, 0.25, seed=2)


@pytest.mark.parametrize(("slow", "decay"), [(0.7, 0.9), (0.0, 0.8), (0.95, 0.2), (0.6, 1.0)])
def test_charge_and_mean_delay_are_those_of_two_time_constants(slow, decay):
    asked = second_order(slow, decay).populations["a"]
    made = single_state(asked)
    steps = 400
    i = v = 0.0
    answer = []
    for t in range(steps):
        i = slow * i + 0.6 * (t == 0)
        v = decay * v + 0.5 * i
        answer.append(v)
    kept, gain = made.decay[0], gain_of(made)[0]
    assert made.decay_syn is None
    if decay == 1:  # what was added stays: only its size can agree
        assert kept == 1
        assert gain == pytest.approx(answer[-1])
        return
    assert gain / (1 - kept) == pytest.approx(sum(answer), rel=1e-6)
    delay = np.arange(steps) @ answer / sum(answer)
    assert kept / (1 - kept) == pytest.approx(delay, rel=1e-6)


def test_resting_potential_stays():
    asked = second_order().populations["a"]
    asked.leak = (1 - parameter(asked, "decay")) * 0.3
    made = single_state(asked, 0.7, 1.2)
    assert np.allclose(constant(made) / (1 - made.decay), 0.3)


def test_typical_input_makes_a_better_fit_than_none(spikes):
    net, spec = second_order(), get_backend("odin").spec
    wanted, _ = run_network(net, spikes)
    off = []
    for given in (None, prepare(net, spikes)):
        fitted, found = first_order(net, spec, given)
        assert fitted.asked is net
        assert not any(map(has_current, fitted.neurons))
        assert [d.code for d in found] == ["NMB180", "NMB180"]
        fired, _ = run_network(fitted, spikes)
        off.append(np.abs(fired["a"].sum(0, dtype=int) - wanted["a"].sum(0, dtype=int)).sum())
    assert off[1] < off[0]
    assert "given the model's own input" in found[0].message


@pytest.mark.parametrize("chip", CHIPS)
def test_every_chip_without_currents_compiles_and_says_what_it_costs(chip, spikes):
    net = second_order()
    report = check(net, chip)
    assert report.ok
    assert "NMB180" in report.codes
    program = compile_model(net, chip, calibrate=spikes, options=QUICK)
    assert program.network.populations["a"].node_type == "LIF"
    found = [d for d in program.report if d.code == "NMB180"]
    assert {d.node for d in found} == {"a", "b"}
    assert all("coincide with the model's" in d.message for d in found)
    leaks = [d for d in program.report if "executed as a constant leak" in d.message]
    for leak in leaks:  # told of the fit that was made
        kept = program.network.populations[leak.node].decay[0]
        assert f"{kept:.4g}" in leak.message
    assert bool(leaks) == (chip != "reckon")
    wanted, _ = run_network(net, spikes)
    fired = program.run(spikes).layers["a"]
    both = 2 * np.minimum(fired, wanted["a"]).sum() / (fired.sum() + wanted["a"].sum())
    assert program.fit.populations["a"].spike_agreement == pytest.approx(both)  # with the model
    assert both > 0.4


def test_membranes_that_are_read_are_fitted_too(spikes):
    net = second_order()
    read = net.populations["b"]
    read.spiking, read.node_type, read.threshold, read.v_reset = False, "CubaLI", None, None
    program = compile_model(net, "reckon", calibrate=spikes)
    (found,) = [d for d in program.report if d.code == "NMB180" and d.node == "b"]
    assert "membranes are off by" in found.message
    assert program.network.populations["b"].node_type == "LI"
