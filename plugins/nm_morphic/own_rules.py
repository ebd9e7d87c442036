"""What only MorphIC's mapper finds, and what an image written by hand can do to the chips.

Docstrings are what ``nmb explain`` prints. Those about images are generators over a
`nm_morphic.setup.Setup`; the others are made by `nm_morphic.findings`. Importing this module needs
no numpy.
"""

# ruff: noqa: D401 - the first line of a rule says what is wrong
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from nm_backends.rules import Severity

if TYPE_CHECKING:
    from nm_backends.chip import ChipSpec
    from nm_backends.network import Network
    from nm_morphic.setup import Setup

__all__ = ["LATER", "MAPPED", "SETUP"]

_WHOLE = "assumed: nmb chips morphic --assumptions"


def no_neutral_weight(network: Network, spec: ChipSpec) -> Iterable[dict[str, Any]]:
    """Weights of 0 became -1 and +1.

    A row of both signs has no neutral synapse: its bits mean -1 and +1 to every neuron of the core.
    Weights of 0 take either by turns, so that they add up to little, but each spike moves the
    membrane. Rows of one sign (``row_pairs="always"``, or ``"auto"`` with calibration spikes) keep
    zeros, for twice the rows and events; or train dense layers.
    """
    return ()


def binary_weights(network: Network, spec: ChipSpec) -> Iterable[dict[str, Any]]:
    """The weights of a population were binary already: nothing is lost.

    All weights into a neuron have one size; that size is folded into its threshold, and the bits
    hold the rest exactly. Training with binary weights (a sign with a straight-through gradient)
    gives such layers.
    """
    return ()


def threshold_limits_scale(network: Network, spec: ChipSpec) -> Iterable[dict[str, Any]]:
    """Thresholds are so high that weights are worth more than they should be.

    One unit of the chip is what one weight is worth. A threshold of more such units than fit its
    bits becomes the largest, so that fewer spikes reach it than in the model. Train with larger
    weights or lower thresholds.
    """
    return ()


def bias_rounded(network: Network, spec: ChipSpec) -> Iterable[dict[str, Any]]:
    """A bias is not held exactly.

    Biases are sums of rows that are sent 1, 2, 4... times per step. Rows of both signs add up to
    odd numbers only, so that even biases are off by 1; and where few rows are free, small parts are
    left out. Use rows of one sign (``row_pairs="always"``), or train without bias.
    """
    return ()


def stored_several_times(network: Network, spec: ChipSpec) -> Iterable[dict[str, Any]]:
    """Neurons are stored several times, as one place does not reach all listeners.

    A place of a core drives one row of its own core, one L1 row of other cores and one L2 row of
    one other chip. A neuron whose weights have both signs (where rows have one), or whose listeners
    are on several other chips, takes more places: they hear the same and fire together, and each
    spike costs as many events. Train outgoing weights of one sign, or use rows of both signs.
    """
    return ()


def weights_become_bits(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """Weights of many sizes become one bit each.

    A synapse of this chip is one bit. All weights into a neuron get one size, the mean of those
    that stay, and small ones become 0 where rows have a sign. The finding says how far that is from
    the weights of the model, for rows of the better kind: the root of the mean square of the
    difference, as a share of that of the weights. What it does to spikes is measured where there
    are calibration spikes (``calibrate=``). Train with binary weights (a sign with a
    straight-through gradient): then nothing is lost.
    """
    from nm_morphic.bits import differences

    for name, share in differences(network, spec):
        yield {
            "message": f"weights become one bit each: they are off by {share:.0%} of their size",
            "node": name,
            "found": f"weights of many sizes, off by {share:.0%}",
            "limit": "one size per neuron, and 0 or the sign of the row",
            "source": spec.sources[0],
            "hint": "train with binary weights, or give calibration spikes (calibrate=)",
        }


def sources_that_agree(network: Network, spec: ChipSpec) -> Iterable[dict[str, Any]]:
    """Sources share rows of cores, and lose nothing by it.

    Rows were short: 256 (L1) for neurons of other cores, 256 (L2) for those of other chips, 1,024
    in all. Sources whose binary synapses on a core are equal drive one row of it: listeners cannot
    tell them apart, and need not. ``--assume row_sharing=never`` keeps sources apart.
    """
    return ()


def sources_that_differ(network: Network, spec: ChipSpec) -> Iterable[dict[str, Any]]:
    """Sources share rows of cores although their synapses differ.

    With ``row_sharing=nearest`` the sources that differ least drive one row where rows are short;
    its synapses are what most of them want. The finding says how many synapses of a population
    become others; with calibration spikes the report says what that does to spikes. Use fewer
    neurons or inputs per layer, or more chips (``chips="auto"``), and all have rows of their own.
    """
    return ()


def generator_stands_still(setup: Setup) -> Iterator[dict[str, Any]]:
    """The seed of a random generator is 0.

    A shift register of zeros stays so for ever: no synapse of the core would ever flip, or all
    would. The simulator refuses it. Give LFSR_SEED any other value.
    """
    for core, seed in enumerate(setup.seeds):
        if not seed:
            yield _at(f"LFSR_SEED_{core} is 0", f"core {core}", "1 or more", "set a seed")


def fires_for_ever(setup: Setup) -> Iterator[dict[str, Any]]:
    """A neuron with threshold 0 hears itself: the chip never becomes idle.

    With threshold 0 it fires at every event that its core serves. Where its own row is connected,
    its spike is such an event. Raise thr, disable the neuron, or disconnect its row.
    """
    for core, which in setup.restless():
        yield _at(
            f"core {core}: neurons {which} have threshold 0, and their own rows are connected",
            "thr 0",
            "1 or more",
            "raise thr, or clear their bits of ROW_ENABLE",
        )


def route_leads_nowhere(setup: Setup) -> Iterator[dict[str, Any]]:
    """A route leads out of the mesh.

    ``dx`` and ``dy`` of a route word are chips to go from the neuron's own. The simulator refuses
    an image with a packet that would leave the mesh.
    """
    for place, dx, dy in setup.astray():
        yield _at(
            f"core {place // 512}, neuron {place % 512}: dx {dx}, dy {dy} leads out of the mesh",
            f"dx {dx}, dy {dy}",
            f"a mesh of {setup.columns} x {setup.chips // setup.columns} chips",
            "shorten the route",
        )


def sources_share_a_row(setup: Setup) -> Iterator[dict[str, Any]]:
    """Several neurons drive the same row of a core.

    Listeners cannot tell them apart: a spike of any of them is an event of that row, with the same
    weights. That is how more than 256 neurons can reach a core, if it is meant.
    """
    for core, row, count in setup.shared_rows():
        yield _at(
            f"core {core}, row {row}: {count} neurons drive it",
            f"{count} sources",
            "1, if they are to be told apart",
            "give each an L1 or L2 row of its own",
        )


def _at(message: str, found: str, limit: str, hint: str) -> dict[str, Any]:
    return {"message": message, "found": found, "limit": limit, "source": _WHOLE, "hint": hint}


MAPPED: tuple[tuple[Severity, Callable[..., Iterable[dict[str, Any]]]], ...] = (
    ("warning", no_neutral_weight),
    ("info", binary_weights),
    ("warning", threshold_limits_scale),
    ("warning", bias_rounded),
    ("warning", stored_several_times),
)
SETUP: tuple[tuple[Severity, Callable[[Any], Iterable[dict[str, Any]]]], ...] = (
    ("error", generator_stands_still),
    ("error", fires_for_ever),
    ("error", route_leads_nowhere),
    ("warning", sources_share_a_row),
)
LATER: tuple[tuple[Severity, Callable[..., Iterable[dict[str, Any]]]], ...] = (
    ("warning", weights_become_bits),
    ("info", sources_that_agree),
    ("warning", sources_that_differ),
)
"""Rules about networks that came after those about images: codes stay as they are."""
