"""`ChipModule`: the chip's bits forward, the float model's gradients back."""

import copy
from itertools import pairwise

import nir
import numpy as np
import pytest
from crossbar_networks import CHIPS, bernoulli, inputs, layers, link, network, neurons

import nm_backends as nmb
from nm_backends.api import lower
from nm_backends.errors import UserError

try:
    import torch

    from nm_backends.torch import ChipModule, FloatModel
    from nm_backends.torch.surrogate import atan, instead
except ImportError:  # the tests below are then deselected, or fail
    pass

pytestmark = pytest.mark.frameworks
ALL = (*CHIPS, "reckon")
DT = 1e-3
BETA = 0.9


def graph(bias=False, seed=0):
    rng = np.random.default_rng(seed)

    def lif(size):
        one = np.ones(size)
        return nir.LIF(tau=one * DT / (1 - BETA), r=one / (1 - BETA), v_leak=0 * one,
                       v_threshold=one, v_reset=0 * one)  # fmt: skip

    def dense(*shape):
        weight = rng.normal(0.15, 0.3, shape)
        return nir.Affine(weight, rng.normal(0.02, 0.02, shape[0])) if bias else nir.Linear(weight)

    nodes = {
        "input": nir.Input({"input": np.array([12])}),
        "fc1": dense(8, 12), "lif1": lif(8), "fc2": dense(4, 8), "lif2": lif(4),
        "output": nir.Output({"output": np.array([4])}),
    }  # fmt: skip
    said = {"framework": "snntorch", "dt": DT, "reset": "zero"}
    return nir.NIRGraph(nodes, list(pairwise(nodes)), metadata={"nm_backends": said})


def conv_graph():
    rng = np.random.default_rng(4)
    one, ten = np.ones((3, 2, 2)), np.ones(4)
    nodes = {
        "input": nir.Input({"input": np.array([2, 6, 6])}),
        "conv": nir.Conv2d((6, 6), rng.normal(0, 0.5, (3, 2, 3, 3)), 1, 0, 1, 1, np.full(3, 0.05)),
        "pool": nir.AvgPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        "if1": nir.IF(r=one, v_threshold=0.5 * one),
        "flat": nir.Flatten({"input": np.array([3, 2, 2])}, 0),
        "fc": nir.Affine(rng.normal(0, 0.4, (4, 12)), np.full(4, 0.1)),
        "if2": nir.IF(r=ten, v_threshold=ten),
        "output": nir.Output({"output": np.array([4])}),
    }
    said = {"dt": DT, "if_gain": "r", "reset": "zero", "spike_cmp": ">"}
    return nir.NIRGraph(nodes, list(pairwise(nodes)), metadata={"nm_backends": said})


SPIKES = bernoulli(25, 5, 12, rate=0.3)


def compiled(chip="tinyodin", given=None, spikes=SPIKES):
    return nmb.compile(given or graph(), chip, calibrate=spikes)


@pytest.mark.parametrize("chip", ALL)
@pytest.mark.parametrize("hidden", ["chip", "float"])
def test_forward_is_the_run_of_the_program_bit_for_bit(chip, hidden):
    program = compiled(chip)
    module = ChipModule(program, hidden=hidden)
    result = program.run(SPIKES)
    out = module(torch.from_numpy(SPIKES))
    assert out.requires_grad
    assert result.spikes.any()
    assert np.array_equal(out.detach().numpy(), result.spikes)
    assert np.array_equal(module.layers["lif1"].numpy(), result.layers["lif1"])
    assert np.array_equal(module.result.counters["sops"], result.counters["sops"])
    with torch.no_grad():
        assert not module(torch.from_numpy(SPIKES)).requires_grad


@pytest.mark.parametrize("chip", ALL)
def test_steps_are_the_sequence_and_reset_begins_anew(chip):
    module = ChipModule(compiled(chip))
    whole = module(torch.from_numpy(SPIKES))
    for _ in range(2):
        module.reset()
        steps = torch.stack([module(step) for step in torch.from_numpy(SPIKES)])
        assert torch.equal(steps, whole)
    weights = list(module.parameters())
    a = torch.autograd.grad(whole[5:].sum(), weights)
    b = torch.autograd.grad(steps[5:].sum(), weights)
    assert all(torch.allclose(x, y, rtol=1e-4, atol=1e-4) for x, y in zip(a, b, strict=True))
    module.reset()
    for step in torch.from_numpy(SPIKES[:6]):
        cut = module(step)
        module.detach()
    (grad,) = torch.autograd.grad(cut.sum(), weights[1])
    assert torch.isfinite(grad).all()
    with pytest.raises(UserError, match="a step with a batch of 2, but the sequence began with 5"):
        module(torch.from_numpy(SPIKES[0, :2]))


def in_snntorch(program, spikes, delay):
    """Return weights and outputs of the same network in snnTorch's own modules."""
    import snntorch as snn
    from snntorch import surrogate

    double = torch.float64
    weights = [p.weights.toarray().T.copy() for p in program.network.projections]
    weights = [torch.tensor(w, dtype=double, requires_grad=True) for w in weights]
    leaky = [
        snn.Leaky(
            beta=torch.tensor(BETA, dtype=double),
            reset_mechanism="zero",
            spike_grad=surrogate.atan(),
            reset_delay=delay,
        )
        for _ in weights
    ]
    v, out = [torch.zeros(1, dtype=double)] * 2, []
    for step in torch.from_numpy(spikes).to(double):
        heard = step
        for i, w in enumerate(weights):
            heard, v[i] = leaky[i](heard.to(double) @ w.t(), v[i])
        out.append(heard)
    return weights, torch.stack(out).to(double)


@pytest.mark.parametrize("detach", [True, False], ids=["snntorch's default", "reset_delay=False"])
def test_gradients_of_the_float_model_are_those_of_snntorch(detach):
    """As near as its spikes, and so their gradients, allow: these are float32."""
    from snntorch import surrogate

    program = compiled()
    how = {"hidden": "float", "detach_reset": detach, "dtype": torch.float64}
    module = ChipModule(program, surrogate=surrogate.atan(), **how)
    weights, out = in_snntorch(program, SPIKES, delay=detach)
    model = module.model(torch.from_numpy(SPIKES).double())
    assert torch.equal(model["lif2"], out)
    slopes = torch.rand(out.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = torch.autograd.grad((out * slopes).sum(), weights)
    got = torch.autograd.grad(
        (module(torch.from_numpy(SPIKES)) * slopes).sum(), module.parameters()
    )
    assert all(e.abs().max() > 0.1 for e in expected)
    for e, g in zip(expected, got, strict=True):
        assert torch.allclose(e, g, rtol=1e-5, atol=1e-5)
    own = ChipModule(program, **how)
    got = torch.autograd.grad((own(torch.from_numpy(SPIKES)) * slopes).sum(), own.parameters())
    for e, g in zip(expected, got, strict=True):
        assert torch.allclose(e, g, rtol=1e-5, atol=1e-5)


def test_with_the_chips_spikes_gradients_are_those_of_each_layer_at_what_it_heard():
    """Layer 2 alone, driven by the chip's layer 1: the gradient of fc2 does not need layer 1."""
    program = compiled()
    module = ChipModule(program, dtype=torch.float64)
    out = module(torch.from_numpy(SPIKES))
    (got,) = torch.autograd.grad(out.sum(), module.model.fc2.weight)
    weight = module.model.fc2.weight.detach().clone().requires_grad_()
    chip, v, total = program.run(SPIKES), torch.zeros(1, dtype=torch.float64), 0
    for heard, sent in zip(chip.layers["lif1"], chip.spikes, strict=True):
        v = BETA * v + torch.from_numpy(heard).double() @ weight.t()
        total = total + torch.atan(torch.pi * (v - 1)).sum() / torch.pi
        v = v * (1 - torch.from_numpy(sent).double().clamp(max=1))
    (expected,) = torch.autograd.grad(total, weight)
    assert torch.allclose(got, expected, rtol=1e-9, atol=1e-9)


RULES = ("zero", "subtract", "subtract_delayed", "subtract_nodelay_snntorch", "zero_dropinput",
         "none")  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("synapse", [False, True])
def test_the_float_model_does_what_the_reference_does(rule, synapse):
    rng = np.random.default_rng(RULES.index(rule))
    kind = {"node_type": "CubaLIF"} if synapse else {}
    changes = {"decay": 0.8, "gain": 0.7, "v0": 0.2, "v_reset": -0.25 if rule == "zero" else 0.0}
    first = neurons("a", 6, bias=0.05, reset=rule, graded=2.0, **changes, **kind)
    second = neurons("b", 3, spike_cmp=">=", decay=0.5, **kind)
    for p in (first, second):
        if synapse:
            p.decay_syn, p.gain_syn = np.full(p.size, 0.6), np.full(p.size, 0.9)
    links = [
        link("in", "a", rng.normal(0.2, 0.6, (5, 6)), 1),
        link("a", "a", rng.normal(0, 0.5, (6, 6)), 1),
        link("a", "b", rng.normal(0.1, 0.5, (6, 3)), 2),
    ]
    given = network([inputs(5), first, second], links)
    given.projections[1].nodes, given.projections[2].nodes = ("rec",), ("out",)
    model = FloatModel(given, dtype=torch.float64)
    assert {"rec.weight", "out.weight"} < {name for name, _ in model.named_parameters()}
    spikes = bernoulli(40, 4, 5, rate=0.4)
    expected = nmb.reference(given, spikes)
    got = model(torch.from_numpy(spikes).double())
    for name, layer in expected.layers.items():
        assert layer.any()
        assert np.array_equal(got[name].detach().numpy(), layer)


def test_convolutions_pooling_and_biases_keep_their_own_parameters():
    spikes = bernoulli(15, 3, 72, rate=0.3).reshape(15, 3, 2, 6, 6)
    given = conv_graph()
    program = nmb.compile(given, "tinyodin", calibrate=spikes)
    module = ChipModule(program, dtype=torch.float64, hidden="float")
    shapes = {name: tuple(p.shape) for name, p in module.model.named_parameters()}
    assert shapes == {
        "conv.weight": (3, 2, 3, 3), "conv.bias": (3,), "fc.weight": (4, 12), "fc.bias": (4,)
    }  # fmt: skip
    result = module(torch.from_numpy(spikes))
    assert np.array_equal(result.detach().numpy(), program.run(spikes).spikes)
    assert module.layers["if1"].shape == (15, 3, 3, 2, 2)
    conv = torch.nn.Conv2d(2, 3, 3).double()
    fc = torch.nn.Linear(12, 4).double()
    plain = torch.nn.ModuleDict({"conv": conv, "fc": fc})
    plain.load_state_dict(module.model.state_dict())
    v1, v2, out = torch.zeros(1), torch.zeros(1), []
    for step in torch.from_numpy(spikes).double():
        v1 = v1 + torch.nn.functional.avg_pool2d(conv(step), 2)
        s1 = fire(v1, 0.5)
        v1 = v1 * (1 - s1.detach())
        v2 = v2 + fc(s1.flatten(1))
        out.append(fire(v2, 1.0))
        v2 = v2 * (1 - out[-1].detach())
    expected = torch.autograd.grad(torch.stack(out).sum(), plain.parameters())
    got = torch.autograd.grad(result.sum(), module.parameters())
    for e, g in zip(expected, got, strict=True):
        assert e.abs().max() > 0
        assert torch.allclose(e, g, rtol=1e-9, atol=1e-9)


def fire(v, threshold):
    return instead(atan()(v - threshold), (v > threshold).to(v.dtype))


@pytest.mark.parametrize("chip", ALL)
def test_the_program_follows_the_parameters(chip):
    program = compiled(chip)
    module = ChipModule(program)
    assert module.program is program
    before = module(torch.from_numpy(SPIKES)).detach()
    optimiser = torch.optim.SGD(module.parameters(), lr=0.05)
    (-module(torch.from_numpy(SPIKES)).sum()).backward()
    optimiser.step()
    after = module(torch.from_numpy(SPIKES)).detach()
    changed = module.program
    assert changed is not program
    assert after.sum() > before.sum()
    assert np.array_equal(after.numpy(), changed.run(SPIKES).spikes)
    assert not np.array_equal(changed.weights("fc1"), program.weights("fc1"))
    scale = changed.layout["scale"]
    assert np.array_equal(scale, program.layout["scale"])
    module.load_state_dict(ChipModule(program).state_dict())
    assert torch.equal(module(torch.from_numpy(SPIKES)), before)
    assert not module.refresh()
    made = module.recompile(SPIKES)
    assert np.array_equal(made.run(SPIKES).spikes, program.run(SPIKES).spikes)


def test_programs_from_files_and_their_models(tmp_path):
    spikes = bernoulli(15, 3, 72, rate=0.3).reshape(15, 3, 2, 6, 6)
    given = conv_graph()
    nmb.compile(given, "tinyodin", calibrate=spikes).save(tmp_path / "conv.nmb")
    loaded = nmb.load(tmp_path / "conv.nmb")
    with pytest.raises(UserError, match=r"does not\s+know how"):
        ChipModule(loaded)
    module = ChipModule(loaded, given)
    assert "conv.weight" in dict(module.model.named_parameters())
    other = conv_graph()
    other.nodes["fc"].weight[0, 0] += 1
    with pytest.raises(UserError, match="the program's weights are not those of its graph"):
        ChipModule(loaded, other)
    with pytest.raises(UserError, match="not the one that the program was compiled from"):
        ChipModule(loaded, graph())
    compiled().save(tmp_path / "dense.nmb")
    dense = ChipModule(nmb.load(tmp_path / "dense.nmb"))
    assert [n for n, _ in dense.model.named_parameters()] == ["fc1.weight", "fc2.weight"]
    assert torch.equal(
        dense(torch.from_numpy(SPIKES)), ChipModule(compiled())(torch.from_numpy(SPIKES))
    )


@pytest.mark.parametrize("bias", [False, True])
def test_the_trained_model_goes_back_to_nir(bias, tmp_path):
    given = graph(bias)
    kept = copy.deepcopy(given)
    module = ChipModule(compiled(given=given))
    with torch.no_grad():
        for p in module.parameters():
            p += 0.125
    with_model, without = module.to_nir(given), module.to_nir()
    for made in (with_model, without):
        nir.write(tmp_path / "made.nir", made)
        found = nmb.lower(tmp_path / "made.nir")
        for p, q in zip(found.projections, module.model.to_network().projections, strict=True):
            assert np.allclose(p.weights.toarray(), q.weights.toarray(), atol=1e-6)
    assert np.allclose(with_model.nodes["fc1"].weight, kept.nodes["fc1"].weight + 0.125, atol=1e-6)
    assert np.array_equal(given.nodes["fc1"].weight, kept.nodes["fc1"].weight)


def test_nested_names_are_nested_modules_and_impossible_ones_are_named():
    given = graph()
    names = {"fc1": "block.fc1", "fc2": "forward"}
    given.nodes = {names.get(name, name): node for name, node in given.nodes.items()}
    given.edges = list(pairwise(given.nodes))
    program = nmb.compile(given, "tinyodin")
    with pytest.raises(UserError, match="node 'forward' has the name of an attribute"):
        ChipModule(program)
    given.nodes = {"out" if name == "forward" else name: n for name, n in given.nodes.items()}
    given.edges = list(pairwise(given.nodes))
    model = ChipModule(nmb.compile(given, "tinyodin")).model
    assert sorted(dict(model.named_parameters())) == ["block.fc1.weight", "out.weight"]
    assert model.block.fc1.weight.shape == (8, 12)


def test_wrong_use_is_told():
    module = ChipModule(compiled())
    with pytest.raises(UserError, match=r"spikes have shape \[3\], expected \[time, batch, 12\]"):
        module(torch.zeros(3))
    with pytest.raises(UserError, match="not a whole number"):
        module(torch.full((4, 2, 12), 0.5))
    with pytest.raises(UserError, match="hidden is 'both', expected chip or float"):
        ChipModule(compiled(), hidden="both")


def test_a_program_made_by_hand_has_layers_under_their_names():
    given = layers(12, 8, 4, mean=0.2, decay=0.9)
    given.projections[0].nodes, given.projections[1].nodes = ("up",), ("down",)
    program = nmb.compile(given, "tinyodin", calibrate=SPIKES)
    module = ChipModule(program)
    assert [n for n, _ in module.model.named_parameters()] == ["up.weight", "down.weight"]
    assert np.array_equal(module(torch.from_numpy(SPIKES)).detach(), program.run(SPIKES).spikes)


def test_membranes_of_outputs_that_do_not_spike():
    """ReckOn: its outputs are read, also step by step."""
    given = graph()
    three = np.ones(4)
    given.nodes["lif2"] = nir.LI(tau=20 * DT * three, r=20 * three, v_leak=0 * three)
    given = nir.NIRGraph(given.nodes, given.edges, metadata=given.metadata)
    program = nmb.compile(given, "reckon", calibrate=SPIKES)
    module = ChipModule(program, calibrate=SPIKES, dtype=torch.float64)
    out = module(torch.from_numpy(SPIKES))
    assert np.array_equal(out.detach().numpy(), program.run(SPIKES).spikes)
    out[-1].sum().backward()
    assert all(p.grad.abs().max() > 0 for p in module.parameters())
    with torch.no_grad():
        module.model.fc2.weight *= -1
    flipped = module(torch.from_numpy(SPIKES)).detach()
    assert np.array_equal(flipped.numpy(), module.program.run(SPIKES).spikes)
    assert (out[-1] * flipped[-1]).sum() < 0
    whole = module(torch.from_numpy(SPIKES))
    steps = torch.stack([module(torch.from_numpy(now)) for now in SPIKES])
    assert torch.equal(whole, steps)
    parameters = list(module.parameters())
    of_whole, of_steps = (torch.autograd.grad(o.sum(), parameters) for o in (whole, steps))
    assert all(torch.allclose(a, b) for a, b in zip(of_whole, of_steps, strict=True))


def test_a_live_model_gets_its_fine_tuned_weights_back():
    import snntorch as snn

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1 = torch.nn.Linear(12, 8)
            self.lif1 = snn.Leaky(BETA, reset_mechanism="zero")
            self.fc2 = torch.nn.Linear(8, 4, bias=False)
            self.lif2 = snn.Leaky(BETA, reset_mechanism="zero")

        def forward(self, x):
            v1, v2, out = self.lif1.reset_mem(), self.lif2.reset_mem(), []
            for step in x:
                s1, v1 = self.lif1(self.fc1(step), v1)
                s2, v2 = self.lif2(self.fc2(s1), v2)
                out.append(s2)
            return torch.stack(out)

    torch.manual_seed(3)
    live, batch = Net(), torch.from_numpy(SPIKES).float()
    with torch.no_grad():
        live.fc1.weight.mul_(4)
        live.fc2.weight.mul_(4)
    program = nmb.compile(live, "tinyodin", sample=batch, calibrate=batch)
    module = ChipModule(program)
    (-module(batch).sum()).backward()
    torch.optim.SGD(module.parameters(), lr=0.02).step()
    named = {n: p for n, p in module.model.state_dict().items() if n in live.state_dict()}
    assert sorted(named) == ["fc1.bias", "fc1.weight", "fc2.weight"]
    live.load_state_dict(named, strict=False)
    tuned = nmb.lower(live, sample=batch)
    for mine, theirs in zip(module.program.network.projections, tuned.projections, strict=True):
        assert np.allclose(mine.weights.toarray(), theirs.weights.toarray(), atol=1e-6)


@pytest.mark.parametrize("chip", CHIPS)
def test_the_chips_own_gradients_train_what_the_image_holds(chip):
    program = compiled(chip)
    module = ChipModule(program, gradients="chip")
    spikes, wanted = torch.from_numpy(SPIKES), torch.tensor([0, 1, 2, 3, 0])
    optimiser = torch.optim.Adam(module.parameters(), lr=0.3)
    losses = []
    for _ in range(12):
        out = module(spikes)
        assert np.array_equal(out.detach().numpy(), module.program.run(SPIKES).spikes)
        loss = torch.nn.functional.cross_entropy(out.sum(0), wanted)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert min(losses[6:]) < losses[0]
    assert module.values.threshold.grad.any()
    assert all(p.grad is None for p in module.model.parameters())
    back = lower(module.to_nir())
    assert abs(back.projections[0].weights - program.network.projections[0].weights).max() > 0
    again = ChipModule(program, gradients="chip")
    again.load_state_dict(module.state_dict())
    assert np.array_equal(again.program.run(SPIKES).spikes, module.program.run(SPIKES).spikes)


def test_the_chips_own_gradients_need_a_whole_sequence_and_a_chip_that_has_them():
    module = ChipModule(compiled(), gradients="chip")
    with pytest.raises(UserError, match="need a whole sequence"):
        module(torch.from_numpy(SPIKES[0]))
    with torch.no_grad():
        steps = torch.stack([module(step) for step in torch.from_numpy(SPIKES)])
        assert torch.equal(steps, module(torch.from_numpy(SPIKES)))
    with pytest.raises(UserError, match="nothing to compile anew"):
        module.recompile()
    with pytest.raises(UserError, match="gradients is 'both', expected model or chip"):
        ChipModule(compiled(), gradients="both")
    with pytest.raises(UserError, match="do not go through the dynamics of reckon"):
        ChipModule(compiled("reckon"), gradients="chip")
