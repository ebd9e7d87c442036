"""Rules about what a run loses (NMB16x), measured on spikes; the findings are made by `losses`."""

# ruff: noqa: D401 - the first line of a rule says what is wrong
from __future__ import annotations

from typing import Any

from nm_backends.rules import Rule, rule

__all__ = ["RULES"]


@rule("NMB160", "warning", checks=False)
def dropped_spikes() -> Any:
    """Spikes of neurons are lost because the chip's scheduler is full.

    Spikes wait in a queue until their turn comes; those that find it full appear at the output, but
    reach no other neuron. Neurons that fire together fill it. Lower the activity (thresholds,
    regularisation), use fewer neurons, or a chip with a longer queue.
    """


@rule("NMB161", "warning", checks=False)
def merged_spikes() -> Any:
    """Input spikes of one channel within one time step become one event.

    An input of this chip fires or does not, once per time step. Give at most one spike per channel
    and step: a shorter time step, or counts cut to 0 and 1 also when the model is trained.
    """


@rule("NMB162", "warning", checks=False)
def stopped_low() -> Any:
    """Membranes stop at their lower limit.

    Inhibition beyond it is lost, and the next excitation finds more charge than in the model. Where
    membranes cannot be negative (ODIN), every inhibitory spike that finds no charge is lost. Train
    with less inhibition, with a membrane that stops there, or choose a chip with a wider membrane.
    """


@rule("NMB163", "warning", checks=False)
def stopped_high() -> Any:
    """Membranes stop at their upper limit, and do not fire as often.

    Excitation beyond the limit is lost. A membrane that stops there and fires loses nothing that a
    reset to zero would keep, and is no finding; where the threshold is subtracted, it is one. Train
    with smaller weights beside the threshold, or give calibration spikes, so that the scale leaves
    more room.
    """


@rule("NMB164", "warning", checks=False)
def dead_neurons() -> Any:
    """Neurons that fire in the model never fire on the chip.

    On the spikes that were given. Quantisation took their charge, or inhibition and excitation
    arrive in another order. Look at the fit report (zeroed weights, threshold, leak), calibrate on
    typical spikes, or train for the chip. Neurons that are silent in the model as well could be
    left out.
    """


@rule("NMB165", "warning", checks=False)
def neurons_always_fire() -> Any:
    """Neurons fire in nearly every step on the chip, and not in the model.

    In 9 of 10 steps or more, on the spikes that were given: such a neuron carries no information
    and costs most. Look at the fit report (clipped weights, threshold), and calibrate on typical
    spikes.
    """


@rule("NMB166", "info", checks=False)
def slower_than_real_time() -> Any:
    """The chip takes longer for a sample than the sample lasts.

    At the clock that the chip's sources state and with a host that waits until the chip is idle; a
    sample lasts as many time steps as it has. That is no loss where samples are recorded, but a
    sensor does not wait. Fewer events, fewer neurons in use (tinyODIN, ReckOn), or a longer time
    step help.
    """


@rule("NMB167", "error", checks=False)
def never_comes_to_rest() -> Any:
    """The chip never becomes idle on these spikes.

    Neurons keep each other firing within one time step, or the run cannot be completed for another
    reason that is named. Weaken recurrent excitation, or give it inhibition.
    """


RULES = tuple(value for value in list(globals().values()) if isinstance(value, Rule))
