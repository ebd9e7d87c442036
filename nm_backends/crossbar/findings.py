"""What a mapping cost, measured: findings that only the mapper can make."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nm_backends.agreement import agreement, count_error, readout_agreement
from nm_backends.crossbar.chip import CrossbarChip
from nm_backends.crossbar.integers import Integers, lateral_synapses
from nm_backends.crossbar.trials import Outcome, Target
from nm_backends.crossbar.wiring import Wiring
from nm_backends.fit_rules import ALTERNATIVES
from nm_backends.network import Network
from nm_backends.rules import Diagnostic

__all__ = ["findings", "learning_findings"]

_COARSE = 0.5  # share of weights that become 0
_OFTEN = 0.9  # spikes per step and neuron
_OFF = 0.5  # spikes off per spike of the model
_READOUT = 0.9
_DEEP = 0.05  # share of membranes below zero


def findings(
    chip: CrossbarChip,
    network: Network,
    wiring: Wiring,
    integers: Integers,
    target: Target | None,
    outcome: Outcome | None,
) -> Iterator[Diagnostic]:
    """Yield what the weights lost, and what the calibration spikes showed."""
    yield from _coarse(chip, wiring, integers)
    if target is None or outcome is None:
        yield chip.rules["not_calibrated"].at(
            "scales, leaks and the order of events were chosen from the weights alone",
            hint="give typical input: calibrate=spikes (nmb compile --calibrate SPIKES.npz)",
        )
        return
    if outcome.endless is not None:
        yield chip.rules["never_idle"].at(
            "the chip never became idle on the calibration spikes, whatever thresholds were tried",
            found=f"{outcome.endless.max_pops:,} spikes after one input event, and no end",
            limit="a time step that ends",
            hint="raise thresholds, weaken recurrent excitation, or give it inhibition",
        )
        return
    for name, span in wiring.spans():
        fired, wanted = outcome.fired[:, :, span], target.fired[:, :, span]
        yield from _activity(chip, name, fired, wanted)
        yield from _consequences(chip, network, name, fired, wanted)
        extra = lateral_synapses(wiring, integers, span)
        yield from _lost_charge(chip, name, target.membranes[:, span], fired, wanted, extra)
    yield from _disagreement(chip, wiring, target, outcome)
    dropped = int(outcome.counters["dropped"].sum())
    if dropped:
        total = int(outcome.counters["events_out"].sum())
        yield chip.rules["spikes_dropped"].at(
            f"{dropped:,} of {total:,} spikes were lost on the calibration spikes",
            found=f"{dropped:,} lost",
            limit=f"{chip.number('scheduler_depth'):g} waiting spikes",
            source=chip.spec.quantities["scheduler_depth"].source,
            hint="lower the activity, or let fewer neurons fire together",
        )


def learning_findings(
    chip: CrossbarChip, wiring: Wiring, integers: Integers, calibration: bool
) -> Iterator[Diagnostic]:
    """Yield what a layer that learns should know about its chip."""
    for name, span in wiring.spans():
        learns = wiring.plastic[:, span]
        if not learns.any():
            continue
        weights = np.where(learns, integers.weights[:, span], 0)
        both = (weights < 0).any(axis=1) & (weights > 0).any(axis=1)
        if chip.row_pairs and both.any():
            yield chip.rules["learning_signs"].at(
                f"{both.sum()} of {learns.any(axis=1).sum()} inputs have weights of both signs: "
                "the rule moves their excitatory and inhibitory synapses alike",
                node=name,
                found=f"{both.sum()} inputs with two rows",
                limit="one sign per row, not learned",
                source=chip.spec.sources[0],
                hint="start the layer that learns from weights of one sign",
            )
        if calibration:
            yield chip.rules["learning_not_calibrated"].at(
                "the calibration spikes were not used: a layer learns", node=name
            )


def _coarse(chip: CrossbarChip, wiring: Wiring, integers: Integers) -> Iterator[Diagnostic]:
    for name, span in wiring.spans():
        there = wiring.weights[:, span] != 0
        zeroed = there & (integers.weights[:, span] == 0)
        if there.any() and zeroed.sum() > _COARSE * there.sum():
            yield chip.rules["coarse_weights"].at(
                f"{zeroed.sum():,} of {there.sum():,} weights become 0",
                node=name,
                found=f"{zeroed.sum() / there.sum():.0%} zeroed",
                limit=f"weights {chip.spec.weights.minimum} to {chip.spec.weights.maximum}",
                source=chip.spec.sources[0],
                hint="train with weights of similar size (weight decay, clipping)",
            )


def _activity(
    chip: CrossbarChip, name: str, fired: np.ndarray, wanted: np.ndarray
) -> Iterator[Diagnostic]:
    spikes, due = int(fired.sum(dtype=np.int64)), int(wanted.sum(dtype=np.int64))
    if due and not spikes:
        yield chip.rules["silent_population"].at(
            f"fires {due:,} times in the model and never on the chip (calibration spikes)",
            node=name,
            found="0 spikes",
            limit=f"{due:,} spikes in the model",
            hint="look at the fit report: zeroed weights, threshold, leak",
        )
    if fired.size and spikes > _OFTEN * fired.size and due < 0.5 * spikes:
        yield chip.rules["always_firing"].at(
            f"fires {spikes / fired.size:.2f} times per step and neuron, {due / fired.size:.2f} in "
            "the model (calibration spikes)",
            node=name,
            found=f"{spikes:,} spikes",
            limit=f"{due:,} spikes in the model",
            hint="look at the fit report: clipped weights, threshold, leak",
        )


def _measured(fired: np.ndarray, wanted: np.ndarray) -> str:
    spikes, due = int(fired.sum(dtype=np.int64)), int(wanted.sum(dtype=np.int64))
    return (
        f"on the calibration spikes {agreement(fired, wanted):.0%} of the spikes coincide with the "
        f"model's, {spikes:,} instead of {due:,}"
    )


def _consequences(
    chip: CrossbarChip, network: Network, name: str, fired: np.ndarray, wanted: np.ndarray
) -> Iterator[Diagnostic]:
    """Repeat what the rules said about a population, with what it came to."""
    for rule in ("immediate_recurrence", "other_reset"):
        bound = chip.rules[rule]
        assert bound.check is not None
        for found in bound.check(network, chip.spec):
            if found.node == name:
                yield bound.at(
                    f"{found.message}: {_measured(fired, wanted)}",
                    node=name,
                    found=found.found,
                    limit=found.limit,
                    source=found.source,
                    hint=f"train for the chip's behaviour where that is not enough; {ALTERNATIVES}",
                )


def _lost_charge(
    chip: CrossbarChip,
    name: str,
    membranes: np.ndarray,
    fired: np.ndarray,
    wanted: np.ndarray,
    extra: int,
) -> Iterator[Diagnostic]:
    below = float(np.mean(membranes < 0)) if membranes.size else 0.0
    made_up = (
        f"; {extra:,} synapses within it make up for that, the model has none" if extra else ""
    )
    if "negative_charge_lost" in chip.rules and below > _DEEP:
        yield chip.rules["negative_charge_lost"].at(
            f"{below:.0%} of the model's membranes are below zero, the chip's stop there: "
            f"{_measured(fired, wanted)}{made_up}",
            node=name,
            found=f"{below:.0%} below zero",
            limit=f"membranes {chip.spec.membrane.minimum} to {chip.spec.membrane.maximum}",
            source=chip.spec.sources[0],
            hint="train with less inhibition, or with a membrane that stops at zero; "
            + ALTERNATIVES,
        )


def _disagreement(
    chip: CrossbarChip, wiring: Wiring, target: Target, outcome: Outcome
) -> Iterator[Diagnostic]:
    *_, (name, span) = wiring.spans()
    fired, wanted = outcome.fired[:, :, span], target.fired[:, :, span]
    due = max(1, int(wanted.sum(dtype=np.int64)))
    off = float(
        np.abs(fired.sum(axis=0, dtype=np.int64) - wanted.sum(axis=0, dtype=np.int64)).sum()
    )
    same = readout_agreement(fired, wanted)
    if off > _OFF * due or same < _READOUT or count_error(fired, wanted).sum() > 4 * _OFF * due:
        yield chip.rules["low_agreement"].at(
            f"{_measured(fired, wanted)}; spike counts are off by {off / due:.0%}, and "
            f"{same:.0%} of the samples have their largest count at the same neuron",
            node=name,
            found=f"counts off by {off / due:.0%}",
            limit=f"{_OFF:.0%}",
            hint=f"give more calibration spikes; {ALTERNATIVES}",
        )
