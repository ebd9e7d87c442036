"""`Feedback`: what hidden layers learn from, against the formulas of the six methods."""

import copy
import sys
from pathlib import Path

import numpy as np
import pytest

from nm_backends import datasets
from nm_backends.errors import UserError

try:
    import snntorch
    import torch

    from nm_backends.torch.drtp import METHODS, Feedback
except ImportError:  # the tests below are then deselected, or fail
    METHODS = ()

pytestmark = pytest.mark.frameworks
sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))
SIZES = (4, 6, 5, 3)
DIRECT = ("DFA", "sDFA", "DRTP")
# Standard deviation over seeds after epochs 1, 2, 3: examples/drtp_synthetic.py --seeds 10
SPREAD = {
    "BP": (2.36, 1.28, 0.74), "FA": (2.26, 1.72, 0.89), "DFA": (0.58, 0.22, 0.26),
    "sDFA": (0.78, 0.34, 0.22), "DRTP": (0.24, 0.22, 0.19), "shallow": (2.32, 1.83, 0.94),
}  # fmt: skip


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # such small products only wait for a second one
    yield
    torch.set_num_threads(threads)


def mlp():
    a, b, c, d = SIZES
    return torch.nn.Sequential(
        torch.nn.Linear(a, b), torch.nn.Tanh(), torch.nn.Linear(b, c), torch.nn.Sigmoid(),
        torch.nn.Linear(c, d), torch.nn.Sigmoid(),
    ).double()  # fmt: skip


def batch(number=7):
    inputs = torch.randn(number, SIZES[0], dtype=torch.float64)
    return inputs, torch.randint(0, SIZES[-1], (number,))


def one_hot(labels):
    return torch.nn.functional.one_hot(labels, SIZES[-1]).double()


def gradients(model):
    return {name: p.grad.numpy().copy() for name, p in model.named_parameters()}


def trained(method, loss="mse_loss", model=None, given=None, **options):
    """Run one backward pass; return the wrapped model, inputs, labels and gradients."""
    model, (inputs, labels) = model or mlp(), given or batch()
    feedback = Feedback(model, method, sample=inputs, seed=3, **options)
    output = feedback(inputs, targets=labels)
    getattr(torch.nn.functional, loss)(output, one_hot(labels)).backward()
    return feedback, inputs.numpy(), labels.numpy(), gradients(model)


def by_hand(feedback, inputs, labels):
    """The gradients of `mlp` with the mean of squares as the loss, layer by layer."""
    w = {k: v.detach().numpy() for k, v in feedback.model.named_parameters()}
    b = {k: v.numpy() for k, v in feedback.matrices.items()}
    method, wanted = feedback.method, np.eye(SIZES[-1])[labels]
    y1 = np.tanh(inputs @ w["0.weight"].T + w["0.bias"])
    y2 = 1 / (1 + np.exp(-(y1 @ w["2.weight"].T + w["2.bias"])))
    y3 = 1 / (1 + np.exp(-(y2 @ w["4.weight"].T + w["4.bias"])))
    slopes = 1 - y1**2, y2 * (1 - y2), y3 * (1 - y3)
    error = y3 - wanted
    d3 = 2 * error / error.size * slopes[2]  # the loss's own gradient: divided by the batch

    def arrives(later, layer, hidden):
        if method in ("BP", "FA"):
            return later @ (w[f"{layer}.weight"] if method == "BP" else b[layer])
        if method == "shallow":
            return np.zeros((len(inputs), SIZES[1 if hidden == "1" else 2]))
        signal = {"DFA": error, "sDFA": np.sign(error), "DRTP": wanted}[method]
        return signal @ b[hidden]  # not divided

    d2 = arrives(d3, "4", "3") * slopes[1]
    d1 = arrives(d2, "2", "1") * slopes[0]
    made = {}
    for layer, delta, y in (("0", d1, inputs), ("2", d2, y1), ("4", d3, y2)):
        made[f"{layer}.weight"], made[f"{layer}.bias"] = delta.T @ y, delta.sum(axis=0)
    return made


@pytest.mark.parametrize("method", METHODS)
def test_gradients_are_those_of_the_formula(method):
    feedback, inputs, labels, found = trained(method)
    wanted = by_hand(feedback, inputs, labels)
    assert found.keys() == wanted.keys()
    for name in found:
        assert found[name] == pytest.approx(wanted[name], rel=1e-9, abs=1e-12), name
    hidden = abs(found["0.weight"]).max()
    assert hidden == 0 if method == "shallow" else hidden > 0


@pytest.mark.parametrize("method", METHODS)
def test_the_forward_pass_is_that_of_the_model(method):
    model, (inputs, labels) = mlp(), batch()
    plain = model(inputs)
    feedback = Feedback(model, method, sample=inputs)
    assert torch.equal(feedback(inputs, targets=labels), plain)
    assert torch.equal(model(inputs), plain)
    assert [id(p) for p in feedback.parameters()] == [id(p) for p in model.parameters()]


def test_drtp_takes_the_row_of_the_label():
    model, (inputs, _) = mlp(), batch(1)
    feedback = Feedback(model, "drtp", sample=inputs)
    feedback(inputs, targets=torch.tensor([2])).sum().backward()
    with torch.no_grad():
        y2 = model[:4](inputs)
    assert torch.equal(model[2].bias.grad, (feedback.matrices["3"][2] * (y2 * (1 - y2)))[0])


def test_matrices_are_uniform_within_the_bound_of_their_layer_and_follow_the_seed():
    model = torch.nn.Sequential(
        torch.nn.Linear(30, 400), torch.nn.ReLU(), torch.nn.Linear(400, 10), torch.nn.Sigmoid()
    )
    sample = torch.zeros(2, 30)
    for method, name, shape, bound in (
        ("DRTP", "1", (10, 400), np.sqrt(6 / 400)),
        ("FA", "2", (10, 400), np.sqrt(6 / 400)),
    ):
        first, again, other = (
            Feedback(copy.deepcopy(model), method, sample=sample, seed=s).matrices
            for s in (1, 1, 2)
        )
        assert list(first) == [name]
        matrix = first[name].numpy()
        assert matrix.shape == shape
        assert 0.98 * bound < abs(matrix).max() <= bound
        assert matrix.std() == pytest.approx(bound / np.sqrt(3), rel=0.05)
        assert torch.equal(first[name], again[name])
        assert not torch.equal(first[name], other[name])
        assert not first[name].requires_grad


@pytest.mark.parametrize("method", DIRECT)
def test_a_batch_gives_the_sum_of_its_samples_however_many(method):
    """The last batch of an epoch may be smaller; hidden layers are not divided by its size."""
    model, (inputs, labels) = mlp(), batch(5)
    found = trained(method, model=copy.deepcopy(model), given=(inputs, labels))[-1]
    feedback = Feedback(model, method, sample=inputs[:1], seed=3)
    for n in range(5):
        output = feedback(inputs[n : n + 1], targets=labels[n : n + 1])
        torch.nn.functional.mse_loss(output, one_hot(labels[n : n + 1])).backward()
    summed = gradients(model)
    assert summed["0.weight"] == pytest.approx(found["0.weight"])
    assert summed["4.weight"] == pytest.approx(5 * found["4.weight"])  # means over 1, not over 5


@pytest.mark.parametrize("method", DIRECT)
def test_a_scale_divides_hidden_signals_only(method):
    model, given = mlp(), batch()
    whole = trained(method, model=copy.deepcopy(model), given=given)[-1]
    part = trained(method, model=model, given=given, scale=0.25)[-1]
    assert part["2.weight"] == pytest.approx(whole["2.weight"] / 4)
    assert part["4.weight"] == pytest.approx(whole["4.weight"])


def conv_net():
    return torch.nn.Sequential(
        torch.nn.Conv2d(2, 3, 3, padding=1), torch.nn.Tanh(), torch.nn.MaxPool2d(2),
        torch.nn.Flatten(), torch.nn.Linear(12, 5), torch.nn.Tanh(),
        torch.nn.Linear(5, 3), torch.nn.Sigmoid(),
    ).double()  # fmt: skip


@pytest.mark.parametrize("method", DIRECT)
def test_convolutions_learn_before_the_pooling(method):
    model = conv_net()
    inputs, labels = torch.randn(4, 2, 4, 4, dtype=torch.float64), torch.tensor([0, 2, 1, 2])
    feedback, x, _, found = trained(method, model=model, given=(inputs, labels))
    matrix = feedback.matrices["1"].numpy()
    assert matrix.shape == (3, 3, 4, 4)  # not [3, 3, 2, 2], as after the pooling
    assert abs(matrix).max() <= np.sqrt(6 / 48)
    with torch.no_grad():
        y, output = model[1](model[0](inputs)).numpy(), model(inputs).numpy()
    error = output - np.eye(3)[labels]
    signal = {"DFA": error, "sDFA": np.sign(error), "DRTP": np.eye(3)[labels]}[method]
    delta = np.einsum("bo,ocyx->bcyx", signal, matrix) * (1 - y**2)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    for i in range(3):
        for j in range(3):
            patch = padded[:, :, i : i + 4, j : j + 4]
            wanted = np.einsum("boyx,bcyx->oc", delta, patch)
            assert found["0.weight"][:, :, i, j] == pytest.approx(wanted)
    assert found["0.bias"] == pytest.approx(delta.sum(axis=(0, 2, 3)))


def test_feedback_alignment_of_convolutions_is_backpropagation_through_other_kernels():
    """The slopes are those of the forward pass: the way back is a transposed convolution with B."""
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3, padding=1), torch.nn.Tanh(),
        torch.nn.Conv2d(2, 3, 3, stride=2), torch.nn.Tanh(),
        torch.nn.Flatten(), torch.nn.Linear(12, 3), torch.nn.Sigmoid(),
    ).double()  # fmt: skip
    inputs, labels = torch.randn(4, 1, 5, 5, dtype=torch.float64), torch.tensor([0, 2, 1, 2])
    feedback, _, _, found = trained("FA", model=model, given=(inputs, labels))
    with torch.no_grad():
        y1 = model[1](model[0](inputs))
        y2 = model[3](model[2](y1))
        output = model(inputs)
        d3 = 2 * (output - one_hot(labels)) / output.numel() * output * (1 - output)
        d2 = (d3 @ feedback.matrices["5"]).view_as(y2) * (1 - y2**2)
        back = torch.nn.functional.conv_transpose2d(d2, feedback.matrices["2"], stride=2)
        d1 = back * (1 - y1**2)
        wanted = torch.nn.grad.conv2d_weight(inputs, (2, 1, 3, 3), d1, padding=1)
    assert found["0.weight"] == pytest.approx(wanted.numpy())


def test_softmax_stands_before_the_error_where_the_loss_holds_it():
    model, given = torch.nn.Sequential(*list(mlp())[:-1]), batch()
    feedback, x, labels, found = trained("DFA", "cross_entropy", model, given, readout="softmax")
    with torch.no_grad():
        y1, y2 = (model[: n + 1](given[0]).numpy() for n in (1, 3))
        error = torch.softmax(model(given[0]), 1).numpy() - np.eye(3)[labels]
    delta = error @ feedback.matrices["1"].numpy() * (1 - y1**2)
    assert found["0.weight"] == pytest.approx(delta.T @ x)
    assert found["4.weight"] == pytest.approx((error / 7).T @ y2)  # cross-entropy's own


def test_targets_of_a_regression_are_taken_as_they_are():
    inputs, wanted = batch()[0], torch.randn(7, 3, dtype=torch.float64)
    model = mlp()
    feedback = Feedback(model, "DRTP", sample=inputs)
    torch.nn.functional.mse_loss(feedback(inputs, targets=wanted), wanted).backward()
    with torch.no_grad():
        y1 = model[:2](inputs)
        delta = wanted @ feedback.matrices["1"] * (1 - y1**2)
    assert gradients(model)["0.bias"] == pytest.approx(delta.sum(0).numpy())


def spiking(reset="none", inputs=4, hidden=6):
    class Spiking(torch.nn.Module):
        """Two layers of leaky neurons, over time."""

        def __init__(self):
            super().__init__()
            slope = snntorch.surrogate.atan()
            self.fc1 = torch.nn.Linear(inputs, hidden)
            self.lif1 = snntorch.Leaky(beta=0.75, spike_grad=slope, reset_mechanism=reset)
            self.fc2 = torch.nn.Linear(hidden, 3)
            self.lif2 = snntorch.Leaky(beta=0.75, spike_grad=slope, reset_mechanism=reset)

        def forward(self, spikes):
            mem1, mem2, out = self.lif1.init_leaky(), self.lif2.init_leaky(), []
            for step in spikes:
                spk1, mem1 = self.lif1(self.fc1(step), mem1)
                spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
                out.append(spk2)
            return torch.stack(out)

    return Spiking()


def rates(spikes):
    return spikes.mean(0)


@pytest.mark.parametrize("method", DIRECT)
def test_spikes_of_every_step_get_the_signal(method):
    model = spiking()  # snnTorch's spikes are float32
    spikes = (torch.rand(9, 5, 4) < 0.6).float()
    labels = torch.tensor([0, 1, 2, 2, 1])
    feedback = Feedback(model, method, sample=spikes, readout=rates, scale=1 / 9)
    output = feedback(spikes, targets=labels)
    torch.nn.functional.mse_loss(rates(output), one_hot(labels).float()).backward()
    w, bias = (p.detach().numpy() for p in (model.fc1.weight, model.fc1.bias))
    error = rates(output).detach().numpy() - np.eye(3)[labels]
    signal = {"DFA": error, "sDFA": np.sign(error), "DRTP": np.eye(3)[labels]}[method]
    signal = signal @ feedback.matrices["lif1"].numpy() / 9
    membrane, membranes = np.zeros((5, 6)), []
    for step in spikes.numpy():
        membrane = 0.75 * membrane + step @ w.T + bias
        membranes.append(membrane)
    delta, wanted = np.zeros((5, 6)), np.zeros((6, 4))
    for step, membrane in reversed(list(zip(spikes.numpy(), membranes, strict=True))):
        slope = 1 / (1 + (np.pi * (membrane - 1)) ** 2)  # snntorch's atan with alpha = 2
        delta = 0.75 * delta + signal * slope
        wanted += delta.T @ step
    assert gradients(model)["fc1.weight"] == pytest.approx(wanted, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_a_spiking_model_learns(method):
    """One input of three is busy, which one is the label; shallow learns it, too."""
    net, labels = spiking("subtract", inputs=3, hidden=24), torch.arange(30) % 3
    busy = torch.where(torch.eye(3)[labels] > 0, 0.8, 0.1)
    spikes = (torch.rand(10, 30, 3) < busy).float()
    feedback = Feedback(net, method, sample=spikes, readout=rates, scale=0.01)
    optimiser = torch.optim.Adam(net.parameters(), lr=0.03)
    for _ in range(40):
        optimiser.zero_grad()
        output = rates(feedback(spikes, targets=labels))
        torch.nn.functional.mse_loss(output, torch.eye(3)[labels]).backward()
        optimiser.step()
    assert (rates(net(spikes)).argmax(1) == labels).double().mean() > 0.9


def test_outputs_may_have_time_before_the_batch():
    class Whole(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = mlp()

        def forward(self, x):
            return self.net(x).mean(0)

    model = Whole()
    inputs, labels = torch.randn(6, 5, 4, dtype=torch.float64), torch.tensor([0, 1, 2, 0, 1])
    feedback = Feedback(model, "DRTP", sample=inputs, batch_axis=1)
    assert feedback.matrices["net.1"].shape == (3, 6)
    feedback(inputs, targets=labels).sum().backward()
    with torch.no_grad():
        delta = feedback.matrices["net.1"][labels] * (1 - model.net[:2](inputs) ** 2)
    found = gradients(model)["net.0.bias"]
    assert found == pytest.approx(delta.sum((0, 1)).numpy())


def test_functions_are_named_by_an_identity_and_runs_may_cross():
    class Functional(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1, self.fc2 = torch.nn.Linear(4, 6), torch.nn.Linear(6, 3)
            self.end1 = torch.nn.Identity()

        def forward(self, x):
            return torch.sigmoid(self.fc2(self.end1(torch.tanh(self.fc1(x)))))

    model, (inputs, labels) = Functional().double(), batch()
    with pytest.raises(UserError, match="no activation follows the hidden layer 'fc1'"):
        Feedback(model, "DRTP", sample=inputs)
    feedback = Feedback(model, "DFA", sample=inputs, layers=["end1"], seed=1)
    pairs = (inputs[:3], labels[:3]), (inputs[3:], labels[3:])
    outputs = [feedback(x, targets=y) for x, y in pairs]  # both before the first way back
    for output in reversed(outputs):
        output.sum().backward()
    crossed = gradients(model)
    model.zero_grad()
    for x, y in pairs:
        feedback(x, targets=y).sum().backward()
    straight = gradients(model)
    assert all(np.allclose(crossed[n], straight[n], rtol=1e-12) for n in crossed)


def test_removed_hooks_leave_backpropagation():
    model, (inputs, labels) = mlp(), batch()
    wanted = trained("BP", model=copy.deepcopy(model), given=(inputs, labels))[-1]
    for method in ("FA", "DRTP"):
        made = Feedback(copy.deepcopy(model), method, sample=inputs).remove()
        torch.nn.functional.mse_loss(made(inputs), one_hot(labels)).backward()
        found = gradients(made)
        assert all(np.array_equal(found[n], wanted[n]) for n in wanted)


def test_a_sample_changes_nothing():
    model = torch.nn.Sequential(
        torch.nn.Linear(4, 5), torch.nn.BatchNorm1d(5), torch.nn.ReLU(), torch.nn.Dropout(0.5),
        torch.nn.Linear(5, 3),
    ).double()  # fmt: skip
    before = copy.deepcopy(model.state_dict())
    Feedback(model, "BP", sample=batch()[0])
    assert model.training
    assert all(torch.equal(v, before[n]) for n, v in model.state_dict().items())


def shared():
    act = torch.nn.Tanh()
    return torch.nn.Sequential(
        torch.nn.Linear(4, 4), act, torch.nn.Linear(4, 4), act, torch.nn.Linear(4, 3)
    )


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (mlp, {"method": "PEPITA"}, "no method 'PEPITA'"),
        (mlp, {"readout": "max"}, "no readout 'max'"),
        (mlp, {"layers": ["7"]}, "'7' is no module after which a hidden layer ends"),
        (mlp, {"layers": ["2"]}, "'2' is no module after which"),
        (mlp, {"layers": ["5"]}, "'5' was not called before the output layer '4'"),
        (shared, {}, "the activation '1' serves several layers: 0, 2"),
        (lambda: torch.nn.Sequential(torch.nn.Tanh()), {}, "no layer with weights"),
        (lambda: torch.nn.Linear(4, 3), {"readout": lambda y: y[0]}, r"output is \[3\], expected"),
    ],
)
def test_what_has_no_clear_hidden_layers_is_refused(make, options, message):
    with pytest.raises(UserError, match=message):
        Feedback(make().double(), sample=batch()[0], **options)


def test_feedback_alignment_needs_layers_that_it_knows():
    model = torch.nn.Sequential(
        torch.nn.ConvTranspose1d(1, 2, 1), torch.nn.Tanh(), torch.nn.ConvTranspose1d(2, 1, 1),
        torch.nn.Flatten(),
    )  # fmt: skip
    with pytest.raises(UserError, match="FA: '2' is a ConvTranspose1d, expected one of Linear"):
        Feedback(model, "FA", sample=torch.zeros(2, 1, 3))


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ([0, 1, 3, 0, 0, 0, 0], "labels outside of 0 to 2"),
        ([[0.0, 1.0]] * 7, r"targets are \[7, 2\]"),
        ([0.5] * 7, r"targets are \[7\] torch.float32"),
    ],
)
def test_targets_must_fit(targets, message):
    feedback = Feedback(mlp(), sample=batch()[0])
    with pytest.raises(UserError, match=message):
        feedback(batch()[0], targets=torch.tensor(targets))


@pytest.mark.parametrize("method", DIRECT)
def test_gradients_without_targets_are_refused(method):
    """Silently falling back to backpropagation would be worse."""
    model, (inputs, labels) = mlp(), batch()
    feedback = Feedback(model, method, sample=inputs)
    with pytest.raises(UserError, match=f"{method} was asked for gradients of a run that had no"):
        model(inputs).sum().backward()
    feedback(inputs, targets=labels)
    with pytest.raises(UserError, match="no targets"):
        feedback(inputs).sum().backward()
    feedback(inputs, targets=labels).sum().backward()


@pytest.fixture(scope="module")
def classes():
    return datasets.synthetic_classification()


@pytest.mark.parametrize("method", METHODS)
def test_the_authors_accuracies_come_out_within_the_spread_of_seeds(classes, method):
    """Two single runs differ by less than three standard deviations of such a difference."""
    import drtp_synthetic as example

    found = example.accuracies(classes, method, seed=0, epochs=3)
    away = np.subtract(found, example.AUTHORS[method]) / (np.sqrt(2) * np.array(SPREAD[method]))
    assert abs(away).max() < 3, found


def test_the_example_prints_what_it_found(capsys, monkeypatch):
    import drtp_synthetic as example

    small = datasets.synthetic_classification(600, 200)
    monkeypatch.setattr(example.datasets, "synthetic_classification", lambda: small)
    example.main(["--seeds", "2", "--epochs", "1", "--methods", "DRTP", "shallow", "--published"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1::2]] == ["DRTP", "shallow"]
    assert "91.7" in lines[2]
    assert lines[2].endswith(" sd)")
