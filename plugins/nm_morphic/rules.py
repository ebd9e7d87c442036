"""MorphIC's rules: those of all crossbar chips under its own codes, and its own."""

# ruff: noqa: D401 - the first line of a rule says what is wrong
from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nm_backends.crossbar.rules import LOOPS, SHARED, bare_rule, bind, too_many_rows
from nm_morphic.learning_rules import BY_NAME as LEARNING
from nm_morphic.own_rules import LATER, MAPPED, SETUP

if TYPE_CHECKING:
    from nm_backends.chip import ChipSpec
    from nm_backends.network import Network

__all__ = ["BY_NAME", "RULES"]


def no_place(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """The network cannot be spread over the cores.

    A core has 1,024 rows: one for each of its neurons, at most 256 (L1) for neurons of other cores
    of its chip and 256 (L2) for neurons of other chips, and what is left for inputs and biases. A
    neuron drives the same L1 row of all cores of its chip, and one L2 row of one other chip; for
    more chips, and for weights of both signs where rows have one sign, it is stored several times.
    Use fewer inputs or neurons per layer, or more chips (``chips="auto"``); or let sources that
    nearly agree share rows (``--assume row_sharing=nearest``).
    """
    from nm_morphic.room import obstacle

    found = obstacle(network, spec)
    if found is not None:
        yield {
            "message": f"no place on {spec.neurons // 512} cores: {found}",
            "node": max(network.neurons, key=lambda p: p.size).name,
            "found": f"{found.needed:,} {found.what}",
            "limit": f"{found.limit:,}",
            "source": spec.sources[0],
            "hint": "fewer inputs or neurons per layer, more chips: chips='auto', or rows that "
            "sources share: row_sharing='nearest'",
        }


_NETWORK = (*((s, no_place if f is too_many_rows else f) for s, f in SHARED), *LOOPS, *MAPPED)
BY_NAME = bind("MORPH", _NETWORK)
BY_NAME |= {
    function.__name__: bare_rule(f"MORPH{number:03d}", severity, function)
    for number, (severity, function) in enumerate(SETUP, start=len(_NETWORK) + 1)
}
BY_NAME |= bind("MORPH", LATER, len(BY_NAME) + 1)
BY_NAME |= LEARNING
RULES = tuple(BY_NAME.values())
