"""What is reported of networks on several ReckOn chips; see `nm_reckon.parts`."""

# ruff: noqa: D401 - the first line of a rule says what is wrong
from __future__ import annotations

from collections.abc import Callable

from nm_backends.rules import Severity

__all__ = ["PARTS"]


def too_many_watched() -> None:
    """The spikes of more neurons have to leave a chip than its outputs can show.

    The 16 output membranes are all that a chip sends. Each of them can show which of eight neurons
    fire in each tick (its leak factor is 1/2, so that it is a shift register), 128 in all. Neurons
    that only their own chip listens to need not be seen. Use smaller layers.
    """


def watched_beside_membranes() -> None:
    """Outputs cannot show spikes and be read as membranes on one chip.

    All outputs of a chip share one leak factor: that of the membranes that are read, or the 1/2
    that shows spikes. A layer whose spikes other chips need, and the membranes that listen to it,
    take chips of their own.
    """


def loop_over_chips() -> None:
    """A loop does not fit one chip.

    A recurrent layer, or layers that hear each other, must be on one chip, with at most 128 neurons
    that other chips or the user must see: a spike that the host carries is known two ticks after it
    was fired and acts in the third, too late for a loop of one step. Use a smaller recurrent layer.
    """


def watched_neurons() -> None:
    """The host tells spikes from output membranes, and carries them to other chips.

    A spike of a step shows in the word that is sent in the next tick but one, and acts on another
    chip in the tick after that: three ticks for each chip on the way, where it takes one on the
    same chip. Results are shifted back to the steps of the model.
    """


def shared_readout() -> None:
    """Several chips have a share of a membrane, and the host adds them up.

    A membrane that does not spike is a sum over its sources, and its leak is the same on all chips.
    Each chip cuts (or rounds) its own share: the sum may be off by what one unit per chip and tick
    makes over the memory of the leak. Without a leak it is exact.
    """


PARTS: tuple[tuple[Severity, Callable[[], None]], ...] = (
    ("error", too_many_watched),
    ("error", watched_beside_membranes),
    ("error", loop_over_chips),
    ("info", watched_neurons),
    ("info", shared_readout),
)
