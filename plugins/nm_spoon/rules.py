"""Rules of SPOON (SPOON0xx). The docstrings are what ``nmb explain`` prints."""

# ruff: noqa: D401 - the first line of a rule says what is wrong
from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nm_backends.rules import Diagnostic, Rule, rule

if TYPE_CHECKING:
    from nm_backends.chip import ChipSpec
    from nm_backends.network import Network

__all__ = ["RULES"]


@rule("SPOON001", "error")
def no_chain(network: Network, spec: ChipSpec) -> Iterator[Diagnostic]:
    """The network is not a chain of the layers that this chip has.

    There is one input; a convolution, and 2 x 2 pooling after it, or none of them; a hidden layer;
    an output layer. Each hears the one before and nothing else, and the output is what is shown.
    Two convolutions, branches, several inputs and networks without a hidden layer need another
    chip.
    """
    from nm_spoon.chain import read_chain

    yield from read_chain(network, spec).findings


@rule("SPOON002", "error", checks=False)
def looks_back() -> Any:
    """A projection has a delay, or closes a loop.

    A sample is computed once, layer by layer; nothing is kept from one time step to the next.
    Train a feed-forward network without Delay nodes.
    """


@rule("SPOON003", "error", checks=False)
def no_convolution() -> Any:
    """The first layer has maps, but is not one convolution.

    All positions of a map share one kernel (of any size that fits, moved by 1 to 8 pixels, the same
    way in both directions, without dilation beyond the kernel's memory), one bias and one kind of
    neuron. Use a Conv2d with groups = 1 and neurons with one parameter per map.
    """


@rule("SPOON004", "error", checks=False)
def too_large() -> Any:
    """A layer is larger than its memory.

    By default there are 784 input addresses, 10 kernels of 25 weights, 360 features, 128 hidden
    neurons and 10 outputs. None of these sizes is published: where you know better, or want to know
    what another chip of this kind would do, give ``assumptions={"features": 784}``
    (``--assume features=784``). Otherwise use fewer kernels, a larger stride, or pooling.
    """


@rule("SPOON005", "error", checks=False)
def no_clipped_line() -> Any:
    """A neuron does what a clipped line cannot stand for.

    A value of this chip takes the place of a neuron's rate: weighted sums are cut to a range. That
    is what an IF neuron that subtracts its threshold does under constant input. Neurons whose rate
    is off by more than 0.2 spikes per step (root mean square) from every such line need another
    chip: Threshold nodes, which jump, strong leaks, thresholds that are not positive. Train with IF
    neurons and reset by subtraction, or train the clipped activations themselves
    (`nm_spoon.graphs`).
    """


@rule("SPOON006", "error", checks=False)
def no_pooling() -> Any:
    """What follows the convolution is not the pooling of this chip.

    The maximum of time-to-first-spike codes is the first of four spikes: a SumPool2d of 2 x 2 with
    stride 2 and a Threshold that one spike passes. The mean is an AvgPool2d (or SumPool2d) of 2 x 2
    with stride 2 directly before the hidden layer. NIR has no other way to write them.
    """


@rule("SPOON007", "error", checks=False)
def cannot_learn() -> Any:
    """A layer is to learn that cannot.

    The hidden and the output layer learn by DRTP; kernels are loaded and frozen. Name the Linear or
    Affine nodes before the hidden neurons and before the outputs.
    """


@rule("SPOON010", "info", checks=False)
def values_for_spikes() -> Any:
    """Values take the place of spikes.

    An input channel is worth the more, the earlier its first spike comes, and later ones are
    ignored: x = 1 - t / steps. A layer's values are the rates of its neurons under that constant
    input; they are computed once per sample and stand in the last time step of the result, as 0 to
    255. A model that was trained on such inputs (``nmb.latency_code``) or on images is understood;
    one that was trained on rates of random spikes has its meaning elsewhere.
    """


@rule("SPOON011", "warning", checks=False)
def rates_are_fitted() -> Any:
    """The rates of neurons are no clipped line, and one is used instead.

    Leaks, and resets to zero, bend the rate of a neuron; it is replaced by the nearest clipped
    line, which is off by as much as the finding says. Train with IF neurons and reset by
    subtraction to lose nothing.
    """


@rule("SPOON012", "warning", checks=False)
def hidden_values_are_cut() -> Any:
    """Hidden neurons that do not spike are cut to -1 to 1.

    An I or LI node in the hidden layer passes on its membrane, which has no limits in the model. On
    the chip it is a hard tanh: values are -128 to 127, which mean -1 to almost 1 in the units of
    the drive. Train with that cut, or use IF neurons, which are cut to 0 to 1.
    """


@rule("SPOON013", "warning", checks=False)
def accumulators_saturate() -> Any:
    """Accumulators stop at their limits on the calibration spikes.

    What a sum loses there depends on the order of events. Use smaller weights (they are scaled to
    fill 8 bits: fewer taps or features), or assume wider accumulators (``conv_bits``,
    ``dense_bits``).
    """


@rule("SPOON014", "info", checks=False)
def scales_are_guessed() -> Any:
    """Without calibration spikes, scales follow from the weights alone.

    Shifts are chosen so that a neuron's whole range fits, and outputs four times the spread that
    independent inputs would give them. Give ``calibrate=`` typical spikes or
    ``nmb.latency_code(images)``: ranges are then those that occur.
    """


RULES = tuple(value for value in list(globals().values()) if isinstance(value, Rule))
