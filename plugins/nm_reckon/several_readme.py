"""What the ``README.txt`` of several ReckOn chips says about a time step."""

from __future__ import annotations

from importlib.resources import files
from textwrap import fill
from typing import TYPE_CHECKING

from nm_backends.system.pieces import source_of
from nm_reckon.drive import Drive

if TYPE_CHECKING:
    from nm_backends.system.program import Part, System

__all__ = ["driving", "first_ticks"]

_HOP = 3  # ticks: fired in one, told by the word of the next, sent in the one after


def driving(system: System, levels: str) -> str:
    """Return the text; ``levels`` names the chips in the order of their levels."""
    text = (files("nm_reckon") / "data" / "several_readme.txt").read_text(encoding="utf-8")
    return text.format(levels=levels, clock=_clock(system), readout=_readout(system))


def first_ticks(system: System) -> list[int] | None:
    """Return in which tick of a common clock each chip begins a sample, as soon as it can.

    None where chips take different numbers of ticks per step.
    """
    each = {Drive(part.program.layout).each for part in system.parts}
    if len(each) > 1:
        return None
    ticks, begins = each.pop(), list[int]()
    for part in system.parts:
        waits = [
            begins[p] + lag + _HOP - shift - ticks * late
            for name, late, shift in _heard(part, system)
            for p, lag in enumerate(_lags(system.parts[: len(begins)], name))
            if lag is not None
        ]
        begins.append(max([0, *waits]))
    return begins


def _lags(parts: list[Part], name: str) -> list[int | None]:
    """Return the lag of a population on each chip that has some of it."""
    found: list[int | None] = []
    for part in parts:
        names = [p.name for p in part.program.network.neurons]
        lag = part.program.layout["lag"].tolist()
        found.append(lag[names.index(name)] if name in part.neurons else None)
    return found


def _heard(part: Part, system: System) -> list[tuple[str, int, int]]:
    """Return what a part hears of other chips: population, steps that it is late, first tick."""
    network, layout = part.program.network, part.program.layout
    found, first = [], 0
    for population in network.inputs:
        name, late = source_of(population.name, system.network)
        channel, shift = layout["event_channel"], layout["event_shift"]
        mine = (channel >= first) & (channel < first + population.size)
        if mine.any() and not system.network.populations[name].is_input:
            found.append((name, late, int(shift[mine].min())))
        first += population.size
    return found


def _clock(system: System) -> str:
    """Say how chips wait for each other."""
    said = [
        "* One level after the other: run a whole sample on the chips of a level, tell the spikes, "
        "send them to the next level. So it is in aer.txt and expected.csv of each chip."
    ]
    begins = None if system.shared else first_ticks(system)
    if begins is not None:
        when = ", ".join(f"chip{i} in tick {tick}" for i, tick in enumerate(begins))
        said.append(
            f"* All at once, by one clock for all ticks: a sample begins on {when}. Then each "
            "spike is told before it has to be sent."
        )
    elif not system.shared:
        said.append(
            "* All at once: a step takes another number of ticks on each chip, so a chip waits "
            "before a tick until all its words are known."
        )
    return "".join(fill(line, 99, subsequent_indent="  ") + "\n" for line in said)


def _readout(system: System) -> str:
    """Say which membranes several chips have a share of."""
    found = ""
    for p in system.network.neurons:
        chips = [i for i, part in enumerate(system.parts) if p.name in part.neurons]
        if sum(system.parts[i].neurons[p.name].size for i in chips) > p.size:
            names = " and ".join(f"chip{i}" for i in chips)
            said = f"{p.name} is a sum to which {names} send a share each: divide each share by "
            said += "the scale in the README.txt of its chip, and add them."
            found += "\n" + fill(said, 99) + "\n"
    return found
