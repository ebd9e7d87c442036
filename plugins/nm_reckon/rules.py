"""ReckOn's rules: what it cannot do, and what it changes.

A finding is a generator of keyword arguments of `Rule.at`; its docstring is what ``nmb explain``
prints. Importing this module needs no numpy, so that ``nmb explain`` starts fast.
"""

# ruff: noqa: D401 - the first line of a rule says what is wrong
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from nm_backends.crossbar.reported import (
    always_firing,
    coarse_weights,
    silent_population,
)
from nm_backends.crossbar.rules import bare_rule, bind, output_is_input, synaptic_current
from nm_backends.rules import Severity
from nm_reckon.asked import decay_of, remembers, schedule_of, share, source_of, spiking
from nm_reckon.cost_rules import (
    bias_events,
    deeper_layers,
    fires_at_threshold,
    low_agreement,
    merged_events,
    not_calibrated,
    relay_neurons,
    rounded_output_leak,
    saturating_membranes,
    several_ticks,
    shared_leak,
    unseen_spikes,
)
from nm_reckon.learning_rules import LEARNING
from nm_reckon.part_rules import PARTS
from nm_reckon.setup_rules import SETUP

if TYPE_CHECKING:
    from nm_backends.chip import ChipSpec
    from nm_backends.crossbar.rules import Finding
    from nm_backends.network import Network
    from nm_reckon.schedule import LoopError

__all__ = ["BY_NAME", "RULES", "short_loop"]

_EXACT = 1e-12


def too_many_inputs(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """More input addresses are needed than the chip has.

    Every input channel that drives anything takes an address; one that drives populations of
    different depth, or with different delays, takes one for each. Biases (and ``v_leak`` that
    differs from ``v_reset``) take an address for each depth, which the host sends in every step,
    and so does a membrane that does not start at rest. Use fewer channels (pooling, cropping).
    """
    from nm_reckon.spec import INPUTS

    plan = schedule_of(network)
    if plan is None or len(plan.events) <= INPUTS:
        return
    own = sum(channel < 0 for _, channel in plan.events)
    channels = len({channel for _, channel in plan.events if channel >= 0})
    node = max(network.inputs, key=lambda p: p.size).name if network.inputs else ""
    yield {
        "message": f"{len(plan.events):,} input addresses are needed: {channels:,} channels, "
        f"{len(plan.events) - channels - own:,} repeated for other delays, {own} for biases and "
        "first membranes",
        "node": node,
        "found": f"{len(plan.events):,} inputs",
        "limit": f"{INPUTS} inputs",
        "source": source_of(spec),
        "hint": "use fewer input channels (pooling, cropping)",
    }


def too_many_neurons(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """The network needs more recurrent neurons than the chip has.

    All spiking layers are blocks of the one recurrent matrix. Neurons that only hand spikes on take
    places, too (for delays, for layers that are skipped, and for what inputs or biases add to an
    output that does not spike), and places come in pairs. Make a layer smaller.
    """
    plan = schedule_of(network)
    if plan is None:
        return
    own, relays = sum(p.size for p in spiking(network)), len(plan.relays)
    needed = own + own % 2 + relays + relays % 2
    if needed <= spec.neurons:
        return
    largest = max(network.neurons, key=lambda p: p.size)
    yield {
        "message": f"{own:,} neurons and {relays:,} that hand spikes on do not fit the "
        f"{spec.neurons} of {spec.name}",
        "node": largest.name,
        "found": f"{needed:,} places (in pairs)",
        "limit": f"{spec.neurons} neurons",
        "source": source_of(spec),
        "hint": f"remove {needed - spec.neurons:,} neurons; {largest.name} is the largest layer",
    }


def too_many_outputs(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """More membranes are read than the chip has outputs.

    Nodes that do not spike (LI, I) become the chip's outputs, of which there are 16.
    """
    from nm_reckon.spec import OUTPUTS

    read = [p for p in network.neurons if not p.spiking]
    total = sum(p.size for p in read)
    if total > OUTPUTS:
        yield {
            "message": f"{total:,} membranes of {', '.join(p.name for p in read)} are read",
            "node": max(read, key=lambda p: p.size).name,
            "found": f"{total:,} outputs",
            "limit": f"{OUTPUTS} outputs",
            "source": source_of(spec),
            "hint": "use fewer outputs, or a spiking layer instead",
        }


def membrane_drives(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """A node that does not spike drives other nodes.

    Nodes that do not spike become output neurons, whose membranes can only be read. Put a spiking
    node between.
    """
    for projection in network.projections:
        pre = network.populations[projection.pre]
        if not pre.is_input and not pre.spiking:
            yield {
                "message": f"{pre.node_type} does not spike and drives {projection.post}",
                "node": pre.name,
                "found": projection.name,
                "limit": "membranes are read, they drive nothing",
                "source": source_of(spec),
                "hint": "replace it by a spiking node (LIF or IF)",
            }


def loop_too_short(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """Spikes come back sooner than the chip can carry them round a loop.

    Each projection takes one tick. A population that drives itself with one step of delay fits
    exactly; a loop through two populations needs two steps of delay, and so on. Add delay, or let
    the populations be one.
    """
    from nm_reckon.schedule import LoopError, schedule

    try:
        schedule(network)
    except LoopError as error:
        yield short_loop(error, spec)


def short_loop(error: LoopError, spec: ChipSpec) -> dict[str, Any]:
    """Say what `loop_too_short` found."""
    return {
        "message": f"the loop through {', '.join(error.names)} has fewer steps of delay than "
        "projections",
        "node": error.names[0],
        "found": "a loop with too little delay",
        "limit": "one step of delay per projection of the loop",
        "source": source_of(spec),
        "hint": "add a Delay, or make one recurrent population of them",
    }


def mixed_resets(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """Some neurons are reset to zero, others by subtraction.

    ``SPI_RST_MODE`` is one register for all neurons. Train the network with one reset rule.
    """
    kinds = {p.name: p.reset.startswith("subtract") for p in spiking(network) if remembers(p)}
    if len(set(kinds.values())) > 1:
        one = next(name for name, subtracts in kinds.items() if subtracts)
        yield {
            "message": "neurons reset by subtraction and neurons reset to zero in one network",
            "node": one,
            "found": ", ".join(sorted({p.reset for p in spiking(network)})),
            "limit": "one reset rule for all neurons",
            "source": source_of(spec),
            "hint": "use the same reset in all layers",
        }


def other_reset(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """The reset rule is not one that the chip executes exactly.

    The chip sets a neuron that fired to zero (``zero``), or takes the threshold away after the leak
    of the next step (``subtract_delayed``, snnTorch's default). ``subtract`` and
    ``subtract_nodelay_snntorch`` take it away before that leak: the chip takes ``(1 - decay)`` of a
    threshold more per spike. ``zero_dropinput`` also drops the input of the step after a spike,
    which the chip keeps. Without a leak ``subtract`` is exact.
    """
    for p in spiking(network):
        exact, decay = p.reset in ("zero", "subtract_delayed", "none"), decay_of(p)
        if exact or (p.reset.startswith("subtract") and bool((decay == 1).all())):
            continue
        done = "subtract_delayed" if p.reset.startswith("subtract") else "zero"
        cost = f"{1 - decay.min():.3g} of a threshold more goes per spike"
        if done == "zero":
            cost = "the input of the step after a spike is kept"
        yield {
            "message": f"reset rule {p.reset!r} is executed as {done!r}: {cost}",
            "node": p.name,
            "found": p.reset,
            "limit": "zero or subtract_delayed",
            "source": source_of(spec),
            "hint": f"train with {done!r}, or compile with calibrate=spikes and look at the "
            "agreement",
        }


def no_reset(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """The neuron is never reset.

    Every neuron of this chip is reset when it fires. Use a reset to zero or by subtraction.
    """
    for p in spiking(network):
        if p.reset == "none":
            yield {
                "message": f"{p.node_type} is not reset when it fires",
                "node": p.name,
                "found": "no reset",
                "limit": "reset to zero or by subtraction",
                "source": source_of(spec),
                "hint": "train with a reset",
            }


def leak_out_of_range(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """The membrane leaks faster than the chip can, or grows by itself.

    Leak factors are 0.875 to 1 per tick (0x7000 to 0x8000 of 0x8000). Factors above 1 exist in the
    chip's 16 bits, but there membranes and traces wrap around. Where all neurons are reset to zero,
    a step of the model may last several ticks, so that decays down to 0.118 per step (16 ticks) are
    possible; where they are reset by subtraction a neuron could fire again within the step, so it
    may not. A decay per step of ``exp(-dt/tau)`` (or ``1 - dt/tau``) is nearer to 1 with a
    shorter time step.
    """
    import math

    from nm_reckon.schedule import schedule_ticks
    from nm_reckon.spec import ALPHA_LEAST

    least = ALPHA_LEAST ** schedule_ticks(network)
    for p in spiking(network):
        decay = decay_of(p)
        wild = (decay < least - 2**-16) | (decay > 1 + _EXACT)
        if not wild.any():
            continue
        value = float(decay[wild][0])
        hint = "use another time constant"
        if 0 < value < 1:
            part = math.log(ALPHA_LEAST) / math.log(value)
            hint = f"a time step {1 / part:.3g} times shorter would do (nmb compile --search-dt "
            hint += f"1/{math.ceil(1 / part)})"
        yield {
            "message": f"the membrane is multiplied by {value:.4g} in each step",
            "node": p.name,
            "neurons": share(wild),
            "found": f"{value:.4g}",
            "limit": f"{least:.4g} to 1",
            "source": source_of(spec),
            "hint": hint,
        }


def output_leak(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """Outputs leak differently, or grow by themselves.

    All outputs share one leak factor (``SPI_KAPPA``), 0 to 1 in steps of 1/128. Factors above 1
    make the membranes wrap around. Give all nodes that do not spike the same time constant.
    """
    read = [p for p in network.neurons if not p.spiking]
    values = [float(x) for p in read for x in decay_of(p).tolist()]
    if not values:
        return
    low, high = min(values), max(values)
    if high - low > 1 / 128 or high > 1 + _EXACT or low < -_EXACT:
        yield {
            "message": f"outputs keep {low:.4g} to {high:.4g} of their membrane per step",
            "node": read[0].name,
            "found": f"{low:.4g} to {high:.4g}",
            "limit": "one factor from 0 to 1 for all outputs",
            "source": source_of(spec),
            "hint": "use one time constant for all outputs",
        }


def threshold_not_positive(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """The threshold is not above the reset potential.

    A neuron at rest would fire in every tick. Thresholds must be above ``v_reset`` (above 0 where
    the threshold is subtracted).
    """
    from nm_backends.effective import parameter
    from nm_reckon.schedule import rest

    for p in spiking(network):
        height = parameter(p, "threshold") - rest(p)
        low = ~(height > 0)
        if low.any():
            yield {
                "message": f"threshold minus reset potential is {height[low][0]:.4g}",
                "node": p.name,
                "neurons": share(low),
                "found": f"{height[low][0]:.4g}",
                "limit": "above 0",
                "source": source_of(spec),
                "hint": "raise the threshold above the reset potential",
            }


FINDINGS: tuple[tuple[Severity, Finding], ...] = (
    ("error", too_many_inputs),
    ("error", too_many_neurons),
    ("error", too_many_outputs),
    ("error", membrane_drives),
    ("error", synaptic_current),
    ("error", loop_too_short),
    ("error", mixed_resets),
    ("warning", other_reset),
    ("error", no_reset),
    ("error", leak_out_of_range),
    ("error", output_leak),
    ("error", threshold_not_positive),
    ("error", output_is_input),
    ("info", several_ticks),
    ("info", deeper_layers),
    ("info", relay_neurons),
    ("info", bias_events),
    ("warning", rounded_output_leak),
    ("warning", unseen_spikes),
    ("warning", shared_leak),
    ("warning", merged_events),
    ("warning", saturating_membranes),
    ("warning", silent_population),
    ("warning", always_firing),
    ("warning", coarse_weights),
    ("warning", low_agreement),
    ("warning", not_calibrated),
    ("info", fires_at_threshold),
)
_REPORTED: tuple[tuple[Severity, Callable[..., Any]], ...] = (*SETUP, *LEARNING, *PARTS)
BY_NAME = bind("RECKON", FINDINGS)
BY_NAME |= {
    finding.__name__: bare_rule(f"RECKON{number:03d}", severity, finding)
    for number, (severity, finding) in enumerate(_REPORTED, start=len(BY_NAME) + 1)
}
RULES = tuple(BY_NAME.values())
