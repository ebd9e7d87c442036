"""What only the mapper can find; each chip gives these its own codes, see `rules`.

The docstrings are what ``nmb explain`` prints; the findings are made by `findings`.
"""

# ruff: noqa: D401 - the first line of a rule says what is wrong
from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nm_backends.chip import ChipSpec
    from nm_backends.network import Network

__all__ = [
    "always_firing",
    "coarse_weights",
    "learning_not_calibrated",
    "learning_rows",
    "learning_signs",
    "low_agreement",
    "negative_charge_lost",
    "never_idle",
    "not_calibrated",
    "silent_population",
    "spikes_dropped",
]


def silent_population(network: Network, spec: ChipSpec) -> Iterable[dict[str, Any]]:
    """A population that fires in the model is silent on the chip.

    With the calibration spikes, quantisation took all its charge or raised its threshold out of
    reach. Look at the fit report for zeroed weights; train with smaller spread of weights, or give
    calibration spikes that are typical of what will come.
    """
    return ()


def always_firing(network: Network, spec: ChipSpec) -> Iterable[dict[str, Any]]:
    """A population fires in nearly every step on the chip, and not in the model.

    With the calibration spikes the integer threshold is too low for the charge that arrives. Look
    at the fit report for clipped weights and small thresholds.
    """
    return ()


def coarse_weights(network: Network, spec: ChipSpec) -> Iterable[dict[str, Any]]:
    """Most weights of a population are too small for the chip's format.

    They become 0 when the largest weights, or the threshold, fill their formats. Train with weight
    decay or clipping so that weights are of similar size.
    """
    return ()


def spikes_dropped(network: Network, spec: ChipSpec) -> Iterable[dict[str, Any]]:
    """Spikes were lost on the calibration spikes, because the scheduler was full.

    Spikes of neurons wait in a FIFO until their row is executed; those that find it full are gone.
    Lower the activity (thresholds, regularisation), or use fewer neurons that fire together.
    """
    return ()


def low_agreement(network: Network, spec: ChipSpec) -> Iterable[dict[str, Any]]:
    """Spikes on the chip differ from the model on the calibration spikes.

    Integer weights, a constant leak, thresholds tested at every event instead of once per step,
    and (where membranes are unsigned) lost negative charge all move spikes. Below 80 % agreement
    look at accuracy rather than at single spikes; training for the chip may be needed.
    """
    return ()


def negative_charge_lost(network: Network, spec: ChipSpec) -> Iterable[dict[str, Any]]:
    """Membranes of the model go below zero, where the chip cannot follow.

    The membrane of this chip stops at 0: inhibition is lost on a neuron at rest and does not last
    into the next step. The share of membranes below the reset potential was measured on the
    calibration spikes. Train with a membrane that stops at zero, or with less inhibition.
    """
    return ()


def not_calibrated(network: Network, spec: ChipSpec) -> Iterable[dict[str, Any]]:
    """The program was compiled without calibration spikes.

    Scales, leaks and the order of events were chosen from the weights alone, and nothing was
    measured. Give typical input spikes (``calibrate=``) for a better fit and a fit report.
    """
    return ()


def never_idle(network: Network, spec: ChipSpec) -> Iterable[dict[str, Any]]:
    """Neurons keep each other firing without end within one time step.

    On the chip a spike is executed at once: recurrent excitation that lasts for many steps of the
    model takes place within a single one here, and the chip never becomes idle. Raise thresholds,
    weaken recurrent excitation, or give it inhibition.
    """
    return ()


def learning_rows(network: Network, spec: ChipSpec) -> Iterable[dict[str, Any]]:
    """A layer that learns needs more rows than the crossbar has.

    Every input of a layer that learns has a row, also where all its weights are 0 so far, as they
    may grow; where the sign belongs to the row, an input with weights of both signs has two. Use
    fewer inputs, or first weights of one sign.
    """
    return ()


def learning_signs(network: Network, spec: ChipSpec) -> Iterable[dict[str, Any]]:
    """Inputs of a layer that learns have weights of both signs.

    The sign belongs to the row and cannot be learned: the input has an excitatory and an inhibitory
    row, and the synapses of both learn by the same rule, which knows no signs. Where the rule lets
    synapses grow, inhibition grows as excitation does and the two cancel. Start a layer that learns
    from weights of one sign.
    """
    return ()


def learning_not_calibrated(network: Network, spec: ChipSpec) -> Iterable[dict[str, Any]]:
    """Calibration spikes are not used in a program that learns.

    Calibration fits thresholds and weights to what the model does. A layer that learns leaves these
    weights, so weights become integers by their range alone, in all layers.
    """
    return ()
