"""What keeps layers from learning on MorphIC, or what they should know: MORPH040 and up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from nm_backends.crossbar.rules import LEARNING, bare_rule
from nm_backends.rules import Diagnostic, Rule, Severity
from nm_morphic.spec import QUOTED

if TYPE_CHECKING:
    from nm_morphic.plastic import Plastic

__all__ = ["BY_NAME", "learning_obstacles"]


def levels_shared() -> None:
    """Synapses that learn share a route level with synapses that must not.

    Which rows learn is set per core and route level: rows of the core's own neurons and of inputs
    (L0), of other cores (L1), of other chips (L2). All synapses that a learning neuron has in rows
    of such a level learn, also those from sources that were to stay as they are, and of biases.
    Let all projections to the population learn, put the static one on another level (a layer in
    another core), or leave biases out.
    """


def learning_copies() -> None:
    """Neurons that learn are stored several times.

    A neuron that drives rows of both signs, or several chips, is stored once for each. Flips are
    random: the copies would not learn the same. Let the last layer learn, or give the weights of
    the following one the values -1 and +1 only.
    """


_FINDINGS: tuple[tuple[Severity, Callable[..., Any]], ...] = (
    *LEARNING, ("error", levels_shared), ("error", learning_copies),
)  # fmt: skip
BY_NAME: dict[str, Rule] = {
    function.__name__: bare_rule(f"MORPH{number:03d}", severity, function)
    for number, (severity, function) in enumerate(_FINDINGS, start=40)
}


def learning_obstacles(plastic: Plastic, node: str) -> Iterator[Diagnostic]:
    """Yield what keeps the layers of a compiled program from learning."""
    if plastic.copies:
        yield BY_NAME["learning_copies"].at(
            f"{plastic.copies} neurons that learn are stored twice or more",
            node=node,
            found=f"{plastic.copies} neurons with copies",
            limit="one place each",
            source=QUOTED,
            hint="let the last layer learn, or binarise the next one to -1 and +1",
        )
    cores, levels = (plastic.levels & plastic.static).nonzero()
    if len(cores):
        yield BY_NAME["levels_shared"].at(
            f"core {cores[0]}: of the rows of level L{levels[0]} some learn and others must not",
            node=node,
            found=f"{len(cores)} levels of cores with both",
            limit="all rows of a level learn, or none",
            source=QUOTED,
            hint="let all projections to this population learn, and leave biases out",
        )
