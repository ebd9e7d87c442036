"""Which integers and which way of driving: from the weights alone, or by trial on calibration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from nm_backends.crossbar.chip import CrossbarChip
from nm_backends.crossbar.integers import Integers, integers_of
from nm_backends.crossbar.kinds import Split, better_mixed, nearer, quantised
from nm_backends.crossbar.layout import Choices, row_signs
from nm_backends.crossbar.search import polish, tune
from nm_backends.crossbar.trials import Target, Trials
from nm_backends.crossbar.wiring import Wiring
from nm_backends.network import Network
from nm_backends.program import CompileOptions
from nm_backends.quantize import Quantized, quantize_calibrated, quantize_maxabs

__all__ = ["Chosen", "by_trial", "by_weights", "demanded_rows"]

Start = Callable[[bool], Quantized]
"""Quantised weights, by whether rows have one sign (`Choices.split`)."""

_STRETCHES = np.geomspace(1.0, 2.5, 6)
_SETTLE = (1, 2, 4)
_CLOSER = 1.02  # cheaper choices win unless the score is this much better
_FINALISTS = 2
_ROUNDS, _PAYS = 4, 0.85  # another round where the last one came to at most this share of the score
_FEW = 16  # samples that say too little about single neurons
_SEARCHED = 128  # samples by which ways of driving are compared and neurons are tuned


@dataclass
class Chosen:
    """Integers and the way of driving them."""

    integers: Integers
    choices: Choices


def by_weights(chip: CrossbarChip, wiring: Wiring, options: CompileOptions) -> Chosen:
    """Choose without calibration: scales by the range of weights, and what is safe in general.

    Inhibition goes first, so that charge is not taken for a spike before all of it is there. On
    unsigned membranes that would lose it; there thresholds are tested at the end of the step.
    """
    spec = chip.spec
    split: Split = options.row_pairs == "always"
    if chip.floor is not None and options.row_pairs == "auto":
        split = nearer(wiring, partial(_by_range, chip, wiring), _fitting(chip, wiring))
    made = quantised(partial(_by_range, chip, wiring), wiring, split)
    integers = integers_of(wiring, made, spec)
    if _may_settle(chip, options):
        last = "excitatory_first" if options.order == "auto" else options.order
        tried = _settled(chip, wiring, integers, Choices(last, split), 2)
        if tried is not None:
            return tried
    order: str = options.order
    if order == "auto":
        order = "inhibitory_first" if chip.signed_membrane else "ascending"
    wanted = Choices(order, split)
    if chip.floor is None and not _fits(chip, wiring, integers, wanted):
        wanted = Choices(order)
    return Chosen(integers, wanted)


def by_trial(
    chip: CrossbarChip,
    wiring: Wiring,
    options: CompileOptions,
    target: Target,
    network: Network,
) -> Chosen:
    """Choose by what the chip's engine does on the calibration spikes.

    With samples enough (`CompileOptions.descent`), every way of driving is tried with weights that
    were calibrated and with weights that were rounded by their range, and integers are found from
    there by gradients (`nm_backends.crossbar.descent`). Else see `_by_search`.
    """
    everything = Trials(chip, wiring, target)
    trials = everything.on(np.arange(min(_SEARCHED, target.spikes.shape[1])))
    starts: list[Start] = [partial(_by_range, chip, wiring)]
    if options.scale != "maxabs":
        starts.insert(0, _calibrated(chip, wiring, trials.target))
    if options.scale != "maxabs" and chip.floor is None:
        from nm_backends.crossbar.descent.search import by_descent, worth_it

        ways = [by_weights(chip, wiring, options)]
        for start in starts[::-1]:
            ways += _candidates(chip, wiring, options, start, target)
        if worth_it(everything, options, everything.events(ways[0].integers, ways[0].choices)):
            return by_descent(network, everything, options, ways)
    return _by_search(everything, trials, options, starts)


def _by_search(
    everything: Trials, trials: Trials, options: CompileOptions, starts: list[Start]
) -> Chosen:
    """Choose by moving thresholds and leaks.

    Every way of driving is tuned coarsely, neuron by neuron, from weights that were calibrated and
    from weights that were rounded by their range; the best few are tuned finely and polished; the
    best of these is taken, or a cheaper one that is about as good. With very few samples only ways
    of driving and of rounding are compared: single neurons would be fitted to chance.
    """
    few = everything.target.spikes.shape[1] < _FEW
    found = _scored(trials, options, starts, tuned=not few)
    if found[0][0] == np.inf and options.settle == "auto":
        # A loop that never ends within a step does end when neurons fire once per step.
        found += _scored(trials, replace(options, settle="always"), starts, tuned=not few)
    found.sort(key=lambda entry: entry[0])
    restless = found[0][0] == np.inf  # every way: finer ones will not help
    if few or options.scale == "maxabs" or restless:
        return found[0][1]
    finalists = []
    for _, chosen in found[:_FINALISTS]:
        made = _improved(trials, everything, chosen)
        outcome = everything.run(made.integers, made.choices)
        finalists.append((everything.score(outcome), int(outcome.counters["sops"].sum()), made))
    least = min(score for score, _, _ in finalists)
    close = [entry for entry in finalists if entry[0] <= least * _CLOSER]
    return min(close, key=lambda entry: entry[1])[2]


def _improved(trials: Trials, everything: Trials, chosen: Chosen) -> Chosen:
    """Tune finely, as far as the score follows, and polish on all samples, while it pays."""
    integers, choices = chosen.integers, chosen.choices
    least = everything.judged(integers, choices).score
    for _ in range(_ROUNDS):
        for way in (tune(trials, integers, choices, fine=fine) for fine in (True, False)):
            score = everything.judged(way, choices).score
            integers, least = (way, score) if score < least else (integers, least)
        integers = polish(everything, integers, choices)
        before, least = least, everything.judged(integers, choices).score
        if least > _PAYS * before:
            break
    return Chosen(integers, choices)


def _scored(
    trials: Trials, options: CompileOptions, starts: list[Start], tuned: bool
) -> list[tuple[float, Chosen]]:
    """Try every way of driving, as it is and tuned coarsely; return all with scores, best first."""
    found, mixed = [], None
    if trials.chip.floor is not None and options.row_pairs == "auto":
        order = "inhibitory_first" if options.order == "auto" else options.order
        mixed = better_mixed(trials, starts[0], order, _fitting(trials.chip, trials.wiring))
    for start in starts:
        candidates = _candidates(trials.chip, trials.wiring, options, start, trials.target, mixed)
        for chosen in candidates:
            ways = [chosen.integers]
            if tuned and options.scale != "maxabs":
                ways.append(tune(trials, chosen.integers, chosen.choices, fine=False))
            for integers in ways:
                score = trials.judged(integers, chosen.choices).score
                found.append((score, Chosen(integers, chosen.choices)))
    return sorted(found, key=lambda entry: entry[0])


def _limits(chip: CrossbarChip, wiring: Wiring) -> np.ndarray:
    """Return the largest useful threshold: neurons without memory must lose all of it at once."""
    spec = chip.spec
    forget = min(spec.threshold.maximum, spec.leak.maximum)
    return np.where(wiring.decay == 0, forget, spec.threshold.maximum)


def _fitting(chip: CrossbarChip, wiring: Wiring) -> Callable[[Split], bool]:
    """Return what says whether a kind of rows has a place."""

    def fits(split: Split) -> bool:
        made = quantised(partial(_by_range, chip, wiring), wiring, split)
        return _fits(chip, wiring, integers_of(wiring, made, chip.spec), Choices(split=split))

    return fits


def _by_range(chip: CrossbarChip, wiring: Wiring, split: bool) -> Quantized:
    if chip.floor is not None:
        return chip.floor.by_range(wiring, split)
    limits = _limits(chip, wiring)
    form = chip.spec.weights
    made = quantize_maxabs(wiring.weights, wiring.threshold, wiring.strict, form, limits)
    for _, span in wiring.spans():
        if wiring.plastic[:, span].any():  # neurons that learn by one rule share one scale
            made.scale[span] = made.scale[span].min()
    integers = np.rint(wiring.weights * made.scale)
    return Quantized(np.clip(integers, form.minimum, form.maximum).astype(np.int64), made.scale)


def _calibrated(chip: CrossbarChip, wiring: Wiring, target: Target) -> Start:
    """Quantise population by population, each by what its own sources sent.

    Rows of both signs that can have no weight 0 are quantised by range all the same.
    """
    made = _on_target(chip, wiring, target)

    def start(split: bool) -> Quantized:
        never_zero = chip.floor is not None and not split
        return _by_range(chip, wiring, split) if never_zero else made

    return start


def _on_target(chip: CrossbarChip, wiring: Wiring, target: Target) -> Quantized:
    spec = chip.spec
    weights, scale = np.zeros(wiring.weights.shape, np.int64), np.zeros(wiring.neurons)
    for _, span in wiring.spans():
        rows = np.flatnonzero(wiring.weights[:, span].any(axis=1))
        made = quantize_calibrated(
            wiring.weights[rows, span],
            wiring.threshold[span],
            wiring.strict[span],
            spec.weights,
            _limits(chip, wiring)[span],
            target.moments(float(wiring.decay[span].mean()), rows),
            _STRETCHES,
        )
        weights[rows, span], scale[span] = made.weights, made.scale
    return Quantized(weights, scale)


def _candidates(
    chip: CrossbarChip,
    wiring: Wiring,
    options: CompileOptions,
    start: Start,
    target: Target,
    mixed: tuple[bool, ...] | None = None,
) -> list[Chosen]:
    """List the ways of driving that options and rows allow; ``mixed`` kinds of rows as well."""
    spec = chip.spec
    orders: list[str] = [options.order]
    if options.order == "auto":
        orders = ["inhibitory_first", "ascending"]
        orders += [] if chip.signed_membrane else ["excitatory_first"]
    kinds = {"auto": [False, True], "never": [False], "always": [True]}
    splits: list[Split] = [False] if chip.row_pairs else [*kinds[options.row_pairs]]
    splits += [mixed] if mixed else []
    made = {
        split: integers_of(wiring, quantised(start, wiring, split), spec, target.membranes)
        for split in splits
    }
    found = []
    if options.settle != "always":
        for order in orders:
            for split in splits if order != "ascending" else splits[:1]:
                if _fits(chip, wiring, made[split], Choices(order, split)):
                    found.append(Chosen(made[split], Choices(order, split)))
    if _may_settle(chip, options):
        # Membranes stop at zero then, so that only positive ones leak.
        least = quantised(start, wiring, splits[0])
        above = integers_of(wiring, least, spec, np.maximum(target.membranes, 0.0))
        order = orders[-1] if chip.signed_membrane else "excitatory_first"
        order = order if options.order == "auto" else options.order
        for events in _SETTLE:
            settled = _settled(chip, wiring, above, Choices(order, splits[0]), events)
            found += [settled] if settled else []
    return found or [Chosen(made[splits[0]], Choices(orders[0], _only(chip, splits)))]


def _only(chip: CrossbarChip, splits: list[Split]) -> Split:
    return splits[0] if chip.floor is not None else False


def _may_settle(chip: CrossbarChip, options: CompileOptions) -> bool:
    """Say whether thresholds may be tested at the end of a step.

    That stops membranes at zero. Where they would go below, more is lost than is gained: of itself,
    it is chosen only where they cannot.
    """
    if chip.floor is not None:
        return False
    return options.settle == "always" or (options.settle == "auto" and not chip.signed_membrane)


def _settled(
    chip: CrossbarChip, wiring: Wiring, integers: Integers, choices: Choices, events: int
) -> Chosen | None:
    """Let every population settle with so many trigger events, or fewer where formats end."""
    spec, step = chip.spec, chip.spec.weights.maximum
    settle = np.zeros_like(integers.settle)
    for _, span in wiring.spans():
        room = spec.threshold.maximum - int(integers.threshold[span].max(initial=0))
        room = min(room, spec.leak.maximum - int(integers.leak[span].max(initial=0)))
        room = min(room, spec.membrane.maximum - int(integers.start[span].max(initial=0)))
        settle[span] = min(events, room // step)
    made = integers.with_(settle=settle)
    if not settle.any() or not _fits(chip, wiring, made, choices):
        return None
    return Chosen(made, choices)


def _fits(chip: CrossbarChip, wiring: Wiring, integers: Integers, choices: Choices) -> bool:
    """Say whether there are rows enough for inputs, biases and triggers."""
    if chip.floor is not None:
        return chip.floor.fits(wiring, integers, choices)
    rows = demanded_rows(chip, wiring, integers, choices)
    return rows <= chip.spec.rows


def demanded_rows(chip: CrossbarChip, wiring: Wiring, integers: Integers, choices: Choices) -> int:
    """Count the rows in use at least."""
    inputs, signs = wiring.inputs, row_signs(wiring, integers)
    pairs = chip.row_pairs
    first = signs[:inputs].sum() if pairs or choices.split else signs[:inputs].any(axis=1).sum()
    closed = bool(signs[inputs:].any())
    places = wiring.neurons + (int(signs[inputs:].all(axis=1).sum()) if pairs else 0)
    bias = [(integers.bias < 0).any(), (integers.bias > 0).any()]
    biases = sum(bias) if pairs else int(any(bias))
    triggers = sum(bool(integers.settle[span].any()) for _, span in wiring.spans())
    return int(first) + int(biases) + triggers + (places if closed else 0)
