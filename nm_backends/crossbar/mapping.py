"""From a network to a crossbar program: wire, choose, place, pack, and say what it cost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nm_backends.agreement import agreement, readout_agreement
from nm_backends.crossbar.chip import CrossbarChip
from nm_backends.crossbar.choose import Chosen, by_trial, by_weights, demanded_rows
from nm_backends.crossbar.findings import findings, learning_findings
from nm_backends.crossbar.hosted import choose_hosted
from nm_backends.crossbar.integers import Integers, lateral_synapses
from nm_backends.crossbar.kinds import said_of
from nm_backends.crossbar.layout import Plan, plan
from nm_backends.crossbar.parts import spikes_of_sources
from nm_backends.crossbar.sharing import SHARED, saved_rows, with_shared_rows
from nm_backends.crossbar.trials import Outcome, Target, Trials
from nm_backends.crossbar.wiring import Wiring, wire
from nm_backends.errors import UserError
from nm_backends.fit import population_fit
from nm_backends.network import Network
from nm_backends.program import CompileOptions, Fit, Mapping, Resource
from nm_backends.rules import CompileError, Report

__all__ = ["map_network", "resources"]

_CALIBRATION_SPIKES = 2_000_000  # input counts looked at; more samples are left out


def map_network(
    chip: CrossbarChip,
    network: Network,
    options: CompileOptions,
    calibration: np.ndarray | None,
    hosting: bool = False,
) -> Mapping:
    """Map a network that the chip's rules accept.

    Parameters
    ----------
    calibration
        Input counts uint8 ``[time, batch, channels]``, or None.
    hosting
        Whether the host may be the synapses of inputs for which no row is left, see `hosted`.
    """
    if options.learn and not chip.learns:
        raise UserError(
            f"learn={options.learn!r}: the synapses of {chip.spec.name} cannot change",
            "leave it out, or compile for a chip that learns",
        )
    apart = wire(network, options.learn)
    wiring = with_shared_rows(chip, apart, options.share_rows)
    if hosting:
        active = None if calibration is None else spikes_of_sources(calibration, wiring)
        hosted = choose_hosted(chip, wiring, active)
        wiring.hosted = wiring.hosted if hosted is None else hosted
    target, outcome = None, None
    if calibration is None or wiring.plastic.any():
        if wiring.plastic.any():  # a trigger row would teach, too
            options = replace(options, settle="never")
        chosen = by_weights(chip, wiring, options)
    else:
        target = Target.of(network, wiring, _some(calibration))
        chosen = by_trial(chip, wiring, options, target, network)
        outcome = Trials(chip, wiring, target).run(chosen.integers, chosen.choices)
    _refuse_rows(chip, network, wiring, chosen, options)
    made = plan(wiring, chosen.integers, chip, chosen.choices)
    report = Report(chip.spec.name, network.source)
    report.extend(findings(chip, network, wiring, chosen.integers, target, outcome))
    report.extend(saved_rows(chip, network, apart, wiring, chosen.integers))
    report.extend(learning_findings(chip, wiring, chosen.integers, calibration is not None))
    return Mapping(
        chip.pack(made.contents),
        made.layout,
        resources(chip, wiring, made),
        _fit(chip, wiring, chosen.integers, made, target, outcome),
        report,
        _metadata(wiring, chosen, target, outcome),
    )


def _refuse_rows(
    chip: CrossbarChip, network: Network, wiring: Wiring, chosen: Chosen, options: CompileOptions
) -> None:
    """Count the rows of weights of 0 that learn, and of channels that may not share one, too."""
    if chip.floor is not None:
        return
    rows = demanded_rows(chip, wiring, chosen.integers, chosen.choices)
    if rows > chip.spec.rows:
        report = Report(chip.spec.name, network.source)
        if not options.learn:
            report.add(
                chip.rules["too_many_rows"].at(
                    f"{rows:,} rows are needed where channels share none",
                    node=max(network.inputs, key=lambda p: p.size).name,
                    found=f"{rows:,} rows",
                    limit=f"{chip.spec.rows} rows",
                    source=chip.spec.sources[0],
                    hint="share_rows='auto'",
                )
            )
            raise CompileError(report)
        report.add(
            chip.rules["learning_rows"].at(
                f"{rows} rows are needed with {', '.join(options.learn)} learning",
                node=options.learn[0],
                found=f"{rows} rows",
                limit=f"{chip.spec.rows} rows",
                source=chip.spec.sources[0],
                hint="fewer inputs, or weights of one sign in a layer that learns",
            )
        )
        raise CompileError(report)


def _some(calibration: np.ndarray) -> np.ndarray:
    """Leave out the last samples of very large calibration sets."""
    per_sample = max(1, int(calibration[:, 0].size))
    return calibration[:, : max(1, _CALIBRATION_SPIKES // per_sample)]


def resources(chip: CrossbarChip, wiring: Wiring, made: Plan) -> list[Resource]:
    """Return what a placed network takes of the chip."""
    if chip.floor is not None:
        return chip.floor.resources(wiring, made)
    spec, contents = chip.spec, made.contents
    used = made.layout["row_source"] >= -3
    rows = int((made.layout["row_source"] != -1).sum())
    if not contents.open_loop:  # neurons that drive nobody still have a row
        idle = (made.layout["row_source"] == -1) & contents.enabled[: used.size]
        rows += int(idle.sum())
    found = [
        Resource("neurons", made.placement.places, spec.neurons),
        Resource("rows", rows, spec.rows),
        Resource("synapses", int(np.count_nonzero(contents.weights)), spec.synapses),
    ]
    if chip.row_pairs:
        copies = int((made.placement.copy >= 0).sum())
        found.insert(1, Resource("second copies", copies, spec.neurons - wiring.neurons))
    return found


def _fit(
    chip: CrossbarChip,
    wiring: Wiring,
    integers: Integers,
    made: Plan,
    target: Target | None,
    outcome: Outcome | None,
) -> Fit:
    fits = {}
    for name, span in wiring.spans():
        agreed = None
        if target is not None and outcome is not None:
            agreed = agreement(outcome.fired[:, :, span], target.fired[:, :, span])
        asked = np.vstack([wiring.weights[:, span], wiring.bias[None, span]])
        realised = np.vstack([integers.weights[:, span], made.bias[None, span]])
        fits[name] = population_fit(
            name,
            weights=(asked, realised),
            scale=integers.scale[span],
            threshold=(wiring.threshold[span], integers.threshold[span]),
            leak=_leaks(chip, wiring, integers, target, span),
            clip=chip.spec.weights,
            agreement=agreed,
        )
    return Fit(fits)


def _leaks(
    chip: CrossbarChip, wiring: Wiring, integers: Integers, target: Target | None, span: slice
) -> tuple[np.ndarray, np.ndarray]:
    """Return charge lost per step on average, asked (user units) and realised (chip units)."""
    scale = integers.scale[span]
    if target is None:
        seen = np.linspace(0, 1, 129)[1:, None] * wiring.threshold[span] * scale
    else:
        seen = target.membranes[:, span] * scale
    signed = chip.signed_membrane and not integers.settle[span].any()
    size = np.abs(seen) if signed else np.maximum(seen, 0)
    asked = ((1 - wiring.decay[span]) * size).mean(axis=0) / scale
    return asked, np.minimum(integers.leak[span], size).mean(axis=0)


def _metadata(
    wiring: Wiring, chosen: Chosen, target: Target | None, outcome: Outcome | None
) -> dict[str, object]:
    """Say what was chosen, and what was measured."""
    settle = {
        name: int(chosen.integers.settle[span].max(initial=0)) for name, span in wiring.spans()
    }
    said: dict[str, object] = {
        "order": chosen.choices.order,
        "row_pairs": said_of(wiring, chosen.choices),
        "trigger_events_per_step": sum(settle.values()),
        "calibrated": target is not None,
    }
    if wiring.shares:
        said[SHARED] = wiring.channel.size - wiring.inputs
    lateral = {
        name: lateral_synapses(wiring, chosen.integers, span) for name, span in wiring.spans()
    }
    if any(lateral.values()):
        said["lateral_synapses"] = sum(lateral.values())
    if wiring.hosted.any():
        said["inputs_without_a_row"] = int(wiring.hosted.sum())
    if target is not None and outcome is not None:
        *_, (_, last) = wiring.spans()
        said["readout_agreement"] = readout_agreement(
            outcome.fired[:, :, last], target.fired[:, :, last]
        )
        said["calibration_samples"] = int(target.spikes.shape[1])
    return said
