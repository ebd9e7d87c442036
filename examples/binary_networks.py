"""Two layers of binary weights for MorphIC, trained as what they are on the chip: counters.

Where rows have a sign and weights are 0 or 1, both layers of a network share a core, as rows then
leave neurons alone. A neuron that moves by one unit per event and falls from its threshold to 0 has
fired as often as its highest sum so far contains the threshold. So nothing has to be simulated by
event to train: running sums and running maxima say how often everybody has fired, and gradients
pass straight through signs and whole numbers. (Sums are looked at once in a step here, on the chip
after each event.)
"""

from dataclasses import dataclass
from itertools import pairwise

import nir
import numpy as np
import torch

import nm_backends as nmb

DT = 1e-3


class _Straight(torch.autograd.Function):
    """Whether a weight is positive, or the whole part of a number; gradients pass through."""

    @staticmethod
    def forward(context, values, whole):
        return values.floor() if whole else (values > 0).float()

    @staticmethod
    def backward(context, gradient):
        return gradient, None


def acting(weights):
    """Return weights ``[pre, post]`` of 0 and 1 with the sign of their row: every other is -1."""
    sign = 1.0 - 2.0 * (torch.arange(len(weights)) % 2)
    return _Straight.apply(weights * sign[:, None], False) * sign[:, None]


def fired(sums, threshold):
    """Return how often neurons have fired so far, for their sums so far, ``[time, ...]``."""
    return _Straight.apply(sums.clamp(min=0).cummax(0).values / threshold, True)


class Counters(torch.nn.Module):
    """Inputs, hidden neurons and outputs, connected by weights of 0 and 1 with the sign of the row.

    Parameters
    ----------
    sizes
        Inputs, hidden neurons, outputs.
    threshold
        Of the hidden neurons, in units of weight.
    """

    def __init__(self, sizes, threshold):
        super().__init__()
        self.sizes, self.threshold = sizes, threshold
        self.parts = torch.nn.ParameterList(
            torch.nn.Parameter(0.3 * torch.randn(shape)) for shape in pairwise(sizes)
        )

    def sums(self, heard):
        """Return what outputs have heard so far, ``[time, batch, outputs]``.

        Parameters
        ----------
        heard
            Spikes of inputs so far, float ``[time, batch, inputs]``.
        """
        first, second = (acting(w) for w in self.parts)
        return fired(heard @ first, self.threshold) @ second

    def forward(self, heard):
        """Return how far outputs have ever been up, ``[batch, outputs]``; see `sums`."""
        return self.sums(heard).max(0).values

    def keep(self):
        """Keep weights where a step of training can still turn them."""
        with torch.no_grad():
            for weights in self.parts:
                weights.clamp_(-1, 1)

    def held(self):
        """Return the weights as they act, two float arrays ``[pre, post]``."""
        return [acting(w).detach().numpy().astype(float) for w in self.parts]


@dataclass
class Training:
    """How to train: passes, samples at once, rate, what scores are divided by, spikes lost."""

    epochs: int
    batch: int = 64
    rate: float = 2e-2
    temperature: float = 32.0
    lost: float = 0.1


def train(score, parameters, keep, batches, labels, how, seed):
    """Minimise the cross entropy of scores.

    Parameters
    ----------
    score
        Returns scores ``[batch, classes]`` of what ``batches`` returns.
    keep
        Is called after each step.
    batches
        Returns the spikes of samples (a tensor of indices), float ``[time, batch, inputs]``.
    labels
        int64 ``[samples]``.
    """
    random = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(parameters, lr=how.rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, how.epochs)
    labels = torch.from_numpy(labels)
    for _ in range(how.epochs):
        for part in torch.randperm(len(labels), generator=random).split(how.batch):
            spikes = batches(part)
            shown = spikes * (torch.rand(spikes.shape, generator=random) >= how.lost)
            scores = score(shown.cumsum(0)) / how.temperature
            loss = torch.nn.functional.cross_entropy(scores, labels[part])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            keep()
        schedule.step()


def compiled(weights, thresholds, inputs, spans=None):
    """Return a program of MorphIC for branches of two layers each, ``hidden0``, ``scores0``, ...

    Parameters
    ----------
    weights
        Per branch two arrays ``[pre, post]``, each row of 0 and one sign.
    thresholds
        Of hidden neurons and of outputs.
    inputs
        Shape of the input.
    spans
        Which inputs each branch hears; by default all.
    """
    nodes = {"input": nir.Input({"input": np.array(inputs)})}
    edges, channels = [], int(np.prod(inputs))
    source = "input"
    if len(inputs) > 1:
        nodes["flat"] = nir.Flatten({"input": np.array(inputs)}, 0)
        edges.append(("input", "flat"))
        source = "flat"
    for number, (first, second) in enumerate(weights):
        wide = np.zeros((channels, first.shape[1]))
        wide[np.arange(channels) if spans is None else spans[number]] = first
        names = [f"{name}{number}" for name in ("in", "hidden", "out", "scores")]
        for name, matrix in zip(names[::2], (wide, second), strict=True):
            nodes[name] = nir.Linear(matrix.T.copy())
        for name, matrix, threshold in zip(names[1::2], (wide, second), thresholds, strict=True):
            one = np.ones(matrix.shape[1])
            nodes[name] = nir.IF(r=one, v_threshold=threshold * one, v_reset=0 * one)
        edges += pairwise([source, *names])
        nodes[f"output{number}"] = nir.Output({"output": np.array([second.shape[1]])})
        edges.append((names[-1], f"output{number}"))
    said = nmb.Discretisation(dt=DT, reset="zero", spike_cmp=">=", if_gain="r", v0="zero")
    return nmb.compile(nir.NIRGraph(nodes, edges), "morphic", said)
