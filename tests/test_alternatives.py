"""A model that one chip refuses is told what holds it."""

from dataclasses import replace

import numpy as np
import pytest
from crossbar_networks import bernoulli, inputs, layers, link, network, neurons
from test_reckon_mapping import membranes

import nm_backends as nmb
from nm_backends.errors import UserError
from nm_backends.mesh import meshes
from nm_backends.registry import get_backend
from nm_backends.rules import Report
from nm_reckon.rules import BY_NAME

TWO = layers(20, 300, 4, mean=0.05, spread=0.1)  # more neurons than a chip has
APART = layers(20, 300, 30, mean=0.05, spread=0.1)  # and too many that differ to share rows
WIDE = layers(300, 3, mean=0.05, spread=0.1)  # more inputs than a chip has rows
LAST = membranes("out", 4)
READ = network(  # two ReckOn chips with 150 neurons each share a readout
    [inputs(20), neurons("a", 300), LAST],
    [link("in", "a", np.full((20, 300), 0.1)), link("a", "out", np.full((300, 4), 0.1))],
)


def said(report, code):
    return [d.message for d in report if d.code == code]


@pytest.mark.parametrize(
    ("net", "chip", "message"),
    [
        (TWO, "odin", "3 odin will do, if the host carries the spikes between them"),
        (WIDE, "tinyodin", "one tinyodin will do, if the host is the synapse of inputs for which"),
        (READ, "reckon", "2 reckon will do"),
        (APART, "morphic", "2 morphic will do, which route spikes among themselves"),
        (WIDE, "reckon", None),  # a neuron has no more than 256 inputs there
        (replace(WIDE, outputs={"output": "in"}), "odin", None),  # no cut helps
    ],
)
def test_more_chips(net, chip, message):
    report = nmb.check(net, chip)
    assert not report.ok
    found = said(report, "NMB172")
    assert (message in found[0]) if message else not found
    if message:
        made = nmb.compile(net, chip, chips="auto")
        count = made.options.chips if chip == "morphic" else made.chips
        assert found[0].startswith(f"{count} {chip}" if count > 1 else f"one {chip}")


@pytest.mark.parametrize(("limit", "sizes"), [("4", 3), ("{}", 30)])
def test_meshes_grow_as_long_as_that_changes_anything(limit, sizes, monkeypatch):
    """Three sizes in a row that find the same in the way: so will the larger ones."""

    def asked(_, mesh):
        chips = mesh.spec.neurons // 2048
        found = BY_NAME["too_many_inputs"].at("no", found="5", limit=limit.format(chips))
        return Report("morphic", diagnostics=[found])

    monkeypatch.setattr("nm_backends.mesh.asked", asked)
    assert len(list(meshes(WIDE, get_backend("morphic"), 64))) == sizes


def test_other_chips():
    (names,) = said(nmb.check(WIDE, "reckon"), "NMB185")
    assert names == "no rule of morphic is in the way"
    assert not said(nmb.check(layers(5, 4), "odin"), "NMB185")


def test_several_chips_are_checked_on_spikes():
    spikes = bernoulli(6, 2, 20, 0.4)
    report = nmb.check(TWO, "odin", spikes=spikes, chips="auto")
    assert report.ok
    assert {"NMB171", "NMB162"} <= report.codes
    assert nmb.check(TWO, "odin", chips=2).codes >= {"NMB061"}
    with pytest.raises(UserError, match="chips is"):
        nmb.check(TWO, "odin", chips="many")


def test_the_command_line_says_so(nmb, tmp_path, model_file):
    nmb("compile", model_file, "--chip", "odin", "--chips", "2", "-o", tmp_path / "p.nmb")
    assert nmb("check", tmp_path / "p.nmb", "--chips", "auto").exit_code == 2
    assert nmb("check", model_file, "--chip", "odin", "--chips", "auto").exit_code == 0
