"""Three tasks and the snnTorch models that learn them; nothing in here knows about any chip.

``digits``: scikit-learn's 8x8 handwritten digits, rate coded over 24 steps, 64-48-10.
``keywords``: made-up words of two sounds whose pitches glide, as spikes of 32 bands, 32-48-8.
``order``: which of four tones came first and which second, after a pause, 16-32(recurrent)-12.

Digits and keywords reset to zero; ``order`` resets by subtraction, snnTorch's default.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

HELD_BACK = 200  # training digits, the last: only decisions between programs are taken on them


@dataclass(frozen=True)
class Spikes:
    """Samples uint8 ``[time, batch, channels]`` with int64 labels.

    ``codings``: how often each digit is among them, with spikes drawn anew; else 1.
    """

    spikes: np.ndarray
    labels: np.ndarray
    codings: int = 1


@dataclass(frozen=True)
class Data:
    """What a model is trained with, what calibrates and fine-tunes, decides, and is held out."""

    train: Spikes
    seen: Spikes
    validation: Spikes
    test: Spikes


def digits(seed, steps=24):
    """Return handwritten digits as Bernoulli spikes, 1 in 2 at most; 540 digits are held out.

    Models are trained on one coding; calibration and fine-tuning see four of the same digits.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    held = load_digits()
    images, test, labels, test_labels = train_test_split(
        held.data / 16.0, held.target, test_size=540, random_state=seed, stratify=held.target
    )
    rng = np.random.default_rng([seed, 0])

    def coded(part, labels, codings):
        parts = [rng.random((steps, *part.shape)) < 0.5 * part for _ in range(codings)]
        return Spikes(
            np.concatenate(parts, axis=1).astype(np.uint8), np.tile(labels, codings), codings
        )

    first, last = slice(-HELD_BACK), slice(-HELD_BACK, None)
    train, tested = coded(images[first], labels[first], 1), coded(test, test_labels, 8)
    validation = coded(images[last], labels[last], 4)
    more = coded(images[first], labels[first], 3)
    both = np.concatenate([train.spikes, more.spikes], axis=1)
    seen = Spikes(both, np.tile(train.labels, 4), 4)
    return Data(train, seen, validation, tested)


def _made(kinds, draw, seed, sizes):
    """Return samples of all kinds in turn, each drawn by its kind and a generator."""
    rng = np.random.default_rng(seed)
    labels = np.arange(sum(sizes)) % len(kinds)
    spikes = np.stack([draw(kinds[label], rng) for label in labels.tolist()], axis=1)
    at = np.cumsum((0, *sizes))
    parts = [Spikes(spikes[:, a:b], labels[a:b]) for a, b in pairwise(at)]
    train, test, validation = parts
    return Data(train, train, validation, test)


SIZES = (1600, 4000, 800)  # training, held out, validation


WORDS = ((0.15, 0.35, 0.7, 0.7), (0.35, 0.15, 0.7, 0.7), (0.15, 0.35, 0.9, 0.6),
         (0.7, 0.9, 0.3, 0.3), (0.9, 0.6, 0.3, 0.3), (0.7, 0.7, 0.15, 0.35),
         (0.3, 0.3, 0.9, 0.6), (0.5, 0.5, 0.5, 0.1))  # fmt: skip
BANDS = 32


def keywords(seed, steps=40, sizes=SIZES):
    """Return made-up words: two sounds whose pitch glides, by speakers who differ."""
    return _made(WORDS, lambda pitches, rng: _word(pitches, rng, steps), [seed, 1], sizes)


def _word(pitches, rng, steps):
    """Return spikes uint8 ``[time, bands]``: onset, length, pitch and loudness vary, with noise."""
    onset, length = rng.uniform(0, 6), rng.uniform(10, 15)
    shift, loud = rng.normal(0, 0.03), rng.uniform(0.5, 0.9)
    rate = np.full((steps, BANDS), 0.02)
    bands = np.linspace(0, 1, BANDS)
    for first, (low, high) in enumerate((pitches[:2], pitches[2:])):
        part = (np.arange(steps) - onset - first * (length + 2)) / length
        pitch = low + (high - low) * part + shift
        near = np.exp(-(((bands - pitch[:, None]) / 0.05) ** 2))
        rate += loud * near * ((part >= 0) & (part < 1))[:, None]
    return (rng.random(rate.shape) < rate).astype(np.uint8)


TONES, CHANNELS = 4, 16


def order(seed, steps=36, sizes=SIZES):
    """Return two different tones with a pause between them; the class is which and in which order.

    A tone is a burst of four of the sixteen channels; onset, length, pause and noise vary.
    """
    pairs = [(a, b) for a in range(TONES) for b in range(TONES) if a != b]
    return _made(pairs, lambda pair, rng: _tones(pair, rng, steps), [seed, 2], sizes)


def _tones(pair, rng, steps):
    rate = np.full((steps, CHANNELS), 0.02)
    at = rng.integers(1, 5)
    for tone in pair:
        length = rng.integers(7, 10)
        rate[at : at + length, 4 * tone : 4 * tone + 4] = 0.5
        at += length + rng.integers(4, 8)
    return (rng.random(rate.shape) < rate).astype(np.uint8)


@dataclass(frozen=True)
class Task:
    """Where the samples come from, the sizes of the layers, and how they are trained."""

    data: object
    sizes: tuple
    recurrent: bool
    reset: str
    epochs: int
    rate: float = 2e-3
    beta: float = 0.9


TASKS = {
    "digits": Task(digits, (64, 48, 10), False, "zero", 40),
    "keywords": Task(keywords, (32, 48, 8), False, "zero", 50, 5e-3),
    "order": Task(order, (16, 32, 12), True, "subtract", 60, 5e-3),
}


def build(task):
    """Return the snnTorch model of a task, untrained."""
    import torch
    from torch import nn

    class Net(nn.Module):
        """A hidden layer, recurrent or not, and a layer whose spikes are counted."""

        def __init__(self):
            super().__init__()
            inputs, hidden, outputs = task.sizes
            self.fc1, self.lif1 = nn.Linear(inputs, hidden, bias=False), _hidden(task)
            self.fc2, self.lif2 = nn.Linear(hidden, outputs, bias=False), _leaky(task)

        def forward(self, x):
            spikes, out = None, []
            if task.recurrent:
                spikes, first = self.lif1.reset_mem()
            else:
                first = self.lif1.reset_mem()
            second = self.lif2.reset_mem()
            for step in x:
                drive = self.fc1(step)
                if task.recurrent:
                    spikes, first = self.lif1(drive, spikes, first)
                else:
                    spikes, first = self.lif1(drive, first)
                fired, second = self.lif2(self.fc2(spikes), second)
                out.append(fired)
            return torch.stack(out)

    return Net()


def _leaky(task):
    import snntorch as snn
    from snntorch import surrogate

    return snn.Leaky(task.beta, reset_mechanism=task.reset, spike_grad=surrogate.atan())


def _hidden(task):
    import snntorch as snn
    from snntorch import surrogate

    if not task.recurrent:
        return _leaky(task)
    made = snn.RLeaky(
        task.beta, linear_features=task.sizes[1], reset_mechanism=task.reset,
        spike_grad=surrogate.atan(),
    )  # fmt: skip
    made.recurrent.bias.data.zero_()
    made.recurrent.bias.requires_grad_(False)
    return made


def trained(task, train, seed, advance=lambda _: None):
    """Return a model that was trained on the cross entropy of its spike counts, one seed."""
    import torch

    torch.manual_seed(seed)
    rng = np.random.default_rng([seed, 3])
    model = build(task)
    wanted = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(wanted, lr=task.rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, task.epochs)
    for _ in range(task.epochs):
        for batch in np.array_split(rng.permutation(len(train.labels)), len(train.labels) // 64):
            counts = model(torch.from_numpy(train.spikes[:, batch]).float()).sum(0)
            loss = torch.nn.functional.cross_entropy(counts, torch.from_numpy(train.labels[batch]))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        schedule.step()
        advance(1)
    return model.eval()
