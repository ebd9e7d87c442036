"""ReckOn's rules: what it cannot do, and what it changes.

A finding is a generator of keyword arguments of `Rule.at`; its docstring is what ``nmb explain``
prints. Importing this module needs no numpy, so that ``nmb explain`` starts fast.
"""

# ruff: noqa: D401 - the first line of a rule says what is wrong
from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from nm_backends.crossbar.reported import (
    always_firing,
    coarse_weights,
    silent_population,
)
from nm_backends.crossbar.rules import bare_rule, bind, output_is_input, synaptic_current
from nm_backends.rules import Severity
from nm_reckon.setup_rules import SETUP

if TYPE_CHECKING:
    from nm_backends.chip import ChipSpec
    from nm_backends.crossbar.rules import Finding
    from nm_backends.network import Network, Population
    from nm_reckon.schedule import Schedule

__all__ = ["BY_NAME", "RULES"]

_EXACT = 1e-12


def _source(spec: ChipSpec) -> str:
    return spec.sources[0]


def _schedule(network: Network) -> Schedule | None:
    """Return the schedule, or None where there is a loop that is too short."""
    from nm_reckon.schedule import LoopError, schedule

    try:
        return schedule(network)
    except LoopError:
        return None


def _share(which: Any) -> tuple[int, int]:
    found = which.nonzero()[0]
    return int(found[0]), int(found[-1])


def _spiking(network: Network) -> list[Population]:
    return [p for p in network.neurons if p.spiking]


def too_many_inputs(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """More input addresses are needed than the chip has.

    Every input channel that drives anything takes an address; one that drives populations of
    different depth, or with different delays, takes one for each. Biases (and ``v_leak`` that
    differs from ``v_reset``) take an address for each depth, which the host sends in every step,
    and so does a membrane that does not start at rest. Use fewer channels (pooling, cropping).
    """
    from nm_reckon.spec import INPUTS

    plan = _schedule(network)
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
        "source": _source(spec),
        "hint": "use fewer input channels (pooling, cropping)",
    }


def too_many_neurons(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """The network needs more recurrent neurons than the chip has.

    All spiking layers are blocks of the one recurrent matrix. Neurons that only hand spikes on take
    places, too (for delays, for layers that are skipped, and for what inputs or biases add to an
    output that does not spike), and places come in pairs. Make a layer smaller.
    """
    plan = _schedule(network)
    if plan is None:
        return
    own, relays = sum(p.size for p in _spiking(network)), len(plan.relays)
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
        "source": _source(spec),
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
            "source": _source(spec),
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
                "source": _source(spec),
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
        yield {
            "message": f"the loop through {', '.join(error.names)} has fewer steps of delay than "
            "projections",
            "node": error.names[0],
            "found": "a loop with too little delay",
            "limit": "one step of delay per projection of the loop",
            "source": _source(spec),
            "hint": "add a Delay, or make one recurrent population of them",
        }


def mixed_resets(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """Some neurons are reset to zero, others by subtraction.

    ``SPI_RST_MODE`` is one register for all neurons. Train the network with one reset rule.
    """
    kinds = {p.name: p.reset.startswith("subtract") for p in _spiking(network) if _remembers(p)}
    if len(set(kinds.values())) > 1:
        one = next(name for name, subtracts in kinds.items() if subtracts)
        yield {
            "message": "neurons reset by subtraction and neurons reset to zero in one network",
            "node": one,
            "found": ", ".join(sorted({p.reset for p in _spiking(network)})),
            "limit": "one reset rule for all neurons",
            "source": _source(spec),
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
    for p in _spiking(network):
        exact, decay = p.reset in ("zero", "subtract_delayed", "none"), _decay(p)
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
            "source": _source(spec),
            "hint": f"train with {done!r}, or compile with calibrate=spikes and look at the "
            "agreement",
        }


def no_reset(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """The neuron is never reset.

    Every neuron of this chip is reset when it fires. Use a reset to zero or by subtraction.
    """
    for p in _spiking(network):
        if p.reset == "none":
            yield {
                "message": f"{p.node_type} is not reset when it fires",
                "node": p.name,
                "found": "no reset",
                "limit": "reset to zero or by subtraction",
                "source": _source(spec),
                "hint": "train with a reset",
            }


def _remembers(population: Population) -> bool:
    return bool(_decay(population).any())


def _decay(population: Population) -> Any:
    from nm_backends.effective import parameter

    return parameter(population, "decay")


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
    for p in _spiking(network):
        decay = _decay(p)
        wild = (decay < least - 2**-16) | (decay > 1 + _EXACT)
        if not wild.any():
            continue
        value = float(decay[wild][0])
        hint = "use another time constant"
        if 0 < value < 1:
            share = math.log(ALPHA_LEAST) / math.log(value)
            hint = f"a time step {1 / share:.3g} times shorter would do"
        yield {
            "message": f"the membrane is multiplied by {value:.4g} in each step",
            "node": p.name,
            "neurons": _share(wild),
            "found": f"{value:.4g}",
            "limit": f"{least:.4g} to 1",
            "source": _source(spec),
            "hint": hint,
        }


def output_leak(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """Outputs leak differently, or grow by themselves.

    All outputs share one leak factor (``SPI_KAPPA``), 0 to 1 in steps of 1/128. Factors above 1
    make the membranes wrap around. Give all nodes that do not spike the same time constant.
    """
    read = [p for p in network.neurons if not p.spiking]
    values = [float(x) for p in read for x in _decay(p).tolist()]
    if not values:
        return
    low, high = min(values), max(values)
    if high - low > 1 / 128 or high > 1 + _EXACT or low < -_EXACT:
        yield {
            "message": f"outputs keep {low:.4g} to {high:.4g} of their membrane per step",
            "node": read[0].name,
            "found": f"{low:.4g} to {high:.4g}",
            "limit": "one factor from 0 to 1 for all outputs",
            "source": _source(spec),
            "hint": "use one time constant for all outputs",
        }


def rounded_output_leak(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """The leak factor of the outputs is rounded to 1/128.

    ``SPI_KAPPA`` has 7 fractional bits: factors near 1 (long time constants) are coarse, and
    above 1 - 1/256 there is no leak at all.
    """
    ticks = _ticks(network)
    read = [p for p in network.neurons if not p.spiking]
    values = [float(x) for p in read for x in _decay(p).tolist() if 0 <= x <= 1]
    if not values:
        return
    asked = sorted(values)[len(values) // 2] ** (1 / ticks)
    held = round(asked * 128) / 128
    if abs(held - asked) > 1e-9:
        yield {
            "message": f"the leak factor of the outputs becomes {held:.6g} instead of {asked:.6g} "
            "per tick",
            "node": read[0].name,
            "found": f"{asked:.6g}",
            "limit": "multiples of 1/128",
            "source": _source(spec),
            "hint": f"train with a decay of {held**ticks:.6g} per step",
        }


def _ticks(network: Network) -> int:
    from nm_reckon.schedule import schedule_ticks

    return schedule_ticks(network)


def threshold_not_positive(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """The threshold is not above the reset potential.

    A neuron at rest would fire in every tick. Thresholds must be above ``v_reset`` (above 0 where
    the threshold is subtracted).
    """
    from nm_backends.effective import parameter
    from nm_reckon.schedule import rest

    for p in _spiking(network):
        height = parameter(p, "threshold") - rest(p)
        low = ~(height > 0)
        if low.any():
            yield {
                "message": f"threshold minus reset potential is {height[low][0]:.4g}",
                "node": p.name,
                "neurons": _share(low),
                "found": f"{height[low][0]:.4g}",
                "limit": "above 0",
                "source": _source(spec),
                "hint": "raise the threshold above the reset potential",
            }


def several_ticks(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """A step of the model takes several ticks of the chip.

    Leak factors of the chip are 0.875 or more per tick; a faster decay takes several ticks, between
    which nothing arrives. That is exact, and costs time and energy. Recurrent spikes wait in
    neurons that hand them on.
    """
    ticks = _ticks(network)
    if ticks > 1:
        node, least = min(
            ((p.name, float(_decay(p).min())) for p in _spiking(network)), key=lambda pair: pair[1]
        )
        yield {
            "message": f"a step takes {ticks} ticks: decay {least:.4g} per step is "
            f"{least ** (1 / ticks):.4g} per tick",
            "node": node,
            "found": f"decay {least:.4g}",
            "limit": "0.875 per tick",
            "source": _source(spec),
            "hint": "train with slower leaks to save time",
        }


def deeper_layers(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """A layer runs some ticks behind the input.

    A spike acts in the tick in which it is fired and is tested in the next: every layer is one tick
    later than the one before. Results are shifted back, so that nothing is to be seen but a sample
    that lasts a little longer.
    """
    plan = _schedule(network)
    if plan is None:
        return
    for p in _spiking(network):
        if plan.lag[p.name]:
            yield {
                "message": f"runs {plan.lag[p.name]} ticks behind the input",
                "node": p.name,
                "found": f"{plan.lag[p.name]} ticks",
                "source": _source(spec),
            }


def relay_neurons(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """Neurons are spent on handing spikes on.

    A delay that is longer than the tick that a projection takes anyway, a layer that is skipped,
    and what inputs or biases add to an output that does not spike: each needs neurons that repeat a
    spike one tick later.
    """
    plan = _schedule(network)
    if plan is None or not plan.relays:
        return
    held = sum(kind == "input" for kind, _ in plan.relays)
    yield {
        "message": f"{len(plan.relays)} neurons hand spikes on: {len(plan.relays) - held} delay "
        f"spikes of neurons, {held} bring inputs and biases to outputs",
        "found": f"{len(plan.relays)} neurons",
        "limit": f"{spec.neurons} neurons in all",
        "source": _source(spec),
    }


def bias_events(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """A bias costs an event in every step.

    The chip has no bias: the host sends the event of a bias input in every step (so too for
    ``v_leak`` that differs from ``v_reset``). Train without bias to save them.
    """
    from nm_reckon.schedule import drift

    for p in network.neurons:
        constant = drift(p)
        if constant.any():
            yield {
                "message": "the bias is sent as an input event in every step",
                "node": p.name,
                "found": f"{int((constant != 0).sum())} neurons with a bias",
                "source": _source(spec),
                "hint": "train with bias=False",
            }


def unseen_spikes(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """The spikes of the output cannot be seen at the chip's pins.

    Only the 16 output membranes leave the chip. An output layer of up to 16 neurons is counted by
    one output each (weight 1, no leak), where no membranes are read beside it. Others show in the
    simulator, and in the neuron memory over SPI between ticks. Use up to 16 output neurons, or an
    LI layer.
    """
    from nm_reckon.spec import OUTPUTS

    shown = network.output
    read = any(not p.spiking for p in network.neurons)
    if shown.is_input or not shown.spiking or (shown.size <= OUTPUTS and not read):
        return
    yield {
        "message": f"the spikes of {shown.name} are not to be seen at the pins"
        + (": the outputs read other membranes" if read else ""),
        "node": shown.name,
        "found": f"{shown.size} neurons" + (" beside membranes" if read else ""),
        "limit": f"{OUTPUTS} outputs",
        "source": _source(spec),
        "hint": f"use up to {OUTPUTS} output neurons, or an LI layer",
    }


def shared_leak(network: Network, spec: ChipSpec) -> Iterable[dict[str, Any]]:
    """Two neurons of a word have different leaks and get the one between.

    Neurons come in pairs with one leak factor. They were paired so that the differences are least.
    Train with one time constant per layer, or with time constants in pairs.
    """
    return ()


def saturating_membranes(network: Network, spec: ChipSpec) -> Iterable[dict[str, Any]]:
    """Membranes reach the end of their 16 bits.

    A membrane that goes beyond stays at the end. Seen in the float model on the calibration spikes;
    scales were chosen so that they fit as far as weights do not become too coarse for it.
    """
    return ()


def merged_events(network: Network, spec: ChipSpec) -> Iterable[dict[str, Any]]:
    """An input spikes more than once in a step.

    Events of one input within a tick merge into one. What is lost is counted in
    ``result.counters["dropped"]``. Give the input more channels, or a shorter time step.
    """
    return ()


def fires_at_threshold(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """Neurons fire at their threshold, where the model fires above it only.

    The chip compares with ``>=``. Where a spike sets the membrane to zero, the threshold is raised
    by one unit and nothing changes. Where the threshold is subtracted, it must be the exact one: a
    membrane that meets it exactly fires on the chip. That happens with weights on a coarse grid and
    without leak, hardly otherwise.
    """
    for p in _spiking(network):
        if p.reset.startswith("subtract") and p.spike_cmp == ">":
            yield {
                "message": "a membrane that meets its threshold exactly fires on the chip",
                "node": p.name,
                "found": "v > threshold",
                "limit": "v >= threshold where the threshold is subtracted",
                "source": _source(spec),
                "hint": "no need, unless weights are multiples of a large number",
            }


def low_agreement(network: Network, spec: ChipSpec) -> Iterable[dict[str, Any]]:
    """Spikes or output membranes differ from the model on the calibration spikes.

    8-bit weights, leaks that are cut or rounded to whole units, leak factors shared by pairs and
    another reset rule all move spikes. Below 80 % agreement look at accuracy rather than at single
    spikes; training for the chip may be needed.
    """
    return ()


def not_calibrated(network: Network, spec: ChipSpec) -> Iterable[dict[str, Any]]:
    """The program was compiled without calibration spikes.

    Scales, radix points and rounding were chosen from the weights alone, and nothing was measured.
    Give typical input spikes (``calibrate=``) for a better fit and a fit report.
    """
    return ()


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
BY_NAME = bind("RECKON", FINDINGS)
BY_NAME |= {
    finding.__name__: bare_rule(f"RECKON{number:03d}", severity, finding)
    for number, (severity, finding) in enumerate(SETUP, start=len(BY_NAME) + 1)
}
RULES = tuple(BY_NAME.values())
