"""What a mapping cost, measured: findings that only the mapper can make."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from nm_backends.agreement import agreement, count_error
from nm_backends.fit_rules import ALTERNATIVES
from nm_backends.network import Network
from nm_backends.rules import Diagnostic
from nm_reckon.rules import BY_NAME
from nm_reckon.scaling import LARGEST, Integers
from nm_reckon.spec import ALPHA_ONE, SPEC
from nm_reckon.topology import Topology
from nm_reckon.trials import Target, readout_error

if TYPE_CHECKING:
    from nm_reckon.execute import Outcome

__all__ = ["findings"]

_COARSE = 0.5  # share of weights that become 0
_OFTEN = 0.9  # spikes per step and neuron
_OFF = 0.5  # spikes off per spike of the model
_READOUT = 0.1  # of the membranes that are read
_SAME = 1.5 / ALPHA_ONE  # leak factors that differ by their rounding only


def findings(
    network: Network, wired: Topology, integers: Integers, target: Target | None,
    done: Outcome | None, learns: bool = False,
) -> Iterator[Diagnostic]:  # fmt: skip
    """Yield what integers and pairs lost, and what the calibration spikes showed."""
    yield from _coarse(wired, integers)
    yield from _shared(wired, integers)
    if target is None or done is None:
        if learns:  # its scale leaves room for what is learned, whatever the input
            return
        yield BY_NAME["not_calibrated"].at(
            "scales, radix points and rounding were chosen from the weights alone",
            hint="give typical input: calibrate=spikes (nmb compile --calibrate SPIKES.npz)",
        )
        return
    for name, span in wired.spans():
        fired, wanted = done.fired[:, :, span], target.fired[:, :, span]
        yield from _activity(name, fired, wanted)
        yield from _disagreement(name, fired, wanted)
        yield from _saturated(name, integers, target.peaks.membrane[span], span)
    yield from _outputs(wired, target, done)
    yield from _merged(network, target, done)


def _coarse(wired: Topology, integers: Integers) -> Iterator[Diagnostic]:
    asked = np.vstack([wired.w_in, wired.w_rec])
    held = np.vstack([integers.w_in, integers.w_rec])
    groups = [(n, asked[:, s], held[:, s]) for n, s in wired.spans()]
    groups += [(n, wired.w_out[:, s], integers.w_out[:, s]) for n, s in wired.output_spans()]
    for name, real, whole in groups:
        there = real != 0
        zeroed = int((there & (whole == 0)).sum())
        if there.any() and zeroed > _COARSE * there.sum():
            yield BY_NAME["coarse_weights"].at(
                f"{zeroed:,} of {there.sum():,} weights become 0",
                node=name,
                found=f"{zeroed / there.sum():.0%} zeroed",
                limit=f"weights {SPEC.weights.minimum} to {SPEC.weights.maximum}",
                source=SPEC.sources[0],
                hint="train with weights of similar size (weight decay, clipping)",
            )


def _shared(wired: Topology, integers: Integers) -> Iterator[Diagnostic]:
    for name, span in wired.spans():
        asked, held = wired.decay[span], integers.alpha[span] / ALPHA_ONE
        off = np.abs(held - asked)
        if off.max(initial=0.0) > _SAME:
            worst = int(off.argmax())
            yield BY_NAME["shared_leak"].at(
                f"{int((off > _SAME).sum())} neurons share a leak factor that is not theirs; the "
                f"mean difference is {off.mean():.2g} per tick",
                node=name,
                neurons=(worst, worst),
                found=f"{asked[worst]:.6g} becomes {held[worst]:.6g}",
                limit="one leak factor for two neurons",
                source=SPEC.sources[0],
                hint="train with one time constant per layer",
            )


def _activity(name: str, fired: np.ndarray, wanted: np.ndarray) -> Iterator[Diagnostic]:
    spikes, due = int(fired.sum(dtype=np.int64)), int(wanted.sum(dtype=np.int64))
    if due and not spikes:
        yield BY_NAME["silent_population"].at(
            f"fires {due:,} times in the model and never on the chip (calibration spikes)",
            node=name,
            found="0 spikes",
            limit=f"{due:,} spikes",
            hint="look at the fit report for zeroed weights",
        )
    if spikes > _OFTEN * fired.size and due <= _OFTEN * fired.size:
        yield BY_NAME["always_firing"].at(
            f"fires {spikes / fired.size:.2f} times per step and neuron (model: "
            f"{due / fired.size:.2f})",
            node=name,
            found=f"{spikes / fired.size:.0%}",
            limit=f"{due / fired.size:.0%}",
            hint="look at the fit report for clipped weights",
        )


def _disagreement(name: str, fired: np.ndarray, wanted: np.ndarray) -> Iterator[Diagnostic]:
    due = float(wanted.sum(dtype=np.int64))
    off = float(count_error(fired, wanted).sum())
    if due and off > _OFF * due:
        yield BY_NAME["low_agreement"].at(
            f"{agreement(fired, wanted):.0%} of the spikes coincide with the model's (calibration "
            "spikes)",
            node=name,
            found=f"{off / due:.2f} spikes off per spike",
            limit=f"{_OFF:g}",
            hint=f"look at the other findings and at the fit report; {ALTERNATIVES}",
        )


def _outputs(wired: Topology, target: Target, done: Outcome) -> Iterator[Diagnostic]:
    for name, span in wired.output_spans():
        error = readout_error(done.potentials[:, :, span], target.potentials[:, :, span])
        if error > _READOUT:
            yield BY_NAME["low_agreement"].at(
                f"membranes are off by {error:.0%} of the model's (calibration spikes)",
                node=name,
                found=f"{error:.0%}",
                limit=f"{_READOUT:.0%}",
                hint=f"look at the other findings and at the fit report; {ALTERNATIVES}",
            )


def _saturated(
    name: str, integers: Integers, peaks: np.ndarray, span: slice
) -> Iterator[Diagnostic]:
    far = peaks / 1.1 * integers.threshold[span] > LARGEST + 1
    if far.any():
        worst = int(np.argmax(peaks))
        yield BY_NAME["saturating_membranes"].at(
            f"{int(far.sum())} membranes go beyond what 16 bits hold (calibration spikes)",
            node=name,
            neurons=(worst, worst),
            found=f"{peaks[worst] / 1.1:.3g} thresholds",
            limit=f"{LARGEST / integers.threshold[span][worst]:.3g} thresholds",
            source=SPEC.sources[0],
            hint="train with smaller weights, or weights of similar size",
        )


def _merged(network: Network, target: Target, done: Outcome) -> Iterator[Diagnostic]:
    lost = int(done.counters["dropped"].sum())
    if lost:
        total = int(target.spikes.sum(dtype=np.int64))
        yield BY_NAME["merged_events"].at(
            f"{lost:,} of {total:,} input spikes merge with others of the same step and channel "
            "(calibration spikes)",
            node=network.inputs[0].name,
            found=f"{lost:,} spikes",
            limit="one spike per step and channel",
            source=SPEC.sources[0],
            hint="give the input more channels, or a shorter time step",
        )
