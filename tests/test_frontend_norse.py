"""Norse: cells and layers with time, recurrent ones, leaky integrators, and what is refused."""

import numpy as np
import pytest

import nm_backends as nmb

pytestmark = pytest.mark.frameworks
for package in ("snntorch", "norse", "spikingjelly"):
    pytest.importorskip(package)

import norse.torch as norse  # noqa: E402
import torch  # noqa: E402
from frontend_models import box, dense, input_of, make, spikes  # noqa: E402
from norse.torch.module.iaf import IAF, IAFCell  # noqa: E402
from norse.torch.module.lif_box import LIFBoxCell  # noqa: E402
from torch import nn  # noqa: E402

FAST = norse.LIFParameters(tau_mem_inv=torch.tensor(200.0), v_th=torch.tensor(0.7))
PLAIN = norse.LIParameters()


def lif(n):
    return norse.LIFCell(FAST)


def single(first, second):
    torch.manual_seed(5)
    return norse.SequentialState(*dense(first, second))


def recorded(model, x, whole):
    """Run a model in Norse: name of each neuron module to its outputs."""
    seen = {name: [] for name, part in model.named_modules() if hasattr(part, "dt")}
    for name in seen:
        model.get_submodule(name).register_forward_hook(
            lambda _, given, out, name=name: seen[name].append(out[0].detach())
        )
    state = None
    with torch.no_grad():
        for step in [x] if whole else x:
            _, state = model(step, state)
    joined = {n: torch.cat(v) if v[0].ndim > 2 else torch.stack(v) for n, v in seen.items()}
    for name in seen:
        model.get_submodule(name)._forward_hooks.clear()
    return {name: out.numpy() for name, out in joined.items()}


def same_spikes(model, x, whole=False):
    theirs = recorded(model, x, whole)
    network = nmb.lower(model, sample=x)
    result = nmb.reference(network, x.numpy(), record=("membrane",))
    for layer, made in theirs.items():
        if network.populations[layer].spiking:
            assert made.any(), f"{layer} is silent"
            np.testing.assert_array_equal(result.layers[layer], made, err_msg=layer)
        else:
            np.testing.assert_allclose(result.membranes[layer], made, rtol=1e-4, atol=1e-5)
    assert network.report.ok
    assert not network.report.warnings
    return network


CELLS = {
    "current": (lif, lif),
    "leaky readout": (lif, lambda n: norse.LICell(PLAIN)),
    "leaky readout without current": (lif, lambda n: norse.LIBoxCell(norse.LIBoxParameters())),
    "integrators": (lambda n: IAFCell(), lambda n: IAFCell()),
    "own weights": (
        lambda n: norse.LIFRecurrentCell(n, n, FAST),
        lambda n: norse.LILinearCell(n, 4, PLAIN),
    ),
    "autapses": (lambda n: norse.LIFRecurrentCell(n, n, FAST, autapses=True), lif),
    "vectors": (
        lambda n: LIFBoxCell(
            norse.LIFBoxParameters(
                tau_mem_inv=torch.linspace(100, 400, n), v_leak=torch.linspace(0, 0.3, n)
            )
        ),
        lif,
    ),
    "other step": (lambda n: norse.LIFCell(FAST, dt=0.002), lambda n: norse.LIFCell(FAST)),
    "heaviside": (lambda n: norse.LIFCell(norse.LIFParameters(method="heaviside")), lif),
}


@pytest.mark.parametrize("name", CELLS)
def test_cells_of_one_step(name):
    same_spikes(single(*CELLS[name]), spikes(1))


TIMED = {
    "LIF": lambda: norse.SequentialState(
        nn.Linear(16, 20), norse.LIF(FAST), nn.Linear(20, 5), norse.LIF(FAST)
    ),
    "lifted": lambda: norse.SequentialState(
        norse.Lift(nn.Linear(16, 20)), norse.LIF(FAST), norse.Lift(nn.Linear(20, 5)), norse.LI()
    ),
    "recurrent": lambda: norse.SequentialState(
        norse.LIFRecurrent(16, 20, FAST), nn.Linear(20, 5), norse.LIF(FAST)
    ),
    "integrators": lambda: norse.SequentialState(nn.Linear(16, 20), IAF()),
}


@pytest.mark.parametrize("name", TIMED)
def test_layers_with_time(name):
    torch.manual_seed(2)
    model = TIMED[name]()
    for part in model.modules():
        if isinstance(part, nn.Linear):
            part.weight.data *= 8
    same_spikes(model, spikes(2), whole=True)


def test_images_with_time():
    torch.manual_seed(2)
    model = norse.SequentialState(
        norse.Lift(nn.Conv2d(2, 3, 3)),
        norse.LIF(FAST),
        norse.Lift(nn.AvgPool2d(2)),
        nn.Flatten(2),
        nn.Linear(27, 4),
        norse.LI(),
    )
    model[0].lifted_module.weight.data *= 8
    network = same_spikes(model, spikes(3, (2, 8, 8)), whole=True)
    assert network.projections[0].nodes == ("0.lifted_module",)


class Net(nn.Module):
    """A module of the user's own around cells, with its own loop over time."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(4)
        self.fc, self.lif, self.out, self.li = dense(lif, lambda n: norse.LICell(PLAIN))

    def forward(self, x):
        s1 = s2 = None
        voltages = []
        for t in range(x.shape[0]):
            z, s1 = self.lif(self.fc(x[t]), s1)
            v, s2 = self.li(self.out(z), s2)
            voltages.append(v)
        return torch.stack(voltages).max(0).values


def test_a_module_with_its_own_loop():
    x = spikes(4)
    network = nmb.lower(Net(), sample=x)
    assert [p.name for p in network.neurons] == ["lif", "li"]
    assert not network.report.warnings


def test_the_time_step_is_that_of_the_modules_unless_the_user_says_another():
    model = single(lambda n: norse.LIFCell(FAST, dt=0.002), lambda n: norse.LIFCell(FAST, dt=0.002))
    assert nmb.lower(model, sample=spikes(1)).discretisation.dt == 0.002
    graph = nmb.to_nir(model, spikes(1), dt=1e-4)
    read = nmb.lower(graph)
    assert read.discretisation.dt == 1e-4
    # The steps stay what they are; only their length in seconds is another.
    assert read.populations["1"].decay[0] == pytest.approx(1 - 0.002 * 200)


def other_reset(z, v, reset, th):
    return v - z * reset


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (norse.LIFRefracCell(), "LIFRefracCell cannot be mapped"),
        (norse.IzhikevichCell(norse.functional.izhikevich.tonic_spiking), "Izhikevich"),
        (box(other_reset)(0), "reset_method 'other_reset'"),
        (norse.LIFCell(norse.LIFParameters(method="adjoint")), "no such function exist"),
    ],
)
def test_what_cannot_be_mapped(cell, text):
    torch.manual_seed(0)
    report = nmb.check(norse.SequentialState(nn.Linear(16, 8), cell), "odin", sample=spikes(0))
    assert not report.ok
    assert text in str(report)


def exported(name, dt):
    """What Norse's exporter makes of a model, called as its documentation does."""
    return norse.to_nir(make(name), input_of(name)[0], dt=dt)


@pytest.mark.parametrize("name", ["norse_lifbox_zero", "norse_iaf_grid", "norse_lifcell"])
def test_norses_own_export_with_the_right_step_gives_the_right_network(name):
    x = input_of(name)
    theirs = nmb.reference(make(name), x.numpy(), sample=x).layers
    graph = exported(name, 1.0)
    ours = nmb.reference(graph, x.numpy(), nmb.Discretisation(framework="norse", reset="zero"))
    for layer, made in theirs.items():
        np.testing.assert_array_equal(ours.layers[layer], made, err_msg=layer)


def test_norses_own_export_with_its_default_step_is_refused():
    report = nmb.check(exported("norse_lifbox_zero", 0.001), "odin")
    assert {d.code for d in report.errors} == {"NMB015"}
    assert "Norse" in report.errors[0].hint


def test_norses_own_export_loses_the_reset_and_says_what_was_assumed():
    x = input_of("norse_lifbox_subtract")
    live = nmb.reference(make("norse_lifbox_subtract"), x.numpy(), sample=x)
    graph = exported("norse_lifbox_subtract", 1.0)
    network = nmb.lower(graph, nmb.Discretisation(framework="norse"))
    assert "NMB121" in network.report.codes
    assert (nmb.reference(network, x.numpy()).spikes != live.spikes).any()
    told = nmb.lower(graph, nmb.Discretisation(framework="norse", reset="subtract"))
    np.testing.assert_array_equal(nmb.reference(told, x.numpy()).spikes, live.spikes)
