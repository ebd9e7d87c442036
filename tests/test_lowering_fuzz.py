"""Whatever is wrong with a graph: findings, never an exception; and what is lowered can be run."""

import copy

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from nir_graphs import affine, conv, cuba, graph, inp, integrator, li, lif, linear, node, out, pool

from nm_backends.discretisation import Discretisation
from nm_backends.lowering import lower_collect
from nm_backends.lowering.reference import run_network
from nm_backends.network import Network


def base():
    """Make a graph with every kind of node, a sub-graph and two loops."""
    inner = graph(
        {"input": inp(4), "lif": cuba(4), "rec": affine(np.eye(4), np.ones(4)), "output": out(4)},
        [("input", "lif"), ("lif", "rec"), ("rec", "lif"), ("lif", "output")],
    )
    nodes = {
        "input": inp(1, 6, 6),
        "conv": conv(np.ones((2, 1, 3, 3)), (6, 6)),
        "if": integrator(2, 4, 4),
        "pool": pool("SumPool2d", (2, 2)),
        "flat": node("Flatten", input_type=np.array([2, 2, 2]), start_dim=0, end_dim=-1),
        "fc": affine(np.ones((4, 8)), np.zeros(4)),
        "sub": inner,
        "scale": node("Scale", scale=np.ones(4)),
        "delay": node("Delay", delay=np.full(4, 2e-3)),
        "li": li(4),
        "th": node("Threshold", threshold=np.ones(4)),
        "fc2": linear(np.ones((3, 4))),
        "lif": lif(3),
        "output": out(3),
    }
    made = graph(nodes)
    made["edges"].append(("lif", "back"))
    made["nodes"]["back"] = linear(np.ones((3, 3)))
    made["edges"].append(("back", "lif"))
    return made


SHAPES = st.lists(st.integers(0, 5), max_size=4).map(tuple)
VALUES = st.one_of(
    SHAPES.map(np.ones),
    SHAPES.map(lambda s: np.array(s, dtype=np.int64)),
    st.sampled_from(
        [
            None,
            "same",
            b"x",
            np.nan,
            np.inf,
            -1,
            0,
            2.5,
            1 + 2j,
            [],
            {},
            True,
            "NIRGraph",
            "LIF",
            "Input",
        ]
    ),
    st.integers(-(2**63), 2**63 - 1),
)


def places(tree, path=()):
    """List every key of a nested graph."""
    for key, value in tree.items():
        yield (*path, key)
        if isinstance(value, dict):
            yield from places(value, (*path, key))


@st.composite
def broken_graphs(draw):
    tree = copy.deepcopy(base())
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from(sorted(places(tree))))
        holder = tree
        for key in path[:-1]:
            holder = holder[key]
        action = draw(st.sampled_from(["drop", "set", "edges"]))
        if action == "drop":
            del holder[path[-1]]
        elif action == "set":
            holder[path[-1]] = draw(VALUES)
        elif isinstance(tree.get("edges"), list) and tree["edges"]:
            at = draw(st.integers(0, len(tree["edges"]) - 1))
            names = [*tree["nodes"], "nobody", ""] if isinstance(tree.get("nodes"), dict) else ["x"]
            ends = st.sampled_from(names)
            tree["edges"][at] = (draw(ends), draw(ends))
        if not tree:
            break
    return tree


def test_the_base_graph_is_right():
    network, report = lower_collect(base(), Discretisation(framework="nir", dt=1e-3))
    assert network is not None, str(report)
    assert report.codes == set()


@settings(max_examples=400, deadline=None)
@given(broken_graphs())
def test_never_an_exception(tree):
    network, report = lower_collect(tree)
    assert (network is None) == bool(report.errors)
    assert all(d.message and d.code.startswith("NMB") for d in report)
    if isinstance(network, Network):
        run_network(network, np.ones((3, 2, network.input_size), np.uint8))
        assert str(network)


SAID = st.one_of(
    st.none(),
    st.sampled_from(["zero", "nir", ">", "r", "v_leak", "tau_syn/dt", "", "x"]),
    st.floats(),
    st.integers(-3, 3),
    st.booleans(),
    st.dictionaries(st.sampled_from(["lif", "sub.lif", "fc", "x"]), VALUES, max_size=2),
    VALUES,
)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(st.sampled_from(list(Discretisation.__dataclass_fields__)), SAID), st.booleans()
)
def test_any_discretisation_gives_findings(said, as_metadata):
    tree = base()
    if as_metadata:
        tree["metadata"] = {"nm_backends": said}
        network, report = lower_collect(tree)
    else:
        network, report = lower_collect(tree, Discretisation(**said))
    assert (network is None) == bool(report.errors)
