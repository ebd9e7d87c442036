"""SpikingJelly: single and multi step, its containers, soft and hard resets."""

import numpy as np
import pytest

import nm_backends as nmb

pytestmark = pytest.mark.frameworks
for package in ("snntorch", "norse", "spikingjelly"):
    pytest.importorskip(package)

import torch  # noqa: E402
from frontend_models import functional, input_of, layer, make, neuron, spikes  # noqa: E402
from spikingjelly.activation_based import surrogate  # noqa: E402
from torch import nn  # noqa: E402

NEURONS = {
    "IF": lambda: neuron.IFNode(),
    "IF soft": lambda: neuron.IFNode(v_reset=None, v_threshold=0.8),
    "IF reset": lambda: neuron.IFNode(v_reset=-0.4),
    "LIF": lambda: neuron.LIFNode(tau=3.0),
    "LIF soft": lambda: neuron.LIFNode(tau=3.0, v_reset=None),
    "LIF whole input": lambda: neuron.LIFNode(tau=3.0, decay_input=False, v_reset=0.1),
    "parametric": lambda: neuron.ParametricLIFNode(init_tau=2.5),
    "parametric soft": lambda: neuron.ParametricLIFNode(2.5, decay_input=False, v_reset=None),
    "sigmoid surrogate": lambda: neuron.LIFNode(surrogate_function=surrogate.Sigmoid()),
}


def images(make_neuron):
    torch.manual_seed(1)
    model = nn.Sequential(
        layer.Conv2d(2, 4, 3, bias=False),
        layer.BatchNorm2d(4),
        make_neuron(),
        layer.AvgPool2d(2),
        layer.Flatten(),
        layer.Dropout(0.2),
        layer.Linear(36, 6),
        make_neuron(),
    )
    with torch.no_grad():
        model[0].weight *= 8
        model[6].weight *= 12
        model[1].running_var.uniform_(0.5, 2)
        model[1].running_mean.uniform_(-0.2, 0.2)
    return model.eval()


def ran(model, x):
    """Run a model in SpikingJelly: spikes of each neuron."""
    seen = {n: [] for n, part in model.named_modules() if isinstance(part, neuron.BaseNode)}
    hooks = [
        model.get_submodule(name).register_forward_hook(
            lambda _, given, out, name=name: seen[name].append(out.detach())
        )
        for name in seen
    ]
    functional.reset_net(model)
    with torch.no_grad():
        for step in [x] if len(hooks) and _multi(model) else x:
            model(step)
    for hook in hooks:
        hook.remove()
    return {n: (v[0] if len(v) == 1 else torch.stack(v)).numpy() for n, v in seen.items()}


def _multi(model):
    return any(getattr(part, "step_mode", "s") == "m" for part in model.modules())


@pytest.mark.parametrize("mode", ["s", "m"])
@pytest.mark.parametrize("name", NEURONS)
def test_neurons_in_both_modes(name, mode):
    model, x = images(NEURONS[name]), spikes(1, (2, 8, 8))
    functional.set_step_mode(model, mode)
    theirs = ran(model, x)
    network = nmb.lower(model, sample=x)
    assert not network.report.warnings
    ours = nmb.reference(network, x.numpy()).layers
    for where, made in theirs.items():
        assert made.any(), f"{where} is silent"
        np.testing.assert_array_equal(ours[where], made, err_msg=where)


def test_containers_for_many_steps():
    torch.manual_seed(0)
    model = nn.Sequential(
        layer.SeqToANNContainer(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)),
        neuron.LIFNode(step_mode="m"),
        layer.SeqToANNContainer(nn.Flatten(), nn.Linear(108, 5)),
        layer.MultiStepContainer(neuron.IFNode()),
    ).eval()
    model[0][0].weight.data *= 6
    model[2][1].weight.data *= 5
    x = spikes(2, (2, 8, 8))
    network = nmb.lower(model, sample=x)
    assert not network.report.warnings, network.report
    assert [p.name for p in network.neurons] == ["1", "3.0"]
    np.testing.assert_array_equal(nmb.reference(network, x.numpy()).layers["1"], ran(model, x)["1"])


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (neuron.EIFNode(), "EIFNode cannot be mapped"),
        (layer.MaxPool1d(2), "MaxPool1d cannot be mapped"),
        (layer.WSLinear(24, 24), "WSLinear cannot be mapped"),
        (neuron.IFNode(surrogate_function=surrogate.Sigmoid(spiking=False)), "below, at and above"),
    ],
    ids=lambda p: type(p).__name__,
)
def test_what_cannot_be_mapped(part, text):
    torch.manual_seed(0)
    model = nn.Sequential(layer.Linear(16, 24), neuron.IFNode(), part)
    report = nmb.check(model, "odin", sample=spikes(0))
    assert not report.ok
    assert text in str(report)


def test_a_state_left_from_training_is_no_matter():
    model, x = make("spikingjelly_lif_vreset"), input_of("spikingjelly_lif_vreset")
    for step in x[:5]:
        model(step)
    held = model[1].v.clone()
    assert not nmb.lower(model, sample=x).report.warnings
    assert bool((model[1].v == held).all())


@pytest.mark.parametrize(
    "name",
    ["spikingjelly_lif_decay_input", "spikingjelly_lif_vreset", "spikingjelly_if_grid"],
)
def test_spikingjellys_own_export_gives_the_right_network(name):
    from spikingjelly.activation_based import nir_exchange

    model, x = make(name), input_of(name)
    live = nmb.reference(model, x.numpy(), sample=x).layers
    functional.reset_net(model)
    graph = nir_exchange.export_to_nir(model, x[0])
    told = nmb.Discretisation(framework="spikingjelly")
    ours = nmb.reference(graph, x.numpy(), told).layers
    for (_, mine), (_, theirs) in zip(live.items(), ours.items(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_spikingjellys_exporter_refuses_what_is_read_here():
    from spikingjelly.activation_based import nir_exchange

    torch.manual_seed(0)
    model = nn.Sequential(layer.Linear(16, 8), neuron.LIFNode(v_reset=None))
    with pytest.raises(NotImplementedError, match="soft reset"):
        nir_exchange.export_to_nir(model, spikes(0)[0])
    report = nmb.lower(model, sample=spikes(0)).report
    assert any("a soft reset cannot be exported" in d.message for d in report)
