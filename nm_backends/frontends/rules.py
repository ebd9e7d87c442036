"""Rules of the frontends: what is in the way of a live model (NMB04x), what to know (NMB14x)."""

# ruff: noqa: D401 - the first line of a rule says what is wrong
from __future__ import annotations

from typing import Any

from nm_backends.rules import Rule, rule

__all__ = ["RULES"]


@rule("NMB040", "error", checks=False)
def unmapped_layer() -> Any:
    """A layer of the model has no counterpart on a chip.

    Between spiking neurons there are weighted sums only: linear layers, convolutions, average
    pooling, and batch normalisation as it is in evaluation. A maximum of spikes, an activation
    function, attention or a neuron with more states than a chip's neuron cannot be mapped. Replace
    the layer (MaxPool by AvgPool or a strided convolution, an activation by a spiking neuron) and
    train again.
    """


@rule("NMB041", "error", checks=False)
def unmapped_option() -> Any:
    """A layer or neuron has an option that makes it something that no chip here computes.

    Examples: ``inhibition=True`` of snnTorch (only the neuron with the largest membrane may fire),
    a spike function that is not a step, average pooling that leaves the padding out of its count.
    """


@rule("NMB042", "error", checks=False)
def unknown_operation() -> Any:
    """The model computes something between its layers that cannot be followed.

    Followed are: calls of modules, sums and differences, products with a number, reshaping,
    indexing of time steps, and stacking of recorded spikes. Put other computations into a layer,
    or leave them out of the model that is deployed.
    """


@rule("NMB043", "error", checks=False)
def needs_sample() -> Any:
    """The shape of the input is not known.

    A model that begins with a convolution or with code of its own has to be run once to see the
    shapes of its layers. Give one batch: ``nmb.check(model, chip, sample=batch)``, with the axes
    ``[time, batch, *input shape]`` or ``[batch, *input shape]``.
    """


@rule("NMB044", "error", checks=False)
def cannot_run() -> Any:
    """The model cannot be run on the sample.

    It is called as ``model(sample)``, and as ``model(sample[0])`` for models of a single time step,
    without gradients and in evaluation mode. It must work with the input alone: models that take
    their states as arguments need a module around them that keeps the states or loops over time.
    Neurons of snnTorch in an ``nn.Sequential`` need ``init_hidden=True``.
    """


@rule("NMB045", "error", checks=False)
def called_unevenly() -> Any:
    """A layer is not called once in every time step.

    A neuron that is used twice in a step has two inputs for one state; a layer used twice would
    need two copies of its synapses. Give each place a module of its own.
    """


@rule("NMB046", "error", checks=False)
def not_reproduced() -> Any:
    """The network that was read from the model does not do what the model does.

    Both were run on the sample, the model in double precision too, so that rounding is not the
    reason. The model does something that its modules do not tell: a state that does not start at
    its default, a parameter changed in ``forward``, a module with code of its own. The finding
    names the first layer that differs.
    """


@rule("NMB047", "error", checks=False)
def no_neurons() -> Any:
    """No spiking neuron lies between the input and what the model returns.

    Return the spikes (or the membrane) of the last neurons, and nothing computed elsewhere.
    """


@rule("NMB048", "error", checks=False)
def bad_parameter() -> Any:
    """A parameter does not have the shape of its layer, or is not a number.

    Neuron parameters are single numbers or have one value for each neuron, or broadcast to the
    shape of the layer as in PyTorch.
    """


@rule("NMB140", "warning", checks=False)
def rounding_decides() -> Any:
    """Some spikes of the model depend on the rounding of 32-bit numbers.

    In double precision the model and the network that was read from it agree in every spike; in
    single precision they differ in those that the finding counts, because a membrane comes as close
    to its threshold as the numbers are apart. No chip reproduces such spikes.
    """


@rule("NMB141", "info", checks=False)
def folded_layer() -> Any:
    """Batch normalisation was folded into the weights, as it is in evaluation.

    Its running mean and variance and its own weights become part of the layer before it (or a
    layer of one weight per channel where there is none).
    """


@rule("NMB142", "warning", checks=False)
def training_mode() -> Any:
    """The model is in training mode; it is read as in evaluation.

    Dropout passes everything and batch normalisation uses its running averages, which may be those
    of too few batches. Call ``model.eval()`` before you compare.
    """


@rule("NMB143", "warning", checks=False)
def ignored_option() -> Any:
    """A neuron has an option that changes what it computes and that is left out.

    ``state_quant`` of snnTorch rounds the membrane to levels of its own; a chip rounds to the
    levels that its compiler chooses. The float reference does not round.
    """


@rule("NMB144", "info", checks=False)
def clamped_parameter() -> Any:
    """A decay outside of 0 to 1 is used as the model uses it: clamped.

    snnTorch clamps ``beta`` and ``alpha`` whenever it computes; the stored value may drift out of
    the range in training. (snnTorch's exporter writes the value that is not clamped.)
    """


@rule("NMB145", "info", checks=False)
def exporter_differs() -> Any:
    """The framework's own NIR exporter would lose or misstate this; here it is read from the model.

    A file written by the framework needs the same facts in ``Discretisation(...)``. ``nmb.to_nir``
    writes them into the file's metadata.
    """


@rule("NMB146", "warning", checks=False)
def membrane_output() -> Any:
    """The model returns a membrane; a chip shows the spikes of these neurons.

    ``result.membranes`` has the membrane with ``record=("membrane",)``, where a chip can show it.
    """


@rule("NMB147", "info", checks=False)
def unused_parameter() -> Any:
    """A parameter of a neuron is not used by the model itself.

    snnTorch's Lapicque decays by ``1 - time_step/(R*C)``; its ``beta`` is only used to choose R
    and C when it is made, so a ``beta`` that was changed or learned afterwards has no effect.
    """


@rule("NMB148", "info", checks=False)
def encodes_itself() -> Any:
    """The model turns its input into spikes itself, or changes it before the first layer.

    The network begins behind that: give the chip what the first layer receives.
    """


@rule("NMB149", "warning", checks=False)
def not_compared() -> Any:
    """The network that was read from the model was not compared with the model itself.

    Its input enters in several places or in a form that could not be given to the network. Compare
    ``nmb.reference(model, spikes)`` with your own model.
    """


RULES: list[Rule] = [value for value in list(globals().values()) if isinstance(value, Rule)]
"""All rules of the frontends."""
