"""Continuous parameters become decays and gains; who is believed about what the file omits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nir_graphs import QUIET, chain, cuba, graph, inp, integrator, li, lif, linear, node, out, write

from nm_backends.discretisation import Discretisation
from nm_backends.lowering import lower, lower_collect
from nm_backends.lowering.neurons import snap


def neuron(made, settings=QUIET):
    return lower(chain(made), settings).output


def test_lif_by_forward_euler():
    made = neuron(lif(2, tau=[0.01, 0.02], r=[2.0, 4.0], v_leak=[0.5, 0.0]))
    assert made.decay.tolist() == [0.9, 0.95]
    assert made.gain.tolist() == [0.2, 0.2]
    np.testing.assert_allclose(made.leak, [0.05, 0.0])


def test_cuba_has_two_stages():
    made = neuron(cuba(2, tau_syn=0.005, tau_mem=0.01, w_in=3.0))
    assert made.decay_syn.tolist() == [0.8, 0.8]
    assert made.gain_syn.tolist() == [0.6, 0.6]
    assert made.decay.tolist() == [0.9, 0.9]
    assert made.gain.tolist() == [0.1, 0.1]


def test_cuba_li_and_li_do_not_spike():
    for made in (neuron(cuba(2, kind="CubaLI")), neuron(li(2))):
        assert not made.spiking
        assert made.threshold is None
        assert made.reset == "none"


def test_endless_time_constants_with_endless_gain_mean_no_leak():
    made = neuron(lif(2, tau=[np.inf, 0.01], r=[np.inf, 1.0], v_leak=0.5))
    assert made.decay.tolist() == [1.0, 0.9]
    assert made.gain.tolist() == [1.0, 0.1]
    assert made.leak[0] == 0.0
    made = neuron(cuba(2, tau_syn=np.inf, w_in=np.inf))
    assert (made.decay_syn.tolist(), made.gain_syn.tolist()) == ([1, 1], [1, 1])


@pytest.mark.parametrize(
    "fields",
    [
        {"r": np.array([1.0, np.inf])},
        {"tau": np.array([0.01, np.nan])},
        {"tau": -np.ones(2) * np.inf},
    ],
)
def test_other_infinities_are_errors(fields):
    report = lower_collect(chain(lif(2) | fields), QUIET)[1]
    assert {d.code for d in report.errors} == {"NMB007"}


@pytest.mark.parametrize(
    ("r", "rule", "gain"),
    [
        (1.0, None, 1.0),
        (1000.0, None, 1.0),
        (1.0, "r*dt", 1e-3),
        (3.0, "r", 3.0),
        (3.0, "r*dt", 3e-3),
    ],
)
def test_gain_of_integrators(r, rule, gain):
    settings = Discretisation(dt=1e-3, reset="zero", spike_cmp=">", if_gain=rule)
    network = lower(chain(integrator(2, r=r)), settings)
    assert network.report.codes == set()
    np.testing.assert_allclose(network.output.gain, gain)
    assert network.output.decay.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("framework", "cmp", "gain", "start"),
    [("norse", ">", 1000.0, 0.25), ("spikingjelly", ">=", 0.1, -0.5), ("snntorch", ">", 0.1, 0.0)],
)
def test_conventions_of_frameworks(framework, cmp, gain, start):
    network = lower(
        chain(lif(2, v_leak=0.25, v_reset=-0.5), integrator(2, r=1000.0)),
        Discretisation(framework=framework, dt=1e-4, reset="zero", snap=False),
    )
    first, second = network.neurons
    assert first.spike_cmp == cmp
    assert first.v0.tolist() == [start, start]
    np.testing.assert_allclose(second.gain, gain)


def test_snapping_undoes_float32():
    exact = np.array([0.125, 0.9, 0.001, 0.333, 1.0])
    noisy = exact + np.array([1e-6, -1.9e-6, 1e-7, 2e-6 - 1e-9, 3e-8])
    np.testing.assert_array_equal(snap(noisy), exact)
    far = exact + 3e-6
    np.testing.assert_array_equal(snap(far), far)


@given(st.floats(-4, 4))
def test_snapping_moves_little_and_settles(value):
    once = snap(np.array([value]))
    assert abs(once[0] - value) <= 2e-6
    np.testing.assert_array_equal(snap(once), once)
    assert once[0] != 0 or value == 0


def test_snapping_leaves_a_slow_neuron_its_leak():
    made = neuron(lif(2, tau=1000.0))
    assert (made.decay < 1).all()
    assert (made.gain > 0).all()


def test_snapping_can_be_turned_off():
    settings = Discretisation(framework="nir", dt=1e-3, snap=False)
    assert neuron(lif(1, tau=0.0100001), settings).decay[0] == 1 - 1e-3 / 0.0100001


def test_not_strict_turns_a_long_step_into_a_warning():
    network = lower(chain(lif(2, tau=1e-4)), QUIET, strict=False)
    assert [(d.code, d.severity) for d in network.report] == [("NMB015", "warning")]


# What is said: user, then the node's metadata, then the graph's, then the framework.


def with_metadata(node_data=None, **data):
    made = lif(2)
    if node_data:
        made["metadata"] = {"nm_backends": node_data}
    return graph(
        {"input": inp(2), "a": made, "b": lif(2), "output": out(2)}, metadata={"nm_backends": data}
    )


@pytest.mark.parametrize("form", ["memory", "file"])
def test_metadata_is_used_and_the_user_overrides_it(form, tmp_path):
    model = with_metadata(
        {"reset": "subtract"},
        framework="snntorch",
        dt=1e-3,
        reset={"b": "zero_dropinput"},
        graded={"a": 2.0},
    )
    if form == "file":
        model = write(tmp_path / "m.nir", model)
    network = lower(model)
    assert network.report.codes == set()
    a, b = network.neurons
    assert (a.reset, b.reset, a.graded, b.graded) == ("subtract", "zero_dropinput", 2.0, 1.0)
    assert a.decay.tolist() == [0.9, 0.9]
    over = lower(model, Discretisation(dt=5e-4, reset={"a": "none"}, graded={"b": 3.0}))
    a, b = over.neurons
    assert (a.reset, b.reset, a.graded, b.graded) == ("none", "zero_dropinput", 2.0, 3.0)
    assert a.decay.tolist() == [0.95, 0.95]


def test_metadata_written_by_to_metadata_is_read_back(tmp_path):
    said = Discretisation(
        framework="norse",
        dt=1e-3,
        reset={"1": "subtract"},
        v0={"1": 0.25},
        v_reset=-0.5,
        spike_cmp=">=",
        snap=True,
    )
    model = chain(lif(2)) | {"metadata": {"nm_backends": said.to_metadata()}}
    network = lower(write(tmp_path / "m.nir", model))
    assert network.report.codes == set()
    made = network.output
    assert (made.reset, made.spike_cmp) == ("subtract", ">=")
    assert made.v0.tolist() == [0.25, 0.25]
    assert made.v_reset.tolist() == [-0.5, -0.5]


@pytest.mark.parametrize(
    "data", [{"dt": -1.0}, {"reset": "nope"}, {"reset": {"zz": "zero"}}, {"v0": "top"}]
)
def test_bad_metadata_is_ignored_with_a_warning(data):
    network = lower(chain(lif(2)) | {"metadata": {"nm_backends": data}}, QUIET)
    assert network.report.codes == {"NMB130"}
    assert network.discretisation.dt == 1e-3


@pytest.mark.parametrize(
    ("said", "message", "hint"),
    [
        ({"dt": 0}, "dt is 0", "dt is a positive number of seconds"),
        ({"dt": float("nan")}, "dt is nan", "give finite numbers"),
        ({"dt": "fast"}, "dt is 'fast'", "give a number"),
        (
            {"framework": "snnTorch"},
            "framework is 'snnTorch'",
            "did you mean 'snntorch'? (all: snntorch, norse, spikingjelly, lava, nir)",
        ),
        (
            {"reset": "substract"},
            "reset is 'substract'",
            "did you mean 'subtract' or 'subtract_delayed'? (all: zero, subtract, "
            "subtract_delayed, subtract_nodelay_snntorch, zero_dropinput, none)",
        ),
        ({"reset": {"1": "soft"}}, "reset of 1 is 'soft'", None),
        ({"spike_cmp": "=>"}, "spike_cmp is '=>'", None),
        ({"if_gain": "dt"}, "if_gain is 'dt'", None),
        ({"v0": "rest"}, "v0 is 'rest'", "give zero or v_leak or v_reset or a number"),
        ({"v0": {"1": [1, 2, 3]}}, "v0 has 3 values for 2 neurons", None),
        (
            {"w_in": {"1": 2.0}},
            "w_in is given for '1', which is a LIF node",
            "no node of this model has a w_in",
        ),
        ({"graded": 2.0}, "graded is {node name: factor}", "found 2.0"),
        ({"graded": {"1": np.inf}}, "graded of 1 is inf", None),
        ({"snap": "yes"}, "snap is 'yes'", None),
        ({"dt": {"1": 1e-3}}, "dt is one value for the whole model", None),
    ],
)
def test_wrong_values_are_errors_that_say_what_is_allowed(said, message, hint):
    report = lower_collect(
        chain(lif(2)), Discretisation(**{"framework": "nir", "dt": 1e-3, **said})
    )[1]
    (error,) = report.errors
    assert (error.code, error.message) == ("NMB016", message)
    if hint is not None:
        assert error.hint == hint


def test_unknown_names_suggest_the_right_one():
    model = graph(
        {"input": inp(2), "hidden": lif(2), "fc": linear(np.eye(2)), "l": lif(2), "output": out(2)}
    )
    report = lower_collect(
        model, Discretisation(framework="nir", dt=1e-3, reset={"hiden": "zero"})
    )[1]
    assert (report.errors[0].code, report.errors[0].hint) == ("NMB017", "did you mean 'hidden'?")
    report = lower_collect(model, Discretisation(framework="nir", dt=1e-3, reset={"fc": "zero"}))[1]
    assert report.errors[0].message == "reset is given for 'fc', which is a Linear node"
    assert report.errors[0].hint == "there are: hidden, l"


def test_values_for_one_node_and_for_all():
    said = Discretisation(
        framework="nir", dt=1e-3, v0={"1": [1.0, 2.0]}, v_reset=-1.0, w_in={"2": 4.0}, reset="zero"
    )
    first, second = lower(chain(lif(2), cuba(2)), said).neurons
    assert first.v0.tolist() == [1.0, 2.0]
    assert second.v0.tolist() == [0.0, 0.0]
    assert first.v_reset.tolist() == second.v_reset.tolist() == [-1.0, -1.0]
    np.testing.assert_allclose(second.gain_syn, 0.8)


def test_w_in_of_norse_is_only_replaced_where_the_file_says_one():
    said = Discretisation(framework="norse", dt=1e-3, reset="zero", v_reset=0.0)
    network = lower(chain(cuba(2), cuba(2, w_in=2.0)), said)
    first, second = network.neurons
    assert first.gain_syn.tolist() == [1.0, 1.0]
    np.testing.assert_allclose(second.gain_syn, 0.4)
    kept = lower(
        chain(cuba(2)),
        Discretisation(framework="norse", dt=1e-3, reset="zero", v_reset=0.0, w_in=1.0),
    )
    assert kept.report.codes == set()


def test_start_is_only_warned_about_where_it_matters():
    said = Discretisation(dt=1e-3, reset="zero", spike_cmp=">")
    assert lower(chain(lif(2)), said).report.codes == set()
    assert lower(chain(lif(2, v_reset=-0.1)), said).report.codes == {"NMB123"}


def test_a_model_without_neurons_needs_no_time_step():
    network = lower(chain(node("Scale", scale=np.ones(2))))
    assert network.report.codes == set()
