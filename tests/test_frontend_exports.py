"""What snnTorch's own exporter makes of our models: the right network, or a word about it."""

import numpy as np
import pytest

import nm_backends as nmb
from nm_backends.lowering import lower_collect

pytestmark = pytest.mark.frameworks
for package in ("snntorch", "norse", "spikingjelly"):
    pytest.importorskip(package)

import snntorch as snn  # noqa: E402
import torch  # noqa: E402
from frontend_models import MODELS, input_of, make  # noqa: E402
from snntorch.export_nir import export_to_nir  # noqa: E402
from torch import nn  # noqa: E402

NAMES = [n for n in MODELS if n.startswith("snntorch")]


def full_size(model, x):
    """Give every parameter the shape of its layer: nothing else can be exported."""
    shapes = {}
    hooks = [
        part.register_forward_hook(lambda m, given, out: shapes.update({m: given[0].shape[1:]}))
        for part in model.modules()
    ]
    model(x[0])
    for hook in hooks:
        hook.remove()
    for part in model.modules():
        if type(part) in (snn.Leaky, snn.Synaptic):
            for name in ("beta", "threshold", "alpha"):
                if hasattr(part, name):
                    setattr(part, name, getattr(part, name) * torch.ones(shapes[part]))
            part.reset_mem()
    return model


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", NAMES)
def test_the_exported_graph_with_what_it_lost_is_the_network_of_the_live_model(name):
    x = input_of(name)
    model = full_size(make(name), x)
    live = nmb.lower(model, sample=x)
    graph = export_to_nir(model, x[0], ignore_dims=[0])
    told = nmb.lower(graph, nmb.Discretisation(framework="snntorch"))
    assert told.report.codes - {"NMB103", "NMB104", "NMB110"} == {"NMB121"}
    names = [p.name for p in told.neurons]
    mine = live.neurons
    lost = nmb.Discretisation(
        framework="snntorch",
        reset={n: p.reset for n, p in zip(names, mine, strict=True)},
        graded={n: p.graded for n, p in zip(names, mine, strict=True)},
    )
    ours, theirs = nmb.reference(live, x.numpy()), nmb.reference(graph, x.numpy(), lost)
    for a, b in zip(ours.layers.values(), theirs.layers.values(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_documented_export_fails_where_the_live_model_is_read():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 4), snn.Leaky(0.9, init_hidden=True))
    with pytest.raises(ValueError, match="type mismatch"):
        export_to_nir(model, torch.zeros(1, 16))
    assert nmb.lower(model, sample=torch.ones(5, 1, 16)).input_size == 16


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_beta_above_one_is_refused_from_the_file_and_clamped_from_the_model():
    torch.manual_seed(0)
    neuron = snn.Leaky(torch.full((4,), 1.2), threshold=torch.ones(4), init_hidden=True)
    model = nn.Sequential(nn.Linear(16, 4), neuron)
    graph = export_to_nir(model, torch.zeros(1, 16), ignore_dims=[0])
    _, report = lower_collect(graph)
    assert [d.code for d in report.errors] == ["NMB008"]
    assert nmb.lower(model, sample=torch.ones(5, 1, 16)).report.ok


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_padding_of_pooling_is_lost_in_the_file_and_noticed_by_the_next_layer():
    torch.manual_seed(0)
    neuron = snn.Leaky(torch.full((2, 5, 5), 0.9), torch.ones(2, 5, 5), init_hidden=True)
    model = nn.Sequential(nn.AvgPool2d(2, padding=1), neuron)
    network = nmb.lower(model, sample=torch.ones(5, 1, 2, 8, 8))
    assert network.populations["1"].shape == (2, 5, 5)
    with pytest.raises(ValueError, match="mismatch"):
        export_to_nir(model, torch.zeros(1, 2, 8, 8), ignore_dims=[0])
