"""Which neuron of the chip shows what of a network, and how many ticks after its step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nm_backends.image import Image
from nm_backends.network import Network, Population
from nm_reckon.spec import SPEC

if TYPE_CHECKING:
    from nm_backends.program import Program

__all__ = ["Reading", "counted", "decided", "split"]


@dataclass(frozen=True, eq=False)
class Reading:
    """A network on the chip, as one looks at it.

    What a neuron of lag ``L`` gathers in model step ``t`` stands in its membrane after tick
    ``k t + L``; if it fires, that shows in tick ``k t + L + 1``. See `schedule`.

    Parameters
    ----------
    fire, read
        Populations that spike, and those whose membranes are read.
    lag, address
        Of the neurons of ``fire``: lag, and neuron of the chip, int64 ``[neurons]``.
    shown
        Lag of the outputs, int64 ``[outputs]``.
    scale
        Chip units per unit of the user's membrane, ``[outputs]``.
    """

    fire: list[Population]
    read: list[Population]
    lag: np.ndarray
    address: np.ndarray
    shown: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, layout: dict[str, np.ndarray], network: Network) -> Reading:
        """Look up a network in the layout of its program."""
        fire = [p for p in network.neurons if p.spiking]
        read = [p for p in network.neurons if not p.spiking]
        lags = dict(zip((p.name for p in network.neurons), layout["lag"].tolist(), strict=True))
        when, shown = (
            np.repeat([lags[p.name] for p in group], [p.size for p in group]).astype(np.int64)
            for group in (fire, read)
        )
        return cls(fire, read, when, layout["address"][: when.size], shown, layout["out_scale"])

    def after_reset(self, image: Image, membranes: np.ndarray, fired: np.ndarray) -> np.ndarray:
        """Show the reset of a step at its end; the chip does it at the start of the next tick.

        A reset by subtraction belongs to the next step in the model, too.
        """
        return np.where(fired, 0, membranes) if image.registers["SPI_RST_MODE"] else membranes


def split(populations: list[Population], values: np.ndarray) -> dict[str, np.ndarray]:
    """Cut ``[..., neurons]`` into populations."""
    found, first = {}, 0
    for population in populations:
        found[population.name] = values[..., first : first + population.size]
        first += population.size
    return found


def counted(
    events: np.ndarray, sent: np.ndarray, sops: np.ndarray, busy: np.ndarray, ticks: np.ndarray,
    spikes: np.ndarray,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Return the counters of samples, int64 ``[batch]`` each.

    Parameters
    ----------
    events, sent
        What went in, and the bytes that came out.
    busy
        Clock cycles without those from the host's pins to the chip.
    """
    each = {name: int(SPEC.quantities[name].value) for name in ("cycles_tick", "cycles_event")}
    cycles = busy + each["cycles_tick"] * ticks + each["cycles_event"] * events
    named = {
        "events_in": events, "events_out": sent, "sops": sops, "cycles": cycles, "ticks": ticks,
        "spikes": spikes,
    }  # fmt: skip
    return {name: np.array(values, np.int64) for name, values in named.items()}


def decided(
    program: Program, votes: np.ndarray, cycles: np.ndarray, steps: int
) -> dict[str, np.ndarray]:
    """Return what the chip says about samples of so many steps, given votes ``[batch, 16]``."""
    said = {"label": votes.argmax(axis=1), "votes": votes}
    dt = program.network.discretisation.dt
    if dt is not None:
        seconds = cycles / SPEC.quantities["f_clk"].value
        with np.errstate(invalid="ignore"):  # no steps take no time
            said["real_time_factor"] = steps * dt / seconds
    return said
