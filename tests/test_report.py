"""``nmb report``: one page that says what is known of a program, and needs nothing else."""

import base64
import hashlib
import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import pairwise

import nir
import numpy as np
import pytest
from html_reader import read

import nm_backends as nmb
from nm_backends.errors import UserError
from nm_backends.history import Epoch, History
from nm_backends.report import comparison_page, gather, page, write_page
from nm_backends.report.sections import SECTIONS
from nm_backends.testing import conventions, random_model, random_spikes

CHIPS = ("odin", "reckon", "tinyodin")
LABELS = [0, 1, 2, 3, 0]


@pytest.fixture(scope="module")
def programs():
    model, spikes = random_model(0), random_spikes(1)
    return {c: nmb.compile(model, c, conventions(), calibrate=spikes) for c in CHIPS}


@pytest.fixture(scope="module")
def pages(programs):
    found = {c: gather(p, random_spikes(1), LABELS, sample=2) for c, p in programs.items()}
    return {chip: (one, page(one)) for chip, one in found.items()}


def pictures(html):
    """The SVG pictures of a page and what they are said to show."""
    found = re.findall(r'<img alt="([^"]*)" src="data:image/svg\+xml;base64,([^"]*)">', html)
    assert len(found) == html.count("<img")
    return [(text, ET.fromstring(base64.b64decode(data))) for text, data in found]


@pytest.mark.parametrize("chip", CHIPS)
def test_a_page_needs_no_network_no_script_and_no_other_file(pages, chip):
    _, html = pages[chip]
    read(html)
    assert "<script" not in html
    outside = re.findall(r"(?:src|href)=[\"']?(?!#|data:)([^\"'> ]+)", html)
    assert outside == []
    assert not re.search(r"url\(|@import", html)
    assert html.startswith("<!doctype html>")
    assert 'name="viewport"' in html


@pytest.mark.parametrize("chip", CHIPS)
def test_the_verdict_comes_first_and_its_figures_are_those_of_the_run(pages, chip):
    found, html = pages[chip]
    header = read(re.search(r"<header>.*</header>", html, re.DOTALL).group())
    assert f"Fits {chip} (0 errors, " in header
    predicted = found.result.prediction
    assert f"{np.mean(predicted == LABELS):.1%}" in header
    assert f"{np.mean(found.reference.prediction == LABELS):.1%} in floating point" in header
    assert f"{np.mean(predicted == found.reference.prediction):.1%} of 5 samples" in header
    assert html.index("<header>") < html.index("<nav>") < html.index("<main>")


@pytest.mark.parametrize("chip", CHIPS)
def test_every_section_answers_its_question(pages, programs, chip):
    found, html = pages[chip]
    program, text = programs[chip], read(html)
    for key, title, _ in SECTIONS:
        assert (title in text) == (key != "learning")
        assert (f'href="#{key}"' in html) == (f'id="{key}"' in html) == (key != "learning")
    for finding in found.report:
        assert finding.code in text
        assert re.sub(r"\s+", " ", finding.message) in text
        assert f"what {finding.code} means" in text
    for r in program.resources:
        assert f"{r.name} {r.used:,} {r.available:,} {r.percent:.1f} %" in text
    for name, fit in program.fit.populations.items():
        assert f"{name} {fit.threshold.size} {fit.scale:.4g}" in text
    for name, spikes in found.result.layers.items():
        assert f"{name} {spikes.sum():,} {found.reference.layers[name].sum():,}" in text
    for estimate in (found.result.latency, found.result.energy):
        if estimate is not None:
            assert re.sub(r"\s+", " ", estimate.formula) in text
            assert estimate.source in text
    spec = nmb.chips()[chip]
    assert all(q.source in text and q.condition in text for q in spec.quantities.values())
    assert all(note in text for note in spec.notes)
    assert nmb.__version__ in text


@pytest.mark.parametrize("chip", CHIPS)
def test_pictures_say_in_words_what_they_show(pages, chip):
    texts = [text for text, _ in pictures(pages[chip][1])]
    assert len(texts) == 4
    assert texts[0].startswith("Heat map of the weights")
    assert "nodes: input, if1" in texts[0] or "if1" in texts[0]
    assert "sample 2" in texts[1]
    assert "membranes of" in texts[2]
    assert "how long the steps of sample 2 take" in texts[3]


@pytest.mark.parametrize("late", [False, True])
def test_steps_that_take_longer_than_they_last_are_named(programs, late):
    found = gather(programs["odin"], random_spikes(1), LABELS)
    seconds = np.full((20, 5), 1e-4)
    seconds[3, 2] = 2.5e-3 if late else 1e-4
    found.result.real_time = replace(found.result.real_time, step_seconds=seconds)
    html = page(found)
    text = read(re.search(r'<section id="pace">.*?</section>', html, re.DOTALL).group())
    assert ("step 3 of sample 2 0.0025 s 2.50" in text) == late
    assert ("1 of 100 steps take longer than they last" in text) == late
    assert ("None of 100 steps takes longer" in text) != late


def test_the_same_program_gives_the_same_page(programs):
    spikes = random_spikes(1)[:, :2]
    pair = [page(gather(programs["tinyodin"], spikes)) for _ in range(2)]
    assert pair[0] == pair[1]


def test_a_run_leaves_no_trace_in_the_program(programs):
    before = list(programs["odin"].report)
    gather(programs["odin"], random_spikes(1))
    assert list(programs["odin"].report) == before


def test_losses_are_counted_by_node(pages):
    found, html = pages["odin"]
    text = read(re.search(r'<section id="losses">.*?</section>', html, re.DOTALL).group())
    for node, counts in found.result.losses["saturated_low"].items():
        dropped = int(found.result.losses["dropped"][node].sum())
        assert f"{node} {dropped:,}" in text
        assert f"{int(counts.sum()):,}" in text


def test_without_spikes_the_page_says_what_is_missing(programs):
    html = page(gather(programs["tinyodin"]))
    text = read(html)
    assert text.count("Nothing was run: give input spikes") == 3
    assert "accuracy on the chip" not in text
    assert len(pictures(html)) == 1


def test_a_network_on_several_chips_shows_each(programs):
    system = nmb.compile(random_model(0), "tinyodin", conventions(), chips=2)
    html = page(gather(system, random_spikes(1)))
    texts = [text for text, _ in pictures(html)]
    assert "of chip 0" in texts[0]
    assert "of chip 1" in texts[1]
    assert "tinyodin, 2 parts" in read(html)


def test_a_learning_curve_is_shown_and_read_back():
    weights = np.array([3, 0, 5])
    epochs = [Epoch(0.5, weights, 0), Epoch(0.75, weights[::-1], 4, 1, None, -2)]
    history = History("odin", ("fc1",), epochs, options={"thetamem": 20})
    again = History.from_json(json.loads(json.dumps(history.to_json())))
    assert str(again) == str(history)
    assert again.to_json() == history.to_json()
    program = nmb.compile(random_model(0), "odin", conventions())
    html = page(gather(program, history=history))
    assert "How did learning go?" in read(html)
    assert "learning curve of fc1" in [text for text, _ in pictures(html)]
    for wrong in ([], {}, {**history.to_json(), "epochs": [{}]}):
        with pytest.raises(UserError, match="no history of learning"):
            History.from_json(wrong)


def test_a_chip_that_does_not_come_to_rest_is_told(programs, monkeypatch):
    from nm_backends.program import Program

    def stuck(*_, **__):
        raise UserError("odin does not come to rest", "say less")

    monkeypatch.setattr(Program, "run", stuck)
    html = page(gather(programs["odin"], random_spikes(1)))
    text = read(html)
    assert "Does not fit odin (1 error" in text
    assert text.count("odin does not come to rest") >= 3
    assert "class='bad'" in html


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": [1, 2]}, r"labels \[2\] for 5 samples"),
        ({"sample": 5}, "there is no sample 5"),
        ({"spikes": np.zeros((3, 2, 7))}, "7"),
    ],
)
def test_what_does_not_fit_is_refused(programs, options, message):
    with pytest.raises(UserError, match=message):
        gather(programs["odin"], **{"spikes": random_spikes(1), **options})


def test_a_page_is_written(programs, tmp_path):
    write_page(tmp_path / "page.html", programs["tinyodin"], random_spikes(1), LABELS)
    written = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "accuracy on the chip" in read(written)


def test_the_command_writes_a_page(nmb, programs, tmp_path):
    programs["tinyodin"].save(tmp_path / "p.nmb")
    np.savez(tmp_path / "in.npz", spikes=random_spikes(1), labels=LABELS)
    history = History("tinyodin", ("fc1",), [Epoch(0.5, np.ones(3, int), 0)])
    (tmp_path / "h.json").write_text(json.dumps(history.to_json()))
    command = ("report", "p.nmb", "-o", "p.html", "--input", "in.npz", "--history", "h.json")
    result = nmb(*command, "--sample", "1")
    assert result.exit_code == 0, result.output
    assert "written: p.html" in result.stdout
    text = read((tmp_path / "p.html").read_text(encoding="utf-8"))
    for name in ("p.nmb", "in.npz", "h.json"):
        assert f"{name} {hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()}" in text
    again = "nmb report p.nmb --output p.html --input in.npz --history h.json --sample 1"
    assert again in text
    assert nmb(*again.split()[1:]).exit_code == 0
    said = json.loads(nmb("report", "p.nmb", "-o", "p.html", "--json").stdout)
    assert said["ok"]
    assert said["output"] == "p.html"


def test_the_command_says_what_is_wrong(nmb, programs, tmp_path, monkeypatch):
    programs["tinyodin"].save(tmp_path / "p.nmb")
    (tmp_path / "h.json").write_text("{}")
    for more, words in (
        (("-o", "p.nmb"), "would overwrite the input"),
        (("-o", "p.html", "--history", "h.json"), "h.json: no history of learning"),
        (("-o", "p.html", "--history", "p.nmb"), "not readable"),
        (("-o", "p.html", "--input", "none.npz"), "no such file"),
    ):
        result = nmb("report", "p.nmb", *more)
        assert result.exit_code == 2, result.output
        assert words in result.output
    assert not (tmp_path / "p.html").exists()


def test_without_matplotlib_it_says_what_to_install(programs, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UserError) as raised:
        page(gather(programs["tinyodin"]))
    assert "nm-backends[plot]" in raised.value.hint


@pytest.fixture(scope="module")
def compared():
    chips = ["tinyodin", "reckon"]
    spikes = random_spikes(1)
    return nmb.compare(random_model(0), spikes, np.array(LABELS), chips, conventions(),
                       calibrate=spikes, progress=False)  # fmt: skip


def test_a_comparison_sets_chips_side_by_side(compared):
    html = comparison_page(compared)
    text = read(html)
    assert "Runs on tinyodin, reckon" in text
    assert "<script" not in html
    for chip in compared.chips.values():
        assert f"{chip.chip} {chip.accuracy:.1%} accuracy" in text
        assert all(one.code in text for one in chip.report)
        for r in chip.resources:
            assert f"{r.used:,} / {r.available:,}" in text
        assert re.sub(r"\s+", " ", chip.latency.formula) in text
    assert len(pictures(html)) == 2
    assert comparison_page(compared) == html
    assert "weights rounded by: if1" in read(compared._repr_html_())


def test_a_model_that_fits_nowhere_is_told(compared):
    from dataclasses import replace

    from nm_backends.rules import Diagnostic, Report

    broken = Diagnostic("ODIN001", "error", "too large")
    chips = {"odin": replace(compared["tinyodin"], chip="odin", program=None, accuracy=None,
                             decisions=None, report=Report("odin", "m", [broken]))}  # fmt: skip
    html = comparison_page(replace(compared, chips=chips))
    text = read(html)
    assert "Runs on none of the chips" in text
    assert "odin does not fit ODIN001" in text
    assert "too large" in text
    assert pictures(html) == []
    assert "too large" in read(replace(compared, chips=chips)._repr_html_())


def test_compare_writes_a_page(nmb, model_file, spike_file, tmp_path):
    command = f"compare {model_file} --chip tinyodin --spikes {spike_file} --report c.html"
    result = nmb(*command.split())
    assert result.exit_code == 0, result.output
    assert "written: c.html" in result.stdout
    text = read((tmp_path / "c.html").read_text(encoding="utf-8"))
    assert f"nmb {command}" in text
    assert hashlib.sha256(model_file.read_bytes()).hexdigest() in text
    assert "Runs on tinyodin" in text
    bare = nmb("compare", model_file, "--chip", "tinyodin", "--report", "bare.html", "--no-snap")
    assert bare.exit_code == 0, bare.output
    text = read((tmp_path / "bare.html").read_text(encoding="utf-8"))
    assert "nothing was run" in text
    assert "tinyodin fits one chip" in text
    assert "--report bare.html --no-snap" in text


def test_a_chip_that_computes_values_says_so(tmp_path):
    one = np.ones(3)
    nodes = {
        "input": nir.Input({"input": np.array([8])}),
        "a": nir.Linear(np.eye(3, 8)),
        "hidden": nir.IF(r=one, v_threshold=one),
        "b": nir.Linear(np.eye(3)),
        "out": nir.IF(r=one, v_threshold=one),
        "output": nir.Output({"output": np.array([3])}),
    }
    names = list(nodes)
    graph = nir.NIRGraph(nodes, list(pairwise(names)))
    program = nmb.compile(graph, "spoon", nmb.Discretisation(dt=1e-3, reset="zero", spike_cmp=">"))
    spikes = np.zeros((3, 2, 8), np.uint8)
    spikes[0] = 1
    text = read(page(gather(program, spikes)))
    assert "The layers of this chip hold values" in text
    assert "sum of values on the chip" in text
