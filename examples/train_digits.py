"""Train the digits classifier that ``nmb demo`` deploys, and store it as ``.nir``.

A 64-48-10 network of snnTorch ``Leaky`` neurons (reset to zero) learns the 8x8 handwritten digits
that ship with scikit-learn, rate coded over 24 steps. Nothing in here knows about any chip.

    pip install "nm-backends[snntorch]"
    python examples/train_digits.py --out .

writes ``digits.nir`` (the network), ``digits_test.npz`` and ``digits_calibration.npz`` (spikes and
labels). The same seed gives the same files on the same version of torch.
"""

import argparse
from itertools import pairwise
from pathlib import Path

import nir
import numpy as np
import snntorch as snn
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from snntorch import surrogate

DT = 1e-3  # seconds per step
STEPS = 24
HIDDEN = 48
BETA = 0.9
CALIBRATION = 128


class Digits(torch.nn.Module):
    """Two layers of leaky integrate-and-fire neurons."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = torch.nn.Linear(64, HIDDEN, bias=False)
        self.lif1 = snn.Leaky(beta=BETA, reset_mechanism="zero", spike_grad=surrogate.atan())
        self.fc2 = torch.nn.Linear(HIDDEN, 10, bias=False)
        self.lif2 = snn.Leaky(beta=BETA, reset_mechanism="zero", spike_grad=surrogate.atan())

    def forward(self, spikes):
        """Return output spikes ``[time, batch, 10]`` for input spikes ``[time, batch, 64]``."""
        v1, v2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        out = []
        for step in spikes:
            s1, v1 = self.lif1(self.fc1(step), v1)
            s2, v2 = self.lif2(self.fc2(s1), v2)
            out.append(s2)
        return torch.stack(out)


def rate_code(images, rng):
    """Turn intensities 0..1 into Bernoulli spikes uint8 ``[time, batch, 64]``, at most 1 in 2."""
    return (rng.random((STEPS, *images.shape)) < 0.5 * images).astype(np.uint8)


def data(seed):
    """Return training images and labels, and test images and labels (one fifth, stratified)."""
    digits = load_digits()
    return train_test_split(
        digits.data / 16.0, digits.target, test_size=0.2, random_state=seed, stratify=digits.target
    )


def train(model, images, labels, epochs, rng):
    """Minimise the cross entropy of the spike counts, with fresh input spikes in every epoch."""
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
    for epoch in range(epochs):
        order, total = rng.permutation(len(images)), 0.0
        for batch in np.array_split(order, len(order) // 64):
            counts = model(torch.from_numpy(rate_code(images[batch], rng)).float()).sum(0)
            loss = torch.nn.functional.cross_entropy(counts, torch.from_numpy(labels[batch]))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item() * len(batch)
        print(f"epoch {epoch + 1:3d}  loss {total / len(images):.4f}", flush=True)


def to_nir(model):
    """Write the trained modules down as NIR: Leaky's ``v = beta v + x`` is tau and r at step DT."""

    def lif(size):
        full = np.ones(size)
        return nir.LIF(
            tau=full * DT / (1 - BETA), r=full / (1 - BETA), v_leak=0 * full, v_threshold=full,
            v_reset=0 * full,
        )  # fmt: skip

    weights = [layer.weight.detach().numpy().astype(np.float64) for layer in (model.fc1, model.fc2)]
    nodes = {
        "input": nir.Input({"input": np.array([64])}),
        "fc1": nir.Linear(weights[0]), "lif1": lif(HIDDEN),
        "fc2": nir.Linear(weights[1]), "lif2": lif(10),
        "output": nir.Output({"output": np.array([10])}),
    }  # fmt: skip
    names = list(nodes)
    # What NIR itself cannot say travels in the metadata.
    said = {"framework": "snntorch", "dt": DT, "reset": "zero", "spike_cmp": ">"}
    return nir.NIRGraph(nodes, list(pairwise(names)), metadata={"nm_backends": said})


def save(path, spikes, labels):
    """Write spikes ``[time, batch, 64]`` and labels the way ``nmb run --input`` takes them."""
    np.savez_compressed(path, spikes=spikes, labels=labels.astype(np.uint8))


def main():
    """Train, report the float accuracy, write the three files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(), help="folder to write to")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    train_x, test_x, train_y, test_y = data(options.seed)
    model = Digits()
    train(model, train_x, train_y, options.epochs, rng)

    test = rate_code(test_x, np.random.default_rng(options.seed + 1))
    calibration = rate_code(train_x[:CALIBRATION], np.random.default_rng(options.seed + 2))
    with torch.no_grad():
        counts = model(torch.from_numpy(test).float()).sum(0).numpy()
    print(f"test accuracy of the float model: {100 * np.mean(counts.argmax(1) == test_y):.2f} %")

    options.out.mkdir(parents=True, exist_ok=True)
    nir.write(options.out / "digits.nir", to_nir(model))
    save(options.out / "digits_test.npz", test, test_y)
    save(options.out / "digits_calibration.npz", calibration, train_y[:CALIBRATION])


if __name__ == "__main__":
    main()
