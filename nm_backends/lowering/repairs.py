"""Rules of the lowering that warn (NMB1xx): what was repaired and what had to be assumed."""

# ruff: noqa: D401 - the first line of a rule says what was done
from __future__ import annotations

from typing import Any

from nm_backends.rules import Rule, rule

__all__ = ["RULES"]


@rule("NMB101", "warning", checks=False)
def default_field() -> Any:
    """A field is absent and its usual value is used.

    Files of NIR before 1.0 have no ``v_reset`` (0) and no ``w_in`` (1); convolutions sometimes lack
    stride, padding, dilation or groups. Export the model again if the value was different.
    """


@rule("NMB102", "warning", checks=False)
def broadcast_field() -> Any:
    """A parameter is smaller than its node and is used for all neurons.

    NIR wants every parameter in the shape of the node; single numbers and shapes that can be
    broadcast are understood.
    """


@rule("NMB103", "warning", checks=False)
def batch_axis() -> Any:
    """An Input or Output node counts a batch or time axis, which is left out.

    NIR shapes are those of one sample at one time step.
    """


@rule("NMB104", "warning", checks=False)
def flatten_batch() -> Any:
    """A Flatten node counts the batch axis; it is read as flattening one sample.

    PyTorch's ``start_dim=1`` keeps the batch axis, which NIR does not have.
    """


@rule("NMB105", "warning", checks=False)
def renamed_edge() -> Any:
    """An edge names a node that does not exist; the node that must be meant is used.

    Exporters rename nodes and forget the edges. Check that the node named here is the right one.
    """


@rule("NMB106", "warning", checks=False)
def dropped_edge() -> Any:
    """An edge leads to or from a node that does not exist and is left out.

    The other end keeps its other connections, so the graph can still be computed.
    """


@rule("NMB107", "warning", checks=False)
def port_shape() -> Any:
    """A sub-graph notes another shape for its input or output than what really passes there.

    The shape that follows from the weights is used.
    """


@rule("NMB108", "warning", checks=False)
def completed_graph() -> Any:
    """Connections or end nodes are missing and were added.

    Only where one possibility exists: the only node that nobody feeds gets the input, the only
    node that feeds nobody goes to the output.
    """


@rule("NMB109", "warning", checks=False)
def implicit_flatten() -> Any:
    """A node receives an array of another shape but of the right size; it is taken in C order.

    A Flatten or a reshape was probably left out by the exporter.
    """


@rule("NMB110", "warning", checks=False)
def batch_parameters() -> Any:
    """Neuron parameters have a leading axis of length 1, which is left out.

    The exporter kept the batch axis of its sample.
    """


@rule("NMB111", "warning", checks=False)
def conv_input_shape() -> Any:
    """A convolution does not note its input shape, or notes another than what it receives.

    The shape that it receives is used.
    """


@rule("NMB112", "warning", checks=False)
def unused_field() -> Any:
    """A node has a field that NIR does not define; it is ignored.

    If it changes what the node does, the model that runs here is not the one that was exported.
    """


@rule("NMB113", "warning", checks=False)
def duplicate_edge() -> Any:
    """An edge stands twice in the file; it counts once.

    NIR edges are a set of connections.
    """


@rule("NMB114", "warning", checks=False)
def unreached_node() -> Any:
    """No input reaches this node.

    It does what its bias and leak make it do, and nothing else.
    """


@rule("NMB115", "warning", checks=False)
def same_with_stride() -> Any:
    """A convolution has padding ``same`` and a stride above 1, which NIR does not define.

    The output is taken as input/stride rounded up, the padding as even as possible with the larger
    part at the end (as TensorFlow does). PyTorch refuses this combination. Give numbers instead.
    """


@rule("NMB120", "warning", checks=False)
def assumed_dt() -> Any:
    """The file does not say how long a time step is.

    Decays and gains depend on it. 1e-4 s is what snnTorch's and SpikingJelly's exporters use. Say
    ``Discretisation(dt=...)`` or name the framework.
    """


@rule("NMB121", "warning", checks=False)
def assumed_reset() -> Any:
    """The file does not say what happens to the membrane at a spike; it is set to ``v_reset``.

    Neither NIR nor the exporters of snnTorch and Norse store the reset. snnTorch's default is
    ``subtract_delayed``; read with the wrong rule, 10 to 25 % of the spikes differ. Say
    ``Discretisation(reset=...)``.
    """


@rule("NMB122", "warning", checks=False)
def assumed_comparison() -> Any:
    """The file does not say whether a neuron fires at its threshold or above it; above is assumed.

    NIR, snnTorch and Norse mean ``>``, SpikingJelly means ``>=``. On integer weights ties are
    common. Say ``Discretisation(spike_cmp=...)`` or name the framework.
    """


@rule("NMB123", "warning", checks=False)
def assumed_start() -> Any:
    """The file does not say where the membranes start, and it matters here; zero is assumed.

    Norse starts at ``v_leak``, SpikingJelly at ``v_reset``, snnTorch at 0. Say
    ``Discretisation(v0=...)`` or name the framework.
    """


@rule("NMB124", "warning", checks=False)
def assumed_if_gain() -> Any:
    """The gain of an integrator is ambiguous; ``r*dt`` is assumed.

    Norse and Sinabs mean ``v += r*I`` with r = 1, SpikingJelly and the NIR text ``v += r*dt*I``.
    Here neither factor is 1. Say ``Discretisation(if_gain="r")`` or ``"r*dt"``.
    """


@rule("NMB125", "warning", checks=False)
def replaced_w_in() -> Any:
    """The input weight of a Norse current-based neuron is taken as ``tau_syn/dt``.

    Norse's exporter writes 1.0 whatever the model does. Say ``Discretisation(w_in=1.0)`` if the
    file is right.
    """


@rule("NMB126", "warning", checks=False)
def rounded_delay() -> Any:
    """A delay is not a whole number of time steps and was rounded.

    Choose dt so that delays are multiples of it.
    """


@rule("NMB127", "warning", checks=False)
def coarse_step() -> Any:
    """The time step is longer than a time constant.

    The decay is negative: the membrane changes its sign at every step. dt is probably wrong.
    """


@rule("NMB128", "warning", checks=False)
def slow_neuron() -> Any:
    """A time constant is longer than 2000 time steps.

    The neuron hardly leaks. NIR time constants are seconds; some exporters wrote milliseconds or
    steps. Say the dt that belongs to the unit of the file.
    """


@rule("NMB129", "warning", checks=False)
def lost_v_reset() -> Any:
    """Norse's exporter does not write the reset potential; the 0 in the file may be wrong.

    Say ``Discretisation(v_reset=...)`` if the model resets to another value (0 if it does not).
    """


@rule("NMB130", "warning", checks=False)
def unused_metadata() -> Any:
    """The metadata ``nm_backends`` of the graph holds something that is not understood; ignored.

    It was written by another version, or by hand. The keys are the fields of ``Discretisation``.
    """


RULES: list[Rule] = [value for value in list(globals().values()) if isinstance(value, Rule)]
"""All rules of this module."""
