"""SPOON reads digits: trained off chip and quantised, and trained on the chip from labels alone.

The topology is the default one (ten 5x5 kernels that move by 2, 2x2 maximum pooling, 128 hidden
neurons, 10 outputs), so that the energy is the published one. Off chip, torch trains everything.
On the chip the kernels are those, loaded and frozen; both dense layers learn by DRTP, from random
hidden weights and outputs that know nothing. Each seed stands for another start, other batches,
other feedback signs and other random numbers of the chip.

    pip install "nm-backends[torch]" "scikit-learn>=1.4"
    python examples/spoon_digits.py

Images are scikit-learn's digits, each pixel three times as large, or MNIST's with ``--mnist DIR``
(its four idx files). Settings were chosen with ``--validate``, on training images that were held
out; the test images decided nothing.
"""

import argparse

import numpy as np
import torch
from torch import nn

import nm_backends as nmb
from nm_backends.datasets import mnist
from nm_spoon.cost import learning_energy
from nm_spoon.graphs import spoon_graph
from nm_spoon.learning_options import SpoonLearning

TESTED = 360  # the last of scikit-learn's 1,797 digits
HELD_OUT = 300  # training images to choose settings on
BATCH = 32
torch.set_num_threads(1)  # batches are small
LEARN = nmb.CompileOptions(learn=("hidden", "output"))


def digits():
    """Return scikit-learn's digits as uint8 ``[samples, 28, 28]``, and labels: train, test."""
    from sklearn.datasets import load_digits

    found = load_digits()
    large = np.kron(found.images, np.ones((1, 3, 3))) * 255 / 16
    images = np.pad(np.rint(large), ((0, 0), (2, 2), (2, 2))).astype(np.uint8)
    return (images[:-TESTED], found.target[:-TESTED]), (images[-TESTED:], found.target[-TESTED:])


def mnist_digits(directory):
    """Return MNIST likewise."""
    parts = mnist(directory)
    return [(np.rint(p.inputs[:, 0] * 255).astype(np.uint8), p.targets) for p in parts]


class Float(nn.Module):
    """The network in floating point: all values but the outputs are cut to 0..1."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 10, 5, stride=2)
        self.hidden, self.output = nn.Linear(360, 128), nn.Linear(128, 10)

    def forward(self, images):
        """Return outputs ``[batch, 10]`` of images ``[batch, 1, 28, 28]``, 0..1."""
        maps = nn.functional.max_pool2d(self.conv(images).clamp(0, 1), 2)
        return self.output(self.hidden(maps.flatten(1)).clamp(0, 1))

    def graph(self):
        """Return the network as a NIR graph."""
        with torch.no_grad():
            k, h, o = ((part.weight.numpy(), part.bias.numpy()) for part in
                       (self.conv, self.hidden, self.output))  # fmt: skip
        return spoon_graph(h[0], o[0], k[0], shape=(1, 28, 28), biases=(k[1], h[1], o[1]))


def trained(images, labels, epochs, seed):
    """Train off chip; return the model."""
    torch.manual_seed(seed)
    model, random = Float(), np.random.default_rng(seed)
    given = torch.tensor(images[:, None] / 255, dtype=torch.float32)
    wanted = torch.tensor(labels)
    optimiser = torch.optim.Adam(model.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    for _ in range(epochs):
        for batch in np.array_split(random.permutation(len(labels)), -(-len(labels) // BATCH)):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(given[batch]), wanted[batch]).backward()
            optimiser.step()
        schedule.step()
    return model


def accuracy_of(model, images, labels):
    """Return the share of images that the float model gets right."""
    with torch.no_grad():
        shown = model(torch.tensor(images[:, None] / 255, dtype=torch.float32))
    return float(np.mean(shown.argmax(1).numpy() == labels))


def fresh(model, seed):
    """Return a network with the kernels of ``model`` and dense layers that know nothing."""
    random = np.random.default_rng(seed)
    with torch.no_grad():
        kernels, bias = model.conv.weight.numpy(), model.conv.bias.numpy()
    hidden = random.uniform(-1, 1, (128, 360)) / np.sqrt(360)
    return spoon_graph(hidden, np.zeros((10, 128)), kernels, shape=(1, 28, 28),
                       biases=(bias, None, None), signed=True)  # fmt: skip


def one_seed(train, test, epochs, passes, seed):
    """Return accuracies of the float model, quantised, learned on chip; and energies per image."""
    model = trained(*train, epochs, seed)
    given, tested = nmb.latency_code(train[0]), nmb.latency_code(test[0])
    deployed = nmb.compile(model.graph(), "spoon", calibrate=given.samples(slice(0, 256)))
    result = deployed.run(tested)
    pupil = nmb.compile(fresh(model, seed), "spoon", options=LEARN,
                        calibrate=given.samples(slice(0, 256)))  # fmt: skip
    rule = SpoonLearning(rate_hidden=7, rate_output=13, slower_every=max(passes // 3, 1),
                         feedback_seed=seed, seed=seed + 1)  # fmt: skip
    pupil.learn(given, train[1], passes, rule, (tested, test[1]), shuffle=seed)
    learned = float(np.mean(pupil.run(tested).prediction == test[1]))
    energy = learning_energy(result.counters["products"])
    return (accuracy_of(model, *test), float(np.mean(result.prediction == test[1])), learned,
            result.energy, energy)  # fmt: skip


def main():
    """Train, deploy, learn, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--mnist", metavar="DIR", help="the four idx files of MNIST")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=20, help="off chip")
    parser.add_argument("--passes", type=int, default=24, help="on the chip")
    parser.add_argument("--train", type=int, help="use the first so many training images only")
    parser.add_argument("--validate", action="store_true", help="judge on held-out training images")
    chosen = parser.parse_args()
    train, test = mnist_digits(chosen.mnist) if chosen.mnist else digits()
    if chosen.validate:
        train, test = [a[:-HELD_OUT] for a in train], [a[-HELD_OUT:] for a in train]
    train = [array[: chosen.train] for array in train]
    print(f"{len(train[1])} images to train with, {len(test[1])} to judge on")
    print("seed    float  off chip, 8 bits  on chip (DRTP)")
    rows = []
    for seed in range(chosen.seeds):
        *found, energy, learning = one_seed(train, test, chosen.epochs, chosen.passes, seed)
        rows.append(found)
        print("{:4}  {:5.1f} %           {:5.1f} %         {:5.1f} %".format(
            seed, *(100 * f for f in found)))  # fmt: skip
    print("mean  {:5.1f} %           {:5.1f} %         {:5.1f} %".format(
        *100 * np.mean(rows, axis=0)))  # fmt: skip
    print(f"energy of a classification: {energy}")
    print(f"with learning on: {learning}")


if __name__ == "__main__":
    main()
