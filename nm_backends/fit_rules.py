"""Rules about what a model becomes before a chip's own mapper sees it (NMB18x); see `first_order`.

The findings are made by the code that meets them.
"""

# ruff: noqa: D401 - the first line of a rule says what is wrong
from __future__ import annotations

from typing import Any

from nm_backends.rules import Rule, rule

__all__ = ["ALTERNATIVES", "RULES"]

ALTERNATIVES = (
    "nmb compare shows what other chips make of it, nmb compile --search-dt what another time step "
    "does, nm_backends.torch.ChipModule trains with the chip in the loop"
)


@rule("NMB180", "warning", checks=False)
def one_state() -> Any:
    """Neurons with a synaptic current get one time constant instead of two.

    CubaLIF (snnTorch: Synaptic) has a current and a membrane, the chip's neuron only a membrane. It
    is compiled as LIF: leak and gain are those whose spikes, on the calibration input and given
    what the model's own neurons send, are nearest to the model's; without calibration those that
    bring the same charge with the same mean delay. What that does to the spikes is measured and
    said: of the neuron by itself here, of the whole chip in the fit report, which compares with the
    model as it was. Train with LIF (snnTorch: Leaky), try another time step
    (``nmb compile --search-dt``), or fine-tune (``nm_backends.torch.ChipModule``).
    """


@rule("NMB181", "warning", checks=False)
def accuracy_lost() -> Any:
    """The chip decides less well than the model, on the labelled calibration samples.

    Two points of accuracy or more are lost. The fit report shows which layer's spikes differ most.
    Other chips (``nmb compare``), another time step (``nmb compile --search-dt``) or fine-tuning
    with the chip in the loop (``nm_backends.torch.ChipModule``) may do better.
    """


@rule("NMB182", "info", checks=False)
def saved_rows() -> Any:
    """Input channels take fewer rows of the crossbar than there are channels.

    A channel without a synapse needs no row, nor one whose weights all became 0. Channels with the
    same weights (and delay or not) can be one row, of which the host sends an event for each of
    them: that is exact, and is done where there are not enough rows otherwise (``share_rows``, see
    ``CompileOptions``). Each of the remaining rows is different from all others, so that with one
    event per spike (and sign, where the sign belongs to the row) fewer rows cannot do.
    """


@rule("NMB183", "info", checks=False)
def other_time_step() -> Any:
    """The program has another time step than the model.

    It was found by a search (``nmb.search_dt``, ``nmb compile --search-dt``). Decays and constant
    inputs are those of the model in the same time, a spike brings the same charge, delays keep
    their length as far as steps allow. Input spikes that are given on the model's steps have to be
    brought to those of the program: ``nmb.rebin(spikes, factor)``, ``nmb run --rebin FACTOR``.
    """


@rule("NMB184", "info", checks=False)
def pruned_neurons() -> Any:
    """Neurons from which no way leads to an output were left out.

    ``nmb.prune`` (``nmb compile --prune``) was asked to: they change no spike that is read, and
    take places and rows. Results have the neurons that are left, by their indices in
    ``program.network.metadata["kept"]``.
    """


@rule("NMB185", "info", checks=False)
def other_chips() -> Any:
    """The model breaks no rule of other chips.

    Rules say what is possible, not how well it does: ``nmb compare`` compiles and runs the model on
    all chips and shows accuracy, spike agreement, losses and cost side by side.
    """


RULES: tuple[Rule, ...] = (
    one_state, accuracy_lost, saved_rows, other_time_step, pruned_neurons, other_chips,
)  # fmt: skip
