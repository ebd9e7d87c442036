"""Every rule of the lowering, tripped once, with its full message."""

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
    lif,
    linear,
    node,
    out,
    pool,
    write,
)

from nm_backends.discretisation import Discretisation
from nm_backends.lowering import RULES, lower_collect
from nm_backends.rules import Rule

ONE = np.eye(2)


def without(made, *names):
    return {k: v for k, v in made.items() if k not in names}


def sub_graph(*more_inputs, inputs=1):
    ends = {f"in{i}": inp(2) for i in range(inputs)}
    nodes = {**ends, "lif": lif(2), "output": out(2)}
    edges = [*((name, "lif") for name in ends), ("lif", "output")]
    return graph(nodes, edges)


def ring():
    nodes = {"input": inp(2), "a": linear(ONE), "b": linear(ONE), "lif": lif(2), "output": out(2)}
    edges = [("input", "a"), ("a", "b"), ("b", "a"), ("b", "lif"), ("lif", "output")]
    return graph(nodes, edges)


def named_wrongly():
    nodes = {"input": inp(2), "fc": linear(ONE), "lif1": lif(2), "output": out(2)}
    return graph(nodes, [("input", "fc"), ("fc", "lif"), ("lif", "output")])


def dead_end():
    made = chain(linear(ONE), lif(2))
    return made | {"edges": [*made["edges"], ("1", "removed")]}


def lost_middle():
    nodes = {"input": inp(2), "a": linear(ONE), "lif": lif(2), "output": out(2)}
    edges = [("input", "a"), ("a", "norm"), ("norm", "lif"), ("lif", "output")]
    return graph(nodes, edges)


def said(**more):
    return Discretisation(**{"framework": "nir", "dt": 1e-3, **more})


def metadata(**data):
    return chain(lif(2)) | {"metadata": {"nm_backends": data}}


# code: (model, what is said about it, node, message)
TRIPS = {
    "NMB004": (
        chain(node("Lif", tau=np.ones(2))), QUIET, "1", "'Lif' is not a NIR node type",
    ),
    "NMB005": (chain(without(lif(2), "tau")), QUIET, "1", "LIF has no tau"),
    "NMB006": (
        chain(lif(2, r=1.0) | {"r": np.array([b"a", b"b"])}), QUIET,
        "1", "r is not an array of real numbers",
    ),
    "NMB007": (
        chain(affine(ONE, [0, np.nan]), lif(2)), QUIET, "1", "bias[1] is nan",
    ),
    "NMB008": (
        chain(lif(2, tau=[0.01, -0.01])), QUIET,
        "1", "tau[1] is -0.01; time constants are positive",
    ),
    "NMB009": (
        chain(linear(np.ones((2, 3)))), QUIET, "1", "Linear receives the wrong number of values",
    ),
    "NMB010": (
        graph({"input": node("Input"), "1": lif(), "output": out(2)}), QUIET,
        "input", "the shape of the input is not known",
    ),
    "NMB011": (
        lost_middle(), QUIET, "norm", "an edge ends at norm, which does not exist",
    ),
    "NMB012": (
        graph({"input": inp(2), "a": lif(2), "b": lif(2), "output": out(2)}, []), QUIET,
        "", "no path leads from an input to an output",
    ),
    "NMB013": (ring(), QUIET, "a", "a loop holds no neuron: a, b"),
    "NMB014": (
        graph({"input": inp(10_000_000), "1": lif(1), "output": node("Output")}), QUIET,
        "input", "the node has 10,000,000 elements",
    ),
    "NMB015": (
        chain(lif(2, tau=1e-4)), QUIET,
        "1", "the time step is too long: dt/tau = 10 (dt 0.001 s, tau[0] 0.0001 s)",
    ),
    "NMB016": (chain(lif(2)), said(dt=-1.0), "", "dt is -1.0"),
    "NMB017": (
        chain(lif(2)), said(reset={"2": "zero"}),
        "", "reset is given for '2', which the model does not have",
    ),
    "NMB018": (
        chain(lif(2, tau=np.inf)), QUIET,
        "1", "tau[0] is inf but r[0] is 1 (and 1 more): the gain would be zero",
    ),
    "NMB019": (
        graph({"input": inp(1, 4, 4), "1": pool("SumPool2d", (5, 5)), "output": node("Output")}),
        QUIET, "1", "a kernel of 5 (dilation 1) does not fit",
    ),
    "NMB020": (3.5, QUIET, "", "an object of type builtins.float is not a NIR graph"),
    "NMB021": (
        chain(sub_graph(inputs=2)), QUIET, "1", "an edge names a sub-graph with 2 Input nodes",
    ),
    "NMB022": (
        chain(node("Delay", delay=np.array([0.0, -1.0])), lif(2)), QUIET,
        "1", "delay[1] is -1 s (-1000 steps)",
    ),
    "NMB101": (
        chain(without(lif(2), "v_reset")), QUIET, "1", "LIF has no v_reset; 0 is assumed",
    ),
    "NMB102": (
        chain(lif(2) | {"r": np.float32(1.0)}), QUIET, "1", "used for all 2 elements: r ()",
    ),
    "NMB103": (
        graph({"input": inp(256, 2), "1": linear(ONE), "2": lif(2), "output": out(2)}), QUIET,
        "input", "the Input notes (256, 2); (2,) is one sample at one step",
    ),
    "NMB104": (
        graph({
            "input": inp(2, 3, 3),
            "1": node("Flatten", start_dim=1, end_dim=-1),
            "2": linear(np.ones((2, 18))), "3": lif(2), "output": out(2),
        }), QUIET, "1", "Flatten counts the batch axis: (2, 9) is read as (18,)",
    ),
    "NMB105": (
        named_wrongly(), QUIET,
        "lif1", "edges lead to lif, which does not exist; lif1 is used",
    ),
    "NMB106": (
        dead_end(), QUIET, "removed", "the edge 1 -> removed leads nowhere and is left out",
    ),
    "NMB107": (
        graph({
            "input": inp(2), "fc": linear(np.ones((3, 2))),
            "g": graph({"input": inp(2), "lif": lif(3), "output": out(3)}), "output": out(3),
        }), QUIET, "g.input", "the sub-graph notes (2,), but (3,) passes here",
    ),
    "NMB108": (
        graph({"1": lif(2), "output": out(2)}), QUIET,
        "input", "the graph has no Input node; one was added",
    ),
    "NMB109": (
        graph({"input": inp(2, 2), "1": linear(np.ones((2, 4))), "2": lif(2), "output": out(2)}),
        QUIET, "1", "Linear takes (4,) but receives (2, 2); read in C order",
    ),
    "NMB110": (
        chain(linear(ONE), lif(1, 2)), QUIET,
        "2", "the parameters have shape (1, 2); the node has (2,)",
    ),
    "NMB111": (
        graph({
            "input": inp(1, 4, 4), "1": without(conv(np.ones((1, 1, 1, 1)), 0), "input_shape"),
            "2": lif(1, 4, 4), "output": out(1, 4, 4),
        }), QUIET, "1", "Conv2d notes no input_shape; it receives (4, 4), which is used",
    ),
    "NMB112": (chain(lif(2, beta=0.9)), QUIET, "1", "LIF has no field 'beta'"),
    "NMB113": (
        graph({"input": inp(2), "1": lif(2), "output": out(2)},
              [("input", "1"), ("input", "1"), ("1", "output")]),
        QUIET, "1", "the edge input -> 1 stands more than once",
    ),
    "NMB114": (
        graph({"input": inp(2), "1": lif(2), "2": lif(2, v_leak=2.0), "output": out(2)},
              [("input", "1"), ("1", "output"), ("2", "1")]),
        QUIET, "2", "no input reaches this node",
    ),
    "NMB115": (
        graph({
            "input": inp(1, 5, 5),
            "1": conv(np.ones((1, 1, 3, 3)), (5, 5), padding="same", stride=2),
            "2": lif(1, 3, 3), "output": out(1, 3, 3),
        }), QUIET, "1", "padding 'same' with stride 2: the output is 3 wide",
    ),
    "NMB120": (
        chain(lif(2)), Discretisation(framework="nir"),
        "", "the time step is not known; 0.0001 s is assumed",
    ),
    "NMB121": (
        chain(lif(2)), Discretisation(framework="snntorch"),
        "1", "the reset is not known; v := v_reset is assumed",
    ),
    "NMB122": (
        chain(lif(2)), Discretisation(dt=1e-3, reset="zero"),
        "", "whether neurons fire at their threshold or above it is not known; > is assumed",
    ),
    "NMB123": (
        chain(lif(2, v_leak=0.5)), Discretisation(dt=1e-3, reset="zero", spike_cmp=">"),
        "1", "the initial membrane is not known; 0 is assumed",
    ),
    "NMB124": (
        chain(integrator(2, r=2.0)), said(if_gain="auto"),
        "1", "neither r (2) nor r*dt (0.002) is 1; r*dt is assumed",
    ),
    "NMB125": (
        chain(cuba(2)), Discretisation(framework="norse", reset="zero", v_reset=0.0),
        "1", "Norse's exporter writes w_in = 1; tau_syn/dt is used, as in Norse itself",
    ),
    "NMB126": (
        chain(node("Delay", delay=np.array([1e-3, 2.4e-3])), lif(2)), QUIET,
        "1", "delay[1] = 0.0024 s is 2.4 steps of 0.001 s; 2 is used",
    ),
    "NMB127": (
        chain(lif(2, tau=8e-4)), QUIET, "1",
        "the time step is longer than the time constant: dt/tau = 1.25 "
        "(dt 0.001 s, tau[0] 0.0008 s)",
    ),
    "NMB128": (chain(lif(2, tau=10.0)), QUIET, "1", "tau[0] = 10 s is 10,000 time steps"),
    "NMB129": (
        chain(lif(2)), Discretisation(framework="norse", reset="zero"),
        "1", "v_reset is 0 in the file, which Norse's exporter always writes",
    ),
    "NMB130": (metadata(rest="zero"), QUIET, "", "'rest' is not a field of Discretisation"),
}  # fmt: skip
FILES = {"NMB001", "NMB002", "NMB003"}  # tripped in test_lowering_files


def finding(code, report):
    return next(d for d in report if d.code == code)


@pytest.mark.parametrize("code", TRIPS)
def test_rule(code):
    model, settings, place, message = TRIPS[code]
    network, report = lower_collect(model, settings)
    assert code in report.codes, str(report)
    found = finding(code, report)
    assert (found.node, found.message) == (place, message)
    assert (network is None) == bool(report.errors)


@pytest.mark.parametrize("code", [c for c in TRIPS if c > "NMB1"])
def test_a_warning_comes_alone_where_nothing_else_is_wrong(code):
    model, settings, _, _ = TRIPS[code]
    assert lower_collect(model, settings)[1].codes <= {code, "NMB108"}


@pytest.mark.parametrize("code", [c for c in TRIPS if c < "NMB1"])
def test_an_error_has_no_consequences_that_are_reported_as_well(code):
    model, settings, _, _ = TRIPS[code]
    assert {d.code for d in lower_collect(model, settings)[1].errors} == {code}


@pytest.mark.parametrize("code", [c for c in TRIPS if c != "NMB020"])
def test_a_file_gives_the_same_findings_as_the_object(code, tmp_path):
    model, settings, _, _ = TRIPS[code]
    memory = lower_collect(model, settings)[1]
    stored = lower_collect(write(tmp_path / "model.nir", model), settings)[1]
    assert {(d.code, d.node, d.message) for d in stored} == {
        (d.code, d.node, d.message) for d in memory
    }


def test_every_rule_has_a_test_an_explanation_and_the_right_severity():
    codes = [rule.code for rule in RULES]
    assert len(set(codes)) == len(codes)
    assert set(codes) == set(TRIPS) | FILES
    for rule in RULES:
        assert isinstance(rule, Rule)
        assert rule.severity == ("error" if rule.code < "NMB1" else "warning")
        assert len(rule.explanation.splitlines()) >= 3, rule.code
        assert rule.title.endswith("."), rule.code


def test_all_errors_are_collected():
    bad = graph(
        {
            "input": inp(2),
            "fc": affine([[1, np.inf], [0, 1]], [0, 0]),
            "lif": lif(2, tau=-1.0),
            "fc2": linear(np.ones((3, 5))),
            "x": node("Mystery"),
            "lif2": lif(3, v_threshold=np.nan),
            "output": out(3),
        }
    )
    _, report = lower_collect(bad, Discretisation(dt=0.0, reset={"lif": "nought"}))
    found = {(d.code, d.node) for d in report.errors}
    assert found >= {
        ("NMB007", "fc"),
        ("NMB008", "lif"),
        ("NMB009", "fc2"),
        ("NMB004", "x"),
        ("NMB007", "lif2"),
        ("NMB016", ""),
    }
