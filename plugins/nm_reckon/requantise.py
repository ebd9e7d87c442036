"""New weights for a ReckOn program: as the image was chosen, with what the weights have moved."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nm_backends.errors import UserError
from nm_backends.eventcore.words import extract
from nm_reckon.drive import layout_of
from nm_reckon.image import (
    input_weights,
    neuron_words,
    output_weights,
    recurrent_weights,
    sizes,
    store_weights,
)  # fmt: skip
from nm_reckon.mapping import fit_of, resources_of, shown_outputs
from nm_reckon.scaling import Integers, Shifts, set_relays
from nm_reckon.schedule import schedule
from nm_reckon.spec import ALPHA_LEAST, ALPHA_ONE, INPUTS, NEURON_FIELDS, NEURONS, SPEC
from nm_reckon.topology import Topology, topology
from nm_reckon.watching import watched_in

if TYPE_CHECKING:
    from nm_backends.image import Image
    from nm_backends.network import Network
    from nm_backends.program import Program

__all__ = ["requantise"]

_FIELD = {field.name: field for field in NEURON_FIELDS}
_MEASURED = ("calibration_samples", "score")


def requantise(program: Program, network: Network) -> Program:
    """Return ``program`` with the weights and biases of ``network``, nothing else changed.

    Scales, radix points, thresholds, leaks and the places of neurons stay. So do the integers, but
    for what the weights have moved: a calibration chose them, and plain rounding would throw that
    away. Unchanged weights give the same image. Inputs that had no weight, and biases that were 0,
    get a row; where spikes have to be handed on for them, new neurons do it.

    Raises
    ------
    UserError
        There is no room for such rows or neurons.
    """
    learn = program.options.learn
    old, new = (topology(net, schedule(net, learn)) for net in (program.network, network))
    base = _integers_in(program, old)
    integers = _moved(base, old, new)
    image = program.image.copy()
    if new.schedule != old.schedule:
        _make_room(image, integers, new.neurons)
    probe, watched = program.layout["probe"], watched_in(program.layout)
    store_weights(image, integers, probe, watched)
    names, votes = [p.name for p in network.neurons], int(program.layout["vote_steps"][0])
    layout = layout_of(
        new.schedule, integers.place, names, (integers.scale, integers.out_scale), probe, votes,
        watched,
    )  # fmt: skip
    inputs, neurons, outputs = sizes(integers, shown_outputs(layout))
    said = {name: value for name, value in program.metadata.items() if name not in _MEASURED}
    said |= {"network": f"{inputs}-{neurons}-{outputs}", "lags": dict(new.schedule.lag)}
    return replace(
        program,
        network=network,
        image=image,
        layout=layout,
        resources=resources_of(new, integers, layout),
        fit=fit_of(new, integers),
        metadata={**said, "requantised": True},
    )


def _integers_in(program: Program, wired: Topology) -> Integers:
    """Return the integers that an image holds."""
    image, layout = program.image, program.layout
    place, registers = layout["address"], image.registers
    rows, columns = np.arange(len(wired.w_in)), np.arange(wired.outputs)
    words, above = image.memories["neuron"], np.asarray(registers["SPI_ALPHA_CONF"])
    base = np.where(above, ALPHA_ONE, int(ALPHA_LEAST * ALPHA_ONE))
    number = {n: int(v) for n, v in registers.items() if n != "SPI_ALPHA_CONF"}
    return Integers(
        place,
        input_weights(image)[np.ix_(rows, place)].astype(np.int64),
        recurrent_weights(image)[np.ix_(place, place)].astype(np.int64),
        output_weights(image)[np.ix_(place, columns)].astype(np.int64),
        extract(words, _FIELD["thr"])[place // 2],
        (base + extract(words, _FIELD["alpha"]))[place // 2],
        number["SPI_KAPPA"],
        layout["scale"],
        layout["out_scale"],
        Shifts(*(number[f"SPI_FP_LOC_W{name}"] for name in ("INP", "REC", "OUT"))),
        not number["SPI_RST_MODE"],
        number["SPI_EN_STOCH_ROUND"],
    )


def _moved(base: Integers, old: Topology, new: Topology) -> Integers:
    """Return integers that have moved with the weights, by whole units."""
    shifts, size = base.shifts, old.neurons
    events = [*old.schedule.events], [*new.schedule.events]
    neurons = [*range(size), *_relays(old)], [*range(size), *_relays(new)]
    scale = _aligned(*neurons, base.scale, float(1 << max(shifts.winp, shifts.wrec)))
    made = Integers(
        _places(base, *neurons),
        _whole(_aligned(*events, base.w_in)[:, :size], _aligned(*events, old.w_in)[:, :size],
               new.w_in[:, :size], scale[:size] / (1 << shifts.winp), new.size),
        _whole(_aligned(*neurons, base.w_rec)[:, :size], _aligned(*neurons, old.w_rec)[:, :size],
               new.w_rec[:, :size], scale[:size] / (1 << shifts.wrec), new.size),
        _whole(_aligned(*neurons, base.w_out), _aligned(*neurons, old.w_out), new.w_out,
               base.out_scale / (1 << shifts.wout), new.outputs),
        _aligned(*neurons, base.threshold),
        _aligned(*neurons, base.alpha),
        base.kappa, scale, base.out_scale, shifts, base.subtracts, base.rounding,
    )  # fmt: skip
    set_relays(new, made)
    return made


def _relays(wired: Topology) -> list[Hashable]:
    """Return what each relay hands on, by names that do not depend on other relays."""
    plan = wired.schedule
    chained = {source: key for key, source in plan.chains.items()}
    return [
        ("event", plan.events[source]) if kind == "input" else chained[wired.neurons + r]
        for r, (kind, source) in enumerate(plan.relays)
    ]


def _aligned(
    old: Sequence[Hashable], new: Sequence[Hashable], values: np.ndarray, missing: float = 0
) -> np.ndarray:
    """Return rows of ``old``'s sources in the order of ``new``'s; ``missing`` for new ones."""
    found: np.ndarray = np.full((len(new), *values.shape[1:]), missing, values.dtype)
    place = {key: i for i, key in enumerate(old)}
    for i, key in enumerate(new):
        if key in place:
            found[i] = values[place[key]]
    return found


def _whole(
    held: np.ndarray, before: np.ndarray, after: np.ndarray, scale: np.ndarray, columns: int
) -> np.ndarray:
    """Return integers moved by what the weights have; further columns are 0.

    A weight that has become 0 is 0 on the chip.
    """
    form = SPEC.weights
    moved = np.clip(held + np.rint((after - before) * scale), form.minimum, form.maximum)
    moved[(after == 0) & (before != 0)] = 0
    found = np.zeros((len(held), columns), np.int64)
    found[:, : moved.shape[1]] = moved
    return found


def _places(base: Integers, old: Sequence[Hashable], new: Sequence[Hashable]) -> np.ndarray:
    """Return the places of neurons; those that are new get words of their own."""
    found = _aligned(old, new, base.place, -1)
    missing = found < 0
    first = int(base.place.max(initial=-1)) // 2 * 2 + 2
    found[missing] = first + np.arange(int(missing.sum()))
    return found


def _make_room(image: Image, integers: Integers, neurons: int) -> None:
    """Clear the weights of an image, and program all words but those of the network's neurons."""
    for what, used, most in (
        ("inputs", len(integers.w_in), INPUTS),
        ("neurons", int(integers.place.max(initial=-1)) + 1, NEURONS),
    ):
        if used > most:
            raise UserError(
                f"requantise: weights that were 0 take more {what}: {used}, the chip has {most}",
                "compile the network anew",
            )
    for name, memory in image.memories.items():
        if name.endswith("_weight"):
            memory[:] = 0
    words, above = neuron_words(integers)
    written = np.setdiff1d(np.arange(len(words)), integers.place[:neurons] // 2)
    image.memories["neuron"][written] = words[written]
    conf = np.array(image.registers["SPI_ALPHA_CONF"])
    conf[written] = above[written]
    image.registers["SPI_ALPHA_CONF"] = conf
