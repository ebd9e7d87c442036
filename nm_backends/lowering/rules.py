"""Rules of the lowering that refuse a model (NMB0xx); for those that warn see `repairs`."""

# ruff: noqa: D401, D404 - the first line of a rule says what is wrong
from __future__ import annotations

from typing import Any

from nm_backends.lowering import repairs
from nm_backends.rules import Rule, rule

__all__ = ["RULES"]


@rule("NMB001", "error", checks=False)
def unreadable_file() -> Any:
    """The file cannot be read.

    It is missing, empty, a directory, protected, damaged or cut short. Check the path; a file that
    was being copied may be incomplete: copy or export it again.
    """


@rule("NMB002", "error", checks=False)
def not_a_nir_file() -> Any:
    """The file is not a NIR graph.

    A ``.nir`` file is HDF5 with a group ``node`` that holds ``nodes`` and ``edges``. PyTorch
    checkpoints, pickles and recorded NIR data are sometimes given this name; load them with their
    own framework and convert the model with ``nmb.to_nir``.
    """


@rule("NMB003", "error", checks=False)
def unsafe_file() -> Any:
    """The file asks for something that no honest NIR file needs.

    Links to other files or places, data kept outside the file, graphs nested without end or data
    sets too large to be a model are not followed: opening a stranger's file must be harmless.
    Write the graph again with ``nir.write``.
    """


@rule("NMB004", "error", checks=False)
def unknown_node_type() -> Any:
    """A node has a type that NIR does not define.

    The 18 primitives of NIR 1.0 and nested graphs are understood. Replace the node by one of them,
    or by several.
    """


@rule("NMB005", "error", checks=False)
def missing_field() -> Any:
    """A node lacks a field without which it means nothing.

    Weights, time constants, resistances and thresholds have no sensible default. Export the model
    again; exporters that meet a layer they do not know sometimes write an empty node.
    """


@rule("NMB006", "error", checks=False)
def bad_field() -> Any:
    """A field of a node does not hold what it should.

    Parameters are arrays of real numbers, shapes and strides are whole numbers, weight matrices
    have the dimensions that NIR defines.
    """


@rule("NMB007", "error", checks=False)
def not_finite() -> Any:
    """A parameter is NaN or infinite.

    Such a value silences or saturates everything after it. The training probably diverged; check
    the model before the export. (``tau`` and ``r`` both infinite are understood: no leak.)
    """


@rule("NMB008", "error", checks=False)
def bad_time_constant() -> Any:
    """A time constant is zero or negative.

    The membrane would not decay but explode. Time constants are positive, in seconds.
    """


@rule("NMB009", "error", checks=False)
def shape_mismatch() -> Any:
    """What a node receives does not have the shape that it needs.

    Both shapes are worked out from the weights and parameters, not from the shapes noted in the
    file. Check the order of the layers and whether a Flatten is missing.
    """


@rule("NMB010", "error", checks=False)
def unknown_shape() -> Any:
    """The shape of a node cannot be worked out.

    Neither its parameters nor what it receives say how large it is. Give the Input node a shape.
    """


@rule("NMB011", "error", checks=False)
def missing_node() -> Any:
    """An edge names a node that does not exist.

    No node of a similar name or role can stand in for it. Something was lost in the export: add
    the node, or connect its neighbours.
    """


@rule("NMB012", "error", checks=False)
def no_path() -> Any:
    """The graph has no way from an input to an output.

    There must be an Input node, an Output node and edges between them.
    """


@rule("NMB013", "error", checks=False)
def loop_without_neuron() -> Any:
    """A loop runs through linear nodes only.

    Within one step such a loop depends on its own result. Put a neuron into the loop.
    """


@rule("NMB014", "error", checks=False)
def too_large() -> Any:
    """The model is far larger than any chip here.

    Up to 4096 nodes, 2**22 neurons and 2**26 synapses in one matrix are lowered; the chips hold a
    few hundred to a few thousand neurons. The sizes are checked before memory is used.
    """


@rule("NMB015", "error", checks=False)
def unstable_step() -> Any:
    """The time step is more than twice a time constant.

    ``decay = 1 - dt/tau`` is then below -1 and the membrane oscillates without bound; no working
    network has this. Either dt is wrong, or tau: Norse 1.1 with its default arguments exports tau
    1000 times too small (export with ``to_nir(model, sample, dt=1.0)`` or use ``nmb.to_nir``).
    """


@rule("NMB016", "error", checks=False)
def bad_discretisation() -> Any:
    """A value of the Discretisation is not allowed.

    dt is a positive number of seconds; rules, comparisons and frameworks are chosen from fixed
    names, which the finding lists.
    """


@rule("NMB017", "error", checks=False)
def unknown_name() -> Any:
    """The Discretisation names a node that the model does not have.

    Names are those of the NIR nodes that become neurons, with sub-graph names joined by dots.
    """


@rule("NMB018", "error", checks=False)
def infinite_tau() -> Any:
    """A time constant is infinite but the gain that belongs to it is not.

    ``r*dt/tau`` would be zero and the neuron deaf. Integrators without leak are ``IF`` or ``I``
    nodes; snnTorch's beta = 1 is written as tau and r both infinite, which is understood.
    """


@rule("NMB019", "error", checks=False)
def bad_kernel() -> Any:
    """A convolution or pooling cannot be computed.

    The kernel must fit into the padded input, strides and dilations are at least 1, the groups
    must divide the channels and the padding is a number, a pair, ``same`` or ``valid``.
    """


@rule("NMB020", "error", checks=False)
def unknown_model() -> Any:
    """This is not a model that can be lowered.

    Give the path of a ``.nir`` file or a ``nir.NIRGraph``; convert models of other frameworks with
    ``nmb.to_nir``.
    """


@rule("NMB021", "error", checks=False)
def ambiguous_port() -> Any:
    """An edge names a sub-graph that has several inputs or outputs.

    The edge does not say which one is meant. Name it: ``graph.input_name``.
    """


@rule("NMB022", "error", checks=False)
def bad_delay() -> Any:
    """A delay is negative or longer than any chip could hold.

    Delays are seconds, between zero and 65535 time steps.
    """


RULES: list[Rule] = [
    *(value for value in list(globals().values()) if isinstance(value, Rule)),
    *repairs.RULES,
]
"""All rules of the lowering, errors first."""
