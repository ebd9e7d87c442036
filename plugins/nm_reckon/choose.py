"""Which integers are worth a trial: radix points, room for membranes, rounding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nm_backends.network import Network
from nm_reckon.scaling import Integers, Peaks, integers_of, loss_of, ranked_shifts
from nm_reckon.spec import ALPHA_ONE, KAPPA_ONE
from nm_reckon.topology import Topology

__all__ = ["rounded_too", "ways"]

_RANKED, _TRIED = 10, 4
_PULL = 0.02  # of a threshold; leaks that are cut and pull further are rounded instead
_ROOM = 4.0  # thresholds; membranes that go further may saturate, for the sake of finer weights


def ways(
    network: Network, wired: Topology, where: tuple[np.ndarray, np.ndarray], peaks: Peaks
) -> list[Integers]:
    """Return the most promising integers, best first, all of which cut leaks.

    Parameters
    ----------
    where
        See `nm_reckon.scaling.places`.
    """
    found = _ranked(network, wired, where, peaks)
    if peaks.membrane.max(initial=0.0) > _ROOM:
        shallow = replace(peaks, membrane=np.minimum(peaks.membrane, _ROOM))
        found += _ranked(network, wired, where, shallow)
    return found


def rounded_too(wired: Topology, found: list[Integers]) -> list[Integers]:
    """Return each way as it is and with leaks that are rounded at random, the better guess first.

    Cutting is the better one unless it pulls membranes far from where they belong.
    """
    if not _rounds(wired, found[0]):
        return found
    rounded = [replace(integers, rounding=1) for integers in found]
    pairs = [way for both in zip(found, rounded, strict=True) for way in both]
    return pairs if _pull(wired, found[0]) <= _PULL else [pairs[1], pairs[0], *pairs[2:]]


def _ranked(
    network: Network, wired: Topology, where: tuple[np.ndarray, np.ndarray], peaks: Peaks
) -> list[Integers]:
    subtracts = any(p.reset.startswith("subtract") for p in network.neurons if p.spiking)
    found = [
        integers_of(wired, where, shifts, peaks, subtracts)
        for shifts in ranked_shifts(wired, where, peaks, _RANKED)
    ]
    found.sort(key=lambda integers: loss_of(wired, integers, peaks))  # stable: among equals, ranks
    return found[:_TRIED]


def _rounds(wired: Topology, integers: Integers) -> bool:
    """Say whether rounding changes anything: leak factors of 1 never round."""
    leaks = (integers.alpha[: wired.neurons] < ALPHA_ONE).any()
    return bool(leaks or (wired.outputs and integers.kappa < KAPPA_ONE))


def _pull(wired: Topology, integers: Integers) -> float:
    """Return where cutting leaks pulls membranes to at most, in thresholds."""
    alpha = integers.alpha[: wired.neurons] / ALPHA_ONE
    leaky = alpha < 1
    gone = np.where(leaky, 1 - alpha, 1.0)
    pull = np.where(leaky, 0.5 / gone, 0.0) / integers.threshold[: wired.neurons]
    return float(pull.max(initial=0.0))
