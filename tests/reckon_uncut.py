"""One ReckOn chip with the integers that a network has on several: what a cut must not change."""

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from nm_backends.registry import get_backend
from nm_backends.system.pieces import source_of
from nm_reckon.drive import layout_of
from nm_reckon.image import NOBODY, pack_integers
from nm_reckon.mapping import probed
from nm_reckon.reading import split
from nm_reckon.scaling import Integers, Shifts, set_relays
from nm_reckon.schedule import schedule
from nm_reckon.spec import ALPHA_ONE
from nm_reckon.topology import topology
from nm_reckon.watching import watched_in

FIELDS = ("decay", "threshold", "bias")


def uncut(system):
    """Return a program for one chip, a word for each neuron, with the weights of all chips."""
    net, held = joined(system)
    wired = topology(net, schedule(net))
    registers, reading = _registers(system)
    shifts = Shifts(*(int(r[f"SPI_FP_LOC_W{n}"]) for r, n in
                      ((registers, "INP"), (registers, "REC"), (reading, "OUT"))))  # fmt: skip

    def each(key, names, relay=()):
        return np.concatenate([*(held[name][key] for name in names), relay])

    relays = np.ones(wired.size - wired.neurons)
    scale, out = each("scale", wired.names, relays), each("scale", wired.output_names)
    integers = Integers(
        2 * np.arange(wired.size),
        _whole(wired.w_in * scale, shifts.winp),
        _whole(wired.w_rec * scale, shifts.wrec),
        np.rint(wired.w_out * out / (1 << shifts.wout)).astype(np.int64),  # shares have own scales
        each("threshold", wired.names, relays).astype(np.int64),
        each("alpha", wired.names, ALPHA_ONE * relays).astype(np.int64),
        int(reading["SPI_KAPPA"]), scale, out, shifts, not registers["SPI_RST_MODE"],
    )  # fmt: skip
    set_relays(wired, integers)
    layout = layout_of(
        wired.schedule, integers.place, [p.name for p in net.neurons], (scale, out), probed(net), 0,
        NOBODY,
    )  # fmt: skip
    image = pack_integers(integers, probed(net), False)
    program = replace(system.parts[0].program, network=net, image=image, layout=layout)
    assert get_backend("reckon").check_program(program) == []
    return program


def joined(system):
    """Return the network that the images hold together, and the integers of its neurons."""
    net = system.network
    populations = {
        name: replace(p, **{f: np.array(x) for f in FIELDS if (x := getattr(p, f)) is not None})
        for name, p in net.populations.items()
    }
    held = {p.name: {} for p in net.neurons}
    weights = [np.zeros(p.weights.shape) for p in net.projections]
    for part in system.parts:
        found = get_backend("reckon").realised(part.program)
        for name, index in part.neurons.items():
            here = found.network.populations[name]
            for field in FIELDS if here.spiking else ():
                if getattr(populations[name], field) is not None:
                    getattr(populations[name], field)[index] = getattr(here, field)
            for key, values in {**found.notes.get(name, {}), "scale": _scale(part, name)}.items():
                held[name].setdefault(key, np.zeros(net.populations[name].size))[index] = values
        for projection in found.network.projections:
            name, late = source_of(projection.pre, net)
            rows = part.neurons.get(projection.pre, np.arange(net.populations[name].size))
            i = next(i for i, p in enumerate(net.projections) if (p.pre, p.post, p.delay) ==
                     (name, projection.post, projection.delay + late))  # fmt: skip
            weights[i][np.ix_(rows, part.neurons[projection.post])] += projection.weights.toarray()
    linked = zip(net.projections, weights, strict=True)
    projections = [replace(p, weights=sp.csr_array(w)) for p, w in linked]
    return replace(net, populations=populations, projections=projections), held


def _scale(part, name):
    layout, neurons = part.program.layout, part.program.network.neurons
    spiking = [p for p in neurons if p.spiking]
    read = [p for p in neurons if not p.spiking]
    return (split(spiking, layout["scale"]) | split(read, layout["out_scale"]))[name]


def _registers(system):
    """Return the registers of a chip, and those of one whose membranes are read, if there is."""
    read = [p for p in system.parts if not watched_in(p.program.layout).size]
    return (p.program.image.registers for p in (system.parts[0], (read or system.parts)[0]))


def _whole(effect, shift):
    whole = np.rint(effect / (1 << shift))
    np.testing.assert_allclose(whole * (1 << shift), effect, atol=1e-6)
    assert np.abs(whole).max(initial=0) <= 128
    return whole.astype(np.int64)
