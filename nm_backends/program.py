"""The compiled result: the image, where everything went, and what it cost to get there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from nm_backends.image import Image
from nm_backends.network import Network
from nm_backends.rules import Report

__all__ = ["CompileOptions", "Fit", "Mapping", "PopulationFit", "Program", "Resource"]


@dataclass(frozen=True)
class CompileOptions:
    """Choices of a compilation; the defaults are the ones that we would make.

    Parameters
    ----------
    order
        In which order the host sends the events of one time step: ``auto`` (by calibration),
        ``ascending`` rows, ``excitatory_first`` or ``inhibitory_first``.
    scale
        How real weights become integers: ``auto`` (calibrated when spikes are given, else
        ``maxabs``), ``maxabs`` or ``calibrated``.
    """

    order: Literal["auto", "ascending", "excitatory_first", "inhibitory_first"] = "auto"
    scale: Literal["auto", "maxabs", "calibrated"] = "auto"


@dataclass(frozen=True)
class Resource:
    """How much of one resource of the chip is in use."""

    name: str
    used: int
    available: int

    @property
    def percent(self) -> float:
        """Share in use, 0 to 100."""
        return 100.0 * self.used / self.available if self.available else 0.0


@dataclass(frozen=True)
class PopulationFit:
    """Asked for and realised, for one population.

    ``scale`` is chip units per unit of the user's membrane. Arrays are ``[size]``; the errors are
    relative, in the user's units. ``clipped`` and ``zeroed`` count weights into the population.
    """

    name: str
    scale: float
    threshold_asked: np.ndarray
    threshold: np.ndarray
    leak_asked: np.ndarray
    leak: np.ndarray
    weight_error: float
    threshold_error: float
    leak_error: float
    weights: int
    clipped: int
    zeroed: int
    spike_agreement: float | None = None


@dataclass(frozen=True)
class Fit:
    """The fit report: one `PopulationFit` per population, by name."""

    populations: dict[str, PopulationFit] = field(default_factory=dict)


@dataclass
class Mapping:
    """What a backend's ``map`` returns.

    ``layout`` holds plain arrays that say where everything went and how spikes go in and come out;
    its keys belong to the backend (or to the shared mapper it uses), and it is saved as it is.
    """

    image: Image
    layout: dict[str, np.ndarray]
    resources: list[Resource]
    fit: Fit
    report: Report


@dataclass
class Program:
    """A network compiled for one chip."""

    chip: str
    network: Network
    image: Image
    layout: dict[str, np.ndarray]
    resources: list[Resource]
    fit: Fit
    report: Report
    options: CompileOptions = field(default_factory=CompileOptions)
    metadata: dict[str, object] = field(default_factory=dict)
