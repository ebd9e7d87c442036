"""snnTorch: every option of its neurons, and the many ways to write a forward pass."""

import numpy as np
import pytest

import nm_backends as nmb

pytestmark = pytest.mark.frameworks
for package in ("snntorch", "norse", "spikingjelly"):
    pytest.importorskip(package)

import snntorch as snn  # noqa: E402
import torch  # noqa: E402
from frontend_models import dense, leaky, spikes, spikes_of  # noqa: E402
from torch import nn  # noqa: E402


def codes(report, severity="error"):
    return [d.code for d in report if d.severity == severity]


def same_spikes(model, x, options=None):
    """Lower the model and compare every layer with the framework's own spikes."""
    theirs = spikes_of(model, x)
    network = nmb.lower(model, sample=x)
    ours = nmb.reference(network, x.numpy()).layers
    for layer, made in theirs.items():
        assert (made > 0).any(), f"{layer} is silent"
        graded = network.populations[layer].graded
        np.testing.assert_array_equal(ours[layer] * graded, made, err_msg=layer)
    return network


def two(neuron, **options):
    torch.manual_seed(7)
    return nn.Sequential(*dense(neuron, leaky(), **options))


def lapicque(**options):
    return lambda n: snn.Lapicque(init_hidden=True, **options)


NEURONS = {
    "learned": leaky(beta=0.83, learn_beta=True, threshold=0.7, learn_threshold=True),
    "no reset": leaky(reset_mechanism="none"),
    "no reset, no delay": leaky(reset_mechanism="none", reset_delay=False),
    "learned graded factor": leaky(graded_spikes_factor=1.7, learn_graded_spikes_factor=True),
    "graded without delay": leaky(graded_spikes_factor=2.0, reset_delay=False),
    "vector of betas": lambda n: snn.Leaky(beta=torch.rand(n), init_hidden=True),
    "one beta in an array": lambda n: snn.Leaky(beta=torch.tensor([0.9]), init_hidden=True),
    "batch axis": lambda n: snn.Leaky(beta=torch.rand(1, n), init_hidden=True),
    "vector of thresholds": lambda n: snn.Leaky(
        0.9, threshold=torch.rand(n) + 0.3, init_hidden=True
    ),
    "returns its membrane": leaky(surrogate_disable=True),
    "synaptic vectors": lambda n: snn.Synaptic(torch.rand(n), torch.rand(n), init_hidden=True),
    "synaptic none": lambda n: snn.Synaptic(0.6, 0.7, reset_mechanism="none", init_hidden=True),
    "lapicque beta": lapicque(beta=0.8),
    "lapicque R and C": lapicque(R=2.0, C=3.0),
    "lapicque time step": lapicque(R=1.5, C=2.0, time_step=0.5),
    "lapicque beta and C": lapicque(beta=0.7, C=2.0, reset_mechanism="zero"),
    "lapicque none": lapicque(beta=0.7, reset_mechanism="none"),
    "rleaky one weight": lambda n: snn.RLeaky(0.8, V=0.3, all_to_all=False, init_hidden=True),
    "rleaky no reset": lambda n: snn.RLeaky(
        0.8, linear_features=n, reset_mechanism="none", init_hidden=True
    ),
    "rsynaptic one to one": lambda n: snn.RSynaptic(
        0.5, 0.6, V=torch.rand(n) - 0.5, all_to_all=False, init_hidden=True
    ),
}


@pytest.mark.parametrize("name", NEURONS)
def test_options_of_neurons(name):
    network = same_spikes(two(NEURONS[name]), spikes(1))
    assert network.report.ok
    assert not network.report.warnings


def test_a_learned_beta_outside_its_range_is_clamped_as_in_the_forward_pass():
    model = two(leaky(learn_beta=True, reset_mechanism="zero"))
    with torch.no_grad():
        model[1].beta.fill_(1.2)
    network = same_spikes(model, spikes(2))
    assert float(network.populations["1"].decay[0]) == 1.0
    found = next(d for d in network.report if d.code == "NMB144")
    assert (found.node, found.severity) == ("1", "info")
    assert "beta goes from 1.2 to 1.2" in found.message


def test_channels_of_a_convolution_have_their_own_parameters():
    torch.manual_seed(0)
    beta = torch.tensor([0.5, 0.7, 0.9])[:, None, None]
    model = nn.Sequential(
        nn.Conv2d(2, 3, 3), snn.Leaky(beta=beta, threshold=0.4 + beta, init_hidden=True)
    )
    network = same_spikes(model, spikes(3, (2, 6, 6)))
    assert network.populations["1"].decay.reshape(3, 16)[:, 0] == pytest.approx([0.5, 0.7, 0.9])


def test_recurrent_convolution():
    torch.manual_seed(0)
    neuron = snn.RLeaky(0.9, conv2d_channels=3, kernel_size=3, init_hidden=True)
    network = same_spikes(nn.Sequential(nn.Conv2d(2, 3, 3), neuron), spikes(4, (2, 6, 6)))
    assert [(p.name, p.delay) for p in network.projections][1] == ("1 -> 1", 1)


def test_lapicque_says_what_it_decays_by():
    report = nmb.lower(two(lapicque(beta=0.8)), sample=spikes(1)).report
    assert any("1 - time_step/(R*C) = 0.776" in d.message for d in report)
    model = two(lapicque(beta=0.8))
    model[1].beta = torch.tensor(0.5)
    report = nmb.lower(model, sample=spikes(1)).report
    assert any("beta = 0.5 is not used" in d.message for d in report)


REFUSED = {
    "NMB040 Alpha": snn.Alpha(alpha=0.9, beta=0.8, init_hidden=True),
    "NMB040 a maximum of spikes": nn.MaxPool1d(2),
    "NMB040 an activation between": nn.ReLU(),
    "NMB040 LayerNorm": nn.LayerNorm(24),
    "NMB041 largest membrane": leaky(inhibition=True)(0),
    "NMB041 cannot run with reset_delay=False": snn.RSynaptic(
        0.8, 0.9, linear_features=24, init_hidden=True, reset_delay=False
    ),
    "NMB041 one value per neuron": leaky(graded_spikes_factor=torch.ones(24))(0),
    "NMB041 below, at and above": leaky(spike_grad=torch.sigmoid)(0),
    "NMB041 negative threshold": leaky(threshold=-0.1, reset_delay=False)(0),
    "NMB048 the layer has (24,)": leaky(beta=torch.ones(3, 1, 1) * 0.5)(0),
}


@pytest.mark.filterwarnings("ignore:Inhibition")
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_mapped_is_refused_with_the_reason(name):
    code, _, text = name.partition(" ")
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 24), leaky()(0), REFUSED[name])
    report = nmb.check(model, "odin", sample=spikes(0))
    found = [d for d in report.errors if d.code == code]
    assert found, report
    assert found[0].node == "2"
    assert text in str(found[0])
    with pytest.raises(nmb.CompileError):
        nmb.to_nir(model, spikes(0))


def test_all_refusals_are_said_at_once():
    model = nn.Sequential(
        nn.Linear(16, 24), nn.ReLU(), leaky()(0), nn.MaxPool1d(2), nn.Linear(12, 4), leaky()(0)
    )
    report = nmb.check(model, "odin", sample=spikes(0))
    assert [(d.code, d.node) for d in report.errors] == [("NMB040", "1"), ("NMB040", "3")]


def test_a_quantised_state_is_left_out_with_a_warning():
    from snntorch.functional.quant import state_quant

    model = two(leaky(state_quant=state_quant(num_bits=8, uniform=True, threshold=1.0)))
    report = nmb.check(model, "odin", sample=spikes(0))
    assert "NMB143" in codes(report, "warning")


def test_options_changed_after_the_module_was_made():
    model = two(leaky())
    model[1].reset_delay = False
    assert same_spikes(model, spikes(5)).populations["1"].reset == "subtract_nodelay_snntorch"


def normalised(training=False):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.BatchNorm2d(2),
        nn.Conv2d(2, 4, 3, bias=False),
        nn.BatchNorm2d(4),
        leaky()(0),
        nn.AvgPool2d(3, stride=2, padding=1),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(36, 10, bias=False),
        nn.BatchNorm1d(10),
        leaky()(0),
    )
    for part in model:
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(part.running_mean, -0.3, 0.3)
            nn.init.uniform_(part.running_var, 0.05, 0.2)
            nn.init.uniform_(part.weight, 0.5, 2)
            nn.init.uniform_(part.bias, -0.1, 0.3)
    return model.train(training)


def test_batch_normalisation_is_folded():
    network = same_spikes(normalised(), spikes(6, (2, 8, 8)))
    folded = {d.node: d.message for d in network.report if d.code == "NMB141"}
    assert set(folded) == {"0", "2", "8"}
    assert "layer of one weight per channel" in folded["0"]
    assert folded["8"].endswith("weights of 7")
    assert network.projections[0].nodes == ("0", "1")


def test_training_mode_is_read_as_evaluation_with_a_warning():
    model, x = normalised(training=True), spikes(6, (2, 8, 8))
    network = nmb.lower(model, sample=x)
    assert model.training
    assert codes(network.report, "warning") == ["NMB142"]
    theirs = spikes_of(model.eval(), x)
    ours = nmb.reference(network, x.numpy()).layers
    np.testing.assert_array_equal(ours["9"], theirs["9"])


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (nn.AvgPool2d(2, ceil_mode=True), "ceil_mode"),
        (nn.AvgPool2d(2, padding=1, count_include_pad=False), "count_include_pad"),
        (nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular"), "circular"),
        (nn.AdaptiveAvgPool2d(3), "overlap"),
        (nn.MaxPool2d(2), "MaxPool2d"),
    ],
)
def test_layers_with_options_that_no_weights_can_do(layer, text):
    model = nn.Sequential(layer, nn.Flatten(), leaky()(0))
    report = nmb.check(model, "odin", sample=spikes(0, (2, 8, 8)))
    assert not report.ok
    assert text in str(report)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=2),
        nn.Conv2d(2, 4, (3, 5), padding="same", dilation=2),
        nn.AdaptiveAvgPool2d(4),
        nn.AvgPool2d((2, 4)),
    ],
    ids=str,
)
def test_layers_of_images(layer):
    torch.manual_seed(0)
    model = nn.Sequential(layer, leaky(threshold=0.3)(0))
    same_spikes(model, spikes(8, (2, 8, 8)))


@pytest.mark.parametrize("layer", [nn.Conv1d(2, 4, 5, stride=2), nn.AvgPool1d(3)], ids=str)
def test_layers_of_signals(layer):
    torch.manual_seed(0)
    model = nn.Sequential(layer, leaky(threshold=0.3)(0), nn.Flatten(), nn.Linear(1, 1))
    model = model[:2]
    same_spikes(model, spikes(9, (2, 15)))


class Net(nn.Module):
    """Two layers whose forward pass is given as a function."""

    def __init__(self, forward, init_hidden=False):
        super().__init__()
        torch.manual_seed(3)
        fc1, self.lif1, fc2, self.lif2 = dense(
            leaky(init_hidden=init_hidden), leaky(init_hidden=init_hidden)
        )
        self.fc1, self.fc2, self.back = fc1, fc2, nn.Linear(10, 24, bias=False)
        self.way = forward

    def forward(self, x):
        return self.way(self, x)


def tutorial(net, x):
    mem1, mem2 = net.lif1.reset_mem(), net.lif2.reset_mem()
    spk_rec, mem_rec = [], []
    for step in range(x.size(0)):
        spk1, mem1 = net.lif1(net.fc1(x[step]), mem1)
        spk2, mem2 = net.lif2(net.fc2(spk1), mem2)
        spk_rec.append(spk2)
        mem_rec.append(mem2)
    return torch.stack(spk_rec, dim=0), torch.stack(mem_rec, dim=0)


def iterated(net, x):
    net.lif1.reset_mem(), net.lif2.reset_mem()
    out = torch.zeros(len(x), x.shape[1], 10)
    for t, step in enumerate(x):
        out[t] = net.lif2(net.fc2(net.lif1(net.fc1(step.flatten(1)))[0]))[0]
    return out


def encoded_outside_the_loop(net, x):
    net.lif1.reset_mem(), net.lif2.reset_mem()
    current = net.fc1(x)
    out = [net.lif2(net.fc2(net.lif1(current[t])[0]))[0] for t in range(len(x))]
    return torch.stack(out).sum(0)


def feedback(net, x):
    net.lif1.reset_mem(), net.lif2.reset_mem()
    spk2 = torch.zeros(x.shape[1], 10)
    out = []
    for step in x:
        spk1, _ = net.lif1(net.fc1(step) + net.back(spk2))
        spk2, _ = net.lif2(net.fc2(spk1))
        out.append(spk2)
    return torch.stack(out)


def weighted_skip(net, x):
    net.lif1.reset_mem(), net.lif2.reset_mem()
    out = []
    for step in x.unbind(0):
        spk1, _ = net.lif1(net.fc1(step))
        spk2, _ = net.lif2(net.fc2(0.5 * spk1 + spk1) - net.fc3(step) / 2)
        out.append(spk2)
    return {"spikes": torch.stack(out)}


WAYS = {f.__name__: f for f in (tutorial, iterated, encoded_outside_the_loop, feedback)}


def ran(net, x):
    """Run a model with its own loop in snnTorch: the spikes of its layers."""
    seen = {"lif1": [], "lif2": []}
    hooks = [
        getattr(net, name).register_forward_hook(
            lambda _, given, out, name=name: seen[name].append(out[0].detach())
        )
        for name in seen
    ]
    net(x)
    for hook in hooks:
        hook.remove()
    return {name: torch.stack(out).numpy() for name, out in seen.items()}


@pytest.mark.parametrize("way", WAYS)
def test_ways_to_write_the_forward_pass(way):
    net, x = Net(WAYS[way]), spikes(10)
    network = nmb.lower(net, sample=x)
    assert not network.report.warnings, network.report
    assert set(network.outputs.values()) == {"lif2"}
    ours, theirs = nmb.reference(network, x.numpy()).layers, ran(net, x)
    for layer in theirs:
        np.testing.assert_array_equal(ours[layer], theirs[layer], err_msg=layer)
    backwards = [p for p in network.projections if p.name == "lif2 -> lif1"]
    assert [p.delay for p in backwards] == ([1] if way == "feedback" else [])


def test_sums_differences_and_factors_between_layers():
    net, x = Net(weighted_skip), spikes(11)
    net.fc3 = nn.Linear(16, 10)
    network = nmb.lower(net, sample=x)
    ours, theirs = nmb.reference(network, x.numpy()).layers, ran(net, x)
    np.testing.assert_array_equal(ours["lif2"], theirs["lif2"])
    assert [p.name for p in network.projections] == [
        "input -> lif1",
        "input -> lif2",
        "lif1 -> lif2",
    ]


def test_batch_first_input():
    def forward(net, x):
        net.lif1.reset_mem(), net.lif2.reset_mem()
        x = x.permute(1, 0, 2)
        return torch.stack([net.lif2(net.fc2(net.lif1(net.fc1(s))[0]))[0] for s in x])

    net, x = Net(forward), spikes(12)
    network = nmb.lower(net, sample=x.permute(1, 0, 2))
    theirs = ran(net, x.permute(1, 0, 2))
    np.testing.assert_array_equal(nmb.reference(network, x.numpy()).layers["lif2"], theirs["lif2"])


def test_the_same_input_in_every_step():
    def forward(net, x):
        net.lif1.reset_mem(), net.lif2.reset_mem()
        current = net.fc1(x)
        return torch.stack([net.lif2(net.fc2(net.lif1(current)[0]))[0] for _ in range(25)])

    net = Net(forward)
    x = spikes(13)[0]
    network = nmb.lower(net, sample=x)
    repeated = np.tile(x.numpy(), (25, 1, 1))
    np.testing.assert_array_equal(
        nmb.reference(network, repeated).layers["lif2"], ran(net, x)["lif2"]
    )


def test_a_model_of_one_step_takes_a_batch_without_time_too():
    model = nn.Sequential(*dense(leaky(), leaky()))
    x = spikes(14)
    for sample in (x, x[0], (x, torch.zeros(3)), x.numpy().astype(bool), x[:, 0]):
        assert nmb.lower(model, sample=sample).input_size == 16


def test_a_model_that_encodes_its_input_itself():
    def forward(net, x):
        net.lif1.reset_mem(), net.lif2.reset_mem()
        out = []
        for _ in range(20):
            spk1, _ = net.lif1(net.fc1((x > 0.5).float()))
            out.append(net.lif2(net.fc2(spk1))[0])
        return torch.stack(out)

    network = nmb.lower(Net(forward), sample=torch.rand(3, 16))
    found = next(d for d in network.report if d.code == "NMB148")
    assert "gt" in found.message


class Halves(nn.Module):
    """Two layers that each receive a part of the input."""

    def __init__(self, at):
        super().__init__()
        self.at = at
        self.fc1, self.fc2 = nn.Linear(at, 6), nn.Linear(16 - at, 6)
        self.lif1, self.lif2 = snn.Leaky(0.9), snn.Leaky(0.8)
        torch.manual_seed(1)

    def forward(self, x):
        a, b, out = self.lif1.init_leaky(), self.lif2.init_leaky(), []
        for step in x:
            spikes, a = self.lif1(self.fc1(step[:, : self.at]), a)
            later, b = self.lif2(self.fc2(step[:, self.at :]), b)
            out.append(later + spikes)
        return torch.stack(out)


@pytest.mark.parametrize(("at", "code"), [(5, "NMB042"), (8, "NMB046")])
def test_layers_that_receive_parts_of_the_input_are_refused(at, code):
    with pytest.raises(nmb.CompileError) as raised:
        nmb.lower(Halves(at), sample=2 * spikes(16))
    report = raised.value.report
    assert code in codes(report)
    assert "slicing" in next(d.message for d in report if d.code == "NMB148")


def test_a_network_that_could_not_be_compared_is_said_to_be(monkeypatch):
    monkeypatch.setattr("nm_backends.frontends.torch_verify._input", lambda *_: None)
    report = nmb.lower(two(leaky()), sample=spikes(16)).report
    assert codes(report, "warning") == ["NMB149"]


def test_outputs_may_be_several_and_membranes_are_said_to_be_none():
    def forward(net, x):
        net.lif1.reset_mem(), net.lif2.reset_mem()
        both = []
        for step in x:
            spk1, _ = net.lif1(net.fc1(step))
            both.append((net.lif2(net.fc2(spk1))[0], spk1))
        return torch.stack([b[0] for b in both]), torch.stack([b[1] for b in both])

    network = nmb.lower(Net(forward), sample=spikes(15))
    assert list(network.outputs.values()) == ["lif2", "lif1"]
    assert network.output.name == "lif2"

    net = Net(lambda net, x: tutorial(net, x)[1])
    report = nmb.lower(net, sample=spikes(15)).report
    assert codes(report, "warning") == ["NMB146"]


def test_operations_that_cannot_be_followed_are_named():
    def forward(net, x):
        net.lif1.reset_mem(), net.lif2.reset_mem()
        out = []
        for step in x:
            spk1, _ = net.lif1(net.fc1(step))
            out.append(net.lif2(torch.relu(net.fc2(spk1)))[0])
        return torch.stack(out)

    report = nmb.check(Net(forward), "odin", sample=spikes(16))
    assert [(d.code, d.node) for d in report.errors] == [("NMB042", "lif2")]
    assert "relu" in report.errors[0].message


def test_a_membrane_between_layers_is_refused():
    def forward(net, x):
        net.lif1.reset_mem(), net.lif2.reset_mem()
        return torch.stack([net.lif2(net.fc2(net.lif1(net.fc1(s))[1]))[0] for s in x])

    report = nmb.check(Net(forward), "odin", sample=spikes(16))
    assert "membrane of lif1" in str(report)


def test_a_layer_used_twice_in_a_step_is_refused():
    def forward(net, x):
        net.lif1.reset_mem(), net.lif2.reset_mem()
        out = []
        for step in x:
            spk1, _ = net.lif1(net.fc1(step))
            spk1, _ = net.lif1(net.fc1(step) + spk1)
            out.append(net.lif2(net.fc2(spk1))[0])
        return torch.stack(out)

    report = nmb.check(Net(forward), "odin", sample=spikes(16))
    assert "NMB045" in codes(report)


def test_a_state_that_does_not_start_at_zero_is_noticed():
    def forward(net, x):
        mem1 = torch.full((x.shape[1], 24), 0.4)
        net.lif2.reset_mem()
        out = []
        for step in x:
            spk1, mem1 = net.lif1(net.fc1(step), mem1)
            out.append(net.lif2(net.fc2(spk1))[0])
        return torch.stack(out)

    report = nmb.check(Net(forward), "odin", sample=spikes(17))
    assert [(d.code, d.node) for d in report.errors] == [("NMB046", "lif1")]


def test_spikes_that_hang_on_rounding_are_counted():
    """1 + 2**-25 is above 1, but not in single precision."""
    first, second = leaky(beta=1.0, threshold=1.0)(1), leaky()(1)
    model = nn.Sequential(nn.Linear(2, 1, bias=False), first, nn.Linear(1, 1), second)
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0, 2**-25]]))
    x = torch.ones(1, 1, 2)
    assert spikes_of(model, x)["1"].sum() == 0
    network = nmb.lower(model, sample=x)
    assert nmb.reference(network, x.numpy()).layers["1"].sum() == 1
    assert codes(network.report, "warning") == ["NMB140"]
    found = network.report.warnings[0]
    assert found.node == "1"
    assert "1 of 1 values" in found.message
    assert "because of rounding" in found.message


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (nn.Sequential(nn.Linear(16, 4), snn.Leaky(0.9), nn.Linear(4, 2)), "init_hidden=True"),
        (nn.Sequential(nn.Linear(5, 4), leaky()(0)), "model(sample[0])"),
    ],
)
def test_models_that_cannot_be_run(model, text):
    report = nmb.check(model, "odin", sample=spikes(0))
    assert codes(report) == ["NMB044"]
    assert text in report.errors[0].hint


def test_a_model_without_neurons_on_its_way():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.lif = nn.Linear(16, 4), leaky()(0)

        def forward(self, x):
            self.lif(self.fc(x))
            return x

    assert "NMB047" in codes(nmb.check(Odd(), "odin", sample=spikes(0)))


def test_a_neuron_of_the_users_own_is_read_as_what_it_extends():
    class Mine(snn.Leaky):
        pass

    class Other(snn.Leaky):
        def forward(self, x, mem=None):
            return super().forward(2 * x, mem)

    same_spikes(two(lambda n: Mine(0.9, init_hidden=True)), spikes(18))
    report = nmb.check(two(lambda n: Other(0.9, init_hidden=True)), "odin", sample=spikes(18))
    assert codes(report) == ["NMB040"]


def test_weights_with_a_parametrisation():
    model = two(leaky())
    nn.utils.parametrizations.weight_norm(model[0])
    same_spikes(model, spikes(19))


def test_what_the_exporter_would_lose_is_said():
    report = nmb.lower(two(leaky()), sample=spikes(1)).report
    said = next(d.message for d in report if d.code == "NMB145")
    assert "the reset 'subtract_delayed';" in said
    assert "a single beta" in said


@pytest.mark.parametrize(
    "wrap",
    [
        lambda m: torch.compile(m, backend="eager"),
        nn.DataParallel,
        lambda m: m.requires_grad_(False),
    ],
    ids=["compiled", "parallel", "frozen"],
)
def test_wrapped_models(wrap):
    network = nmb.lower(wrap(nn.Sequential(*dense(leaky(), leaky()))), sample=spikes(20))
    assert [p.name for p in network.neurons] == ["1", "3"]


@pytest.mark.parametrize("kind", [torch.double, torch.bfloat16])
def test_other_precisions(kind):
    """One layer: the spikes of snnTorch are single, so that it cannot run two itself."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 8), leaky(beta=0.875)(0)).to(kind)
    network = nmb.lower(model, sample=spikes(20))
    assert [p.name for p in network.neurons] == ["1"]


def test_a_recurrence_through_an_attribute_of_the_module():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.rec = nn.Linear(16, 16), nn.Linear(16, 16)
            self.lif, self.prev = leaky()(0), None

        def forward(self, x):
            if self.prev is None:
                self.prev = torch.zeros_like(x)
            self.prev = self.lif(self.fc(x) + self.rec(self.prev))
            return self.prev

    torch.manual_seed(1)
    network = nmb.lower(Net(), sample=spikes(21))
    assert [(p.name, p.delay) for p in network.projections] == [
        ("input -> lif", 0),
        ("lif -> lif", 1),
    ]
    assert not network.report.codes & {"NMB046", "NMB140", "NMB148"}


def test_joined_features_and_functional_layers_get_a_hint():
    def forward(net, x):
        net.lif1.reset_mem(), net.lif2.reset_mem()
        out = []
        for step in x:
            spk1, _ = net.lif1(net.fc1(step))
            halves = torch.cat([spk1[:, :12], spk1[:, 12:]], 1)
            out.append(net.lif2(net.fc2(halves))[0])
        return torch.stack(out)

    report = nmb.check(Net(forward), "odin", sample=spikes(16))
    assert [d.code for d in report.errors] == ["NMB042"]


def test_neurons_alone():
    assert nmb.lower(leaky()(0), sample=spikes(20)).populations["leaky"].shape == (16,)
    assert nmb.lower(leaky()(0), sample=spikes(20)[0]).populations["leaky"].shape == (16,)


class Skip(nn.Module):
    """The input goes to both neurons, the second time as ``way`` makes it."""

    def __init__(self, way):
        super().__init__()
        torch.manual_seed(2)
        self.fc, self.a, self.b, self.way = nn.Linear(16, 16), leaky()(0), leaky()(0), way

    def forward(self, x):
        return self.b(self.a(self.fc(x)) + self.way(x))


def test_an_input_that_skips_a_layer():
    network = same_spikes(Skip(lambda x: x), spikes(22))
    assert [p.name for p in network.projections] == ["input -> a", "input -> b", "a -> b"]
    report = nmb.check(Skip(lambda x: 2 * x), "odin", sample=spikes(22))
    assert codes(report)[0] == "NMB046"
    assert "changes its input (mul)" in report.errors[0].hint


def test_a_large_batch_is_compared_in_part():
    x = torch.cat([spikes(s) for s in range(8)], 1)
    assert nmb.lower(two(leaky()), sample=x).report.ok


class Reservoir(nn.Module):
    """Neurons that hear the input as it is and, from the second step on, each other."""

    def __init__(self, bias):
        super().__init__()
        torch.manual_seed(6)
        self.rec, self.lif = nn.Linear(16, 16, bias=bias), leaky(threshold=0.8)(0)
        self.last = None

    def forward(self, x):
        heard = x if self.last is None else x + self.rec(self.last)
        self.last = self.lif(heard)
        return self.last


def test_an_input_that_meets_a_recurrence_without_a_layer():
    network = nmb.lower(Reservoir(bias=False), sample=spikes(23))
    assert [(p.name, p.delay) for p in network.projections] == [
        ("input -> lif", 0),
        ("lif -> lif", 1),
    ]
    assert network.report.codes == {"NMB145"}
    # A bias that is not there in the first step is more than a network can say.
    report = nmb.check(Reservoir(bias=True), "odin", sample=spikes(23))
    assert codes(report)[0] == "NMB046"
