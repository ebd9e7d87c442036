"""Every rule of SPOON is tripped by the network that it is about."""

from itertools import pairwise

import nir
import numpy as np
import pytest
from spoon_models import ASSUMED, small_graph

import nm_backends as nmb
from nm_backends.testing import conventions, random_model
from nm_spoon.rules import RULES

SUBTRACT = nmb.Discretisation(dt=1e-3, reset="subtract", spike_cmp=">=", v0="zero", if_gain="r")


def codes(graph, discretisation=SUBTRACT, **how):
    return nmb.check(graph, "spoon", discretisation, **how).codes


def chained(graph):
    graph.edges = list(pairwise(graph.nodes))
    return graph


def fire(*shape):
    one = np.ones(shape, np.float32)
    return nir.IF(r=one, v_threshold=one.copy(), v_reset=0 * one)


def test_deep_networks_are_no_chain():
    assert "SPOON001" in codes(random_model(0, (4, 3)))
    assert "SPOON001" in codes(random_model(0, (4, 3, 3, 3, 3, 2)))
    assert "SPOON003" in codes(random_model(0, (4, 3, 3, 2)))


def test_loops_and_delays_look_back():
    graph = random_model(0)
    graph.nodes["back"] = nir.Linear(np.ones((10, 10), np.float32))
    graph.edges += [("if1", "back"), ("back", "if1")]
    assert "SPOON002" in codes(graph)


def test_maps_must_share_their_neurons():
    graph = small_graph()
    graph.nodes["conv_values"].v_threshold[0, 0, 0] = 2.0
    assert "SPOON003" in codes(graph)


@pytest.mark.parametrize(
    ("sizes", "number"), [((785, 4, 2), 785), ((12, 129, 2), 129), ((12, 4, 11), 11)]
)
def test_layers_must_fit_their_memories(sizes, number):
    report = nmb.check(random_model(0, sizes, 0.3), "spoon", SUBTRACT)
    assert "SPOON004" in report.codes
    assert any(d.found == str(number) for d in report.errors)


def test_sizes_are_assumptions():
    assert "SPOON004" in codes(random_model(0, (400, 4, 2), 0.1))
    assert nmb.check(random_model(0, (400, 4, 2), 0.1), "spoon", SUBTRACT,
                     assumptions={"features": 400}).ok  # fmt: skip
    assert "SPOON004" in codes(small_graph(), assumptions={**ASSUMED, "kernels": 2})
    assert "SPOON004" in codes(small_graph(), assumptions={**ASSUMED, "kernel_taps": 8})


def test_thresholds_that_jump_are_no_line():
    graph = random_model(0)
    graph.nodes["if1"] = nir.Threshold(np.ones(10, np.float32))
    assert "SPOON005" in codes(graph)


def test_other_pooling_is_refused():
    graph = small_graph()
    graph.nodes["pool_values"].threshold[:] = 1.5  # two of four spikes
    assert "SPOON006" in codes(graph)
    graph = small_graph()
    graph.nodes["pool"] = nir.SumPool2d(np.array([3, 3]), np.array([1, 1]), np.array([0, 0]))
    assert "SPOON006" in codes(graph)


def test_what_is_approximated_is_said():
    assert {"SPOON010", "SPOON011"} <= codes(random_model(0), conventions())
    assert "SPOON011" not in codes(small_graph())
    assert "SPOON012" in codes(small_graph(signed=True))


def test_saturation_is_found_on_calibration():
    graph = small_graph()
    graph.nodes["conv"].weight[:] = np.abs(graph.nodes["conv"].weight) + 0.5
    bright = nmb.latency_code(np.full((3, 6, 6), 255, np.uint8))
    report = nmb.compile(graph, "spoon", calibrate=bright, assumptions={"conv_bits": 10}).report
    assert "SPOON013" in report.codes


def test_every_rule_is_tripped_somewhere():
    # SPOON007 in test_spoon_learning, SPOON014 in test_spoon_mapping
    assert [r.code for r in RULES] == [f"SPOON{n:03}" for n in (*range(1, 8), *range(10, 15))]


def test_the_command_line_lists_what_is_assumed(nmb):
    text = nmb("chips", "spoon", "--assumptions").stdout
    assert "features = 360" in text
    assert "clock_hz = 0.0" in text
