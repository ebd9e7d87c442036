"""Structure: sub-graphs, loops, delays, several inputs and outputs, edges that are wrong."""

import sys

import nir
import numpy as np
import pytest
from nir_graphs import (
    QUIET,
    affine,
    chain,
    conv,
    cuba,
    graph,
    inp,
    integrator,
    li,
    lif,
    linear,
    node,
    out,
)

from nm_backends.discretisation import Discretisation
from nm_backends.lowering import lower, lower_collect

ONE = np.eye(2)


def shape_of(network):
    """Projections as (pre, post, delay, nodes)."""
    return [(p.pre, p.post, p.delay, p.nodes) for p in network.projections]


def dense(network, pre, post, delay=None):
    (found,) = [
        p
        for p in network.projections
        if (p.pre, p.post) == (pre, post) and delay in (None, p.delay)
    ]
    return found.weights.toarray()


def test_nested_graphs_are_joined_by_dots():
    inner = graph({"input": inp(2), "lif": lif(2), "output": out(2)})
    middle = graph({"input": inp(2), "core": inner, "fc": linear(2 * ONE), "output": out(2)})
    network = lower(
        graph(
            {"input": inp(2), "a": middle, "b": middle, "fc": linear(ONE), "l": lif(2), "o": out(2)}
        ),
        QUIET,
    )
    assert [p.name for p in network.neurons] == ["a.core.lif", "b.core.lif", "l"]
    assert shape_of(network) == [
        ("input", "a.core.lif", 0, ()),
        ("a.core.lif", "b.core.lif", 0, ("a.fc",)),
        ("b.core.lif", "l", 0, ("b.fc", "fc")),
    ]
    assert network.outputs == {"o": "l"}


def test_edges_may_name_nodes_inside_a_sub_graph():
    inner = graph({"left": inp(2), "right": inp(2), "lif": lif(2), "output": out(2)},
                  [("left", "lif"), ("right", "lif"), ("lif", "output")])  # fmt: skip
    nodes = {"input": inp(2), "w": linear(3 * ONE), "g": inner, "output": out(2)}
    edges = [("input", "g.left"), ("input", "w"), ("w", "g.right"), ("g", "output")]
    network = lower(graph(nodes, edges), QUIET)
    assert dense(network, "input", "g.lif").tolist() == (4 * ONE).tolist()


@pytest.mark.parametrize("bias", [None, [1.0, 2.0]])
def test_recurrence_delivers_the_last_step_but_its_bias_always(bias):
    rec = linear(ONE) if bias is None else affine(ONE, bias)
    nodes = {"input": inp(2), "lif": lif(2), "rec": rec, "output": out(2)}
    edges = [("input", "lif"), ("lif", "rec"), ("rec", "lif"), ("lif", "output")]
    network = lower(graph(nodes, edges), QUIET)
    assert shape_of(network) == [("input", "lif", 0, ()), ("lif", "lif", 1, ("rec",))]
    assert network.output.bias.tolist() == (bias or [0.0, 0.0])


def test_only_the_edge_that_closes_the_loop_is_late():
    nodes = {"input": inp(2), "a": lif(2), "b": lif(2), "c": lif(2), "output": out(2)}
    edges = [("input", "a"), ("a", "b"), ("b", "c"), ("c", "a"), ("c", "output"), ("a", "c")]
    network = lower(graph(nodes, edges), QUIET)
    late = {(p.pre, p.post) for p in network.projections if p.delay}
    assert late == {("c", "a")}
    assert list(network.populations) == ["input", "a", "b", "c"]


def test_evaluation_order_is_not_the_order_of_names():
    nodes = {"input": inp(2), "z": lif(2), "m": lif(2), "a": lif(2), "output": out(2)}
    network = lower(graph(nodes), QUIET)
    assert list(network.populations) == ["input", "z", "m", "a"]


def test_delays_split_a_matrix_by_channel():
    made = chain(
        affine([[1, 2], [3, 4]], [5, 6]), node("Delay", delay=np.array([0.0, 2e-3])), lif(2)
    )
    network = lower(made, QUIET)
    assert shape_of(network) == [("input", "3", 0, ("1", "2")), ("input", "3", 2, ("1", "2"))]
    assert dense(network, "input", "3", 0).tolist() == [[1, 0], [2, 0]]
    assert dense(network, "input", "3", 2).tolist() == [[0, 3], [0, 4]]
    assert network.output.bias.tolist() == [5, 6]


def test_a_delay_in_a_loop_is_delay_enough():
    nodes = {
        "input": inp(1),
        "lif": lif(1),
        "d": node("Delay", delay=np.array([3e-3])),
        "o": out(1),
    }
    edges = [("input", "lif"), ("lif", "d"), ("d", "lif"), ("lif", "o")]
    assert shape_of(lower(graph(nodes, edges), QUIET))[1] == ("lif", "lif", 3, ("d",))


def test_delays_add_up():
    made = chain(*(node("Delay", delay=np.array(d)) for d in ([1e-3, 1e-3], [2e-3, 0.0])), lif(2))
    assert {p.delay for p in lower(made, QUIET).projections} == {1, 3}


def test_parallel_ways_are_summed_into_one_projection():
    nodes = {
        "input": inp(2),
        "a": linear(ONE),
        "b": affine(2 * ONE, [1, 1]),
        "s": lif(2),
        "o": out(2),
    }
    edges = [("input", "a"), ("input", "b"), ("a", "s"), ("b", "s"), ("input", "s"), ("s", "o")]
    network = lower(graph(nodes, edges), QUIET)
    assert shape_of(network) == [("input", "s", 0, ("a", "b"))]
    assert dense(network, "input", "s").tolist() == (4 * ONE).tolist()
    assert network.output.bias.tolist() == [1, 1]


def test_several_inputs_and_outputs():
    nodes = {
        "left": inp(2), "right": inp(3), "w": linear(np.ones((2, 3))), "lif": lif(2),
        "out1": out(2), "out2": out(2), "li": li(2),
    }  # fmt: skip
    edges = [
        ("left", "lif"), ("right", "w"), ("w", "lif"),
        ("lif", "out1"), ("lif", "li"), ("li", "out2"),
    ]  # fmt: skip
    network = lower(graph(nodes, edges), QUIET)
    assert [p.name for p in network.inputs] == ["left", "right"]
    assert network.input_size == 5
    assert network.outputs == {"out1": "lif", "out2": "li"}
    assert not network.populations["li"].spiking


def test_an_output_behind_linear_nodes_is_a_population_that_shows_them():
    made = chain(lif(2), affine([[1, 1], [0, 1]], [0.5, 0]))
    network = lower(made, QUIET)
    shown = network.output
    assert (shown.name, shown.node_type, shown.spiking) == ("2", "Linear", False)
    assert shown.decay.tolist() == [0, 0]
    assert shown.bias.tolist() == [0.5, 0]
    assert shape_of(network)[-1] == ("1", "2", 0, ("2",))


def test_input_wired_to_output_and_sum_of_populations():
    nodes = {"input": inp(2), "a": lif(2), "b": lif(2), "through": out(2), "sum": out(2)}
    edges = [("input", "a"), ("input", "b"), ("input", "through"), ("a", "sum"), ("b", "sum")]
    network = lower(graph(nodes, edges), QUIET)
    assert network.outputs == {"sum": "sum", "through": "through"}
    assert ("input", "through", 0, ()) in shape_of(network)
    assert {p.pre for p in network.into("sum")} == {"a", "b"}


def test_flatten_before_the_output_is_transparent():
    made = graph({"input": inp(1, 2, 2), "lif": lif(1, 2, 2),
                  "f": node("Flatten", start_dim=0, end_dim=-1, input_type=np.array([1, 2, 2])),
                  "output": out(4)})  # fmt: skip
    network = lower(made, QUIET)
    assert network.outputs == {"output": "lif"}


def test_threshold_is_a_neuron_without_memory():
    network = lower(chain(linear(ONE), node("Threshold", threshold=np.array([0.5, 2.0]))), QUIET)
    made = network.output
    assert (made.node_type, made.spiking, made.reset) == ("Threshold", True, "none")
    assert made.decay.tolist() == [0, 0]
    assert made.threshold.tolist() == [0.5, 2.0]


def test_scalar_parameters_take_the_shape_of_the_layer():
    kernel = conv(np.ones((3, 1, 2, 2)), (4, 4))
    scalar = {k: v for k, v in lif().items() if k != "type"}
    made = graph(
        {"input": inp(1, 4, 4), "c": kernel, "n": node("LIF", **scalar), "o": node("Output")}
    )
    network = lower(made, QUIET)
    assert network.output.shape == (3, 3, 3)
    assert network.output.threshold.tolist() == [1.0] * 27


def test_parameters_of_different_shapes_in_one_neuron():
    fields = {"tau": np.array([0.01]), "v_leak": np.zeros((1, 3)), "r": np.array(1.0)}
    network = lower(graph({"input": inp(3), "n": lif(3) | fields, "o": out(3)}), QUIET)
    assert network.output.shape == (3,)
    assert network.output.decay.tolist() == [0.9] * 3
    assert network.report.codes == {"NMB102", "NMB110"}


def test_parameters_per_channel_are_broadcast():
    made = graph(
        {
            "input": inp(2, 3, 3),
            "n": lif(2, 1, 1, v_threshold=[[[1.0]], [[2.0]]]),
            "o": node("Output"),
        }
    )
    network = lower(made, QUIET)
    assert network.output.threshold.tolist() == [1.0] * 9 + [2.0] * 9
    assert network.report.codes == {"NMB102"}


@pytest.mark.parametrize(
    ("declared", "read", "codes"),
    [
        ((1, 1, 4, 4), (1, 4, 4), {"NMB103"}),
        ((4, 4), (1, 4, 4), {"NMB103"}),
        ((1, 4, 4), (1, 4, 4), set()),
    ],
)
def test_input_of_a_convolution(declared, read, codes):
    nodes = {"input": inp(*declared), "c": conv(np.ones((1, 1, 1, 1)), (4, 4)), "n": lif(1, 4, 4)}
    network = lower(graph({**nodes, "o": out(1, 4, 4)}), QUIET)
    assert network.inputs[0].shape == read
    assert network.report.codes == codes


def test_edges_to_a_flattened_sub_graph_find_its_neuron():
    """Nodes ``lif1.lif`` and ``lif1.w_rec``, but edges that still name ``lif1``."""
    nodes = {"input": inp(2), "lif1.lif": cuba(2), "lif1.w_rec": linear(ONE), "o": out(2)}
    edges = [
        ("input", "lif1"),
        ("lif1", "o"),
        ("lif1.lif", "lif1.w_rec"),
        ("lif1.w_rec", "lif1.lif"),
    ]
    network = lower(graph(nodes, edges), QUIET)
    assert network.report.codes == {"NMB105"}
    assert network.outputs == {"o": "lif1.lif"}


def test_a_connected_node_never_stands_in_for_a_missing_one():
    nodes = {"input": inp(2), "lif1": lif(2), "lif2": lif(2), "o": out(2)}
    edges = [("input", "lif1"), ("lif1", "lif3"), ("lif3", "lif2"), ("lif2", "o")]
    report = lower_collect(graph(nodes, edges), QUIET)[1]
    assert {(d.code, d.node) for d in report.errors} == {("NMB011", "lif3")}
    assert report.errors[0].hint == "did you mean 'lif2' or 'lif1'?"


def test_missing_ends_are_connected_where_only_one_way_exists():
    nodes = {"input": inp(2), "a": linear(ONE), "b": lif(2), "output": out(2)}
    network = lower(graph(nodes, [("a", "b")]), QUIET)
    assert [d.message for d in network.report] == [
        "the edge input -> a is missing and was added",
        "the edge b -> output is missing and was added",
    ]


def test_shape_error_names_node_source_expected_and_found():
    report = lower_collect(chain(linear(np.ones((3, 2))), linear(np.ones((2, 4))), lif(2)), QUIET)[
        1
    ]
    (error,) = report.errors
    assert (error.code, error.node, error.limit, error.found) == (
        "NMB009",
        "2",
        "(4,)",
        "(3,) from 1",
    )


def test_sum_of_different_sizes_is_an_error():
    nodes = {"input": inp(2), "a": linear(np.ones((3, 2))), "s": lif(2), "o": out(2)}
    edges = [("input", "a"), ("input", "s"), ("a", "s"), ("s", "o")]
    report = lower_collect(graph(nodes, edges), QUIET)[1]
    assert {d.code for d in report.errors} == {"NMB009"}


def test_two_nodes_of_one_full_name():
    inner = graph({"input": inp(2), "n": lif(2), "output": out(2)})
    nodes = {"input": inp(2), "g": inner, "g.n": lif(2), "output": out(2)}
    report = lower_collect(graph(nodes), QUIET)[1]
    assert ("NMB006", "g.n") in {(d.code, d.node) for d in report.errors}


def test_ten_thousand_layers_do_not_recurse():
    layers = {f"n{i}": linear([[1.0]]) for i in range(2000)}
    made = graph({"input": inp(1), **layers, "lif": lif(1), "output": out(1)})
    assert len(lower(made, QUIET).projections[0].nodes) == 2000


def test_too_many_nodes_and_edges_are_refused_quickly():
    layers = {f"n{i}": linear([[1.0]]) for i in range(4097)}
    report = lower_collect(graph({"input": inp(1), **layers, "output": out(1)}), QUIET)[1]
    assert [d.code for d in report.errors] == ["NMB014"]
    edges = [(f"a{i}", f"b{i}") for i in range(4000)]
    report = lower_collect(graph({f"n{i}": lif(1) for i in range(4000)}, edges), QUIET)[1]
    assert {d.code for d in report.errors} == {"NMB011"}


def test_a_layer_that_the_exporter_did_not_know():
    report = lower_collect(chain(linear(ONE), None, lif(2)), QUIET)[1]
    (error,) = report.errors
    assert (error.code, error.node) == ("NMB006", "2")
    assert error.message == "this is NoneType, not a node with fields"
    assert error.hint == "exporters leave None for a layer that they do not know"


def test_classes_that_extend_nir_nodes_are_understood():
    class Mine(nir.LIF):
        pass

    one = np.ones(2)
    mine = Mine(tau=0.01 * one, r=one, v_leak=0 * one, v_threshold=one)
    assert lower(chain(mine), QUIET).output.node_type == "LIF"


class FakeTensor:
    """Something that converts like a tensor of another library."""

    def __init__(self, values):
        self.values = np.asarray(values)

    def detach(self):
        return self

    cpu = detach

    def numpy(self):
        return self.values


def test_nir_objects_tensors_and_python_numbers_from_memory():
    one = np.ones(2)
    made = nir.NIRGraph(
        nodes={
            "input": nir.Input({"input": np.array([2])}),
            "w": nir.Linear(weight=np.eye(2)),
            "lif": nir.LIF(tau=0.01 * one, r=one, v_leak=0 * one, v_threshold=one),
            "output": nir.Output({"output": np.array([2])}),
        },
        edges=[("input", "w"), ("w", "lif"), ("lif", "output")],
    )
    made.nodes["w"].weight = FakeTensor(np.eye(2, dtype=np.float32))
    made.nodes["lif"].r = 1
    made.nodes["lif"].v_threshold = 1.0
    network = lower(made, QUIET)
    assert network.report.codes == {"NMB102"}
    assert network.output.gain.tolist() == [0.1, 0.1]
    assert network.source == "NIRGraph"


def test_every_nir_primitive_from_memory_and_file(tmp_path):
    one = np.ones((2, 4, 4))
    v = np.ones(3)
    graph_ = nir.NIRGraph.from_list(
        nir.Input({"input": np.array([2, 8, 8])}),
        nir.Conv2d((8, 8), np.ones((2, 2, 3, 3)), 2, 1, 1, 1, np.zeros(2)),
        nir.IF(r=one, v_threshold=one),
        nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        nir.Threshold(np.ones((2, 2, 2))),
        nir.AvgPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        nir.Flatten({"input": np.array([2, 1, 1])}, 0, -1),
        nir.Affine(np.ones((3, 2)), np.zeros(3)),
        nir.CubaLIF(tau_syn=v * 0.01, tau_mem=v * 0.02, r=v, v_leak=0 * v, v_threshold=v),
        nir.Scale(v),
        nir.Delay(v * 2e-3),
        nir.LI(tau=v * 0.01, r=v, v_leak=0 * v),
        nir.Linear(np.ones((3, 3))),
        nir.CubaLI(tau_syn=v * 0.01, tau_mem=v * 0.02, r=v, v_leak=0 * v),
        nir.I(r=v),
        nir.LIF(tau=v * 0.01, r=v, v_leak=0 * v, v_threshold=v),
        nir.Output({"output": np.array([3])}),
        type_check=False,
    )
    path = tmp_path / "all.nir"
    nir.write(path, graph_)
    for model in (graph_, path):
        network = lower(model, QUIET)
        assert [p.node_type for p in network.neurons] == [
            "IF", "Threshold", "CubaLIF", "LI", "CubaLI", "I", "LIF",
        ]  # fmt: skip
        assert [p.delay for p in network.projections] == [0, 0, 0, 2, 0, 0, 0]


def test_lowering_a_path_needs_neither_nir_nor_numba_nor_torch(python, tmp_path):
    from nir_graphs import write

    path = write(tmp_path / "m.nir", chain(linear(ONE), lif(2)))
    code = (
        "import sys; from nm_backends.lowering import lower_collect; lower_collect(sys.argv[1]); "
        "print([m for m in ('nir', 'numba', 'torch') if m in sys.modules])"
    )
    done = python("-c", code, path, path=[p for p in sys.path if p])
    assert done.stdout.strip() == "[]", done.stderr


def test_a_network_is_printed_as_tables():
    text = str(lower(chain(linear(ONE), lif(2), integrator(2)), Discretisation(dt=1e-3)))
    assert text.splitlines()[0] == "dict: 2 inputs, 4 neurons, 4 synapses"
    assert "2           LIF    2      0.9    0.1   > 1        zero" in text
    assert "2 -> 3      2         1        0" in text
    assert text.endswith("assumed: NMB121, NMB122 (nmb explain CODE)")
