"""A network on several chips: which populations share one, and what one chip can hold of it.

The host tells the spikes of a chip from its output membranes (`nm_reckon.watching`) and sends them
on as events. Loops stay on one chip. Layers that follow each other share a chip as long as all of
them fit; so the readout is where its sources are, or it has a chip on which relays repeat what
arrives. Where a last layer is cut, each chip reads its share and the host adds the membranes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from nm_backends.lowering.cycles import groups
from nm_backends.network import Network
from nm_backends.partition import Level
from nm_backends.program import CompileOptions, Mapping
from nm_backends.rules import Diagnostic, Report
from nm_backends.system.pieces import piece
from nm_reckon.mapping import map_network, seen_outside
from nm_reckon.rules import BY_NAME
from nm_reckon.spec import SPEC
from nm_reckon.watching import EACH, MOST, outputs_for, watched_in

__all__ = ["LIFTED", "check_part", "levels", "map_part"]

LIFTED = (
    "too_many_inputs", "too_many_neurons", "too_many_outputs", "deeper_layers", "relay_neurons",
    "unseen_spikes",
)  # fmt: skip
"""Rules that do not hold for a network that may be cut; the first three are asked of each part."""

Check = Callable[[Network], list[Diagnostic]]


def check_part(network: Network) -> Iterator[Diagnostic]:
    """Yield what keeps a part from one chip."""
    for name in LIFTED[:3]:
        check = BY_NAME[name].check
        if check is not None:
            yield from check(network, SPEC)
    watched, node = seen_outside(network).size, network.output.name
    if watched > MOST:
        yield BY_NAME["too_many_watched"].at(
            f"the spikes of {watched} neurons have to leave the chip",
            node=node,
            found=f"{watched} neurons",
            limit=f"{MOST} neurons",
            source=SPEC.sources[0],
            hint="use smaller layers",
        )
    if watched and any(not p.spiking for p in network.neurons):
        yield BY_NAME["watched_beside_membranes"].at(
            "spikes have to leave the chip, and membranes are read",
            node=node,
            found=f"{watched} neurons beside membranes",
            limit="spikes or membranes",
            source=SPEC.sources[0],
        )


def levels(network: Network, check: Check, report: Report) -> list[Level]:
    """Return what is on the same chips, in an order of evaluation.

    Parameters
    ----------
    check
        What `check_part` is to this module.
    report
        Loops that no chip can hold are added.
    """
    found: list[Level] = []
    for names in _groups(network):
        level = Level(names, whole=_loops(network, names))
        joined = [*found[-1].names, *names] if found else names
        if found and not check(_whole(network, joined)):
            found[-1] = Level(joined, whole=True)
        elif found and _shares(network, found[-1], names, check):
            found[-1] = Level(found[-1].names, tuple(names))
            report.add(_shared(found[-1]))
        else:
            found.append(level)
            if level.whole and (problems := check(_whole(network, names))):
                report.add(_loop(names))
                report.extend(problems)
    return found


def map_part(network: Network, options: CompileOptions, calibration: np.ndarray | None) -> Mapping:
    """Map a part that `check_part` accepts, and say what the host sees of it."""
    made = map_network(network, options, calibration, part=True)
    watched, last = watched_in(made.layout).size, int(made.layout["deepest"][0]) + 1
    if watched:
        made.report.add(
            BY_NAME["watched_neurons"].at(
                f"{watched} neurons are watched by {outputs_for(watched)} outputs: a spike is "
                f"known {last} ticks after the input of its step and acts elsewhere in the next",
                node=network.output.name,
                found=f"{last + 1} ticks",
                limit=f"{EACH} neurons per output",
                source=SPEC.sources[0],
            )
        )
    return made


def _groups(network: Network) -> list[list[str]]:
    """Return loops and populations in an order of evaluation, then membranes by their sources."""
    found = groups(network)
    spiking = {p.name for p in network.neurons if p.spiking}
    read: dict[frozenset[str], list[str]] = {}
    for name in (names[0] for names in found if not spiking.issuperset(names)):
        read.setdefault(frozenset(p.pre for p in network.into(name)), []).append(name)
    return [names for names in found if spiking.issuperset(names)] + list(read.values())


def _whole(network: Network, names: list[str]) -> Network:
    chosen = {name: np.arange(network.populations[name].size) for name in names}
    return piece(network, chosen, inside=True)


def _loops(network: Network, names: list[str]) -> bool:
    return any(p.pre in names and p.post in names for p in network.projections)


def _shares(network: Network, level: Level, names: list[str], check: Check) -> bool:
    """Say whether the chips of a level can read membranes in shares, one neuron on each."""
    many = level.whole or len(level.names) > 1 or level.summed
    if many or network.populations[names[0]].spiking:
        return False
    pre = {p.pre for name in names for p in network.into(name)}
    one = {level.names[0]: np.zeros(1, np.int64)}
    one |= {name: np.arange(network.populations[name].size) for name in names}
    return pre == {level.names[0]} and not check(piece(network, one, inside=True))


def _shared(level: Level) -> Diagnostic:
    return BY_NAME["shared_readout"].at(
        f"the chips of {level.names[0]} read a share each, and the host adds them up",
        node=level.summed[0],
        found="a membrane on several chips",
        source=SPEC.sources[0],
    )


def _loop(names: list[str]) -> Diagnostic:
    return BY_NAME["loop_over_chips"].at(
        f"{', '.join(names)}: neurons that hear each other need more than a chip has",
        node=names[0],
        found="a loop over several chips",
        limit="a loop on one chip",
        source=SPEC.sources[0],
        hint="use a smaller recurrent layer",
    )
