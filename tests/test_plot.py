"""Pictures and notebook views of programs and results: what they show is what is there."""

import subprocess
import sys

import numpy as np
import pytest
from html_reader import read

import nm_backends as nmb
from nm_backends.errors import UserError
from nm_backends.network import Network
from nm_backends.plot_weights import crossbar, weight_map
from nm_backends.testing import conventions, random_model, random_spikes

CHIPS = ("odin", "reckon", "tinyodin")


@pytest.fixture(scope="module")
def programs():
    made = random_model(0)
    return {chip: nmb.compile(made, chip, conventions()) for chip in CHIPS}


@pytest.fixture(scope="module")
def results(programs):
    spikes = random_spikes(1)
    found = {c: p.run(spikes, record=("membrane",)) for c, p in programs.items()}
    return found, nmb.reference(random_model(0), spikes, conventions())


@pytest.mark.parametrize("chip", CHIPS)
def test_a_program_is_drawn_with_its_nodes(programs, chip):
    program = programs[chip]
    left, right = program.plot()
    assert left.get_title() == "How full is the chip?"
    shown = [text.get_text().strip() for text in left.texts]
    assert shown == [f"{r.used:,} of {r.available:,}" for r in program.resources]
    held = weight_map(program)
    assert (right.images[0].get_array().filled(0) == held.values).all()
    names = {band.name for band in held.rows} - {"bias", "trigger"}
    assert names <= set(program.network.populations)
    assert {band.name for band in held.columns} <= {p.name for p in program.network.neurons}
    said = {text.get_text().split()[0] for text in right.get_xticklabels()}
    assert said <= {band.name for band in held.columns}


@pytest.mark.parametrize("chip", ["odin", "tinyodin"])
def test_bands_of_the_synapse_memory_hold_the_weights_of_their_nodes(programs, chip):
    """Every weight lies where a node's row crosses a node's column, and all are there."""
    program = programs[chip]
    held, stored = weight_map(program), crossbar(program)
    assert held.memory
    inside = np.zeros(stored.shape, bool)
    for row in held.rows:
        for column in held.columns:
            inside[row.first : row.last + 1, column.first : column.last + 1] = True
    assert not stored[~inside].any()
    for p in program.network.projections:
        rows, columns = (
            [i for b in bands if b.name == name for i in range(b.first, b.last + 1)]
            for bands, name in ((held.rows, p.pre), (held.columns, p.post))
        )
        assert np.count_nonzero(stored[np.ix_(rows, columns)]) >= 0.5 * p.weights.nnz


def test_without_a_synapse_memory_the_weights_are_those_of_the_model(programs):
    program = programs["reckon"]
    held = weight_map(program)
    assert not held.memory
    first = {b.name: b.first for b in held.rows}, {b.name: b.first for b in held.columns}
    for p in program.network.projections:
        row, column = first[0][p.pre], first[1][p.post]
        height, width = p.weights.shape
        found = held.values[row : row + height, column : column + width]
        assert found == pytest.approx(p.weights.toarray(), abs=0.02 * abs(p.weights).max())


@pytest.mark.parametrize("chip", CHIPS)
def test_a_result_is_drawn_beside_that_of_the_model(results, chip):
    found, reference = results
    raster, membranes = found[chip].plot(2, reference)
    assert "sample 2" in raster.get_title()
    assert f"the model {reference.prediction[2]}" in raster.get_title()
    both, mine, theirs = np.zeros(3, int), 0, 0
    for name, spikes in found[chip].layers.items():
        here, there = spikes[:, 2] > 0, reference.layers[name][:, 2] > 0
        both[0] += (here & there).sum()
        mine += (here & ~there).sum()
        theirs += (~here & there).sum()
    drawn = [len(c.get_offsets()) for c in raster.collections]
    layers = len(found[chip].layers)
    assert sum(drawn[0 : 3 * layers : 3]) == both[0] > 0
    assert sum(drawn[1 : 3 * layers : 3]) == mine
    assert sum(drawn[2 : 3 * layers : 3]) == theirs
    name = list(found[chip].membranes)[-1]
    recorded = found[chip].membranes[name][:, 2]
    assert np.array_equal(membranes.lines[0].get_ydata(), recorded[:, 0])


def test_a_single_sample_has_no_batch_axis(programs):
    spikes = random_spikes(1)[:, 3]
    result = programs["tinyodin"].run(spikes)
    (raster,) = result.plot()
    assert sum(len(c.get_offsets()) for c in raster.collections) == sum(
        np.count_nonzero(s) for s in result.layers.values()
    )
    with pytest.raises(UserError, match="there is no sample 1"):
        result.plot(1)


def test_a_reference_of_another_network_is_refused(results):
    found, reference = results
    other = nmb.reference(random_model(0), random_spikes(1), conventions())
    other.layers["another"] = reference.layers[next(iter(reference.layers))]
    with pytest.raises(UserError, match="the reference is of another network"):
        found["odin"].plot(0, other)


def test_in_notebooks_pyplot_shows_the_figure():
    code = (
        "import matplotlib; matplotlib.use('agg')\n"
        "from nm_backends.plot import subplots\n"
        "import sys\n"
        "subplots((2, 2), 1, 1)\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "from matplotlib import pyplot\n"
        "subplots((2, 2), 1, 1)\n"
        "assert len(pyplot.get_fignums()) == 1\n"
        "subplots((2, 2), 1, 1, shown=False)\n"
        "assert len(pyplot.get_fignums()) == 1\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("chip", CHIPS)
def test_notebooks_show_programs_results_and_reports(programs, results, chip):
    program, result = programs[chip], results[0][chip]
    text = read(program._repr_html_())
    assert "fits" in text
    for r in program.resources:
        assert f"{r.used:,}" in text
        assert r.name in text
    for name in program.fit.populations:
        assert name in text
    text = read(result._repr_html_())
    assert "samples 5" in text
    assert "latency per sample" in text
    assert result.latency.status in text
    assert result.latency.source in text
    text = read(program.report._repr_html_())
    assert all(d.message in text and d.code in text for d in program.report)


def test_names_are_escaped():
    from nm_backends.rules import Diagnostic, Report

    mean = "<script>alert('&')</script>"
    found = Diagnostic("NMB001", "error", mean, node=mean, found=mean, limit=mean, hint=mean)
    html = Report("odin", mean, [found])._repr_html_()
    assert "<script" not in html
    assert read(html).count(mean) == 6
    assert "does not fit (1 error, 0 warnings)" in read(html)


def test_too_many_weights_are_not_drawn(programs, monkeypatch):
    from nm_backends import plot_weights

    monkeypatch.setattr(plot_weights, "_MOST", 10)
    assert isinstance(programs["reckon"].network, Network)
    assert weight_map(programs["reckon"]) is None
    assert not programs["reckon"].plot()[1].axison
