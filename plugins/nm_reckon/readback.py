"""From the image back to the user's units: weights of a node, the network as the chip has it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from nm_backends.effective import gain_of, learning
from nm_backends.errors import UserError
from nm_backends.eventcore.words import extract
from nm_backends.readback import Realised
from nm_reckon.image import input_weights, output_weights, recurrent_weights
from nm_reckon.schedule import BIAS, drift, rest, schedule
from nm_reckon.spec import ALPHA_LEAST, ALPHA_ONE, KAPPA_ONE, NEURON_FIELDS
from nm_reckon.topology import Topology, topology

if TYPE_CHECKING:
    from nm_backends.image import Image
    from nm_backends.network import Population, Projection
    from nm_backends.program import Program

__all__ = ["realised", "weights_of"]

_THRESHOLD, _ALPHA = (
    next(field for field in NEURON_FIELDS if field.name == name) for name in ("thr", "alpha")
)


def weights_of(program: Program, node: str) -> np.ndarray:
    """Return the weights of one Linear or Affine node as the image holds them.

    Returns
    -------
    numpy.ndarray
        float64 ``[outputs, inputs]`` as in NIR, in the user's units.

    Raises
    ------
    UserError
        The node is none of the network, was joined with others, or the gain of its neurons is 0.
    """
    network = program.network
    (projection,) = learning(network, (node,))
    post = network.populations[projection.post]
    if not (gain_of(post) * network.populations[projection.pre].graded).all():
        raise UserError(f"{node}: a spike is worth 0 at {post.name}, any weight would do")
    return np.asarray(_between(program, _wired(program), projection).T)


def realised(program: Program) -> Realised:
    """Return the network with the weights, biases, thresholds and leaks of the image.

    Membranes that are cut or rounded to whole units, or that saturate, are not in it.
    """
    network = program.network
    wired = _wired(program)
    projections = [
        replace(p, weights=sp.csr_array(_between(program, wired, p))) for p in network.projections
    ]
    populations, notes = dict(network.populations), {}
    for name, span in wired.spans():
        populations[name], notes[name] = _neurons(program, wired, populations[name], span)
    for name, span in wired.output_spans():
        populations[name] = _outputs(program, wired, populations[name], span)
    return Realised(replace(network, populations=populations, projections=projections), notes)


def _wired(program: Program) -> Topology:
    return topology(program.network, schedule(program.network, program.options.learn))


def _between(program: Program, wired: Topology, projection: Projection) -> np.ndarray:
    """Return the weights of a projection, float64 ``[pre, post]``, 0 where a spike is worth 0."""
    network, layout = program.network, program.layout
    pre, post = network.populations[projection.pre], network.populations[projection.post]
    worth = gain_of(post) * pre.graded
    sources = wired.sources(network, projection)
    effect = _effects(program.image, layout, wired, sources, post, pre.is_input)
    effect[sources < 0] = 0.0
    return np.asarray(np.divide(effect, worth, out=np.zeros_like(effect), where=worth != 0))


def _effects(
    image: Image,
    layout: dict[str, np.ndarray],
    wired: Topology,
    sources: np.ndarray,
    post: Population,
    events: bool,
) -> np.ndarray:
    """Return what one spike of each source adds to the membranes of ``post``, in its units.

    Parameters
    ----------
    events
        Whether sources that reach neurons are events of the host.
    """
    span = {**dict(wired.spans()), **dict(wired.output_spans())}[post.name]
    address = np.append(layout["address"], 0)  # the last one for sources that do not exist
    if not post.spiking:
        matrix, shift, column = output_weights(image), "WOUT", np.arange(span.start, span.stop)
        scale, rows = layout["out_scale"][span], address[sources]
    elif events:
        matrix, shift, column = input_weights(image), "WINP", address[span]
        scale, rows = layout["scale"][span], sources
    else:
        matrix, shift, column = recurrent_weights(image), "WREC", address[span]
        scale, rows = layout["scale"][span], address[sources]
    unit = 1 << int(np.asarray(image.registers[f"SPI_FP_LOC_{shift}"]))
    return np.asarray(matrix[np.ix_(rows, column)] * float(unit) / scale)


def _bias(program: Program, wired: Topology, population: Population) -> np.ndarray | None:
    """Return the bias for which the image adds what it adds in every step."""
    asked, gain = drift(population), gain_of(population)
    if not asked.any():
        return population.bias
    late = wired.schedule.lag[population.name] - (not population.spiking)
    event = wired.schedule.events.index((late, BIAS))
    source = np.array([event if population.spiking else wired.relay(event)])
    held = _effects(program.image, program.layout, wired, source, population, True)[0]
    bias = np.zeros(population.size) if population.bias is None else population.bias
    more = np.divide(held - asked, gain, out=np.zeros_like(gain), where=gain != 0)
    return np.asarray(bias + more)


def _neurons(
    program: Program, wired: Topology, population: Population, span: slice
) -> tuple[Population, dict[str, np.ndarray]]:
    address, scale = program.layout["address"][span], program.layout["scale"][span]
    words = program.image.memories["neuron"][address // 2]
    threshold = extract(words, _THRESHOLD)
    above = np.asarray(program.image.registers["SPI_ALPHA_CONF"])[address // 2]
    base = np.where(above, ALPHA_ONE, int(ALPHA_LEAST * ALPHA_ONE))
    alpha = base + extract(words, _ALPHA)
    # where the membrane goes to 0, v > x was made v >= x + 1 unit
    raised = population.spike_cmp == ">" and bool(program.image.registers["SPI_RST_MODE"])
    made = replace(
        population,
        threshold=rest(population) + (threshold - raised) / scale,
        decay=(alpha / ALPHA_ONE) ** wired.schedule.ticks_per_step,
        bias=_bias(program, wired, population),
    )
    return made, {"address": address, "threshold": threshold, "alpha": alpha}


def _outputs(program: Program, wired: Topology, population: Population, span: slice) -> Population:
    kappa = int(np.asarray(program.image.registers["SPI_KAPPA"])) / KAPPA_ONE
    decay = np.full(population.size, kappa**wired.schedule.ticks_per_step)
    return replace(population, decay=decay, bias=_bias(program, wired, population))
