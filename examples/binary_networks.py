"""Two layers of binary weights for MorphIC, trained event by event, as they act on the chip.

Where rows have a sign and weights are 0 or 1, both layers of a network share a core, as rows then
leave neurons alone: an input may have a row of each sign, a hidden neuron has one. A neuron that
moves by one unit per event at most, and falls from its threshold to 0, has fired as often as its
highest sum so far contains the threshold. So training looks for highest sums, and gradients pass
straight through signs and whole numbers to all events up to the one that brought the highest sum.
"""

from dataclasses import dataclass
from itertools import pairwise

import nir
import numpy as np
import torch
from numba import njit

import nm_backends as nmb

DT = 1e-3
NONE = -1
"""Where a sample has no further event."""


@njit(cache=True)
def _highest(events, weights, stop):
    """Return the highest sums of hidden neurons, and by which event (-1: none above 0).

    Parameters
    ----------
    events
        Which input each event is, int64 ``[events, batch]``.
    weights
        int16 ``[inputs, hidden]``.
    stop
        How many events of each sample count, int64 ``[batch]``.
    """
    batch, hidden = events.shape[1], weights.shape[1]
    top, at = np.zeros((batch, hidden), np.int16), np.full((batch, hidden), -1, np.int16)
    sums = np.zeros(hidden, np.int16)
    for b in range(batch):
        sums[:] = 0
        highest, when = top[b], at[b]
        for t in range(stop[b]):
            if events[t, b] >= 0:
                row, now = weights[events[t, b]], np.int16(t)
                for h in range(hidden):
                    sums[h] += row[h]
                    above = sums[h] > highest[h]
                    highest[h] = sums[h] if above else highest[h]
                    when[h] = now if above else when[h]
    return top, at


@njit(cache=True)
def _blamed(events, at, gradient, inputs):
    """Return the gradient of weights, float32 ``[inputs, hidden]``: of events up to ``at``."""
    found = np.zeros((inputs, gradient.shape[1]), np.float32)
    for b in range(events.shape[1]):
        mine, when = gradient[b], at[b]
        for t in range(when.max() + 1):
            if events[t, b] >= 0:
                row, now = found[events[t, b]], np.int16(t)
                for h in range(row.size):
                    row[h] += mine[h] if when[h] >= now else np.float32(0)
    return found


class _Fired(torch.autograd.Function):
    """How often hidden neurons have fired when ``stop`` events have come, ``[batch, hidden]``."""

    @staticmethod
    def forward(context, weights, events, stop, threshold):
        top, at = _highest(events, weights.detach().numpy().astype(np.int16), stop)
        context.held = events, at, threshold, len(weights)
        return torch.from_numpy((top // threshold).astype(np.float32))

    @staticmethod
    def backward(context, gradient):
        events, at, threshold, inputs = context.held
        found = _blamed(events, at, gradient.numpy() / np.float32(threshold), inputs)
        return torch.from_numpy(found), None, None, None


class _Stored(torch.autograd.Function):
    """-1, 0 or +1, or with a sign given whether a value has it; gradients pass through."""

    @staticmethod
    def forward(context, values, signs):
        if signs is None:
            return torch.sign(values) * (values.abs() > 1 / 3)
        return (values * signs > 0) * signs

    @staticmethod
    def backward(context, gradient):
        return gradient, None


def _row_signs(rows):
    """Return the signs of rows ``[rows, 1]``: every other is -1."""
    return (1.0 - 2.0 * (torch.arange(rows) % 2))[:, None]


class Layers(torch.nn.Module):
    """Inputs, hidden neurons and outputs, connected by weights of 0 and 1 in rows of one sign.

    Parameters
    ----------
    sizes
        Inputs, hidden neurons, outputs.
    threshold
        Of the hidden neurons, in units of weight.
    both
        Whether inputs have a row of each sign (so that they weigh -1, 0 or 1), or one.
    """

    def __init__(self, sizes, threshold, both):
        super().__init__()
        self.threshold = threshold
        self.signs = [None if both else _row_signs(sizes[0]), _row_signs(sizes[1])]
        self.parts = torch.nn.ParameterList(
            torch.nn.Parameter(0.3 * torch.randn(shape)) for shape in pairwise(sizes)
        )

    def forward(self, events, stop=None):
        """Return what outputs have heard when ``stop`` events have come, ``[batch, outputs]``.

        Parameters
        ----------
        events
            int64 ``[events, batch]``, `NONE` where there is none.
        stop
            int64 ``[batch]``; all of them by default.
        """
        first, second = self.weights()
        stop = np.full(events.shape[1], len(events)) if stop is None else stop
        return _Fired.apply(first, events, stop, self.threshold) @ second

    def weights(self):
        """Return the weights as they act, ``[pre, post]``."""
        return [_Stored.apply(*one) for one in zip(self.parts, self.signs, strict=True)]

    def held(self):
        """Return the weights as they act, two float arrays ``[pre, post]``."""
        return [weights.detach().numpy().astype(float) for weights in self.weights()]


def events_of(spikes):
    """Return spikes uint8 ``[time, batch, inputs]`` as events in the order of the chip.

    Returns
    -------
    numpy.ndarray
        int64 ``[events, batch]``: by step, then by input; `NONE` behind the last.
    """
    found = []
    for sample in range(spikes.shape[1]):
        _, channel = np.nonzero(spikes[:, sample])
        found.append(np.repeat(channel, spikes[:, sample][spikes[:, sample] > 0]))
    events = np.full((max(map(len, found)), len(found)), NONE)
    for sample, channels in enumerate(found):
        events[: len(channels), sample] = channels
    return events


def spikes_of(events, inputs):
    """Return events ``[events, batch]`` as spikes uint8 ``[events, batch, inputs]``, one a step."""
    return (events[:, :, None] == np.arange(inputs)).astype(np.uint8)


@dataclass
class Training:
    """How to train: passes, samples at once, rate, what scores are divided by, events lost."""

    epochs: int
    batch: int = 64
    rate: float = 2e-2
    temperature: float = 6.0
    lost: float = 0.1


def train(scores, parameters, labels, how, seed):
    """Minimise the cross entropy of scores; weights stay where a step can still turn them.

    Parameters
    ----------
    scores
        Returns a list of scores ``[batch, classes]`` for samples (their indices, int64
        ``[batch]``) and a generator of random numbers.
    labels
        int64 ``[samples]``.
    """
    random, labels = np.random.default_rng(seed), torch.from_numpy(labels)
    optimiser = torch.optim.Adam(parameters, lr=how.rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, how.epochs)
    for _ in range(how.epochs):
        order = random.permutation(len(labels))
        for part in np.split(order, range(how.batch, len(order), how.batch)):
            found = [score / how.temperature for score in scores(part, random)]
            loss = sum(torch.nn.functional.cross_entropy(f, labels[part]) for f in found)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            with torch.no_grad():
                for weights in parameters:
                    weights.clamp_(-1, 1)
        schedule.step()


def with_losses(events, share, random):
    """Return events, some of them lost."""
    return np.where(random.random(events.shape) < share, NONE, events)


def compiled(weights, thresholds, inputs, spans=None, ramp=None):
    """Return a program of MorphIC for branches of two layers each, ``hidden0``, ``scores0``, ...

    Parameters
    ----------
    weights
        Per branch two arrays ``[pre, post]`` of -1, 0 and 1.
    thresholds
        Of hidden neurons and of outputs.
    inputs
        Shape of the input.
    spans
        Which inputs each branch hears; by default the first.
    ramp
        An input that pushes all outputs up by one unit, or None.
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
        wide[slice(len(first)) if spans is None else spans[number]] = first
        names = [f"{name}{number}" for name in ("in", "hidden", "out", "scores")]
        for name, matrix in zip(names[::2], (wide, second), strict=True):
            nodes[name] = nir.Linear(matrix.T.copy())
        for name, matrix, threshold in zip(names[1::2], (wide, second), thresholds, strict=True):
            one = np.ones(matrix.shape[1])
            nodes[name] = nir.IF(r=one, v_threshold=threshold * one, v_reset=0 * one)
        edges += pairwise([source, *names])
        if ramp is not None:
            push = np.zeros((second.shape[1], channels))
            push[:, ramp] = 1
            nodes[f"ramp{number}"] = nir.Linear(push)
            edges += pairwise([source, f"ramp{number}", names[-1]])
        nodes[f"output{number}"] = nir.Output({"output": np.array([second.shape[1]])})
        edges.append((names[-1], f"output{number}"))
    said = nmb.Discretisation(dt=DT, reset="zero", spike_cmp=">=", if_gain="r", v0="zero")
    options = nmb.CompileOptions(order="ascending")  # as `events_of`
    return nmb.compile(nir.NIRGraph(nodes, edges), "morphic", said, options=options)
