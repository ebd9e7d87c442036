"""Whether the layers that are to learn can: reported when a program is compiled."""

from __future__ import annotations

from collections.abc import Iterator

from nm_backends.network import Network
from nm_backends.rules import CompileError, Diagnostic, Report
from nm_reckon.learning_scale import layers_that_stay, learned_matrices
from nm_reckon.rules import BY_NAME, short_loop
from nm_reckon.schedule import LoopError, Schedule, schedule
from nm_reckon.spec import INPUTS, SPEC

__all__ = ["learning_schedule"]

_SOURCE = SPEC.sources[0]


def learning_schedule(network: Network, learn: tuple[str, ...]) -> Schedule:
    """Return the schedule of a network that the chip's rules accept, ready to learn.

    Raises
    ------
    CompileError
        What is to learn cannot, or not without changing anything else.
    """
    report = Report(SPEC.name, network.source)
    try:
        plan = schedule(network, learn)
    except LoopError as error:  # through weights that are all 0 so far, or the rules had seen it
        report.add(BY_NAME["loop_too_short"].at(**short_loop(error, SPEC)))
        raise CompileError(report) from error
    if learn:
        report.extend(_findings(network, plan, learn))
    if not report.ok:
        raise CompileError(report)
    return plan


def _findings(network: Network, plan: Schedule, learn: tuple[str, ...]) -> Iterator[Diagnostic]:
    for layer, memory in layers_that_stay(network, learn):
        yield BY_NAME["learning_shares_memory"].at(
            f"{layer} is in the memory of {memory} weights too, which learns as a whole",
            node=layer,
            found=f"learn={learn!r}",
            limit=f"all layers of {memory} weights, or none",
            source=_SOURCE,
            hint=f"name {layer} as well, or none of that memory",
        )
    if plan.relays:
        yield BY_NAME["learning_relays"].at(
            f"{len(plan.relays)} neurons only hand spikes on (delays, or layers that wait for "
            "others); e-prop would change their weights too",
            node=learn[0],
            found=f"{len(plan.relays)} neurons",
            limit="0 neurons that hand spikes on",
            source=_SOURCE,
            hint="learn with one recurrent layer that the inputs drive and the outputs read",
        )
    yield from _inputs(network, plan, learn)


def _inputs(network: Network, plan: Schedule, learn: tuple[str, ...]) -> Iterator[Diagnostic]:
    own = sum(channel < 0 for _, channel in plan.events)
    if own and "input" in learned_matrices(network, learn):
        yield BY_NAME["learning_constants"].at(
            "biases, resting and initial membranes are inputs on this chip; e-prop would change "
            "their weights too",
            node=learn[0],
            found=f"{own} inputs of that kind",
            limit="0 where input weights learn",
            source=_SOURCE,
            hint="leave them out (an input that always fires is a bias), or let the input weights "
            "stay",
        )
    if len(plan.events) > INPUTS:
        yield BY_NAME["learning_inputs"].at(
            f"{len(plan.events):,} input addresses are needed with {', '.join(learn)} learning",
            node=learn[0],
            found=f"{len(plan.events):,} inputs",
            limit=f"{INPUTS} inputs",
            source=_SOURCE,
            hint="use fewer input channels (pooling, cropping)",
        )
