"""What a network costs on ReckOn, and what only the mapper can find; see `nm_reckon.rules`."""

# ruff: noqa: D401 - the first line of a rule says what is wrong
from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from nm_reckon.asked import decay_of, schedule_of, source_of, spiking, ticks_of

if TYPE_CHECKING:
    from nm_backends.chip import ChipSpec
    from nm_backends.network import Network

__all__ = [
    "bias_events",
    "deeper_layers",
    "fires_at_threshold",
    "low_agreement",
    "merged_events",
    "not_calibrated",
    "relay_neurons",
    "rounded_output_leak",
    "saturating_membranes",
    "several_ticks",
    "shared_leak",
    "unseen_spikes",
]


def several_ticks(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """A step of the model takes several ticks of the chip.

    Leak factors of the chip are 0.875 or more per tick; a faster decay takes several ticks, between
    which nothing arrives. That is exact, and costs time and energy. Recurrent spikes wait in
    neurons that hand them on.
    """
    ticks = ticks_of(network)
    if ticks > 1:
        node, least = min(
            ((p.name, float(decay_of(p).min())) for p in spiking(network)), key=lambda pair: pair[1]
        )
        yield {
            "message": f"a step takes {ticks} ticks: decay {least:.4g} per step is "
            f"{least ** (1 / ticks):.4g} per tick",
            "node": node,
            "found": f"decay {least:.4g}",
            "limit": "0.875 per tick",
            "source": source_of(spec),
            "hint": "train with slower leaks to save time",
        }


def deeper_layers(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """A layer runs some ticks behind the input.

    A spike acts in the tick in which it is fired and is tested in the next: every layer is one tick
    later than the one before. Results are shifted back, so that nothing is to be seen but a sample
    that lasts a little longer.
    """
    plan = schedule_of(network)
    if plan is None:
        return
    for p in spiking(network):
        if plan.lag[p.name]:
            yield {
                "message": f"runs {plan.lag[p.name]} ticks behind the input",
                "node": p.name,
                "found": f"{plan.lag[p.name]} ticks",
                "source": source_of(spec),
            }


def relay_neurons(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """Neurons are spent on handing spikes on.

    A delay that is longer than the tick that a projection takes anyway, a layer that is skipped,
    and what inputs or biases add to an output that does not spike: each needs neurons that repeat a
    spike one tick later.
    """
    plan = schedule_of(network)
    if plan is None or not plan.relays:
        return
    held = sum(kind == "input" for kind, _ in plan.relays)
    yield {
        "message": f"{len(plan.relays)} neurons hand spikes on: {len(plan.relays) - held} delay "
        f"spikes of neurons, {held} bring inputs and biases to outputs",
        "found": f"{len(plan.relays)} neurons",
        "limit": f"{spec.neurons} neurons in all",
        "source": source_of(spec),
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
                "source": source_of(spec),
                "hint": "train with bias=False",
            }


def rounded_output_leak(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """The leak factor of the outputs is rounded to 1/128.

    ``SPI_KAPPA`` has 7 fractional bits: factors near 1 (long time constants) are coarse, and
    above 1 - 1/256 there is no leak at all.
    """
    ticks = ticks_of(network)
    read = [p for p in network.neurons if not p.spiking]
    values = [float(x) for p in read for x in decay_of(p).tolist() if 0 <= x <= 1]
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
            "source": source_of(spec),
            "hint": f"train with a decay of {held**ticks:.6g} per step",
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
        "source": source_of(spec),
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
    for p in spiking(network):
        if p.reset.startswith("subtract") and p.spike_cmp == ">":
            yield {
                "message": "a membrane that meets its threshold exactly fires on the chip",
                "node": p.name,
                "found": "v > threshold",
                "limit": "v >= threshold where the threshold is subtracted",
                "source": source_of(spec),
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
