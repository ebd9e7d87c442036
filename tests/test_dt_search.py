"""Other time steps: what they mean, and the search for the one that suits a chip."""

import json
from fractions import Fraction

import numpy as np
import pytest
from click.testing import CliRunner
from crossbar_networks import bernoulli, inputs, layers, link, network, neurons

import nm_backends as nmb
from nm_backends.cli import cli
from nm_backends.errors import UserError
from nm_backends.lowering.reference import reference, run_network
from nm_backends.rules import CompileError
from nm_backends.timestep import as_factor, rebin, retimed

QUICK = nmb.CompileOptions(order="ascending", scale="maxabs", settle="never", row_pairs="never")


def lone(slow=None, **changes):
    synapse = {} if slow is None else {"decay_syn": np.full(1, slow), "gain_syn": np.full(1, 0.4)}
    layer = neurons("a", 1, threshold=1e6, **changes, **synapse)
    return network([inputs(1), layer], [link("in", "a", [[0.7]])])


def membrane(net, spikes):
    return run_network(net, np.asarray(spikes, np.uint8).reshape(-1, 1, 1), True)[1]["a"][:, 0, 0]


@pytest.mark.parametrize("factor", [2, 5, Fraction(1, 4)])
@pytest.mark.parametrize("decay", [1.0, 0.8])
def test_constant_input_and_leak_bring_the_same_charge(factor, decay):
    net = lone(decay=decay, bias=0.3, leak=0.05, v0=0.5)
    ours = membrane(net, np.zeros(20))
    theirs = membrane(retimed(net, factor), rebin(np.zeros(20), factor))
    if factor > 1:
        np.testing.assert_allclose(theirs, ours[factor - 1 :: factor])
    else:
        np.testing.assert_allclose(theirs[3::4], ours)


@pytest.mark.parametrize("factor", [3, Fraction(1, 3)])
def test_a_spike_acts_at_once_by_as_much_and_lasts_as_long(factor):
    net, spikes = lone(decay=0.8), np.eye(1, 12)[0]
    ours, theirs = membrane(net, spikes), membrane(retimed(net, factor), rebin(spikes, factor))
    assert theirs[0] == ours[0] == pytest.approx(0.7)
    assert theirs[3] == pytest.approx(0.7 * 0.8 ** float(3 * factor))


@pytest.mark.parametrize("factor", [2, Fraction(1, 2)])
def test_a_current_brings_the_same_charge(factor):
    net, spikes = lone(slow=0.7, decay=1.0), np.eye(1, 200)[0]
    ours, theirs = membrane(net, spikes), membrane(retimed(net, factor), rebin(spikes, factor))
    assert theirs[-1] == pytest.approx(ours[-1])


def test_there_and_back_is_the_same_network():
    net = lone(slow=0.6, decay=0.9, bias=0.2, leak=0.01)
    net.projections[0].delay = 2
    net.populations["a"].decay[:] = 0.9
    back = retimed(retimed(net, 0.25), 4)
    for name in ("decay", "leak", "bias", "decay_syn", "gain_syn", "gain"):
        np.testing.assert_allclose(
            getattr(back.populations["a"], name), getattr(net.populations["a"], name)
        )
    assert back.projections[0].delay == 2
    assert back.discretisation.dt == pytest.approx(net.discretisation.dt)
    assert retimed(net, 4).projections[0].delay == 0  # half a step of 4: rounded to even
    assert retimed(net, 1) is net


def test_loops_keep_a_step_of_delay():
    net = network(
        [inputs(1), neurons("a", 1)], [link("in", "a", [[1]]), link("a", "a", [[0.5]], delay=1)]
    )
    assert retimed(net, 4).projections[1].delay == 1
    assert retimed(net, 0.5).projections[1].delay == 2


def test_spikes_are_counted_and_the_last_step_kept():
    spikes = np.arange(10).reshape(5, 2) % 3
    np.testing.assert_array_equal(
        rebin(spikes, 2), [spikes[:2].sum(0), spikes[2:4].sum(0), spikes[4]]
    )
    finer = rebin(spikes, "1/3")
    np.testing.assert_array_equal(finer[::3], spikes)
    assert finer.sum() == spikes.sum()
    with pytest.raises(UserError, match="300 spikes of a channel"):
        rebin(np.full((2, 1), 150), 2)


@pytest.mark.parametrize("factor", [0, -1, 1.5, "x", None, float("nan"), float("inf"), 1e9])
def test_other_factors_are_refused(factor):
    with pytest.raises(UserError, match="time step factor"):
        as_factor(factor)


def test_a_membrane_that_changes_sign_has_no_other_step():
    with pytest.raises(UserError, match="multiplied by less than 0"):
        retimed(lone(decay=-0.5), 2)


def test_a_search_sets_time_steps_side_by_side():
    net = layers(10, 8, 3, decay=0.9, seed=2)
    spikes = bernoulli(16, 16, 10, 0.3)
    labels = reference(net, spikes).prediction
    found = nmb.search_dt(net, "tinyodin", spikes, labels, [1, 2, "1/2"], options=QUICK)
    assert [t.factor for t in found.trials] == [1, 2, Fraction(1, 2)]
    assert found.samples == 4  # every fourth
    assert found.accuracy == 1.0
    assert [t.dt for t in found.trials] == [0.001, 0.002, 0.0005]
    twice = found.trials[1]
    held = spikes[:, 3::4]
    run = twice.program.run(rebin(held, 2))
    assert twice.accuracy == np.mean(run.prediction == labels[3::4])
    assert twice.events == run.counters["events_in"].mean()
    assert "NMB183" in twice.program.report.codes
    assert "NMB183" not in found.trials[0].program.report.codes
    assert found.best.rank == max(t.rank for t in found.trials)
    assert "best" in str(found)
    json.dumps(found.to_dict(), default=str)


def test_another_step_helps_where_the_models_is_refused():
    net = layers(6, 4, 2, decay=0.8, reset="subtract_delayed")
    spikes = bernoulli(12, 8, 6, 0.4)
    assert "RECKON010" in nmb.check(net, "reckon").codes
    found = nmb.search_dt(net, "reckon", spikes, factors=(1, 0.5))
    assert found.trials[0].stopped == "RECKON010"
    assert found.best.factor == Fraction(1, 2)
    assert "RECKON010" in str(found)
    with pytest.raises(CompileError):
        nmb.search_dt(net, "reckon", spikes, factors=(1,))


def test_from_the_command_line(tmp_path):
    data = np.load("nm_backends/data/digits_calibration.npz")
    few = tmp_path / "few.npz"
    np.savez(few, spikes=data["spikes"][:, :8], labels=data["labels"][:8])
    program = str(tmp_path / "p.nmb")
    model = "nm_backends/data/digits.nir"
    arguments = ["compile", model, "--chip", "tinyodin", "-o", program, "--search-dt"]
    fast = ["--order", "ascending", "--scale", "maxabs", "--settle", "never"]
    runner = CliRunner()
    done = runner.invoke(cli, [*arguments, "2", "--calibrate", str(few), "--json", *fast])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["time_steps"]["best_factor"] == 2
    run = runner.invoke(cli, ["run", program, "--input", str(few), "--rebin", "2", "--json"])
    assert run.exit_code == 0, run.output
    assert runner.invoke(cli, [*arguments, "2"]).exit_code == 2
