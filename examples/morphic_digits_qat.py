"""Train binary weights for MorphIC in snnTorch, and run them on the chip without loss.

A 64-256-10 network of integrate-and-fire neurons learns scikit-learn's 8x8 digits with weights of
-1 and +1 only (straight-through estimator). Training knows how the chip works: one event at a time,
firing at once, reset to zero. The same network is trained with real weights, for comparison. The
chip then does what the binary network does, spike for spike, unless more neurons fire at once than
its FIFO holds (see the column "counts that differ").

    pip install "nm-backends[snntorch]" "scikit-learn>=1.4"
    python examples/morphic_digits_qat.py

Pixels are coded by rank: first those of at least 11 of 16, brightest first, then those of at least
7, then those of at least 3; one event per step. The output that has fired most names the digit.
"""

import argparse
import json
from collections import OrderedDict

import numpy as np
import snntorch as snn
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from snntorch import surrogate

import nm_backends as nmb

PIXELS, CLASSES, TEST_DIGITS = 64, 10, 360
# Chosen on digits that were held out of the training part; never on the test.
LEVELS, STEPS = (11, 7, 3), 91
HIDDEN, EPOCHS, BATCH = 256, 30, 64
THRESHOLDS, OUT_THRESHOLD = (3, 4, 5, 6), 4  # units of weight
TEMPERATURE, SLOPE, LOST = 32.0, 0.5, 0.1
RATE = {True: 2e-2, False: 1e-2}  # of learning, binary or not


class Sign(torch.autograd.Function):
    """The sign of a weight; gradients pass straight through."""

    @staticmethod
    def forward(context, weights):
        return torch.where(weights < 0, -1.0, 1.0)

    @staticmethod
    def backward(context, gradient):
        return gradient


class Digits(torch.nn.Module):
    """A layer of hidden neurons that fire within the step, and outputs that add up what they hear.

    Parameters
    ----------
    binary
        Whether weights act with their sign only.
    """

    def __init__(self, hidden, binary):
        super().__init__()
        self.binary, spread = binary, 0.3 if binary else 1.0
        self.w1 = torch.nn.Parameter(spread * torch.randn(PIXELS, hidden))
        self.w2 = torch.nn.Parameter(spread * torch.randn(hidden, CLASSES))
        self.hidden = neurons(thresholds(hidden))

    def weights(self):
        """Return the weights as they act, ``[pre, post]``."""
        return [Sign.apply(w) if self.binary else w for w in (self.w1, self.w2)]

    def spikes(self, pixels):
        """Return hidden spikes ``[time, batch, hidden]`` for pixels ``[time, batch]``.

        With one event per step a step of snnTorch is an event of the chip.
        """
        w1 = self.weights()[0]
        nothing = torch.zeros(1, w1.shape[1])  # pixel 64: no event
        potential, found = self.hidden.init_leaky(), []
        for drive in torch.nn.functional.embedding(pixels, torch.cat([w1, nothing])):
            fired, potential = self.hidden(drive, potential)
            found.append(fired)
        return torch.stack(found)

    def forward(self, pixels):
        """Return how far outputs have ever been up, ``[batch, 10]``, step by step (to train)."""
        heard = (self.spikes(pixels) @ self.weights()[1]).cumsum(0)
        return heard.max(0).values

    def counts(self, pixels):
        """Return how often outputs fire, ``[batch, 10]``, event by event as on the chip.

        Spikes of a step come in the order of their neurons. A neuron that moves by one unit at a
        time and falls from its threshold to 0 has fired (highest sum so far) / threshold times.
        """
        w2, found = self.weights()[1], []
        for part in self.spikes(pixels).split(60, dim=1):
            events = part.transpose(0, 1).flatten(1)  # [batch, time * hidden]
            steps = events[:, :, None] * w2.repeat(part.shape[0], 1)
            found.append(steps.cumsum(1).max(1).values.clamp(min=0))
        return torch.cat(found).div(OUT_THRESHOLD).floor()

    def deployed(self):
        """Return the network as plain layers of snnTorch, to be compiled."""
        first, second = (w.detach() for w in self.weights())
        layers = OrderedDict(
            fc1=torch.nn.Linear(*first.shape, bias=False),
            lif1=neurons(thresholds(first.shape[1]), init_hidden=True),
            fc2=torch.nn.Linear(*second.shape, bias=False),
            lif2=neurons(OUT_THRESHOLD, init_hidden=True),
        )
        layers["fc1"].weight.data, layers["fc2"].weight.data = first.T.clone(), second.T.clone()
        return torch.nn.Sequential(layers)


def thresholds(hidden):
    """Return thresholds of hidden neurons: several, lest too many fire at once for a FIFO of 32."""
    return torch.tensor(THRESHOLDS).repeat(hidden)[:hidden]


def neurons(threshold, init_hidden=False):
    """Return integrate-and-fire neurons that fire at ``threshold``, in whole units, and then are 0.

    snnTorch fires above its threshold: half a unit less.
    """
    return snn.Leaky(
        beta=1.0, threshold=threshold - 0.5, reset_mechanism="zero", reset_delay=False,
        spike_grad=surrogate.atan(alpha=SLOPE), init_hidden=init_hidden,
    )  # fmt: skip


def data(samples=None, held_out=None):
    """Return pixels and labels to train with, and those to test with.

    Parameters
    ----------
    held_out
        Seed: test on a part of the training digits instead, to choose settings.
    """
    digits = load_digits()
    x, test_x, y, test_y = train_test_split(
        digits.data, digits.target, test_size=TEST_DIGITS, random_state=0, stratify=digits.target
    )
    if held_out is not None:
        x, test_x, y, test_y = train_test_split(
            x, y, test_size=TEST_DIGITS, random_state=held_out, stratify=y
        )
    return (by_rank(x[:samples]), y[:samples]), (by_rank(test_x), test_y)


def by_rank(images):
    """Return which pixel gives the event of each step, int64 ``[time, batch]``; 64: none."""
    events = np.full((STEPS, len(images)), PIXELS)
    for sample, image in enumerate(images):
        order = np.argsort(-image, kind="stable")
        sent = np.concatenate([order[image[order] >= level] for level in LEVELS])
        events[: len(sent), sample] = sent
    return events


def spikes_of(pixels):
    """Return the events as spikes uint8 ``[time, batch, 64]``."""
    return (pixels[:, :, None] == np.arange(PIXELS)).astype(np.uint8)


def train(network, pixels, labels, epochs, seed):
    """Minimise the cross entropy, with some events lost in every presentation."""
    random = torch.Generator().manual_seed(seed)
    pixels, labels = torch.from_numpy(pixels), torch.from_numpy(labels)
    optimiser = torch.optim.Adam(network.parameters(), lr=RATE[network.binary])
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    for _ in range(epochs):
        for part in torch.randperm(len(labels), generator=random).split(BATCH):
            shown = pixels[:, part]
            lost = torch.rand(shown.shape, generator=random) < LOST
            scores = network(torch.where(lost, PIXELS, shown)) / TEMPERATURE
            loss = torch.nn.functional.cross_entropy(scores, labels[part])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            if network.binary:
                with torch.no_grad():
                    for weights in network.parameters():
                        weights.clamp_(-1, 1)
        schedule.step()
    return network


def compiled(network, pixels):
    """Return the program of a trained binary network."""
    layers = network.deployed()
    sample = torch.from_numpy(spikes_of(pixels[:, :1])).float()
    return nmb.compile(layers, "morphic", sample=sample)


def trial(seed, train_data, test_data, hidden=HIDDEN, epochs=EPOCHS):
    """Train both networks and run the binary one on the chip; return what came of it."""
    (pixels, labels), (test_pixels, test_labels) = train_data, test_data
    networks = {}
    for binary in (False, True):
        torch.manual_seed(seed)
        networks[binary] = train(Digits(hidden, binary), pixels, labels, epochs, seed)
    program = compiled(networks[True], pixels)
    result = program.run(spikes_of(test_pixels))
    with torch.no_grad():
        shown = torch.from_numpy(test_pixels)
        real = networks[False](shown).argmax(1).numpy()
        expected = networks[True].counts(shown).numpy().astype(np.int64)
    fired = result.spikes.sum(axis=0, dtype=np.int64)
    return {
        "seed": seed,
        "float": float(np.mean(real == test_labels)),
        "binary": float(np.mean(expected.argmax(1) == test_labels)),
        "chip": float(np.mean(fired.argmax(1) == test_labels)),
        "counts_that_differ": int((fired != expected).sum()),
        "sops": float(np.mean(result.counters["sops"])),
        "energy_uJ": 1e6 * float(np.mean(result.energy.value)),
        "dynamic_uJ": 1e6 * float(np.mean(result.metadata["energy_dynamic"].value)),
        "latency_ms": 1e3 * float(np.mean(result.latency.value)),
    }


COLUMNS = (
    ("seed", "seed", "d", 1), ("float %", "float", ".1f", 100), ("binary %", "binary", ".1f", 100),
    ("chip %", "chip", ".1f", 100), ("counts that differ", "counts_that_differ", "d", 1),
    ("kSOP", "sops", ".1f", 1e-3), ("energy uJ", "energy_uJ", ".1f", 1),
    ("of it dynamic", "dynamic_uJ", ".1f", 1), ("latency ms", "latency_ms", ".2f", 1),
)  # fmt: skip


def table(trials):
    """Return what came of all seeds, and mean and standard deviation of the accuracies."""
    lines = ["  ".join(name for name, *_ in COLUMNS)]
    for found in trials:
        cells = (
            format(found[key] * factor if form != "d" else found[key], f"{len(name)}{form}")
            for name, key, form, factor in COLUMNS
        )
        lines.append("  ".join(cells))
    for name in ("float", "binary", "chip"):
        values = 100 * np.array([found[name] for found in trials])
        lines.append(f"{name}: {values.mean():.1f} ± {values.std():.1f} %")
    lost = 100 * np.mean([found["float"] - found["chip"] for found in trials])
    lines.append(f"lost from float to chip: {lost:.1f} points")
    return "\n".join(lines)


def main(line=None):
    """Train, compile and run for every seed; print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="runs (default: 5)")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help=f"default: {EPOCHS}")
    parser.add_argument("--hidden", type=int, default=HIDDEN, help=f"default: {HIDDEN}")
    parser.add_argument("--samples", type=int, help="learn from the first so many only")
    parser.add_argument("--validate", action="store_true", help="test on a part of the training")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(line)
    torch.set_num_threads(1)  # the same sums on every machine
    trials = []
    for seed in range(options.seeds):
        parts = data(options.samples, seed if options.validate else None)
        trials.append(trial(seed, *parts, options.hidden, options.epochs))
    print(json.dumps(trials, indent=1) if options.json else table(trials))


if __name__ == "__main__":
    main()
