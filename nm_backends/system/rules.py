"""Rules of systems of several chips."""

# ruff: noqa: D401 - the first line of a rule says what is wrong
from __future__ import annotations

from typing import Any

from nm_backends.rules import rule

__all__ = ["RULES"]


@rule("NMB060", "error", checks=False)
def no_systems() -> Any:
    """The chip cannot be one of several.

    To carry spikes from chip to chip, the host must see the spikes of all neurons that others
    listen to, and the chip's plugin must say how parts of a network are mapped (``check_part`` and
    ``map_part``). SPOON computes a sample as a whole. Use a smaller network, or another chip.
    """


@rule("NMB061", "error", checks=False)
def too_few_chips() -> Any:
    """The network needs more chips than it may have.

    A chip of a system holds neurons of one layer, or of layers that follow each other where its
    neurons can drive each other; the host carries the other spikes within a time step. Allow more
    chips (``chips="auto"`` takes as many as are needed), or let one chip be all layers in turn
    (``chips="time"``).
    """


@rule("NMB062", "error", checks=False)
def loop_in_time() -> Any:
    """One chip cannot be all layers in turn, because layers wait for each other.

    With ``chips="time"`` the chip runs all time steps as the first layer, is programmed anew, and
    runs them again as the next one. A loop over several chips would need that in every time step.
    Use ``chips="auto"``.
    """


@rule("NMB063", "error", checks=False)
def neuron_too_large() -> Any:
    """A single neuron does not fit a chip.

    However the network is cut, this neuron needs more than one chip has; what it needs is in the
    finding of the chip's rule that stands with this one. Remove inputs or prune weights.
    """


@rule("NMB170", "warning", checks=False)
def cut_in_order() -> Any:
    """Layers were cut in the order of their neurons, not by a graph partitioner.

    More spikes than needed may have to reach several chips. Install METIS: ``pip install
    nm-backends[partition]`` (there are wheels for Linux and macOS).
    """


@rule("NMB171", "info", checks=False)
def carried_by_host() -> Any:
    """The network is cut over several chips, and the host carries the spikes between them.

    Results do not depend on the cut. Spikes along projections without delay arrive in the same time
    step, when the layer before is done; those that close a loop arrive in the next step, as in the
    model (on a single chip they act at once). The time that the host needs is in no estimate.
    """


@rule("NMB172", "info", checks=False)
def several_will_do() -> Any:
    """One chip is too small, and several of its kind are not.

    ``chips="auto"`` takes as few as possible. Where the host connects them it sends the spikes of
    one as events to another, and, on ODIN and tinyODIN, virtual events for inputs that find no row:
    then a single chip may be enough, whatever the fan-in of its neurons. The page on several chips
    says what that costs.
    """


RULES = (
    no_systems,
    too_few_chips,
    loop_in_time,
    neuron_too_large,
    cut_in_order,
    carried_by_host,
    several_will_do,
)
