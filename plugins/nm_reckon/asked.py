"""What the rules ask of a network; importing it needs no numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nm_backends.chip import ChipSpec
    from nm_backends.network import Network, Population
    from nm_reckon.schedule import Schedule

__all__ = ["decay_of", "remembers", "schedule_of", "share", "source_of", "spiking", "ticks_of"]


def source_of(spec: ChipSpec) -> str:
    """Return where the limits come from."""
    return spec.sources[0]


def schedule_of(network: Network) -> Schedule | None:
    """Return the schedule, or None where there is a loop that is too short."""
    from nm_reckon.schedule import LoopError, schedule

    try:
        return schedule(network)
    except LoopError:
        return None


def spiking(network: Network) -> list[Population]:
    """Return the populations that fire."""
    return [p for p in network.neurons if p.spiking]


def decay_of(population: Population) -> Any:
    """Return what a population keeps of its membrane per step."""
    from nm_backends.effective import parameter

    return parameter(population, "decay")


def share(which: Any) -> tuple[int, int]:
    """Return first and last index where ``which`` holds."""
    found = which.nonzero()[0]
    return int(found[0]), int(found[-1])


def ticks_of(network: Network) -> int:
    """Return the ticks per step."""
    from nm_reckon.schedule import schedule_ticks

    return schedule_ticks(network)


def remembers(population: Population) -> bool:
    """Say whether a population has a memory."""
    return bool(decay_of(population).any())
