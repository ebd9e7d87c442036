"""Random models of snnTorch: layers, options, parameters thrown together, all spikes compared."""

import numpy as np
import pytest

import nm_backends as nmb

pytestmark = pytest.mark.frameworks
for package in ("snntorch", "norse", "spikingjelly"):
    pytest.importorskip(package)

import snntorch as snn  # noqa: E402
import torch  # noqa: E402
from frontend_models import spikes, spikes_of  # noqa: E402
from torch import nn  # noqa: E402


class Maker:
    """Makes a model layer by layer; ``shape`` is what the last layer gives."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        torch.manual_seed(seed)
        self.given = self.shape = (2, 9, 9) if self.chance(0.5) else (self.between(4, 20),)
        self.layers = []

    def chance(self, share):
        return bool(self.rng.random() < share)

    def between(self, low, high):
        return int(self.rng.integers(low, high))

    def parameter(self, low, high):
        """One value for all, or one for each neuron."""
        if self.chance(0.5):
            return float(self.rng.uniform(low, high))
        return torch.empty(self.shape).uniform_(low, high)

    def add(self, layer):
        self.layers.append(layer)
        with torch.no_grad():
            self.shape = tuple(layer.eval()(torch.zeros(2, *self.shape)).shape[1:])

    def normalise(self, kind):
        self.layers.append(kind(self.shape[0]))
        self.layers[-1].running_var.uniform_(0.05, 0.5)
        self.layers[-1].running_mean.uniform_(-0.2, 0.2)

    def image(self):
        padding, groups = self.between(0, 2), self.between(1, 3)
        size, stride, bias = self.between(1, 4), self.between(1, 3), self.chance(0.5)
        self.add(nn.Conv2d(self.shape[0], 4, size, stride, padding, groups=groups, bias=bias))
        if self.chance(0.4):
            self.normalise(nn.BatchNorm2d)
        if self.chance(0.3) and min(self.shape[1:]) > 1:
            self.add(nn.AvgPool2d(2, self.between(1, 3), self.between(0, 2)))

    def dense(self):
        self.add(nn.Linear(self.shape[0], self.between(3, 16), bias=self.chance(0.5)))
        self.layers[-1].weight.data *= float(self.rng.uniform(1, 4))
        if self.chance(0.3):
            self.normalise(nn.BatchNorm1d)

    def neuron(self):
        settings = {
            "init_hidden": True,
            "threshold": self.parameter(0.3, 1.5),
            "reset_mechanism": ("zero", "subtract", "none")[self.between(0, 3)],
        }
        kind = ("Leaky", "Synaptic", "RLeaky", "RSynaptic", "Lapicque")[self.between(0, 5)]
        if kind == "Lapicque":
            return snn.Lapicque(beta=float(self.rng.uniform(0.5, 0.95)), **settings)
        settings["beta"] = self.parameter(0.3, 1.05)
        settings["reset_delay"] = kind == "RSynaptic" or self.chance(0.5)
        if "Synaptic" in kind:
            settings["alpha"] = self.parameter(0.2, 1.0)
        if kind == "Leaky":
            settings["graded_spikes_factor"] = (0.5, 1.0, 2.0)[self.between(0, 3)]
        if kind.startswith("R"):
            settings |= self.recurrence()
        return getattr(snn, kind)(**settings)

    def recurrence(self):
        if self.chance(0.3):
            return {"all_to_all": False, "V": self.parameter(-0.5, 0.5)}
        if len(self.shape) == 1:
            return {"linear_features": self.shape[0]}
        return {"conv2d_channels": self.shape[0], "kernel_size": 3}

    def model(self):
        for _ in range(self.between(1, 4)):
            if len(self.shape) == 3 and self.chance(0.3):
                self.add(nn.Flatten())
            (self.image if len(self.shape) == 3 else self.dense)()
            if self.chance(0.2):
                self.layers.append(nn.Dropout(0.3))
            self.layers.append(self.neuron())
        return nn.Sequential(*self.layers).eval()


@pytest.mark.parametrize("seed", range(24))
def test_random_models(seed):
    maker = Maker(seed)
    model = maker.model()
    x = spikes(seed, maker.given)
    theirs = spikes_of(model, x)
    network = nmb.lower(model, sample=x)
    assert network.report.codes <= {"NMB128", "NMB141", "NMB144", "NMB145", "NMB147"}
    ours = nmb.reference(network, x.numpy()).layers
    for layer, made in theirs.items():
        graded = network.populations[layer].graded
        np.testing.assert_array_equal(ours[layer] * graded, made, err_msg=layer)
