"""What stands in the way of learning on the chip: rules that `learning_findings` reports.

Which layers learn is an option of compiling, so ``nmb check`` of a model knows nothing of them. A
docstring is what ``nmb explain`` prints. Importing this module needs no numpy.
"""

# ruff: noqa: D401 - the first line of a rule says what is wrong
from __future__ import annotations

from collections.abc import Callable

from nm_backends.rules import Severity

__all__ = ["LEARNING"]


def learning_shares_memory() -> None:
    """A layer that learns shares its weight memory with one that shall not.

    There are three weight memories: from inputs to neurons, from neurons to neurons, and from
    neurons to outputs. ``SPI_DO_EPROP`` switches learning on for each of them as a whole. Let all
    layers of a memory learn, or none.
    """


def learning_relays() -> None:
    """Neurons that only hand spikes on would learn, too.

    A delay that is longer than the tick that a projection takes anyway, a layer that is skipped,
    and what inputs or biases add to an output that does not spike: each needs neurons that repeat a
    spike one tick later. Their weights are in the memories of the others, and e-prop would change
    them. Learn with one recurrent layer that the inputs drive and the outputs read.
    """


def learning_constants() -> None:
    """Biases, resting or initial membranes stand in the way of learning input weights.

    The chip has no bias: an input that the host sends in every step (or in the first) stands for
    it, and e-prop would change its weights with those of the model's inputs, which cannot be given
    back to the model as a bias. Leave them out (an input channel that always fires is a bias that
    learns), or let the input weights stay.
    """


def learning_inputs() -> None:
    """A layer that learns needs more inputs than the chip has.

    Every input channel of a layer that learns has an input address, also where all its weights are
    0 so far, as they can grow. Use fewer input channels (pooling, cropping).
    """


LEARNING: tuple[tuple[Severity, Callable[[], None]], ...] = (
    ("error", learning_shares_memory),
    ("error", learning_relays),
    ("error", learning_constants),
    ("error", learning_inputs),
)
