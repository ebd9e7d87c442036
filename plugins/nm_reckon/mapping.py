"""From a network to a ReckOn program: schedule, wire, pair, scale, pack, and say what it cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nm_backends.agreement import agreement
from nm_backends.fit import population_fit
from nm_backends.image import Image
from nm_backends.network import Network
from nm_backends.program import CompileOptions, Fit, Mapping, Resource
from nm_backends.rules import Report
from nm_reckon.choose import rounded_too, ways
from nm_reckon.drive import layout_of
from nm_reckon.execute import Outcome
from nm_reckon.image import NOBODY, pack_integers, sizes
from nm_reckon.learning_findings import learning_schedule
from nm_reckon.learning_scale import learning_integers
from nm_reckon.measured import findings
from nm_reckon.refine import Refiner
from nm_reckon.scaling import Integers, Peaks, places
from nm_reckon.spec import ALPHA_ONE, INPUTS, KAPPA_ONE, NEURONS, OUTPUTS, SPEC
from nm_reckon.topology import Topology, topology
from nm_reckon.trials import Target
from nm_reckon.watching import outputs_for, watched_in

__all__ = ["fit_of", "map_network", "probed", "resources_of", "seen_outside", "shown_outputs"]

_CALIBRATION_SPIKES = 2_000_000  # input counts looked at; more samples are left out
_PLAIN = 2  # ways that are tried with weights rounded one by one, too
_CLOSER = 1.02  # a later way must score this much better


@dataclass(frozen=True, eq=False)
class _Made:
    """One way to put the network on the chip."""

    integers: Integers
    image: Image
    layout: dict[str, np.ndarray]


def map_network(
    network: Network, options: CompileOptions, calibration: np.ndarray | None, part: bool = False
) -> Mapping:
    """Map a network that the chip's rules accept.

    Parameters
    ----------
    calibration
        Input counts uint8 ``[time, batch, channels]``, or None.
    part
        Whether it is a part of a larger one: then the host sees all its outputs, spikes or
        membranes, in every tick.
    """
    wired = topology(network, learning_schedule(network, options.learn))
    where = places(wired)
    target = None if calibration is None else Target.of(network, wired, _some(calibration))
    peaks = target.peaks if target else Peaks.guessed(wired)
    promising = (
        [learning_integers(network, wired, where)]
        if options.learn
        else _promising(network, wired, where, peaks, target)
    )
    tried = [_make(network, wired, integers, options, part) for integers in promising]
    done, made = (None, tried[0]) if target is None else _best(network, wired, target, tried)
    report = Report(SPEC.name, network.source)
    report.extend(findings(network, wired, made.integers, target, done, bool(options.learn)))
    return Mapping(
        made.image,
        made.layout,
        resources_of(wired, made.integers, made.layout),
        fit_of(wired, made.integers, target, done),
        report,
        _metadata(wired, made, target, done),
    )


def _promising(
    network: Network,
    wired: Topology,
    where: tuple[np.ndarray, np.ndarray],
    peaks: Peaks,
    target: Target | None,
) -> list[Integers]:
    """Return what is worth a trial, best first; with calibration spikes refined by them."""
    found = ways(network, wired, where, peaks)
    if target is not None:
        refiner = Refiner(network, wired, target.spikes, target.fired)
        found = [refiner.refined(integers) for integers in found] + found[:_PLAIN]
    return rounded_too(wired, found)


def probed(network: Network) -> np.ndarray:
    """Return the neurons whose spikes the outputs count: those of the first output, if they fit.

    The output membranes are all that can be seen of a neuron. Where the network reads membranes
    of its own, these have them.
    """
    fire = [p for p in network.neurons if p.spiking]
    shown = network.output
    if len(fire) < len(network.neurons) or shown.size > OUTPUTS or not shown.spiking:
        return np.zeros(0, np.int64)
    first = sum(p.size for p in fire[: [p.name for p in fire].index(shown.name)])
    return np.arange(first, first + shown.size)


def _some(calibration: np.ndarray) -> np.ndarray:
    """Leave out the last samples of very large calibration sets."""
    per_sample = max(1, int(calibration[:, 0].size))
    return calibration[:, : max(1, _CALIBRATION_SPIKES // per_sample)]


def seen_outside(network: Network) -> np.ndarray:
    """Return the neurons of a part whose spikes the host must see."""
    fire = [p for p in network.neurons if p.spiking]
    seen = [np.full(p.size, p.name in network.outputs.values()) for p in fire]
    return np.flatnonzero(np.concatenate([np.zeros(0, bool), *seen]))


def _make(
    network: Network, wired: Topology, integers: Integers, options: CompileOptions, part: bool
) -> _Made:
    probe, watched = (NOBODY, seen_outside(network)) if part else (probed(network), NOBODY)
    votes = options.vote_steps
    if votes is None:
        votes = 1 if probe.size else 0
    layout = layout_of(
        wired.schedule, integers.place, [p.name for p in network.neurons],
        (integers.scale, integers.out_scale), probe, votes, watched,
    )  # fmt: skip
    label_only = not part and not network.output.spiking and network.output.size > 1
    return _Made(integers, pack_integers(integers, probe, label_only, watched), layout)


def _best(
    network: Network, wired: Topology, target: Target, tried: list[_Made]
) -> tuple[Outcome, _Made]:
    """Return the way that does best on the calibration spikes; the next must be much better."""
    runs = [target.run(made.image, made.layout, network) for made in tried]
    scores = [target.score(wired, done) for done in runs]
    best = 0
    for i, score in enumerate(scores):
        if score * _CLOSER < scores[best]:
            best = i
    return runs[best], tried[best]


def shown_outputs(layout: dict[str, np.ndarray]) -> int:
    """Return how many outputs show spikes."""
    return int(max(layout["probe"].size, outputs_for(watched_in(layout).size)))


def resources_of(
    wired: Topology, integers: Integers, layout: dict[str, np.ndarray]
) -> list[Resource]:
    """Say what integers take of the chip."""
    synapses = sum(
        int(np.count_nonzero(w)) for w in (integers.w_in, integers.w_rec, integers.w_out)
    )
    neurons = int(integers.place.max(initial=-1)) + 1
    found = [
        Resource("inputs", len(integers.w_in), INPUTS),
        Resource("neurons", neurons + neurons % 2, NEURONS),
        Resource("outputs", max(wired.outputs, shown_outputs(layout)), OUTPUTS),
        Resource("synapses", synapses, SPEC.synapses),
    ]
    if wired.schedule.relays:
        found.insert(2, Resource("relay neurons", len(wired.schedule.relays), NEURONS))
    return found


def fit_of(
    wired: Topology,
    integers: Integers,
    target: Target | None = None,
    done: Outcome | None = None,
) -> Fit:
    """Compare a network with the integers that it became, and with what these did."""
    fits = {}
    shifts = integers.shifts  # weights are compared as the 8-bit numbers that they become
    asked = np.vstack([wired.w_in / (1 << shifts.winp), wired.w_rec / (1 << shifts.wrec)])
    held = np.vstack([integers.w_in, integers.w_rec])
    for name, span in wired.spans():
        agreed = None
        if target is not None and done is not None:
            agreed = agreement(done.fired[:, :, span], target.fired[:, :, span])
        scale, height = integers.scale[span], wired.height[span]
        leaks = (1 - wired.decay[span]) * height, (1 - integers.alpha[span] / ALPHA_ONE) * height
        fits[name] = population_fit(
            name,
            weights=(asked[:, span], held[:, span]),
            scale=scale,
            threshold=(height, integers.threshold[span]),
            leak=(leaks[0], leaks[1] * scale),
            clip=SPEC.weights,
            agreement=agreed,
        )
    for name, span in wired.output_spans():
        none = np.zeros(span.stop - span.start)
        kept = integers.kappa / KAPPA_ONE
        fits[name] = population_fit(
            name,
            weights=(wired.w_out[:, span] / (1 << shifts.wout), integers.w_out[:, span]),
            scale=integers.out_scale[span],
            threshold=(none, none),
            leak=(1 - wired.output_decay[span], (none + 1 - kept) * integers.out_scale[span]),
            clip=SPEC.weights,
        )
    return Fit(fits)


def _metadata(
    wired: Topology, made: _Made, target: Target | None, done: Outcome | None
) -> dict[str, object]:
    """Say what was chosen, and what was measured."""
    integers = made.integers
    inputs, neurons, outputs = sizes(integers, shown_outputs(made.layout))
    said: dict[str, object] = {
        "network": f"{inputs}-{neurons}-{outputs}",
        "ticks_per_step": wired.schedule.ticks_per_step,
        "lags": dict(wired.schedule.lag),
        "shifts": {
            "winp": integers.shifts.winp,
            "wrec": integers.shifts.wrec,
            "wout": integers.shifts.wout,
        },
        "stochastic_rounding": bool(integers.rounding),
        "calibrated": target is not None,
    }
    if target is not None and done is not None:
        said["calibration_samples"] = int(target.spikes.shape[1])
        said["score"] = round(target.score(wired, done), 6)
    return said
