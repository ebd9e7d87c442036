"""Studies: what is described, what runs, what is kept, and that it can be run again."""

import json
import re
import sqlite3
import sys

import numpy as np
import pytest
from study_cases import STUDY, learnable, write_study

import nm_backends as nmb
from nm_backends.errors import UserError
from nm_backends.study.axes import axis_of
from nm_backends.study.description import read_study
from nm_backends.study.recipe import trials
from nm_backends.study.reproduce import program_of
from nm_backends.study.sources import collect


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    path = write_study(folder)
    return path, nmb.sweep(path, engine="here")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("models = ", "model = "), "unknown 'model'.*did you mean models"),
        (('"odin"]', '"odni"]'), "chips: unknown chip 'odni'.*did you mean odin"),
        (("test = 20", "tests = 20"), r"\[samples\] has no 'tests'.*did you mean test"),
        (("test = 20", "test = 0"), r"\[samples\] test is 0, expected whole numbers, 1 or more"),
        (("dt = [1e-3, 2e-3]", "dt = -1"), r"\[discretisation\] dt is -1, expected seconds"),
        (("dt = [1e-3, 2e-3]", "reset = 'zeo'"), r"\[discretisation\] reset is 'zeo', expected"),
        (("dt = [1e-3, 2e-3]", "dt = []"), r"\[discretisation\] dt: an empty list"),
        (('"maxabs"', '"max"'), r"\[compile\] scale is 'max', expected 'auto' or 'maxabs'"),
        (('"maxabs"', '["maxabs", "maxabs"]'), r"\[compile\] scale: 'maxabs' stands twice"),
        (("count = 6", "count = 0"), r"seeds is .*, expected \{first = 0, count = 10\}"),
        (('test = "test.npz"', 'train = "test.npz"'), r"\[data\] has no 'test'"),
        (("[samples]", "[samples"), "not TOML"),
        (("[compile]", "[learn]\nepochs = 2\n[compile]"), r"\[learn\] has no 'layers'"),
        (
            ("[compile]", '[learn]\nlayers = ["fc"]\n[learn.odin]\nthetamen = 20\n[compile]'),
            r"\[learn.odin\] has no 'thetamen': odin does not learn with it.*did you mean thetamem",
        ),
        (
            ("[compile]", '[learn]\nlayers = ["fc"]\n[learn.options]\nrate = [1, 2]\n[compile]'),
            r"\[learn.options\] has no 'rate': odin does not learn with it.*known: bistability",
        ),
        (
            ("[compile]", '[learn]\nlayers = ["fc"]\n[learn.odin]\nthetamem = [9, 300]\n[compile]'),
            r"\[learn.odin\] thetamem is 300, with which odin cannot learn: .*, expected 0 to 255",
        ),
        (
            ("[compile]", '[learn]\nlayers = ["fc"]\n[learn.options]\nexcite = "@sed"\n[compile]'),
            r"\[learn.options\] excite is '@sed', with which odin cannot learn: .*expected 0 to 64",
        ),
        (
            ("[compile]", '[learn]\nlayers = ["fc"]\nepochs = {low = 0.5, high = 2}\n[compile]'),
            r"\[learn\] epochs is 0.5, expected 0",
        ),
        (("[compile]", "[assumptions.odin]\nx = 2\n[compile]"), r"\[assumptions.odin\] nothing"),
        (("[compile]", "[random]\nseed = 2\n[compile]"), r"\[random\] trials is None"),
        (("[compile]", "[tune]\ntrials = 2\n[compile]"), r"\[tune\] is \[\], expected maximise"),
        (("dt = [1e-3, 2e-3]", "dt = {low = 2, high = 1}"), "from 2 to 1 is no range"),
        (("test.npz", "best.npz"), "best.npz: no such file"),
        (("small.nir", "tall.nir"), "tall.nir: No such file"),
    ],
)
def test_what_is_wrong_in_a_description_is_named(tmp_path, change, words):
    path = write_study(tmp_path, STUDY.replace(*change))
    with pytest.raises(UserError) as raised:
        collect(read_study(path))
    text = f"{raised.value} {raised.value.hint}"
    assert re.search(words, text), text
    if "nir" not in words and "npz" not in words:
        assert str(path) in text


def test_a_value_that_only_some_combinations_allow_is_left_to_the_trials(tmp_path):
    odin = "[learn.odin]\nteacher = ['virtual', 'rows']\ninhibit = [0, 3]\n[compile]"
    text = STUDY.replace("[compile]", f"[learn]\nlayers = ['fc']\n{odin}")
    assert read_study(write_study(tmp_path, text)).learns == ("odin",)
    never = text.replace("['virtual', 'rows']", "'rows'")
    with pytest.raises(UserError, match=r"\[learn.odin\] inhibit is 3, with which odin cannot"):
        read_study(write_study(tmp_path, never))


def test_a_chips_own_option_stands_for_that_of_all(tmp_path):
    odin = "[learn.options]\nexcite = 99\n[learn.odin]\nexcite = {low = 1, high = 64}\n[compile]"
    text = STUDY.replace("[compile]", f"[learn]\nlayers = ['fc']\n{odin}")
    assert read_study(write_study(tmp_path, text)).learns == ("odin",)


def test_a_grid_has_all_combinations_and_every_row_is_there(done):
    _, results = done
    assert len(results.rows) == 2 * 6 * 2
    assert results.states == {"ok": 24}
    assert [row["number"] for row in results.rows] == list(range(24))
    assert {(r["chip"], r["discretisation.dt"], r["seed"]) for r in results.rows} == {
        (chip, dt, seed)
        for chip in ("tinyodin", "odin")
        for dt in (1e-3, 2e-3)
        for seed in range(6)
    }
    assert "tinyodin" in str(results)
    assert results.digest in str(results)


def test_a_row_is_what_the_shown_program_gives(done):
    path, results = done
    study = read_study(path)
    found = collect(study)
    trial = list(trials(study, found))[9]
    names = {}
    exec(program_of(study, found, trial), names)  # what a person would paste
    row = results.rows[9]
    test = np.load(path.parent / "test.npz")
    assert len(names["test_labels"]) == 20 < len(test["labels"])
    assert row["accuracy"] == np.mean(names["result"].prediction == names["test_labels"])
    assert row["sops"] == names["result"].counters["sops"].mean()
    assert row["latency"] == names["result"].latency.mean


def test_a_second_sweep_runs_nothing_and_a_larger_one_only_what_is_new(done):
    path, results = done
    again = nmb.sweep(path, engine="here")
    assert again.digest == results.digest
    assert again.sessions == {1: 24}
    path.write_text(STUDY.replace("count = 6", "count = 7"))
    larger = nmb.sweep(path, engine="here")
    path.write_text(STUDY)
    assert larger.sessions == {1: 24, 2: 4}
    assert nmb.sweep(path, engine="here").digest == results.digest


def test_other_tools_read_the_database(done, tmp_path):
    _, results = done
    with sqlite3.connect(results.database) as db:
        query = 'SELECT chip, avg(accuracy), max("discretisation.dt") FROM results GROUP BY chip'
        found = {chip: (mean, dt) for chip, mean, dt in db.execute(query)}
        resources = db.execute("SELECT resources FROM results").fetchone()[0]
    for chip, (mean, dt) in found.items():
        rows = [row["accuracy"] for row in results.rows if row["chip"] == chip]
        assert mean == pytest.approx(np.mean(rows))
        assert dt == 2e-3
    assert json.loads(resources)["neurons"][1] == 256
    results.save(tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text().count("\n") == 25
    with pytest.raises(UserError, match=r"csv or \.parquet"):
        results.save(tmp_path / "out.xls")


def test_pictures_are_drawn(done, tmp_path):
    _, results = done
    results.pareto(tmp_path / "pareto.png")
    results.parallel(tmp_path / "parallel.png")
    for name in ("pareto.png", "parallel.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_points_that_come_to_the_same_run_once(tmp_path):
    text = STUDY.replace("[samples]\ntest = 20\n", "").replace('["tinyodin", "odin"]', '"tinyodin"')
    results = nmb.sweep(write_study(tmp_path, text, samples=10), engine="here")
    assert len(results.rows) == 12
    assert results.sessions == {1: 2}  # all samples, no learning: a seed changes nothing
    assert len({row["key"] for row in results.rows}) == 2


def test_what_fails_is_a_row_that_says_why(tmp_path):
    write_study(tmp_path)
    study = {
        "models": {"small": tmp_path / "small.nir"},
        "chips": ["tinyodin"],
        "data": {"test": tmp_path / "test.npz"},
        "discretisation": {"dt": 1e-3, "reset": ["subtract", "none"]},
        "learn": {"layers": ["nowhere"], "epochs": 1},
    }
    results = nmb.sweep(study, tmp_path / "a.sqlite", engine="here")
    assert set(results.states) <= {"refused", "stopped"}
    assert not results.ok
    for row in results.rows:
        assert row["message"]
        assert row["accuracy"] is None
        assert bool(row["refused_by"]) == (row["status"] == "refused")


def test_a_chip_learns_with_options_of_its_own(tmp_path):
    graph, spikes, labels = learnable()
    study = {
        "models": {"net": graph},
        "chips": ["odin", "tinyodin"],
        "seeds": [0, 1],
        "data": {"test": (spikes, labels), "train": (spikes, labels)},
        "samples": {"train": 20},
        "discretisation": {"dt": 1e-3, "reset": "zero"},
        "learn": {"layers": ["fc"], "epochs": 2, "odin": {"thetamem": [20, 40]}},
    }
    results = nmb.sweep(study, tmp_path / "a.sqlite", engine="here")
    assert [row["chip"] for row in results.rows] == ["odin"] * 4 + ["tinyodin"] * 2
    for row in results.rows:
        assert row["status"] == "ok"
        if row["chip"] == "odin":
            assert row["epochs"] == 2
            assert len(json.loads(row["curve"])) == 3
            assert row["learn.odin.thetamem"] in (20, 40)
        else:
            assert row["epochs"] is None
            assert row["learn.odin.thetamem"] is None
    assert results.rows[0]["key"] != results.rows[1]["key"]
    assert results.rows[4]["key"] == results.rows[5]["key"]


def test_random_trials_stay_the_same_when_there_are_more(tmp_path):
    text = STUDY + "[random]\ntrials = {n}\nseed = 5\n"
    text = text.replace("dt = [1e-3, 2e-3]", "dt = {low = 1e-4, high = 1e-2, log = true}")
    chosen = []
    for n in (5, 9):
        study = read_study(write_study(tmp_path, text.replace("{n}", str(n))))
        chosen.append([trial.point for trial in trials(study, collect(study))])
    assert chosen[1][:5] == chosen[0]
    assert len({point["discretisation.dt"] for point in chosen[1]}) == 9
    assert all(1e-4 <= point["discretisation.dt"] <= 1e-2 for point in chosen[1])


def test_ranges_have_steps_of_a_grid():
    assert axis_of("x", {"low": 1, "high": 9, "steps": 3}, "x").values() == [1, 5, 9]
    logs = axis_of("x", {"low": 0.1, "high": 10.0, "steps": 3, "log": True}, "x").values()
    assert logs == pytest.approx([0.1, 1, 10])
    with pytest.raises(UserError, match="range without steps"):
        axis_of("x", {"low": 1, "high": 9}, "x").values()


def test_a_program_is_a_model_of_its_chip_alone(tmp_path):
    path = write_study(tmp_path)
    conventions = nmb.Discretisation(dt=1e-3)
    nmb.compile(tmp_path / "small.nir", "odin", conventions).save(tmp_path / "small.nmb")
    path.write_text(STUDY.replace('["small.nir"]', '["small.nmb"]'))
    study = read_study(path)
    points = list(trials(study, collect(study)))
    assert {trial.point["chip"] for trial in points} == {"odin"}
    assert len({trial.key for trial in points}) == 6  # dt is the program's
    path.write_text(STUDY.replace('["small.nir"]', '["small.nmb"]').replace(', "odin"', ""))
    with pytest.raises(UserError, match="a program of odin, chips are tinyodin"):
        collect(read_study(path))


def test_live_models_and_datasets_come_by_import(tmp_path):
    path = write_study(tmp_path)
    (tmp_path / "mine_of_study.py").write_text(
        "import nir, numpy as np, pathlib\nhere = pathlib.Path(__file__).parent\n"
        "def net():\n    return nir.read(here / 'small.nir')\n"
        "class Recordings:\n    sensor_size = None\n    def __iter__(self):\n"
        "        for n in range(5):\n"
        "            events = np.zeros(9, [('t', 'i8'), ('x', 'i2')])\n"
        "            events['t'], events['x'] = 1000 * np.arange(9), n\n"
        "            yield events, n % 3\n"
    )
    text = STUDY.replace('"small.nir"', '"mine_of_study:net"').replace(
        '"test.npz"', '"mine_of_study:Recordings"'
    )
    path.write_text(text.replace("test = 20", "test = 3").replace("count = 6", "count = 1"))
    results = nmb.sweep(path, engine="here")
    assert results.states == {"ok": 4}


def test_the_table_in_parquet_is_the_table(done, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    _, results = done
    results.save(tmp_path / "table.parquet")
    found = parquet.read_table(tmp_path / "table.parquet")
    assert found.column_names == list(results.rows[0])
    plain = [
        {k: json.dumps(v) if isinstance(v, list | dict) else v for k, v in row.items()}
        for row in results.rows
    ]
    assert found.to_pylist() == plain


def test_without_pyarrow_parquet_is_refused(done, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UserError, match=r"table.parquet: pyarrow is not installed") as raised:
        done[1].save(tmp_path / "table.parquet")
    assert "pip install" in str(raised.value.hint)
    assert not list(tmp_path.iterdir())
